/* SPDX-License-Identifier: MIT */
#include "guest/inlet.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guest/channel.h"

#define INLET_SIZE   ((size_t)64 * 1024)
#define TYPED_SIZE   ((size_t)4096) /* while looking for escapes */
#define INLET_ROUNDS 16

int inlet_open(struct inlet *in, int fd)
{
	memset(in, 0, sizeof(*in));
	in->io = (struct fdio)FDIO_INIT;
	in->buf = malloc(INLET_SIZE + 1); /* escapes may add one byte */
	if (in->buf == NULL)
		return -ENOMEM;
	fdio_open(&in->io, fd, false);
	return 0;
}

int inlet_open_memory(struct inlet *in, const void *data, size_t len)
{
	memset(in, 0, sizeof(*in));
	in->io = (struct fdio)FDIO_INIT;
	in->buf = malloc(len + 1);
	if (in->buf == NULL)
		return -ENOMEM;
	if (len > 0)
		memcpy(in->buf, data, len);
	in->len = len;
	in->eof = true;
	return 0;
}

bool inlet_wants_poll(const struct inlet *in)
{
	return in->off == in->len && !in->eof && !fdio_is_ready_always(&in->io);
}

bool inlet_can_go(const struct inlet *in, const struct guest_channel *c)
{
	return in->off < in->len && guest_channel_room(c) > 0;
}

static void apply_escapes(struct inlet *in)
{
	char typed[TYPED_SIZE];

	memcpy(typed, in->buf, in->len);
	in->len = escape_filter(&in->escape, typed, in->len, in->buf, &in->quit);
	in->eof = in->eof || in->quit;
}

/* Return: whether there is something to send or to end now. */
static bool refill(struct inlet *in)
{
	ssize_t n;

	if (in->eof)
		return false;
	in->off = 0;
	in->len = 0;
	n = fdio_read(&in->io, in->buf, in->escapes ? TYPED_SIZE : INLET_SIZE);
	if (n == -EAGAIN)
		return false;
	if (n <= 0) {
		in->eof = true; /* as ssh does; a terminal that hung up reads as an error */
		in->error = (int)n;
		return true;
	}
	in->len = (size_t)n;
	if (in->escapes)
		apply_escapes(in);
	return true;
}

static int send_some(struct inlet *in, struct guest_channel *c, struct error *err)
{
	size_t room = guest_channel_room(c);
	size_t len = in->len - in->off;
	ssize_t n;

	if (room == 0)
		return 0;
	n = guest_channel_write(c, in->buf + in->off, len < room ? len : room, err);
	if (n == -EPIPE) {
		in->off = in->len;
		in->eof = true;
		return 1;
	}
	if (n < 0)
		return (int)n;
	in->off += (size_t)n;
	in->bytes += (uint64_t)n;
	return n > 0;
}

int inlet_step(struct inlet *in, struct guest_channel *c, bool ready, struct error *err)
{
	for (int i = 0; i < INLET_ROUNDS; i++) {
		int r;

		if (in->off < in->len) {
			r = send_some(in, c, err);
			if (r <= 0)
				return r;
			continue;
		}
		if (in->eof) {
			if (!in->ended)
				guest_channel_end_input(c);
			in->ended = true;
			return 0;
		}
		if (!ready && !fdio_is_ready_always(&in->io))
			return 0;
		if (!refill(in))
			return 0;
	}
	return 1;
}

void inlet_done(struct inlet *in)
{
	fdio_close(&in->io);
	free(in->buf);
	memset(in, 0, sizeof(*in));
	in->io = (struct fdio)FDIO_INIT;
}
