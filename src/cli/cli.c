/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/suggest.h"
#include "cli/commands.h"

struct command {
	const char *name;
	const char *summary; /* NULL: not listed */
	int (*main)(int argc, char **argv);
};

static const struct command commands[] = {
	{ "run", "run a command in a throw-away VM", cmd_run },
	{ "check", "is this host ready? every check with its fix", cmd_check },
	{ "gpus", "the GPUs that could be passed to a VM", cmd_gpus },
	{ "ps", "live and preserved VMs", cmd_ps },
	{ "ssh", "log in to a VM, or run a command in it", cmd_ssh },
	{ "console", "attach to a VM's serial console", cmd_console },
	{ "logs", "what a VM's console and QEMU wrote", cmd_logs },
	{ "destroy", "destroy VMs and give back what they held", cmd_destroy },
	{ "recover", "undo what dead runs left behind", cmd_recover },
	{ "image", "build, import, list, verify and remove base images", cmd_image },
	{ "discover", "models of the MAD package in this folder", cmd_discover },
	{ "report", "pages made of performance files", cmd_report },
	{ "build", NULL, cmd_refused },
	{ "database", NULL, cmd_refused },
};

int cli_fail(const struct error *err, int code)
{
	log_failure(err);
	return code;
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

static int unknown_command(const char *name)
{
	struct suggest near = SUGGEST_INIT(name);
	char text[SUGGEST_TEXT_SIZE];
	struct error err = ERROR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		suggest_try(&near, commands[i].name);
	error_set(&err, EINVAL, "unknown %s \"%s\"%s", name[0] == '-' ? "option" : "command", name,
		  suggest_text(&near, text));
	if (near.best == NULL)
		error_hint(&err, 0, "bmvm --help lists the commands");
	return cli_fail(&err, EXIT_CODE_USAGE);
}

static int print_help(void)
{
	printf("Usage: bmvm COMMAND [options]\n\n"
	       "Runs one workload in a throw-away virtual machine and gives the host back as it "
	       "was.\n\n"
	       "Commands:\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (commands[i].summary != NULL)
			printf("  %-10s %s\n", commands[i].name, commands[i].summary);
	}
	printf("\nbmvm COMMAND --help tells more; bmvm --version prints the version.\n");
	return EXIT_CODE_OK;
}

static int print_version(void)
{
	printf("bmvm %s\n", BMVM_VERSION);
	return EXIT_CODE_OK;
}

/* `bmvm help [COMMAND]` is `bmvm [COMMAND] --help`. */
static int help_command(int argc, char **argv)
{
	char help[] = "--help";
	char *words[] = { NULL, help, NULL };
	const struct command *c;

	if (argc < 2)
		return print_help();
	c = find_command(argv[1]);
	if (c == NULL)
		return unknown_command(argv[1]);
	words[0] = argv[1];
	return c->main(2, words);
}

/* A full disk or a closed pipe behind stdout turns an answer into a failure. */
static int flush_answer(int code)
{
	struct error err = ERROR_INIT;

	if (fflush(stdout) == 0 && ferror(stdout) == 0)
		return code;
	if (errno == EPIPE)
		return code;
	error_errno(&err, "write to stdout");
	return cli_fail(&err, code != EXIT_CODE_OK ? code : EXIT_CODE_FAILED);
}

static int dispatch(int argc, char **argv)
{
	const struct command *c;

	if (argc < 2) {
		struct error err = ERROR_INIT;

		error_set(&err, EINVAL, "no command given");
		error_hint(&err, 0, "bmvm --help lists the commands");
		return cli_fail(&err, EXIT_CODE_USAGE);
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return print_help();
	if (strcmp(argv[1], "--version") == 0)
		return print_version();
	if (strcmp(argv[1], "help") == 0)
		return help_command(argc - 1, argv + 1);
	c = find_command(argv[1]);
	return c == NULL ? unknown_command(argv[1]) : c->main(argc - 1, argv + 1);
}

/*
 * A standard stream that is closed would become the first file opened here. In its place comes one
 * that reads as empty and cannot be written to, so that writing to it is an error, as it was.
 */
static void fill_standard_streams(void)
{
	for (int fd = 0; fd < 3; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) != fd)
			abort(); /* no /dev/null, or no descriptors: nothing can work */
	}
}

int cli_main(int argc, char **argv)
{
	fill_standard_streams();
	return flush_answer(dispatch(argc, argv));
}
