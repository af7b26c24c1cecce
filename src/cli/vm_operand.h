/* SPDX-License-Identifier: MIT */
/* The one VM that a command is about: its name, or the beginning of it, as the first operand. */
#ifndef BMVM_CLI_VM_OPERAND_H
#define BMVM_CLI_VM_OPERAND_H

#include "cli/options.h"
#include "host/host.h"
#include "host/vmdir.h"

struct error;

/**
 * vm_operand() - Parse a command line that names one VM, and open it
 * @data:  the command's options
 * @host:  opened here
 * @rest:  what else there is
 *
 * Return: -1 all is well; else the exit code, with the error printed.
 */
int vm_operand(const struct cli_usage *usage, int argc, char **argv, void *data, struct host *host,
	       struct vmdir *vd, struct cli_rest *rest);

#endif
