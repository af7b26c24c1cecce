/* SPDX-License-Identifier: MIT */
/*
 * The line by which the job script says that it is about to become CMD: a random token and one
 * word, on the stream that otherwise carries CMD's stderr (or its terminal). It is found and taken
 * out; what a login shell wrote before it is kept, what comes after it is CMD's.
 */
#ifndef BMVM_GUEST_MARKER_H
#define BMVM_GUEST_MARKER_H

#include <stdbool.h>
#include <stddef.h>

struct error;

#define MARKER_TOKEN_SIZE  40
#define MARKER_PRELUDE_MAX ((size_t)32 * 1024)

/**
 * struct marker - The search
 * @token:   what to look for
 * @word:    the word behind it, once @found
 * @prelude: what came before the line, @prelude_len bytes; before it is found everything so far
 */
struct marker {
	char token[MARKER_TOKEN_SIZE];
	char word[32];
	bool found;
	char *prelude;
	size_t prelude_len;
};

#define MARKER_INIT                                                                                \
	{                                                                                          \
		.found = false                                                                     \
	}

/** marker_init() - Make up a token. Return: 0, -ENOMEM, or the errno of getrandom(). */
int marker_init(struct marker *m, struct error *err);

/** marker_done() - Free. */
void marker_done(struct marker *m);

/**
 * marker_feed() - Look into the next bytes
 * @used: how many of them were taken; the rest, once @found, is CMD's
 *
 * Return: 0; -EPROTO when the prelude grows over MARKER_PRELUDE_MAX.
 */
int marker_feed(struct marker *m, const char *buf, size_t len, size_t *used);

#endif
