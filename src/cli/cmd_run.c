/* SPDX-License-Identifier: MIT */
/*
 * bmvm run: madengine's options under the same names, and our own. Those that only make sense for
 * runs of MAD models say so when a command is run instead.
 */
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
#include "cli/config_options.h"
#include "cli/mad_options.h"
#include "cli/options.h"
#include "config/syntax.h"
#include "run/models.h"
#include "run/run.h"

#define WAIT_MAX    (30 * 86400)
#define TIMEOUT_MAX 31536000UL

/**
 * struct run_args - What was typed
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

static int out_of_memory(struct error *err)
{
	return error_set(err, ENOMEM, "out of memory");
}

/* char * at @at, owned: a text without control characters. */
static int copy_text(void *at, const struct cli_option *option, const char *value,
		     struct error *err)
{
	AUTO_FREE char *copy = strdup(value);
	int r = copy == NULL ? out_of_memory(err) : syntax_text(&copy, err);

	(void)option;
	if (r < 0)
		return r;
	free(*(char **)at);
	*(char **)at = TAKE_PTR(copy);
	return 0;
}

static int set_name(void *at, const struct cli_option *option, const char *value, struct error *err)
{
	if (!syntax_is_vm_name(value))
		return error_set(
			err, EINVAL,
			"must be small letters, digits and inner '-', at most %d, not \"%.80s\"",
			SYNTAX_VM_NAME_MAX, value);
	return copy_text(at, option, value, err);
}

/* Written by the guardian, which has another current folder: made absolute here. */
static int set_receipt(void *at, const struct cli_option *option, const char *value,
		       struct error *err)
{
	AUTO_FREE char *here = NULL;
	AUTO_FREE char *path = NULL;

	if (value[0] != '/' && value[0] != '\0') {
		here = getcwd(NULL, 0);
		if (here == NULL)
			return error_errno(err, "current folder");
		path = path_join(here, value);
		if (path == NULL)
			return out_of_memory(err);
	}
	return copy_text(at, option, path != NULL ? path : value, err);
}

/* madengine: -1 is the default, 0 no limit; a command has no limit by default. */
static int set_timeout(void *at, const struct cli_option *option, const char *value,
		       struct error *err)
{
	struct run_args *a = at;
	unsigned long seconds = 0;
	char *end = NULL;

	(void)option;
	errno = 0;
	if (value[0] >= '0' && value[0] <= '9')
		seconds = strtoul(value, &end, 10);
	if (strcmp(value, "-1") != 0 &&
	    (end == NULL || *end != '\0' || errno != 0 || seconds > TIMEOUT_MAX))
		return error_set(
			err, EINVAL,
			"must be seconds from 0 (no limit) to %lu, or -1 for the default, not "
			"\"%.80s\"",
			TIMEOUT_MAX, value);
	a->o.timeout_s = (unsigned int)seconds;
	a->mad.timeout = value[0] == '-' ? -1 : (int64_t)seconds;
	return 0;
}

static int add_env(void *at, const struct cli_option *option, const char *value, struct error *err)
{
	struct strv *env = at;
	size_t n = strcspn(value, "=");
	const char *mine;

	(void)option;
	if (!syntax_is_env_name(value, n))
		return error_set(
			err, EINVAL,
			"must be NAME=VALUE or NAME (letters, digits and '_', no digit first), "
			"not \"%.80s\"",
			value);
	if (value[n] == '=') {
		strv_add(env, value);
		return strv_error(env);
	}
	mine = getenv(value);
	if (mine == NULL)
		return error_set(err, EINVAL, "%.80s is not set in the environment here", value);
	strv_addf(env, "%s=%s", value, mine);
	return strv_error(env);
}

static int add_copy_in(void *at, const struct cli_option *option, const char *value,
		       struct error *err)
{
	struct run_options *o = at;
	const char *colon = strrchr(value, ':');
	struct copy_in *bigger;

	(void)option;
	if (colon == NULL || colon == value || colon[1] == '\0')
		return error_set(err, EINVAL, "must be SRC:DST, not \"%.80s\"", value);
	bigger = realloc(o->copy_in, (o->n_copy_in + 1) * sizeof(*bigger));
	if (bigger == NULL)
		return out_of_memory(err);
	o->copy_in = bigger;
	bigger[o->n_copy_in] = (struct copy_in){
		.host = strndup(value, (size_t)(colon - value)),
		.guest = strdup(colon + 1),
	};
	o->n_copy_in++;
	if (bigger[o->n_copy_in - 1].host == NULL || bigger[o->n_copy_in - 1].guest == NULL)
		return out_of_memory(err);
	return 0;
}

static int set_help_config(void *at, const struct cli_option *option, const char *value,
			   struct error *err)
{
	(void)option;
	if (value != NULL && strcmp(value, "markdown") != 0)
		return error_set(err, EINVAL, "takes no value, or \"markdown\", not \"%.80s\"",
				 value);
	*(const char **)at = value != NULL ? value : "";
	return 0;
}

#define AT(member) offsetof(struct run_args, member)

static const struct cli_option options[] = {
	{ .kind = OPTION_TITLE, .help = "Configuration" },
	CONFIG_OPTION_ROWS(AT(config)),
	{ .name = "preserve",
	  .kind = OPTION_CALL_OPTIONAL,
	  .offset = AT(config),
	  .apply = config_option_preserve,
	  .value = "on-failure",
	  .help = "keep the VM until bmvm destroy, always or only after a failure" },
	{ .name = "collect",
	  .kind = OPTION_CALL,
	  .offset = AT(config),
	  .apply = config_option_set,
	  .value = "GLOB",
	  .key = "results.collect",
	  .help = "bring out files that match, relative to the workdir; may be repeated" },
	{ .name = "help-config",
	  .kind = OPTION_CALL_OPTIONAL,
	  .offset = AT(help_config),
	  .apply = set_help_config,
	  .value = "markdown",
	  .help = "print all keys and their defaults" },
	{ .kind = OPTION_TITLE, .help = "Command" },
	{ .name = "name",
	  .kind = OPTION_CALL,
	  .offset = AT(o.name),
	  .apply = set_name,
	  .value = "NAME",
	  .help = "the VM's name; one is made up" },
	{ .name = "timeout",
	  .kind = OPTION_CALL,
	  .offset = 0,
	  .apply = set_timeout,
	  .value = "S",
	  .help = "end the command after S seconds; 0 is no limit (default -1: none for "
		  "a command)" },
	{ .name = "env",
	  .kind = OPTION_CALL,
	  .offset = AT(o.env),
	  .apply = add_env,
	  .value = "NAME[=VALUE]",
	  .help = "set a variable for the command, without VALUE as it is here; may be repeated" },
	{ .name = "workdir",
	  .kind = OPTION_CALL,
	  .offset = AT(o.workdir),
	  .apply = copy_text,
	  .value = "FOLDER",
	  .help = "run the command there (default: the user's home)" },
	{ .name = "copy-in",
	  .kind = OPTION_CALL,
	  .offset = AT(o),
	  .apply = add_copy_in,
	  .value = "SRC:DST",
	  .help = "copy a file or folder into the guest; may be repeated" },
	{ .name = "tty",
	  .kind = OPTION_FLAG,
	  .offset = AT(tty),
	  .help = "give the command a terminal (default: if all three streams are one)" },
	{ .name = "no-tty", .kind = OPTION_FLAG, .offset = AT(no_tty), .help = "never" },
	{ .name = "wait",
	  .kind = OPTION_NUMBER,
	  .offset = AT(o.wait_s),
	  .max = WAIT_MAX,
	  .value = "S",
	  .help = "wait up to S seconds for devices that others use (default 0)" },
	{ .name = "receipt",
	  .kind = OPTION_CALL,
	  .offset = AT(o.receipt),
	  .apply = set_receipt,
	  .value = "FILE",
	  .help = "write the receipt there too" },
	{ .name = "dry-run",
	  .kind = OPTION_FLAG,
	  .offset = AT(o.dry_run),
	  .help = "print what would be done and touch nothing" },
	{ .name = "json",
	  .kind = OPTION_FLAG,
	  .offset = AT(o.json),
	  .help = "with --dry-run: as JSON" },
	{ .name = "quiet",
	  .letter = 'q',
	  .kind = OPTION_FLAG,
	  .offset = AT(o.quiet),
	  .help = "only warnings and errors" },
	{ .name = "verbose",
	  .letter = 'v',
	  .kind = OPTION_FLAG,
	  .offset = AT(o.verbose),
	  .help = "more messages" },
	{ .kind = OPTION_TITLE,
	  .help = "MAD models, as madengine runs them (with a command they do nothing)" },
	MAD_OPTION_ROWS(AT(mad)),
};

static const struct cli_usage usage = {
	.command = "run",
	.synopsis = "[options] -- CMD [ARG...]",
	.about = "Runs CMD in a fresh VM, connected to stdin, stdout and stderr, then destroys the "
		 "VM\n"
		 "and verifies that the host is as it was. Ends with CMD's exit code; 124: timed "
		 "out,\n"
		 "125: bmvm failed, 128+n: signal n.",
	.options = options,
	.n_options = ARRAY_SIZE(options),
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

static bool has_models(const struct run_args *a)
{
	return a->mad.tags.n > 0 || a->mad.manifest != NULL;
}

static int check_words(const struct run_args *a, const struct cli_rest *rest, struct error *err)
{
	const char *mad_option = a->mad.tags.n > 0 ? "--tags" : "--manifest-file";
	bool mad = has_models(a);

	if (rest->n > 0) {
		int r = options_no_operands(&usage, rest, err);

		return error_hint(err, r, "the command goes behind --: bmvm run -- %.200s ...",
				  rest->v[0]);
	}
	if (mad && rest->command != NULL)
		return error_set(err, EINVAL, "run: %s and a command (--) exclude each other",
				 mad_option);
	if (!mad && (rest->n_command == 0 || rest->command[0][0] == '\0')) {
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

/* madengine passes a VF of a GPU unless it is told otherwise. */
static int use_madengines_default(struct config *cfg, struct error *err)
{
	int r;

	if (config_explicit(cfg, "gpu_passthrough.mode"))
		return 0;
	r = config_set(cfg, "gpu_passthrough.mode", "sriov", "--tags", err);
	return r < 0 ? r : config_finish(cfg, err);
}

static int load(struct run_args *a, const struct cli_rest *rest, struct error *err)
{
	int r = check_words(a, rest, err);

	if (r == 0)
		r = check_receipt(a->o.receipt, a->config.file, err);
	if (r == 0)
		r = config_options_load(&a->config, &a->o.cfg, err);
	if (r < 0)
		return r;
	return has_models(a) ? use_madengines_default(&a->o.cfg, err) : 0;
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
	code = has_models(a) && rest.command == NULL ? EXIT_CODE_MAD_ARGUMENTS : EXIT_CODE_BMVM;
	r = load(a, &rest, &err);
	if (r < 0)
		return cli_fail(&err, code);
	if (a->tty || a->no_tty)
		a->o.tty = a->tty ? TTY_YES : TTY_NO;
	a->mad.context = a->config.file;
	if (has_models(a))
		return run_models(&a->o, &a->mad);
	say_unused(&a->mad);
	a->o.cmd = rest.command;
	a->o.n_cmd = rest.n_command;
	return run_command(&a->o);
}

int cmd_run(int argc, char **argv)
{
	struct run_args args = { .mad = MAD_OPTIONS_INIT };
	int code;

	config_init(&args.o.cfg);
	code = run(&args, argc, argv);
	run_options_done(&args.o);
	strv_done(&args.mad.tags);
	return code;
}
