/* SPDX-License-Identifier: MIT */
/*
 * The transport under a QMP connection: a stream socket from which lines are read and to which one
 * text at a time is written, both without ever blocking.
 *
 * A link knows nothing of JSON, ids or deadlines, and does not wait.
 */
#ifndef QMP_LINK_H
#define QMP_LINK_H

#include <stdbool.h>
#include <stddef.h>

#include "qmp/error.h"
#include "qmp/frame.h"

/**
 * struct qmp_link - One socket with its buffers; fields are private to link.c but for @in
 * @fd:           owned; -1 once closed
 * @in:           what was received; take its lines after each qmp_link_pump()
 * @text:         what is still to be written, owned; NULL while there is nothing
 * @len:          its length
 * @sent:         how much of it is written
 * @pass_fd:      borrowed descriptor that goes with its first byte; -1 for none, and from then on
 * @is_peer_deaf: writing failed; reading what is left will find the end
 */
struct qmp_link {
	int fd;
	struct qmp_frame in;
	char *text;
	size_t len;
	size_t sent;
	int pass_fd;
	bool is_peer_deaf;
};

/**
 * qmp_link_open() - Take a socket over
 * @link:     filled also on failure; release it with qmp_link_close()
 * @fd:       connected stream socket; taken over on success AND failure, set close-on-exec
 * @line_max: cap on one received line, in bytes
 * @err:
 *
 * Return: 0; -EBADF, -ENOTSOCK, -EPROTOTYPE not a stream socket.
 */
int qmp_link_open(struct qmp_link *link, int fd, size_t line_max, struct qmp_error *err);

/**
 * qmp_link_close() - Close the socket and release the buffers
 * @link: may be closed already
 */
void qmp_link_close(struct qmp_link *link);

/**
 * qmp_link_queue() - Hand over a text to be written by later qmp_link_pump() calls
 * @link:    has no unwritten text
 * @text:    malloc'ed, taken over
 * @len:     its length
 * @pass_fd: descriptor sent along by SCM_RIGHTS, borrowed until its first byte is written; -1: none
 */
void qmp_link_queue(struct qmp_link *link, char *text, size_t len, int pass_fd);

/**
 * qmp_link_cancel() - Take a queued text back if none of it has been written
 * @link: a text written in part stays, since the peer could not make sense of what follows
 */
void qmp_link_cancel(struct qmp_link *link);

/**
 * qmp_link_is_writing() - Is there text still to be written?
 * @link:
 *
 * Return: true if so.
 */
bool qmp_link_is_writing(const struct qmp_link *link);

/**
 * qmp_link_pump() - Write once and read once, without blocking
 * @link: open
 * @err:
 *
 * A failed write is not reported by itself: what the peer said before it went is read first.
 *
 * Return: 1 something moved, take the lines of @link->in; 0 nothing could be done; -ECONNRESET the
 * peer is gone and all it sent has been read; -ENOMEM.
 */
int qmp_link_pump(struct qmp_link *link, struct qmp_error *err);

#endif
