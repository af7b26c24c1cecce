/* SPDX-License-Identifier: MIT */
/*
 * The variables in a text that a user wrote for a shell, replaced without a shell. Pure.
 */
#ifndef BMVM_WORKLOAD_EXPAND_H
#define BMVM_WORKLOAD_EXPAND_H

#include <stdbool.h>

struct strv;

/**
 * expand_variables() - Put values for $NAME and ${NAME}, and HOME for a word's ~ or ~/
 * @text:      with '...', "..." and \ as in a POSIX shell
 * @environ_v: "NAME=VALUE", NULL-terminated; NULL: none
 * @masked:    VARIABLES_MASK for the values of secrets
 * @unset:     names without a value are added; they become nothing, as in a shell. NULL: not wanted
 *
 * What comes in is quoted, so that words_split() makes of the new text the words that a shell makes
 * of @text: outside quotes a value is split at its blanks, in "..." it is not. Everything else that
 * a shell would expand is left for words_split() to refuse; only *, ? and [ in a value are never
 * taken for a pattern.
 *
 * Return: owned by the caller; NULL without memory.
 */
char *expand_variables(const char *text, char *const *environ_v, bool masked, struct strv *unset);

#endif
