/* SPDX-License-Identifier: MIT */
/* A run of MAD models: their images are built and run with Docker in a throw-away VM. */
#ifndef BMVM_RUN_MODELS_H
#define BMVM_RUN_MODELS_H

#include "run/options.h"

struct mad_options;

/**
 * run_models() - Run the models that @options select, of the package in the current folder
 * @o: parsed and valid; its configuration is fitted to the host, and gets mounts for local data
 *
 * Prints what goes wrong itself. Return: exit code of the program, as madengine's: 0; 2 an image
 * did not build, or no such models; 3 a model failed, or the run did; 4 wrong arguments; 125 the
 * host could not be given back; 128+n ended by signal n.
 */
int run_models(struct run_options *o, const struct mad_options *options);

#endif
