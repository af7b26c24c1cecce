/* SPDX-License-Identifier: MIT */
/* What a helper command in the guest wrote, kept in memory up to a cap. Not for users of src/guest.
 */
#ifndef BMVM_GUEST_BLOB_H
#define BMVM_GUEST_BLOB_H

#include <stddef.h>

struct error;

#define BLOB_MAX ((size_t)1024 * 1024)

/** struct blob - The bytes, NUL-terminated; owned, NULL before blob_init() */
struct blob {
	char *text;
	size_t len;
};

#define BLOB_INIT                                                                                  \
	{                                                                                          \
		.text = NULL                                                                       \
	}

/** blob_init() - Make it the empty string. Return: 0, -ENOMEM. */
int blob_init(struct blob *blob, struct error *err);

/** blob_take() - For struct guest_pipe: append. Return: 0; -EFBIG over BLOB_MAX; -ENOMEM. */
int blob_take(void *blob, const char *buf, size_t len, struct error *err);

/** blob_done() - Free. */
void blob_done(struct blob *blob);

#endif
