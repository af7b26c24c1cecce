/* SPDX-License-Identifier: MIT */
/*
 * Tags: how models are selected on the command line, in madengine's grammar. Pure: text in,
 * decisions out.
 *
 *   --tags VALUE    VALUE is tags with commas between them; several --tags add up
 *   WORD            models of that name, or with that tag; "all" is every model
 *   WORD:A=1:B      the same, with " --A 1 --B" appended to the model's arguments; every "=" in a
 *                   part becomes a blank
 *   SCOPE/WORD      (one slash, no colon) only among models whose name begins with "SCOPE/": those
 *                   with the tag WORD, the one named SCOPE/WORD, or for "all" each
 *
 * Blanks around tags and parts do not count, empty ones are dropped.
 */
#ifndef BMVM_WORKLOAD_TAG_H
#define BMVM_WORKLOAD_TAG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/strv.h"

struct error;

/* More are refused. */
#define TAGS_MAX 1000

/**
 * struct tag - One tag, all strings owned
 * @text:  as given, for messages
 * @name:  the model's name it selects; of SCOPE/WORD all of that
 * @word:  the tag it selects, or "all"
 * @scope: "SCOPE/" that the name must begin with, or NULL
 * @args:  to be appended to the model's arguments, each part with a leading blank; "" for nothing
 */
struct tag {
	char *text;
	char *name;
	char *word;
	char *scope;
	char *args;
};

/**
 * struct tag_list - Tags in order
 */
struct tag_list {
	struct tag *v;
	size_t n;
};

#define TAG_LIST_INIT                                                                              \
	{                                                                                          \
		.v = NULL                                                                          \
	}

/**
 * tag_list_parse() - Read the values of --tags
 * @values: borrowed
 * @ret:    end with tag_list_done(); @ret->n is 0 when there is no tag in them
 *
 * Return: 0; -EINVAL with tag and rule in @err (no word, no UTF-8, control characters); -E2BIG more
 * than TAGS_MAX; -ENOMEM.
 */
int tag_list_parse(const struct strv *values, struct tag_list *ret, struct error *err);

void tag_list_done(struct tag_list *list);

#define AUTO_TAG_LIST CLEANUP(tag_list_done)

/**
 * tag_selects() - Whether a tag selects a model
 * @name:    the model's
 * @has_tag: whether the model has the tag @tag->word
 */
bool tag_selects(const struct tag *tag, const char *name, bool has_tag);

/** tag_could_select() - Whether it may select any model whose name begins with @prefix ("D/"). */
bool tag_could_select(const struct tag *tag, const char *prefix);

#endif
