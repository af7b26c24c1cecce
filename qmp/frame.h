/* SPDX-License-Identifier: MIT */
/*
 * Bytes in, lines out: QMP sends one JSON value per line (QEMU's `pretty=off`, the default).
 *
 * A frame buffer knows nothing of descriptors or JSON. The caller reserves room, fills it (recv,
 * memcpy), commits what came and takes whole lines until there are none. Bytes may come torn
 * anywhere. The size of one line is capped, so a peer that never sends a newline costs at most
 * about twice the cap.
 */
#ifndef QMP_FRAME_H
#define QMP_FRAME_H

#include <stddef.h>

/* The smallest room that qmp_frame_reserve() hands out. */
#define QMP_FRAME_CHUNK 4096

/**
 * struct qmp_frame - Receive buffer; fields are private to frame.c
 * @buf:     malloc'ed, or NULL while empty
 * @size:    bytes allocated
 * @head:    offset of the first byte not yet handed out
 * @tail:    offset after the last byte received
 * @scanned: bytes after @head known to hold no newline
 * @max:     cap on one line, without its newline
 */
struct qmp_frame {
	char *buf;
	size_t size;
	size_t head;
	size_t tail;
	size_t scanned;
	size_t max;
};

/**
 * qmp_frame_init() - Make an empty buffer
 * @f:   filled; allocates nothing yet
 * @max: most bytes in one line, its newline not counted
 */
void qmp_frame_init(struct qmp_frame *f, size_t max);

/**
 * qmp_frame_done() - Release the memory
 * @f: may be zeroed or already done; usable again afterwards, as if just initialised
 */
void qmp_frame_done(struct qmp_frame *f);

/**
 * qmp_frame_reserve() - Get room to receive into
 * @f:
 * @ret_room: borrowed, valid until the next call on @f
 * @ret_size: bytes available there, at least QMP_FRAME_CHUNK
 *
 * Lines taken before become invalid. Take all whole lines first, else the buffer grows beyond the
 * cap.
 *
 * Return: 0; -ENOMEM.
 */
int qmp_frame_reserve(struct qmp_frame *f, char **ret_room, size_t *ret_size);

/**
 * qmp_frame_commit() - Say how much of the reserved room was filled
 * @f:
 * @n: bytes, at most what was reserved
 */
void qmp_frame_commit(struct qmp_frame *f, size_t n);

/**
 * qmp_frame_next() - Take the next whole line
 * @f:
 * @ret_line: borrowed, valid until the next qmp_frame_reserve() or qmp_frame_done(); not
 *            NUL-terminated and may contain NULs
 * @ret_len:  its length without "\n" or "\r\n"
 *
 * Return: 1 a line was taken; 0 more bytes are needed; -EMSGSIZE the line is above the cap (the
 * buffer is then of no more use).
 */
int qmp_frame_next(struct qmp_frame *f, const char **ret_line, size_t *ret_len);

/**
 * qmp_frame_rest() - Bytes received that are not yet part of a line taken
 * @f:
 *
 * Return: their number.
 */
size_t qmp_frame_rest(const struct qmp_frame *f);

#endif
