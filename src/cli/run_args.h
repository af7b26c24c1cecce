/* SPDX-License-Identifier: MIT */
/*
 * What `bmvm run` takes: madengine's options under the same names, and our own. `bmvm check` takes
 * them, too, as it is to be told of a run what that will be told.
 */
#ifndef BMVM_CLI_RUN_ARGS_H
#define BMVM_CLI_RUN_ARGS_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "cli/config_options.h"
#include "cli/mad_options.h"
#include "cli/options.h"
#include "run/options.h"

struct error;

/**
 * struct run_args - What was typed; o.cfg is to be initialised with config_init()
 * @mad:         of a run of MAD models
 * @help_config: NULL, "" or "markdown"
 */
struct run_args {
	struct config_options config;
	struct run_options o;
	struct mad_options mad;
	const char *help_config;
	bool tty, no_tty;
};

#define RUN_ARGS_INIT                                                                              \
	{                                                                                          \
		.mad = MAD_OPTIONS_INIT                                                            \
	}

/* All rows, for a struct run_args. */
#define RUN_ARGS_ROWS 46
extern const struct cli_option run_args_rows[RUN_ARGS_ROWS];

/** run_args_done() - Free everything. */
void run_args_done(struct run_args *a);

#define AUTO_RUN_ARGS CLEANUP(run_args_done)

/** run_args_has_models() - Whether MAD models are to be run, and no command. */
bool run_args_has_models(const struct run_args *a);

/**
 * run_args_configure() - Make o.cfg of the options
 *
 * With models, what madengine's default is. Return: as config_options_load().
 */
int run_args_configure(struct run_args *a, struct error *err);

#endif
