/* SPDX-License-Identifier: MIT */
/*
 * "Did you mean ...?": the candidate nearest to a misspelt word.
 *
 * Distance is the number of inserted, removed, changed or swapped neighbouring characters; case
 * does not count, and '-' equals '_'. A word too far from everything gets no suggestion.
 */
#ifndef BMVM_BASE_SUGGEST_H
#define BMVM_BASE_SUGGEST_H

#include <stddef.h>

/**
 * struct suggest - A search under way
 * @word:     what was typed, borrowed
 * @best:     nearest candidate so far, borrowed; NULL when none is near enough
 * @distance: of @best
 */
struct suggest {
	const char *word;
	const char *best;
	size_t distance;
};

#define SUGGEST_INIT(typed)                                                                        \
	{                                                                                          \
		.word = (typed)                                                                    \
	}

/** suggest_distance() - Edit distance of two words, as the head of this file counts it. */
size_t suggest_distance(const char *a, const char *b);

/** suggest_try() - Look at one candidate (borrowed as long as @s is used); NULL is skipped. */
void suggest_try(struct suggest *s, const char *candidate);

#define SUGGEST_TEXT_SIZE 160

/**
 * suggest_text() - The end of an error message
 * @buf: SUGGEST_TEXT_SIZE bytes
 *
 * Return: @buf, holding `; did you mean "X"?`, or nothing when there is no @best.
 */
const char *suggest_text(const struct suggest *s, char *buf);

#endif
