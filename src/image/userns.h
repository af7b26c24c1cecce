/* SPDX-License-Identifier: MIT */
/* Whether this user may build in a user namespace, which is how an image is built without root. */
#ifndef BMVM_IMAGE_USERNS_H
#define BMVM_IMAGE_USERNS_H

struct error;
struct host;

/**
 * userns_check() - User namespaces allowed, and a range of 65536 user and group ids for this user
 *
 * Return: 0; -EPERM with the command that mends it in the hint.
 */
int userns_check(const struct host *host, struct error *err);

#endif
