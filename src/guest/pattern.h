/* SPDX-License-Identifier: MIT */
/*
 * Which names a guest may put into the results folder. Pure.
 */
#ifndef BMVM_GUEST_PATTERN_H
#define BMVM_GUEST_PATTERN_H

#include <stdbool.h>

struct error;

#define NAME_DEPTH_MAX 64

/**
 * pattern_check() - Check a pattern and bring it into its plain form
 * @ret: owned; without "./" in front and "/" behind; "" matches everything
 *
 * Return: 0; -EINVAL absolute, "..", "**", empty; -ENOMEM.
 */
int pattern_check(const char *pattern, char **ret, struct error *err);

/**
 * pattern_allows() - Whether a plain pattern asks for a name
 * @name: relative, plain
 *
 * The name, or a folder above it, must match: *, ? and [...] do not match "/" nor a leading dot.
 */
bool pattern_allows(const char *pattern, const char *name);

/**
 * name_refusal() - Why a name from the guest is not taken
 * @name: relative, plain ("./" in front removed)
 *
 * Refused are: absolute, "..", "." or an empty part; a part over 255 bytes; more than
 * NAME_DEPTH_MAX parts; control characters (C0, DEL, C1) and what is not UTF-8, as a terminal that
 * lists the folder might obey them. Return: the reason; NULL when it may be taken.
 */
const char *name_refusal(const char *name);

/** name_plain() - @name without "./" in front, borrowed. */
const char *name_plain(const char *name);

/** name_printable() - @name with everything odd as \xNN, owned; NULL without memory. */
char *name_printable(const char *name);

#endif
