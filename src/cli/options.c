/* SPDX-License-Identifier: MIT */
#include "cli/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/strv.h"
#include "base/suggest.h"
#include "config/config.h"

#define HELP_COLUMN 34
#define HELP_WIDTH  64

/* The arguments under way: argv[@i] is looked at next. */
struct cursor {
	const struct cli_usage *usage;
	int argc;
	char **argv;
	int i;
	void *data;
};

static bool takes_value(const struct cli_option *o)
{
	return o->kind == OPTION_TEXT || o->kind == OPTION_LIST || o->kind == OPTION_NUMBER ||
	       o->kind == OPTION_CALL;
}

static size_t n_rows(const struct cli_usage *usage)
{
	return usage->n_options + usage->n_also;
}

static const struct cli_option *row(const struct cli_usage *usage, size_t i)
{
	return i < usage->n_options ? &usage->options[i] : &usage->also[i - usage->n_options];
}

static const struct cli_option *find_long(const struct cli_usage *usage, const char *name, size_t n)
{
	for (size_t i = 0; i < n_rows(usage); i++) {
		const struct cli_option *o = row(usage, i);

		if (o->name != NULL && strlen(o->name) == n && strncmp(o->name, name, n) == 0)
			return o;
	}
	return NULL;
}

static const struct cli_option *find_short(const struct cli_usage *usage, char letter)
{
	for (size_t i = 0; i < n_rows(usage); i++) {
		const struct cli_option *o = row(usage, i);

		if (o->name != NULL && o->letter == letter)
			return o;
	}
	return NULL;
}

static int set_number(unsigned int *at, const struct cli_option *o, const char *value,
		      struct error *err)
{
	unsigned long n = 0;
	char *end = NULL;

	errno = 0;
	if (value[0] >= '0' && value[0] <= '9')
		n = strtoul(value, &end, 10);
	if (end == NULL || *end != '\0' || errno != 0 || n < o->min || n > o->max)
		return error_set(err, EINVAL, "must be a whole number from %u to %u, not \"%s\"",
				 o->min, o->max, value);
	*at = (unsigned int)n;
	return 0;
}

static int apply(const struct cursor *c, const struct cli_option *o, const char *value,
		 struct error *err)
{
	void *at = (char *)c->data + o->offset;
	int r = 0;

	switch (o->kind) {
	case OPTION_FLAG:
		*(bool *)at = true;
		break;
	case OPTION_TEXT:
		*(const char **)at = value;
		break;
	case OPTION_LIST:
		strv_add(at, value);
		r = strv_error(at);
		break;
	case OPTION_NUMBER:
		r = set_number(at, o, value, err);
		break;
	case OPTION_CALL:
	case OPTION_CALL_FLAG:
	case OPTION_CALL_OPTIONAL:
		r = o->apply(at, o, value, err);
		break;
	case OPTION_TITLE:
		break;
	}
	return r < 0 ? error_prefix(err, r, "--%s", o->name) : 0;
}

static int unknown_option(const struct cursor *c, const char *name, size_t n, struct error *err)
{
	char word[64];
	struct suggest near = SUGGEST_INIT(word);
	char text[SUGGEST_TEXT_SIZE], best[72];

	(void)snprintf(word, sizeof(word), "%.*s", (int)(n < 60 ? n : 60), name);
	for (size_t i = 0; i < n_rows(c->usage); i++)
		suggest_try(&near, row(c->usage, i)->name);
	if (near.best != NULL) {
		(void)snprintf(best, sizeof(best), "--%s", near.best);
		near.best = best;
	}
	error_set(err, EINVAL, "unknown option \"--%s\"%s", word, suggest_text(&near, text));
	return error_hint(err, -EINVAL, "bmvm %s --help lists the options", c->usage->command);
}

static int parse_long(struct cursor *c, struct error *err)
{
	const char *name = c->argv[c->i] + 2;
	size_t n = strcspn(name, "=");
	const char *value = name[n] == '=' ? name + n + 1 : NULL;
	const struct cli_option *o = find_long(c->usage, name, n);

	if (o == NULL && n == 4 && strncmp(name, "help", n) == 0 && value == NULL)
		return 1;
	if (o == NULL)
		return unknown_option(c, name, n, err);
	if (value != NULL && (o->kind == OPTION_FLAG || o->kind == OPTION_CALL_FLAG))
		return error_set(err, EINVAL, "--%s takes no value", o->name);
	if (value == NULL && takes_value(o)) {
		if (c->i + 1 >= c->argc)
			return error_set(err, EINVAL, "--%s needs a value (%s)", o->name, o->value);
		value = c->argv[++c->i];
	}
	c->i++;
	return apply(c, o, value, err);
}

/* One argument of short options: flags, and at most one with a value as the last. */
static int parse_short(struct cursor *c, struct error *err)
{
	const char *arg = c->argv[c->i];

	for (const char *p = arg + 1; *p != '\0'; p++) {
		const struct cli_option *o = find_short(c->usage, *p);
		const char *value = p[1] != '\0' ? p + 1 : NULL;
		int r;

		if (o == NULL && *p == 'h')
			return 1;
		if (o == NULL) {
			error_set(err, EINVAL, "unknown option \"-%c\" in \"%s\"", *p, arg);
			return error_hint(err, -EINVAL, "bmvm %s --help lists the options",
					  c->usage->command);
		}
		if (!takes_value(o)) {
			r = apply(c, o, NULL, err);
			if (r < 0)
				return r;
			continue;
		}
		if (value == NULL && c->i + 1 >= c->argc)
			return error_set(err, EINVAL, "-%c needs a value (%s)", *p, o->value);
		if (value == NULL)
			value = c->argv[++c->i];
		c->i++;
		return apply(c, o, value, err);
	}
	c->i++;
	return 0;
}

static bool is_option(const char *arg)
{
	return arg[0] == '-' && arg[1] != '\0';
}

static void take_command(struct cursor *c, struct cli_rest *rest)
{
	rest->command = c->argv + c->i + 1;
	rest->n_command = (size_t)(c->argc - c->i - 1);
}

int options_parse(const struct cli_usage *usage, int argc, char **argv, void *data,
		  struct cli_rest *rest, struct error *err)
{
	struct cursor c = { .usage = usage, .argc = argc, .argv = argv, .i = 1, .data = data };

	*rest = (struct cli_rest){ .v = argv + 1 };
	while (c.i < argc) {
		char *arg = argv[c.i];
		int r;

		if (strcmp(arg, "--") == 0) {
			take_command(&c, rest);
			return 0;
		}
		if (!is_option(arg) && usage->stop_at_operand) {
			rest->v = argv + c.i;
			rest->n = (size_t)(argc - c.i);
			return 0;
		}
		if (!is_option(arg)) {
			rest->v[rest->n++] = arg;
			c.i++;
			continue;
		}
		r = arg[1] == '-' ? parse_long(&c, err) : parse_short(&c, err);
		if (r == 1)
			options_help(usage);
		if (r != 0)
			return r < 0 ? error_prefix(err, r, "%s", usage->command) : r;
	}
	return 0;
}

int options_no_operands(const struct cli_usage *usage, const struct cli_rest *rest,
			struct error *err)
{
	if (rest->n == 0)
		return 0;
	return error_set(err, EINVAL, "%s: unexpected argument \"%s\"", usage->command, rest->v[0]);
}

/* The help of an option, with the default of its key, broken at spaces. */
static void print_wrapped(const char *help, const char *key)
{
	const char *fallback = key != NULL ? config_default_text(key) : NULL;
	char text[512];
	const char *p = text;

	if (fallback != NULL) {
		size_t skip = *fallback == '"' ? 1 : 0;

		(void)snprintf(text, sizeof(text), "%s (default %.*s)", help,
			       (int)(strlen(fallback) - 2 * skip), fallback + skip);
	} else {
		(void)snprintf(text, sizeof(text), "%s", help);
	}
	while (strlen(p) > HELP_WIDTH) {
		size_t n = HELP_WIDTH;

		while (n > 1 && p[n] != ' ')
			n--;
		printf("%.*s\n%*s", (int)n, p, HELP_COLUMN, "");
		p += n + 1;
	}
	printf("%s\n", p);
}

static void print_option(const struct cli_option *o)
{
	char left[96];
	int n;

	if (o->kind == OPTION_TITLE) {
		printf("\n%s:\n", o->help);
		return;
	}
	n = snprintf(left, sizeof(left), "  %c%c%s--%s", o->letter != 0 ? '-' : ' ',
		     o->letter != 0 ? o->letter : ' ', o->letter != 0 ? ", " : "  ", o->name);
	if (o->value != NULL && n > 0 && (size_t)n < sizeof(left)) {
		bool optional = o->kind == OPTION_CALL_OPTIONAL;

		(void)snprintf(left + n, sizeof(left) - (size_t)n, optional ? "[=%s]" : " %s",
			       o->value);
	}
	if (strlen(left) < HELP_COLUMN)
		printf("%-*s", HELP_COLUMN, left);
	else
		printf("%s\n%*s", left, HELP_COLUMN, "");
	print_wrapped(o->help, o->key);
}

void options_help(const struct cli_usage *usage)
{
	printf("Usage: bmvm %s %s\n", usage->command, usage->synopsis);
	if (usage->about != NULL)
		printf("\n%s\n", usage->about);
	if (usage->n_options == 0 || usage->options[0].kind != OPTION_TITLE)
		printf("\nOptions:\n");
	for (size_t i = 0; i < usage->n_options; i++)
		print_option(&usage->options[i]);
	printf("%-*sthis text\n", HELP_COLUMN, "  -h, --help");
}
