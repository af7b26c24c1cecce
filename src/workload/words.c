/* SPDX-License-Identifier: MIT */
#include "workload/words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/strv.h"
#include "guest/script.h"

/* A word under way; @any: there is one, be it empty. */
struct splitter {
	const char *text;
	size_t pos;
	char *word;
	size_t len;
	bool any;
	const char *rule;
};

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* Whether the "$" here begins an expansion. */
static bool expands(const struct splitter *s)
{
	char next = s->text[s->pos + 1];

	return is_letter(next) || (next >= '0' && next <= '9') ||
	       (next != '\0' && strchr("{(@*#?-$!'\"", next) != NULL);
}

static void put(struct splitter *s, char c)
{
	s->word[s->len++] = c;
	s->any = true;
}

static bool fail(struct splitter *s, const char *rule)
{
	s->rule = rule;
	return false;
}

/* "$" and "`", which mean something outside '...' only; everything else is itself. */
static bool take_plain(struct splitter *s, bool quoted)
{
	char c = s->text[s->pos];

	if (c == '`')
		return fail(s, "a command is not run here; write its output");
	if (c == '$' && expands(s) && !(quoted && s->text[s->pos + 1] == '"') &&
	    !(quoted && s->text[s->pos + 1] == '\''))
		return fail(s,
			    "this is not expanded here, only $NAME and ${NAME} are; write the "
			    "value, or '$' in single quotes");
	put(s, c);
	s->pos++;
	return true;
}

static bool take_single(struct splitter *s)
{
	const char *end = strchr(s->text + s->pos + 1, '\'');

	if (end == NULL)
		return fail(s, "this quote is not closed");
	s->any = true;
	for (s->pos++; s->text + s->pos < end; s->pos++)
		put(s, s->text[s->pos]);
	s->pos++;
	return true;
}

static bool take_backslash(struct splitter *s, const char *special)
{
	char next = s->text[s->pos + 1];

	if (next == '\0')
		return fail(s, "nothing follows this backslash");
	s->pos += 2;
	if (next == '\n')
		return true;
	if (special != NULL && strchr(special, next) == NULL)
		put(s, '\\');
	put(s, next);
	return true;
}

static bool take_double(struct splitter *s)
{
	size_t start = s->pos++;

	s->any = true;
	while (s->text[s->pos] != '"') {
		bool ok;

		if (s->text[s->pos] == '\0') {
			s->pos = start;
			return fail(s, "this quote is not closed");
		}
		ok = s->text[s->pos] == '\\' ? take_backslash(s, "$`\"\\") : take_plain(s, true);
		if (!ok)
			return false;
	}
	s->pos++;
	return true;
}

static bool take_unquoted(struct splitter *s)
{
	char c = s->text[s->pos];

	if (strchr(";&|<>()", c) != NULL)
		return fail(s, "this is an operator to a shell; there is none here: quote it");
	if (!s->any && c == '#')
		return fail(s, "this begins a comment to a shell: quote it");
	if (!s->any && c == '~')
		return fail(s, "\"~\" is not expanded here; write the folder");
	if (c == '\'')
		return take_single(s);
	if (c == '"')
		return take_double(s);
	if (c == '\\')
		return take_backslash(s, NULL);
	return take_plain(s, false);
}

static void end_word(struct splitter *s, struct strv *ret)
{
	if (!s->any)
		return;
	s->word[s->len] = '\0';
	strv_add(ret, s->word);
	s->len = 0;
	s->any = false;
}

int words_split(const char *text, struct strv *ret, struct error *err)
{
	size_t len = strlen(text);
	AUTO_FREE char *word = NULL;
	struct splitter s = { .text = text };

	if (len > WORDS_TEXT_MAX)
		return error_set(err, EFBIG, "text of over %zu bytes", WORDS_TEXT_MAX);
	word = malloc(len + 1);
	if (word == NULL)
		return error_set(err, ENOMEM, "out of memory");
	s.word = word;
	while (text[s.pos] != '\0') {
		if (strchr(" \t\n", text[s.pos]) != NULL) {
			end_word(&s, ret);
			s.pos++;
		} else if (!take_unquoted(&s)) {
			return error_set(err, EINVAL, "byte %zu, %.20s: %s", s.pos + 1,
					 text + s.pos, s.rule);
		}
	}
	end_word(&s, ret);
	return strv_error(ret) < 0 ? error_set(err, ENOMEM, "out of memory") : 0;
}

void words_quote(FILE *out, const char *word)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789@%+=:,./_^-";

	if (word[0] != '\0' && word[strspn(word, plain)] == '\0')
		(void)fputs(word, out);
	else
		script_quote(out, word);
}

/* Ends a memory stream. */
static char *finish(FILE *out, char **text)
{
	bool bad = ferror(out) != 0;

	if (fclose(out) != 0 || bad) {
		free(*text);
		*text = NULL;
	}
	return *text;
}

char *words_quoted(const char *word)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return NULL;
	words_quote(out, word);
	return finish(out, &text);
}

char *words_text(char *const *argv)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return NULL;
	for (size_t i = 0; argv != NULL && argv[i] != NULL; i++) {
		if (i > 0)
			(void)fputc(' ', out);
		words_quote(out, argv[i]);
	}
	return finish(out, &text);
}
