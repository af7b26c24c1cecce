/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target of the tar reader: whatever the bytes, the handler is called in order and gets
 * exactly the bytes each entry announced, and how the stream is cut into pieces changes nothing.
 *
 * The first byte tells the size of the pieces. So that more than the checksum is tried, every block
 * that says it is a header ("ustar") is given the right one.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "guest/tar.h"

#define MAGIC_AT    257
#define CHECKSUM_AT 148

/* What one reading told: enough to compare two of them. */
struct account {
	bool open;
	uint64_t left;
	uint64_t hash;
};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void add(struct account *a, const void *data, size_t len)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < len; i++)
		a->hash = (a->hash ^ p[i]) * UINT64_C(0x100000001b3);
}

static int on_entry(void *data, const struct tar_entry *e, struct error *err)
{
	struct account *a = data;

	(void)err;
	if (a->open || strlen(e->name) >= sizeof(e->name) || (e->kind != TAR_FILE && e->size != 0))
		abort();
	a->open = e->kind == TAR_FILE;
	a->left = e->size;
	add(a, e->name, strlen(e->name) + 1);
	add(a, &e->kind, sizeof(e->kind));
	add(a, &e->size, sizeof(e->size));
	add(a, &e->mode, sizeof(e->mode));
	return 0;
}

static int on_data(void *data, const char *buf, size_t len, struct error *err)
{
	struct account *a = data;

	(void)err;
	if (!a->open || len == 0 || len > a->left)
		abort();
	a->left -= len;
	add(a, buf, len);
	return 0;
}

static int on_end(void *data, struct error *err)
{
	struct account *a = data;

	(void)err;
	if (!a->open || a->left != 0)
		abort();
	a->open = false;
	add(a, "end", 3);
	return 0;
}

static const struct tar_handler handler = { .entry = on_entry, .data = on_data, .end = on_end };

static int read_in_pieces(const char *text, size_t len, size_t piece, struct account *a)
{
	struct tar_reader t;
	struct error err = ERROR_INIT;
	int r = 0;

	tar_reader_init(&t, &handler, a);
	for (size_t at = 0; at < len && r == 0; at += piece)
		r = tar_reader_feed(&t, text + at, len - at < piece ? len - at : piece, &err);
	if (r == 0)
		r = tar_reader_finish(&t, &err);
	if (r == 0 && a->open)
		abort(); /* sound, and yet a file is not complete */
	if ((r < 0) != (err.msg[0] != '\0'))
		abort();
	tar_reader_done(&t);
	return r;
}

static void mend_checksum(char *block)
{
	unsigned int sum = 0;
	char text[8];

	memset(block + CHECKSUM_AT, ' ', sizeof(text));
	for (size_t i = 0; i < TAR_BLOCK; i++)
		sum += (unsigned char)block[i];
	(void)snprintf(text, sizeof(text), "%06o", sum);
	memcpy(block + CHECKSUM_AT, text, sizeof(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct account whole = { .open = false }, cut = { .open = false };
	AUTO_FREE char *text = NULL;
	size_t len = size - 1;

	if (size < 2)
		return 0;
	text = malloc(len);
	if (text == NULL)
		return 0;
	memcpy(text, bytes + 1, len);
	for (size_t at = 0; at + TAR_BLOCK <= len; at += TAR_BLOCK) {
		if (memcmp(text + at + MAGIC_AT, "ustar", 5) == 0)
			mend_checksum(text + at);
	}
	if (read_in_pieces(text, len, len, &whole) !=
		    read_in_pieces(text, len, (size_t)bytes[0] + 1, &cut) ||
	    whole.hash != cut.hash)
		abort();
	return 0;
}
