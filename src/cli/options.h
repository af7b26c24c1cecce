/* SPDX-License-Identifier: MIT */
/*
 * Options of one command: a const table drives parsing, "did you mean" and --help.
 *
 * Accepted: --name VALUE, --name=VALUE, -n VALUE, -nVALUE, joined flags (-lv). Options and operands
 * may be mixed; "--" ends both and begins the command part. Long names are never abbreviated.
 */
#ifndef BMVM_CLI_OPTIONS_H
#define BMVM_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

struct error;
struct cli_option;

enum option_kind {
	OPTION_FLAG,          /* bool at @offset becomes true */
	OPTION_TEXT,          /* const char * at @offset, borrowed from argv; the last one wins */
	OPTION_LIST,          /* struct strv at @offset, appended to */
	OPTION_NUMBER,        /* unsigned int at @offset, @min..@max */
	OPTION_CALL,          /* @apply with the value */
	OPTION_CALL_FLAG,     /* @apply with NULL */
	OPTION_CALL_OPTIONAL, /* @apply with the value of --name=VALUE, else NULL */
	OPTION_TITLE,         /* no option: @help is a heading in the help text */
};

/**
 * option_apply_fn - What an OPTION_CALL* row does
 * @at:     the command's data at the row's @offset
 * @option: the row
 * @value:  borrowed from argv, or NULL
 *
 * Return: 0; -EINVAL with the rule in @err (the option's name is put before it by the parser).
 */
typedef int (*option_apply_fn)(void *at, const struct cli_option *option, const char *value,
			       struct error *err);

/**
 * struct cli_option - One row
 * @name:   long name without dashes; NULL in a OPTION_TITLE row
 * @letter: short name, or 0
 * @value:  what the help calls the value, "N"; NULL for a flag
 * @help:   one line
 * @key:    configuration key (config.h) it sets; the help then shows that key's default
 */
struct cli_option {
	const char *name;
	char letter;
	enum option_kind kind;
	size_t offset;
	unsigned int min, max;
	option_apply_fn apply;
	const char *value;
	const char *help;
	const char *key;
};

/**
 * struct cli_usage - A command's manual
 * @command:  "image build"
 * @synopsis: what follows the command's name, "[options] VM [-- CMD ARG...]"
 * @about:    a few lines, NULL for none
 * @options:  @n_options rows; --help/-h is understood without a row
 * @also:     @n_also rows of another command, taken but not in the help; @options go first. They
 *            refer to the same data.
 * @stop_at_operand: the first operand ends the options (commands with sub-commands)
 */
struct cli_usage {
	const char *command;
	const char *synopsis;
	const char *about;
	const struct cli_option *options;
	size_t n_options;
	const struct cli_option *also;
	size_t n_also;
	bool stop_at_operand;
};

/**
 * struct cli_rest - What the options left over; both parts borrowed from argv
 * @v, @n:             operands before "--" (with @stop_at_operand: all that was not looked at)
 * @command, @n_command: what follows "--", NULL-terminated; NULL when there was no "--"
 */
struct cli_rest {
	char **v;
	size_t n;
	char **command;
	size_t n_command;
};

/**
 * options_parse() - Read a command's arguments
 * @usage: the command
 * @argv:  argv[0] is the command's name; operands are moved together in place
 * @data:  the command's own struct, which the rows' offsets refer to
 * @rest:  filled unless -EINVAL
 *
 * Return: 0; 1 when --help was given and has been printed: the command ends with EXIT_CODE_OK;
 * -EINVAL with option and rule in @err; -ENOMEM.
 */
int options_parse(const struct cli_usage *usage, int argc, char **argv, void *data,
		  struct cli_rest *rest, struct error *err);

/** options_help() - Print a command's help on stdout. */
void options_help(const struct cli_usage *usage);

/** options_no_operands() - -EINVAL naming the first operand, if there is one. */
int options_no_operands(const struct cli_usage *usage, const struct cli_rest *rest,
			struct error *err);

#endif
