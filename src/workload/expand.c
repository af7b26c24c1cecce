/* SPDX-License-Identifier: MIT */
#include "workload/expand.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strv.h"
#include "workload/variables.h"
#include "workload/words.h"

#define BLANKS " \t\n"

/* @bad: there was no memory for a part of it */
struct expansion {
	char *const *environ_v;
	bool masked;
	struct strv *unset;
	FILE *out;
	bool bad;
};

static const char *value_of(struct expansion *e, const char *name)
{
	const char *value = variables_environ(e->environ_v, name);

	if (value == NULL && e->unset != NULL && !strv_contains(e->unset, name))
		strv_add(e->unset, name);
	if (value == NULL)
		return "";
	return e->masked && variables_is_secret(name) ? VARIABLES_MASK : value;
}

static void put_in_quotes(struct expansion *e, const char *value)
{
	for (; *value != '\0'; value++) {
		if (strchr("$`\"\\", *value) != NULL)
			(void)fputc('\\', e->out);
		(void)fputc(*value, e->out);
	}
}

static void put_split(struct expansion *e, const char *value)
{
	while (*value != '\0') {
		size_t blanks = strspn(value, BLANKS);
		size_t n = strcspn(value + blanks, BLANKS);
		AUTO_FREE char *part = strndup(value + blanks, n);

		if (blanks > 0)
			(void)fputc(' ', e->out);
		if (part == NULL)
			e->bad = true;
		else if (n > 0)
			words_quote(e->out, part);
		value += blanks + n;
	}
}

static size_t name_length(const char *text)
{
	size_t n = 0;

	while (text[n] == '_' || isalpha((unsigned char)text[n]) ||
	       (n > 0 && isdigit((unsigned char)text[n])))
		n++;
	return n;
}

/* At a "$". Return: bytes of @text that are done; 0: no variable. */
static size_t put_variable(struct expansion *e, const char *text, bool quoted)
{
	size_t brace = text[1] == '{' ? 1 : 0;
	size_t n = name_length(text + 1 + brace);
	AUTO_FREE char *name = strndup(text + 1 + brace, n);

	if (n == 0 || (brace > 0 && text[1 + brace + n] != '}'))
		return 0;
	if (name == NULL)
		e->bad = true;
	else if (quoted)
		put_in_quotes(e, value_of(e, name));
	else
		put_split(e, value_of(e, name));
	return 1 + n + 2 * brace;
}

/* At a "~" that begins a word. */
static size_t put_home(struct expansion *e, const char *text)
{
	const char *home = variables_environ(e->environ_v, "HOME");

	if (home == NULL || strchr("/" BLANKS, text[1]) == NULL)
		return 0;
	words_quote(e->out, home);
	return 1;
}

/* Bytes that belong together: none of them begins a variable, opens or closes a quote. */
static size_t plain_length(const char *text, char quote)
{
	bool pair = quote != '\'' && (*text == '\\' || (*text == '$' && text[1] == '$'));

	return pair && text[1] != '\0' ? 2 : 1;
}

/* Which quote is open behind this byte, which none protects. */
static char quote_behind(char quote, char c)
{
	if (c != '\'' && c != '"')
		return quote;
	if (quote == '\0')
		return c;
	if (quote == c)
		return '\0';
	return quote;
}

static void expand(struct expansion *e, const char *text)
{
	char quote = '\0';
	bool begins = true;

	while (*text != '\0') {
		size_t n = 0;

		if (*text == '$' && quote != '\'')
			n = put_variable(e, text, quote == '"');
		else if (*text == '~' && quote == '\0' && begins)
			n = put_home(e, text);
		begins = quote == '\0' && strchr(BLANKS, *text) != NULL;
		if (n == 0) {
			n = plain_length(text, quote);
			(void)fwrite(text, 1, n, e->out);
			if (n == 1)
				quote = quote_behind(quote, *text);
		}
		text += n;
	}
}

char *expand_variables(const char *text, char *const *environ_v, bool masked, struct strv *unset)
{
	AUTO_FREE char *ret = NULL;
	size_t size;
	struct expansion e = { .environ_v = environ_v, .masked = masked, .unset = unset };

	e.out = open_memstream(&ret, &size);
	if (e.out == NULL)
		return NULL;
	expand(&e, text);
	if (ferror(e.out) != 0)
		e.bad = true;
	if (fclose(e.out) != 0 || e.bad)
		return NULL;
	return TAKE_PTR(ret);
}
