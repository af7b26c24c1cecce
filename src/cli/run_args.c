/* SPDX-License-Identifier: MIT */
#include "cli/run_args.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "config/syntax.h"

#define WAIT_MAX    (30 * 86400)
#define TIMEOUT_MAX 31536000UL

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

const struct cli_option run_args_rows[] = {
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

_Static_assert(ARRAY_SIZE(run_args_rows) == RUN_ARGS_ROWS, "RUN_ARGS_ROWS is wrong");

void run_args_done(struct run_args *a)
{
	run_options_done(&a->o);
	strv_done(&a->mad.tags);
}

bool run_args_has_models(const struct run_args *a)
{
	return a->mad.tags.n > 0 || a->mad.manifest != NULL;
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

int run_args_configure(struct run_args *a, struct error *err)
{
	int r = config_options_load(&a->config, &a->o.cfg, err);

	if (r < 0)
		return r;
	return run_args_has_models(a) ? use_madengines_default(&a->o.cfg, err) : 0;
}
