/* SPDX-License-Identifier: MIT */
/* Bytes in, lines out: see frame.h. */
#include "qmp/frame.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A buffer that one large reply has blown up is given back once it is empty. */
#define KEEP_MAX ((size_t)64 * 1024)

void qmp_frame_init(struct qmp_frame *f, size_t max)
{
	*f = (struct qmp_frame){ .max = max };
}

void qmp_frame_done(struct qmp_frame *f)
{
	free(f->buf);
	qmp_frame_init(f, f->max);
}

/* Move what is left to the start of the buffer, or drop a large buffer with nothing left. */
static void compact(struct qmp_frame *f)
{
	size_t rest = f->tail - f->head;

	if (rest == 0 && f->size > KEEP_MAX) {
		qmp_frame_done(f);
		return;
	}
	if (f->head > 0 && rest > 0)
		memmove(f->buf, f->buf + f->head, rest);
	f->head = 0;
	f->tail = rest;
}

int qmp_frame_reserve(struct qmp_frame *f, char **ret_room, size_t *ret_size)
{
	compact(f);
	if (f->size - f->tail < QMP_FRAME_CHUNK) {
		size_t size = f->size + (f->size > QMP_FRAME_CHUNK ? f->size : QMP_FRAME_CHUNK);
		char *buf = realloc(f->buf, size);

		if (buf == NULL)
			return -ENOMEM;
		f->buf = buf;
		f->size = size;
	}
	*ret_room = f->buf + f->tail;
	*ret_size = f->size - f->tail;
	return 0;
}

void qmp_frame_commit(struct qmp_frame *f, size_t n)
{
	assert(n <= f->size - f->tail);
	f->tail += n;
}

int qmp_frame_next(struct qmp_frame *f, const char **ret_line, size_t *ret_len)
{
	size_t rest = f->tail - f->head;

	if (rest == 0)
		return 0;

	const char *line = f->buf + f->head;
	const char *newline = memchr(line + f->scanned, '\n', rest - f->scanned);
	size_t len = newline != NULL ? (size_t)(newline - line) : rest;

	if (len > f->max)
		return -EMSGSIZE;
	if (newline == NULL) {
		f->scanned = rest;
		return 0;
	}
	f->head += len + 1;
	f->scanned = 0;
	if (len > 0 && line[len - 1] == '\r')
		len--;
	*ret_line = line;
	*ret_len = len;
	return 1;
}

size_t qmp_frame_rest(const struct qmp_frame *f)
{
	return f->tail - f->head;
}
