/* SPDX-License-Identifier: MIT */
/*
 * Words as a POSIX shell sees them: splitting a text that a user wrote for one, without a shell,
 * and writing words so that a shell reads them back. Pure.
 */
#ifndef BMVM_WORKLOAD_WORDS_H
#define BMVM_WORKLOAD_WORDS_H

#include <stdbool.h>
#include <stdio.h>

struct error;
struct strv;

#define WORDS_TEXT_MAX ((size_t)64 * 1024)

/**
 * words_split() - The words of @text
 * @ret: appended to
 *
 * Blanks, tabs and newlines separate; '...', "..." and \ quote as in a POSIX shell; *, ? and [ stay
 * as they are, which is what a shell does when no file matches.
 *
 * Where a shell would do more than split, this refuses instead of passing on a text that nobody
 * meant: an unquoted ; & | < > ( ) or # at the start of a word, ~ there, and outside '...' each `
 * and each $ that begins an expansion (expand_variables() may have done those of variables before).
 * Return: 0; -EINVAL with the place (byte, from 1) and the rule; -EFBIG over WORDS_TEXT_MAX;
 * -ENOMEM.
 */
int words_split(const char *text, struct strv *ret, struct error *err);

/** words_quote() - Write @word, in quotes only where it has to be. */
void words_quote(FILE *out, const char *word);

/** words_quoted() - The same as an owned string; NULL without memory. */
char *words_quoted(const char *word);

/**
 * words_text() - A command as one line to be shown, or pasted into a shell
 * @argv: NULL-terminated; NULL: none
 *
 * Return: owned by the caller; NULL without memory.
 */
char *words_text(char *const *argv);

#endif
