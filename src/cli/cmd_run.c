/* SPDX-License-Identifier: MIT */
/* bmvm run. Options that only make sense for MAD models say so when a command is run instead. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/run_args.h"
#include "run/models.h"
#include "run/run.h"

static int out_of_memory(struct error *err)
{
	return error_set(err, ENOMEM, "out of memory");
}

static const struct cli_usage usage = {
	.command = "run",
	.synopsis = "[options] -- CMD [ARG...]",
	.about = "Runs CMD in a fresh VM, connected to stdin, stdout and stderr, then destroys the "
		 "VM\n"
		 "and verifies that the host is as it was. Ends with CMD's exit code; 124: timed "
		 "out,\n"
		 "125: bmvm failed, 128+n: signal n.",
	.options = run_args_rows,
	.n_options = RUN_ARGS_ROWS,
};

static bool is_mad_option(const char *arg)
{
	return strncmp(arg, "--tags", 6) == 0 || strncmp(arg, "--manifest-file", 15) == 0 ||
	       strncmp(arg, "-t", 2) == 0 || strncmp(arg, "-m", 2) == 0;
}

/* Which family of exit codes a mistake gets, known before the options are. */
static int usage_code(int argc, char *const *argv)
{
	bool mad = false;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--") == 0)
			return EXIT_CODE_BMVM;
		mad = mad || is_mad_option(argv[i]);
	}
	return mad ? EXIT_CODE_MAD_ARGUMENTS : EXIT_CODE_BMVM;
}

static int check_words(const struct run_args *a, const struct cli_rest *rest, struct error *err)
{
	const char *mad_option = a->mad.tags.n > 0 ? "--tags" : "--manifest-file";
	bool mad = run_args_has_models(a);

	if (rest->n > 0) {
		int r = options_no_operands(&usage, rest, err);

		return error_hint(err, r, "the command goes behind --: bmvm run -- %.200s ...",
				  rest->v[0]);
	}
	if (mad && rest->command != NULL)
		return error_set(err, EINVAL, "run: %s and a command (--) exclude each other",
				 mad_option);
	if (!mad &&
	    (rest->command == NULL || rest->n_command == 0 || rest->command[0][0] == '\0')) {
		int r = error_set(err, EINVAL, "run: no command given");

		return error_hint(err, r, "bmvm run -- CMD [ARG...], or --tags TAG for MAD models");
	}
	if (mad && (a->o.env.n > 0 || a->o.workdir != NULL || a->tty || a->no_tty)) {
		int r = error_set(err, EINVAL,
				  "run: --env, --workdir and --tty are for a command, not for %s",
				  mad_option);

		return error_hint(err, r, "models have the variables of docker_env_vars");
	}
	if (a->o.quiet && a->o.verbose)
		return error_set(err, EINVAL, "run: --quiet and --verbose exclude each other");
	if (a->tty && a->no_tty)
		return error_set(err, EINVAL, "run: --tty and --no-tty exclude each other");
	if (a->o.json && !a->o.dry_run)
		return error_set(err, EINVAL, "run: --json needs --dry-run");
	return 0;
}

/* The receipt replaces a file at the run's end; what is wrong with that is said before it. */
static int check_receipt(const char *path, const char *config, struct error *err)
{
	AUTO_FREE char *folder = NULL;
	struct stat st, other;
	int r;

	if (path == NULL)
		return 0;
	r = file_check_target_at(AT_FDCWD, path, err);
	if (r < 0)
		return error_prefix(err, r, "run: --receipt");
	if (config != NULL && stat(config, &other) == 0 && stat(path, &st) == 0 &&
	    st.st_dev == other.st_dev && st.st_ino == other.st_ino)
		return error_set(err, EINVAL,
				 "run: --receipt %s and --additional-context-file %s are one file",
				 path, config);
	folder = strndup(path, (size_t)(strrchr(path, '/') - path) + 1);
	if (folder == NULL)
		return out_of_memory(err);
	if (access(folder, W_OK | X_OK) < 0)
		return error_errno(err, "run: --receipt: folder %s", folder);
	return 0;
}

/* Options of madengine that a command has no use for. */
static void say_unused(const struct mad_options *o)
{
	AUTO_STRV struct strv unused = STRV_INIT;

	mad_options_given(o, &unused);
	for (size_t i = 0; i < unused.n; i++) {
		if (strcmp(unused.v[i], "live-output") == 0)
			log_info(
				"--live-output does nothing here: a command's output is always "
				"live");
		else
			log_warning("--%s does nothing here: it is for runs of MAD models",
				    unused.v[i]);
	}
}

static int load(struct run_args *a, const struct cli_rest *rest, struct error *err)
{
	int r = check_words(a, rest, err);

	if (r == 0)
		r = check_receipt(a->o.receipt, a->config.file, err);
	return r < 0 ? r : run_args_configure(a, err);
}

static int run(struct run_args *a, int argc, char **argv)
{
	struct error err = ERROR_INIT;
	struct cli_rest rest;
	int code = usage_code(argc, argv);
	int r = options_parse(&usage, argc, argv, a, &rest, &err);

	if (r < 0)
		return cli_fail(&err, code);
	if (r == 1)
		return EXIT_CODE_OK;
	if (a->help_config != NULL) {
		if (*a->help_config != '\0')
			config_describe_markdown(stdout);
		else
			config_describe(stdout);
		return EXIT_CODE_OK;
	}
	if (a->o.quiet)
		log_set_level(LOG_LEVEL_WARNING);
	if (a->o.verbose)
		log_set_level(LOG_LEVEL_DEBUG);
	code = run_args_has_models(a) && rest.command == NULL ? EXIT_CODE_MAD_ARGUMENTS
							      : EXIT_CODE_BMVM;
	r = load(a, &rest, &err);
	if (r < 0)
		return cli_fail(&err, code);
	if (a->tty || a->no_tty)
		a->o.tty = a->tty ? TTY_YES : TTY_NO;
	a->mad.context = a->config.file;
	if (run_args_has_models(a))
		return run_models(&a->o, &a->mad);
	say_unused(&a->mad);
	a->o.cmd = rest.command;
	a->o.n_cmd = rest.n_command;
	return run_command(&a->o);
}

int cmd_run(int argc, char **argv)
{
	AUTO_RUN_ARGS struct run_args args = RUN_ARGS_INIT;

	config_init(&args.o.cfg);
	return run(&args, argc, argv);
}
