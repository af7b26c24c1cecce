/* SPDX-License-Identifier: MIT */
/* Whether this user may build in a user namespace, which is how an image is built without root. */
#ifndef BMVM_IMAGE_USERNS_H
#define BMVM_IMAGE_USERNS_H

#include <stdbool.h>

struct error;
struct host;

/**
 * userns_has_range() - Whether a subuid or subgid file gives a user 65536 ids
 * @text:      the file: lines NAME:START:COUNT, NAME a user's name or number; others are skipped
 * @free_from: raised to the first id behind all ranges
 */
bool userns_has_range(const char *text, const char *user, unsigned long uid,
		      unsigned long *free_from);

/**
 * userns_check() - User namespaces allowed, and a range of 65536 user and group ids for this user
 *
 * Return: 0; -EPERM with the command that mends it in the hint.
 */
int userns_check(const struct host *host, struct error *err);

#endif
