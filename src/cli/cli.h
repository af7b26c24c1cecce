/* SPDX-License-Identifier: MIT */
/*
 * The command line: finds the command in a const table and hands the rest of the arguments over.
 *
 * stdout carries only answers (help asked for is one), everything else goes to stderr. A mistake
 * in the arguments is one line that names it, never a dump of the help.
 */
#ifndef BMVM_CLI_CLI_H
#define BMVM_CLI_CLI_H

struct error;

/* Exit codes of the program; `run` and `ssh` pass the workload's own code through. */
enum exit_code {
	EXIT_CODE_OK = 0,
	EXIT_CODE_FAILED = 1,
	EXIT_CODE_USAGE = 2,
	EXIT_CODE_MAD_INFRASTRUCTURE = 3, /* run or infrastructure failed in a run of MAD models */
	EXIT_CODE_MAD_ARGUMENTS = 4,      /* bad arguments or context of a run of MAD models */
	EXIT_CODE_TIMED_OUT = 124,
	EXIT_CODE_BMVM = 125, /* `run -- CMD`: this program failed, not CMD */
};

/**
 * cli_main() - Run the program
 * @argv: as main() got it; may be permuted
 *
 * Return: the exit code.
 */
int cli_main(int argc, char **argv);

/**
 * cli_fail() - Print an error, with its hint, as the end of a command
 * @err:  as filled by the failed call
 * @code: passed through
 *
 * Return: @code, so that `return cli_fail(&err, EXIT_CODE_FAILED)` ends a command.
 */
int cli_fail(const struct error *err, int code);

#endif
