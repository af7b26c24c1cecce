/* SPDX-License-Identifier: MIT */
/* The main job: one workload in one throw-away VM. */
#ifndef BMVM_RUN_RUN_H
#define BMVM_RUN_RUN_H

#include "run/options.h"

/**
 * run_command() - Run o->cmd in a fresh VM, bring out the results, remove everything
 * @o: parsed and valid; its configuration is fitted to the host in place
 *
 * Prints what goes wrong itself. stdin, stdout and stderr are connected to the workload.
 * Return: exit code of the program: the workload's own; 124 timed out; 125 bmvm failed, or the host
 * could not be given back; 128+n ended by signal n.
 */
int run_command(struct run_options *o);

#endif
