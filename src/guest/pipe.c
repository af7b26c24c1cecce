/* SPDX-License-Identifier: MIT */
#include "guest/pipe.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/watch.h"
#include "guest/channel.h"
#include "guest/inlet.h"
#include "guest/script.h"
#include "guest/session_private.h"
#include "guest/wait.h"

struct errand {
	const struct guest_pipe *pipe;
	struct guest_channel channel;
	struct inlet in;
	char tail[512];
	size_t tail_len;
	int failed;
	struct error why;
};

static void keep_tail(struct errand *e, const char *buf, size_t len)
{
	size_t room = sizeof(e->tail) - 1, drop;

	if (len > room) {
		buf += len - room;
		len = room;
	}
	drop = e->tail_len + len > room ? e->tail_len + len - room : 0;
	memmove(e->tail, e->tail + drop, e->tail_len - drop);
	memcpy(e->tail + e->tail_len - drop, buf, len);
	e->tail_len += len - drop;
}

static size_t on_data(void *data, enum channel_stream stream, const char *buf, size_t len)
{
	struct errand *e = data;

	if (stream == STREAM_ERR)
		keep_tail(e, buf, len);
	else if (e->failed == 0 && e->pipe->on_output != NULL)
		e->failed = e->pipe->on_output(e->pipe->data, buf, len, &e->why);
	return len;
}

/* One line that cannot move the user's cursor. */
static void words(const struct errand *e, char *ret)
{
	size_t n = e->tail_len;

	while (n > 0 && (e->tail[n - 1] == '\n' || e->tail[n - 1] == '\r'))
		n--;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)e->tail[i];

		ret[i] = e->tail[i];
		if (c < ' ' || c >= 0x7f)
			ret[i] = c == '\n' ? ' ' : '?';
	}
	ret[n] = '\0';
}

static int turn(struct errand *e, const struct watchset *ws, struct error *err)
{
	struct guest *g = e->channel.g;
	struct wait w = { .deadline_ns = e->pipe->deadline_ns };
	int r = guest_channel_step(&e->channel, err);

	if (r > 0)
		r = inlet_step(&e->in, &e->channel, true, err);
	if (r < 0)
		return r;
	if (r > 0 || inlet_can_go(&e->in, &e->channel))
		w.deadline_ns = 0;
	if (e->failed < 0) {
		if (err != NULL)
			*err = e->why;
		return e->failed;
	}
	if (guest_channel_is_over(&e->channel))
		return 1;
	if (clock_now_ns() >= e->pipe->deadline_ns)
		return error_set(err, ETIMEDOUT, "the guest took too long");
	if (e->channel.state == CHANNEL_RUNNING && inlet_wants_poll(&e->in))
		(void)wait_add(&w, e->in.io.fd, POLLIN);
	return guest_wait(g, &w, ws, err);
}

static int errand_open(struct errand *e, const struct guest_pipe *pipe, struct error *err)
{
	int r;

	memset(e, 0, sizeof(*e));
	e->pipe = pipe;
	r = pipe->input_fd >= 0 ? inlet_open(&e->in, pipe->input_fd)
				: inlet_open_memory(&e->in, pipe->input, pipe->input_len);
	return r < 0 ? error_set(err, -r, "out of memory") : 0;
}

int guest_pipe_run(struct guest *g, const struct guest_pipe *pipe, struct pipe_result *ret,
		   const struct watchset *ws, struct error *err)
{
	AUTO_FREE char *script = script_with_args(pipe->script, pipe->argv);
	AUTO_FREE char *command = script != NULL ? script_inline(script) : NULL;
	struct channel_request request = { .command = command, .on_data = on_data };
	struct errand e;
	int r;

	if (command == NULL)
		return script != NULL && errno == EFBIG
			       ? error_set(err, E2BIG, "arguments too long")
			       : error_set(err, ENOMEM, "out of memory");
	r = errand_open(&e, pipe, err);
	if (r < 0)
		return r;
	request.data = &e;
	guest_channel_start(&e.channel, g, &request);
	do
		r = turn(&e, ws, err);
	while (r == 0);
	if (r > 0 && !e.channel.has_status)
		r = error_set(err, ECONNRESET, "the guest ended a command without saying how");
	if (r > 0 && e.in.error < 0)
		r = error_set(err, -e.in.error, "read: %s", strerror(-e.in.error));
	if (r > 0) {
		ret->exit_code = e.channel.exit_code;
		words(&e, ret->words);
	}
	guest_channel_done(&e.channel);
	inlet_done(&e.in);
	return r < 0 ? r : 0;
}

int guest_pipe_check(struct guest *g, const struct guest_pipe *pipe, const struct watchset *ws,
		     struct error *err)
{
	struct pipe_result result = { .exit_code = 0 };
	int r = guest_pipe_run(g, pipe, &result, ws, err);

	if (r < 0 || result.exit_code == 0)
		return r;
	if (result.words[0] == '\0')
		return error_set(err, EIO, "exit code %d in the guest", result.exit_code);
	return error_set(err, EIO, "exit code %d in the guest: %s", result.exit_code, result.words);
}
