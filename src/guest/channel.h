/* SPDX-License-Identifier: MIT */
/*
 * One exec channel of a connection, moved in steps: open, terminal if wanted, command, data, end.
 * Not for users of src/guest.
 */
#ifndef BMVM_GUEST_CHANNEL_H
#define BMVM_GUEST_CHANNEL_H

#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct error;
struct guest;

enum channel_state {
	CHANNEL_NONE,       /* not made yet */
	CHANNEL_OPENING,    /* asked sshd for it */
	CHANNEL_TERMINAL,   /* asking for a pty */
	CHANNEL_REQUESTING, /* asking for the command to be run */
	CHANNEL_RUNNING,
};

enum channel_stream {
	STREAM_OUT,
	STREAM_ERR,
};

/**
 * struct channel_request - What to run on a channel; borrowed until it is running
 * @command: for the login shell; NULL: the login shell itself
 * @term:    give it a terminal of this type, @columns x @rows; NULL: none
 * @on_data: takes output; called from within guest_wait() and guest_channel_pull(), must not call
 * libssh. Returns how many bytes it took; the rest stays with libssh (which then lets the guest
 *           wait) until guest_channel_pull()
 * @data:    passed to it
 */
struct channel_request {
	const char *command;
	const char *term;
	int columns, rows;
	size_t (*on_data)(void *data, enum channel_stream stream, const char *buf, size_t len);
	void *data;
};

/** struct channel_rest - Output taken from libssh but not by on_data yet; @buf owned */
struct channel_rest {
	char *buf;
	size_t off;
	size_t len;
};

/**
 * struct guest_channel - One channel
 * @held:        there is output of this stream that on_data did not take: with libssh, or already
 * in
 *               @rest
 * @has_status:  the command ended: @exit_code, or @killed by @exit_signal (0: a signal SSH has no
 *               name for)
 * @eof:         no more output comes
 * @closed:      nothing more at all comes
 */
struct guest_channel {
	struct guest *g;
	ssh_channel ssh;
	struct ssh_channel_callbacks_struct callbacks;
	struct channel_request request;
	enum channel_state state;
	bool held[2];
	bool pulling;
	struct channel_rest rest[2];
	bool has_status;
	bool killed;
	int exit_code;
	int exit_signal;
	bool eof;
	bool closed;
};

/** guest_channel_start() - Prepare @c, which must stay in place until guest_channel_done(). */
void guest_channel_start(struct guest_channel *c, struct guest *g,
			 const struct channel_request *request);

/**
 * guest_channel_step() - Go on as far as possible without waiting
 * Return: 1 running; 0 not yet, call again after guest_wait(); -EAGAIN the guest has no channel
 * free; -EPROTO it refuses the command or terminal; -ECONNRESET.
 */
int guest_channel_step(struct guest_channel *c, struct error *err);

/**
 * guest_channel_pull() - Offer held output to on_data again
 * Return: 0; -ECONNRESET.
 */
int guest_channel_pull(struct guest_channel *c, enum channel_stream stream, struct error *err);

/** guest_channel_room() - Bytes that guest_channel_write() would take now; 0: wait. */
size_t guest_channel_room(const struct guest_channel *c);

/** guest_channel_write() - Send to stdin. Return: bytes taken, maybe 0; -EPIPE closed; -ECONNRESET.
 */
ssize_t guest_channel_write(struct guest_channel *c, const void *buf, size_t len,
			    struct error *err);

/** guest_channel_end_input() - Send end of file to stdin. */
void guest_channel_end_input(struct guest_channel *c);

/** guest_channel_is_over() - The command ended and all its output was taken, or nothing more comes.
 */
bool guest_channel_is_over(const struct guest_channel *c);

/** guest_channel_done() - Close and free; never blocks; harmless twice. */
void guest_channel_done(struct guest_channel *c);

#endif
