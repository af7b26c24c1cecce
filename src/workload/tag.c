/* SPDX-License-Identifier: MIT */
#include "workload/tag.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/utf8.h"

#define BLANKS " \t\n\v\f\r"

static int no_memory(struct error *err)
{
	return error_set(err, ENOMEM, "--tags: out of memory");
}

/* A part of a text that is split, without the blanks around it. */
struct piece {
	const char *at;
	size_t n;
};

/* The piece from @text to the next @separator or the end. Return: where the rest begins. */
static const char *next_piece(const char *text, char separator, struct piece *ret)
{
	const char *end = strchrnul(text, separator);
	const char *rest = *end == '\0' ? end : end + 1;

	text += strspn(text, BLANKS);
	while (end > text && strchr(BLANKS, end[-1]) != NULL)
		end--;
	ret->at = text;
	ret->n = end > text ? (size_t)(end - text) : 0;
	return rest;
}

/* "a=1=2" as " --a 1 2" */
static void write_argument(FILE *f, const struct piece *p)
{
	(void)fputs(" --", f);
	for (size_t i = 0; i < p->n; i++)
		(void)fputc(p->at[i] == '=' ? ' ' : p->at[i], f);
}

/* Splits @text at colons. @word is the first part that is not empty. Return: the others; owned. */
static char *split_arguments(const char *text, struct piece *word)
{
	char *args = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&args, &len);

	if (f == NULL)
		return NULL;
	while (*text != '\0') {
		struct piece p;

		text = next_piece(text, ':', &p);
		if (p.n == 0)
			continue;
		if (word->n == 0)
			*word = p;
		else
			write_argument(f, &p);
	}
	if (fclose(f) != 0) {
		free(args);
		return NULL;
	}
	return args;
}

/* Return: the only slash of @text, if it is neither its first nor its last byte. */
static const char *scope_slash(const char *text)
{
	const char *slash = strchr(text, '/');

	if (slash == NULL || slash == text || slash[1] == '\0' || strchr(slash + 1, '/') != NULL)
		return NULL;
	return strchr(text, ':') == NULL ? slash : NULL;
}

static int fill(struct tag *tag, struct error *err)
{
	const char *slash = scope_slash(tag->text);
	struct piece word = { .n = 0 };

	tag->args = split_arguments(tag->text, &word);
	if (tag->args == NULL)
		return no_memory(err);
	if (word.n == 0)
		return error_set(err, EINVAL, "--tags: \"%s\" names no model and no tag",
				 tag->text);
	tag->name = strndup(word.at, word.n);
	tag->word = slash != NULL ? strdup(slash + 1) : strndup(word.at, word.n);
	if (slash != NULL)
		tag->scope = strndup(tag->text, (size_t)(slash - tag->text) + 1);
	if (tag->name == NULL || tag->word == NULL || (slash != NULL && tag->scope == NULL))
		return no_memory(err);
	return 0;
}

static int check_text(const char *value, struct error *err)
{
	size_t n = strlen(value);

	if (utf8_valid_length(value, n) < n)
		return error_set(err, EINVAL, "--tags: \"%s\" is not UTF-8", value);
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)value[i];

		if ((c < 0x20 && strchr(BLANKS, c) == NULL) || c == 0x7f)
			return error_set(err, EINVAL, "--tags: \"%s\" has a control character",
					 value);
	}
	return 0;
}

static void tag_done(struct tag *tag)
{
	free(tag->text);
	free(tag->name);
	free(tag->word);
	free(tag->scope);
	free(tag->args);
}

static int add_tag(struct tag_list *list, const struct piece *p, struct error *err)
{
	struct tag tag = { .text = strndup(p->at, p->n) };
	struct tag *v = NULL;
	int r = tag.text == NULL ? no_memory(err) : fill(&tag, err);

	if (r == 0 && list->n >= TAGS_MAX)
		r = error_set(err, E2BIG, "--tags: more than %d tags", TAGS_MAX);
	if (r == 0)
		v = reallocarray(list->v, list->n + 1, sizeof(*v));
	if (v == NULL) {
		tag_done(&tag);
		return r < 0 ? r : no_memory(err);
	}
	list->v = v;
	v[list->n++] = tag;
	return 0;
}

static int add_value(struct tag_list *list, const char *value, struct error *err)
{
	int r = check_text(value, err);

	while (r == 0 && *value != '\0') {
		struct piece p;

		value = next_piece(value, ',', &p);
		if (p.n > 0)
			r = add_tag(list, &p, err);
	}
	return r;
}

int tag_list_parse(const struct strv *values, struct tag_list *ret, struct error *err)
{
	struct tag_list list = TAG_LIST_INIT;

	for (size_t i = 0; i < values->n; i++) {
		int r = add_value(&list, values->v[i], err);

		if (r < 0) {
			tag_list_done(&list);
			return r;
		}
	}
	*ret = list;
	return 0;
}

void tag_list_done(struct tag_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		tag_done(&list->v[i]);
	free(list->v);
	*list = (struct tag_list)TAG_LIST_INIT;
}

bool tag_selects(const struct tag *tag, const char *name, bool has_tag)
{
	if (tag->scope != NULL && strncmp(name, tag->scope, strlen(tag->scope)) != 0)
		return false;
	return has_tag || strcmp(tag->word, "all") == 0 || strcmp(tag->name, name) == 0;
}

bool tag_could_select(const struct tag *tag, const char *prefix)
{
	return tag->scope == NULL || strcmp(tag->scope, prefix) == 0;
}
