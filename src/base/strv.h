/* SPDX-License-Identifier: MIT */
/*
 * A NULL-terminated vector of owned strings with a sticky error: additions after a failed one
 * do nothing, so a builder adds without checking and looks at strv_error() once, at the end.
 */
#ifndef BMVM_BASE_STRV_H
#define BMVM_BASE_STRV_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

/**
 * struct strv - The vector
 * @v: the strings, NULL behind the last one; NULL while empty
 * @n: how many
 * @r: 0, or -ENOMEM once an addition failed
 */
struct strv {
	char **v;
	size_t n;
	int r;
};

#define STRV_INIT                                                                                  \
	{                                                                                          \
		.v = NULL                                                                          \
	}

/** strv_add() - Append a copy of @s. */
void strv_add(struct strv *sv, const char *s);
/** strv_addf() - Append a formatted string. */
void strv_addf(struct strv *sv, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** strv_take() - Append @s and own it from now on, also on failure; NULL counts as -ENOMEM. */
void strv_take(struct strv *sv, char *s);
/** strv_add_all() - Append copies of a NULL-terminated array; NULL is an empty one. */
void strv_add_all(struct strv *sv, char *const *v);
/** strv_drop() - Free the string at @i and close the gap. */
void strv_drop(struct strv *sv, size_t i);
/** strv_error() - 0, or the -ENOMEM of the first addition that failed. */
int strv_error(const struct strv *sv);
/** strv_contains() - Whether @s is one of the strings. */
bool strv_contains(const struct strv *sv, const char *s);
/** strv_join() - All strings with @sep between them. Return: owned string, or NULL without memory.
 */
char *strv_join(const struct strv *sv, const char *sep);
/** strv_done() - Free the strings; @sv is empty and usable again. */
void strv_done(struct strv *sv);

#define AUTO_STRV CLEANUP(strv_done)

#endif
