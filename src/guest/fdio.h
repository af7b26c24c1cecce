/* SPDX-License-Identifier: MIT */
/*
 * Reading and writing descriptors that others share, without ever blocking and without changing
 * them: O_NONBLOCK belongs to the open file, so setting it on an inherited descriptor would change
 * the shell's terminal or a neighbour's end of a pipe.
 *
 * Pipes and terminals are opened anew through /proc/self/fd with O_NONBLOCK; sockets are used with
 * MSG_DONTWAIT; files and devices that are always ready are used plainly. Where a pipe cannot be
 * opened anew, at most PIPE_BUF bytes are written after poll() said there is room.
 */
#ifndef BMVM_GUEST_FDIO_H
#define BMVM_GUEST_FDIO_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum fdio_kind {
	FDIO_NONE,     /* no descriptor: reads end of file, swallows writes */
	FDIO_PLAIN,    /* always ready: regular file, block device, /dev/null */
	FDIO_REOPENED, /* our own non-blocking open file of the same pipe or terminal */
	FDIO_SOCKET,   /* MSG_DONTWAIT */
	FDIO_POLLED,   /* ask poll() before each call */
};

/**
 * struct fdio - One direction of one descriptor
 * @kind: how it is used
 * @fd:   what to poll; owned when @kind is FDIO_REOPENED, else borrowed
 */
struct fdio {
	enum fdio_kind kind;
	int fd;
};

#define FDIO_INIT                                                                                  \
	{                                                                                          \
		.kind = FDIO_NONE, .fd = -1                                                        \
	}

/** fdio_open() - Prepare @fd (-1 or closed: FDIO_NONE) for reading, or for @writing. */
void fdio_open(struct fdio *io, int fd, bool writing);

/** fdio_close() - Give up what fdio_open() made; the descriptor given to it stays open. */
void fdio_close(struct fdio *io);

/** fdio_is_ready_always() - Whether calls never return -EAGAIN, so that polling is useless. */
bool fdio_is_ready_always(const struct fdio *io);

/** fdio_read() - Return: bytes; 0 end of file; -EAGAIN; -errno. Never blocks on pipe peers. */
ssize_t fdio_read(const struct fdio *io, void *buf, size_t size);

/** fdio_write() - Return: bytes, maybe fewer than @len; -EAGAIN; -errno (SIGPIPE must be ignored).
 */
ssize_t fdio_write(const struct fdio *io, const void *buf, size_t len);

#endif
