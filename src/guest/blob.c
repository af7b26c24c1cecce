/* SPDX-License-Identifier: MIT */
#include "guest/blob.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

int blob_take(void *blob, const char *buf, size_t len, struct error *err)
{
	struct blob *b = blob;
	char *bigger;

	if (len > BLOB_MAX - b->len)
		return error_set(err, EFBIG, "the guest sends more than %zu bytes", BLOB_MAX);
	bigger = realloc(b->text, b->len + len + 1);
	if (bigger == NULL)
		return error_set(err, ENOMEM, "out of memory");
	b->text = bigger;
	memcpy(b->text + b->len, buf, len);
	b->len += len;
	b->text[b->len] = '\0';
	return 0;
}

int blob_init(struct blob *blob, struct error *err)
{
	*blob = (struct blob)BLOB_INIT;
	return blob_take(blob, "", 0, err);
}

void blob_done(struct blob *blob)
{
	free(blob->text);
	*blob = (struct blob)BLOB_INIT;
}
