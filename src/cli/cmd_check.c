/* SPDX-License-Identifier: MIT */
/* `bmvm check`: is this host ready for runs with this configuration? */
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/json.h"
#include "cli/check_report.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/run_args.h"
#include "config/config.h"
#include "host/facts.h"
#include "host/host.h"
#include "host/ledger.h"
#include "run/readiness.h"

/** struct check_options - What was typed; @run is first, as the rows of its table expect */
struct check_options {
	struct run_args run;
	bool boot;
	bool json;
	bool quiet;
};

static void check_options_done(struct check_options *o)
{
	run_args_done(&o->run);
}

#define AUTO_CHECK_OPTIONS CLEANUP(check_options_done)

#define AT(member)         offsetof(struct check_options, member)

static const struct cli_option options[] = {
	CONFIG_OPTION_ROWS(AT(run.config)),
	{ .name = "boot",
	  .kind = OPTION_FLAG,
	  .offset = AT(boot),
	  .help = "also boot a kernel for some seconds: does KVM really run a guest here?" },
	{ .name = "json", .kind = OPTION_FLAG, .offset = AT(json), .help = "print JSON" },
	{ .name = "quiet",
	  .letter = 'q',
	  .kind = OPTION_FLAG,
	  .offset = AT(quiet),
	  .help = "print only what failed" },
};

static const struct cli_usage usage = {
	.command = "check",
	.synopsis = "[options] [-- CMD [ARG...]]",
	.about =
		"Looks at what a run with this configuration needs; says what is missing, why\n"
		"it matters, and the command that mends it. Only what the configuration needs\n"
		"can fail. Exit code: 0 ready, 1 not ready, 2 usage.\n"
		"All options of bmvm run are taken, and a command behind --: what asks nothing of\n"
		"the host is not looked at. With --tags or --manifest-file a virtual function of "
		"a\n"
		"GPU is needed, unless the configuration says otherwise.",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.also = run_args_rows,
	.n_also = RUN_ARGS_ROWS,
};

/* Runs @n rows of a table. Returns the line behind the last one. */
static struct check_line *run_rows(const struct check *rows, size_t n, const struct check_ctx *ctx,
				   struct check_line *line)
{
	for (size_t i = 0; i < n; i++, line++) {
		line->check = &rows[i];
		check_run(&rows[i], ctx, &line->result);
	}
	return line;
}

static int print_lines(const struct check_options *o, const struct check_line *lines, size_t n)
{
	if (o->json) {
		AUTO_JSON struct json_object *list = check_report_json(lines, n);

		printf("%s\n",
		       json_object_to_json_string_ext(
			       list, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	} else {
		check_report_table(stdout, lines, n, o->quiet);
	}
	return check_report_count(lines, n, CHECK_FAILED) > 0 ? EXIT_CODE_FAILED : EXIT_CODE_OK;
}

static int run_checks(const struct check_options *o, struct check_ctx *ctx)
{
	AUTO_FREE struct check_line *lines = NULL;
	size_t n_host, n_devices, n_more;
	const struct check *host_rows = host_checks(&n_host);
	const struct check *device_rows = device_checks(&n_devices);
	const struct check *more_rows = readiness_checks(o->boot, &n_more);
	struct check_line *end;

	lines = calloc(n_host + n_devices + n_more, sizeof(*lines));
	if (lines == NULL) {
		struct error err = ERROR_INIT;

		error_set(&err, ENOMEM, "out of memory");
		return cli_fail(&err, EXIT_CODE_FAILED);
	}
	end = run_rows(host_rows, n_host, ctx, lines);
	end = run_rows(device_rows, n_devices, ctx, end);
	(void)run_rows(more_rows, n_more, ctx, end);
	return print_lines(o, lines, n_host + n_devices + n_more);
}

static int check_host(const struct check_options *o, const struct config *cfg)
{
	AUTO_HOST struct host host = HOST_INIT;
	AUTO_HOST_FACTS struct host_facts facts = { 0 };
	AUTO_READINESS struct readiness readiness = { .image = { .name = NULL } };
	struct check_ctx ctx = { .host = &host, .facts = &facts, .cfg = cfg, .data = &readiness };
	struct error err = ERROR_INIT;

	if (host_open(&host, "", &err) < 0 || host_facts_read(&host, &facts, &err) < 0 ||
	    ledger_held(&host, LEDGER_MEMORY, NULL, &facts.mem_promised, &err) < 0)
		return cli_fail(&err, EXIT_CODE_FAILED);
	host_facts_find_tools(&facts, cfg->qemu_binary);
	readiness_read(&readiness, &host, cfg);
	return run_checks(o, &ctx);
}

int cmd_check(int argc, char **argv)
{
	AUTO_CHECK_OPTIONS struct check_options o = { .run = RUN_ARGS_INIT };
	struct cli_rest rest;
	struct error err = ERROR_INIT;
	int r;

	config_init(&o.run.o.cfg);
	r = options_parse(&usage, argc, argv, &o, &rest, &err);
	if (r > 0)
		return EXIT_CODE_OK;
	if (r == 0)
		r = options_no_operands(&usage, &rest, &err);
	if (r == 0)
		r = run_args_configure(&o.run, &err);
	return r < 0 ? cli_fail(&err, EXIT_CODE_USAGE) : check_host(&o, &o.run.o.cfg);
}
