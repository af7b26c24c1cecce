/* SPDX-License-Identifier: MIT */
#include "guest/channel.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "guest/session_private.h"

/* A bit more than the largest window libssh gives the guest. */
#define PULL_MAX ((uint32_t)4 * 1024 * 1024)

/* RFC 4254 names these; sshd sends "SIG@openssh.com" for all others. */
static const struct {
	const char *name;
	int number;
} signal_names[] = {
	{ "ABRT", SIGABRT }, { "ALRM", SIGALRM }, { "FPE", SIGFPE },   { "HUP", SIGHUP },
	{ "ILL", SIGILL },   { "INT", SIGINT },   { "KILL", SIGKILL }, { "PIPE", SIGPIPE },
	{ "QUIT", SIGQUIT }, { "SEGV", SIGSEGV }, { "TERM", SIGTERM }, { "USR1", SIGUSR1 },
	{ "USR2", SIGUSR2 },
};

/* ---- callbacks: only note what came ---- */

static int take_data(ssh_session session, ssh_channel ssh, void *data, uint32_t len, int is_stderr,
		     void *userdata)
{
	struct guest_channel *c = userdata;
	enum channel_stream stream = is_stderr != 0 ? STREAM_ERR : STREAM_OUT;
	size_t taken = 0;

	(void)session;
	(void)ssh;
	/* While pulling, libssh is handing out older bytes of the same stream: keep the order. */
	if (!c->pulling && c->rest[stream].len == c->rest[stream].off)
		taken = c->request.on_data(c->request.data, stream, data, len);
	c->held[stream] = taken < len || c->rest[stream].len > c->rest[stream].off;
	return (int)taken;
}

static void note_eof(ssh_session session, ssh_channel ssh, void *userdata)
{
	struct guest_channel *c = userdata;

	(void)session;
	(void)ssh;
	c->eof = true;
}

static void note_close(ssh_session session, ssh_channel ssh, void *userdata)
{
	struct guest_channel *c = userdata;

	(void)session;
	(void)ssh;
	c->eof = true;
	c->closed = true;
}

static void note_exit(ssh_session session, ssh_channel ssh, int status, void *userdata)
{
	struct guest_channel *c = userdata;

	(void)session;
	(void)ssh;
	c->has_status = true;
	c->exit_code = status & 0xff;
}

/* NOLINTNEXTLINE(readability-function-size): libssh's signature */
static void note_signal(ssh_session session, ssh_channel ssh, const char *name, int core,
			const char *errmsg, const char *lang, void *userdata)
{
	struct guest_channel *c = userdata;

	(void)session;
	(void)ssh;
	(void)core;
	(void)errmsg;
	(void)lang;
	c->has_status = true;
	c->killed = true;
	c->exit_signal = 0;
	for (size_t i = 0; i < ARRAY_SIZE(signal_names); i++) {
		if (name != NULL && strcmp(name, signal_names[i].name) == 0)
			c->exit_signal = signal_names[i].number;
	}
	c->exit_code = c->exit_signal > 0 ? 128 + c->exit_signal : 255;
}

/* ---- opening ---- */

void guest_channel_start(struct guest_channel *c, struct guest *g,
			 const struct channel_request *request)
{
	memset(c, 0, sizeof(*c));
	c->g = g;
	c->request = *request;
	c->state = CHANNEL_OPENING;
	c->callbacks.userdata = c;
	c->callbacks.channel_data_function = take_data;
	c->callbacks.channel_eof_function = note_eof;
	c->callbacks.channel_close_function = note_close;
	c->callbacks.channel_exit_status_function = note_exit;
	c->callbacks.channel_exit_signal_function = note_signal;
	ssh_callbacks_init(&c->callbacks);
}

static int make_channel(struct guest_channel *c, struct error *err)
{
	c->ssh = ssh_channel_new(c->g->session);
	if (c->ssh == NULL || ssh_add_channel_callbacks(c->ssh, &c->callbacks) != SSH_OK)
		return error_set(err, ENOMEM, "SSH channel: out of memory");
	return 0;
}

/* The libssh call of the present state; each goes on where it stopped when called again. */
static int try_state(struct guest_channel *c)
{
	const struct channel_request *q = &c->request;

	switch (c->state) {
	case CHANNEL_OPENING:
		return ssh_channel_open_session(c->ssh);
	case CHANNEL_TERMINAL:
		return q->term == NULL
			       ? SSH_OK
			       : ssh_channel_request_pty_size(c->ssh, q->term, q->columns, q->rows);
	case CHANNEL_REQUESTING:
		return q->command == NULL ? ssh_channel_request_shell(c->ssh)
					  : ssh_channel_request_exec(c->ssh, q->command);
	case CHANNEL_NONE:
	case CHANNEL_RUNNING:
		break;
	}
	return SSH_OK;
}

static int refused(struct guest_channel *c, struct error *err)
{
	const char *why = ssh_get_error(c->g->session);

	if (ssh_get_error_code(c->g->session) != SSH_REQUEST_DENIED)
		return guest_lost(c->g, err);
	if (c->state == CHANNEL_OPENING)
		return error_set(err, EAGAIN, "the guest opens no SSH channel: %s", why);
	return error_set(err, EPROTO, "the guest refuses the %s: %s",
			 c->state == CHANNEL_TERMINAL ? "terminal" : "command", why);
}

int guest_channel_step(struct guest_channel *c, struct error *err)
{
	if (c->ssh == NULL) {
		int r = make_channel(c, err);

		if (r < 0)
			return r;
	}
	while (c->state != CHANNEL_RUNNING) {
		int rc = try_state(c);

		if (rc == SSH_AGAIN)
			return 0;
		if (rc != SSH_OK)
			return refused(c, err);
		c->state++;
	}
	return 1;
}

/* ---- data ---- */

static void offer(struct guest_channel *c, enum channel_stream stream)
{
	struct channel_rest *rest = &c->rest[stream];

	while (rest->off < rest->len) {
		size_t n = c->request.on_data(c->request.data, stream, rest->buf + rest->off,
					      rest->len - rest->off);

		if (n == 0)
			return;
		rest->off += n;
	}
}

/*
 * Each read makes libssh give the guest a whole new window, however little was read, so all that is
 * there is read at once: at most two windows of data are ever in memory.
 */
static int refill_rest(struct guest_channel *c, enum channel_stream stream, struct error *err)
{
	struct channel_rest *rest = &c->rest[stream];
	bool is_err = stream == STREAM_ERR;
	int n;

	free(rest->buf);
	*rest = (struct channel_rest){ .buf = NULL };
	c->pulling = true;
	n = ssh_channel_poll(c->ssh, is_err);
	if (n > 0) {
		uint32_t size = (uint32_t)n < PULL_MAX ? (uint32_t)n : PULL_MAX;

		rest->buf = malloc(size);
		if (rest->buf == NULL) {
			c->pulling = false;
			return error_set(err, ENOMEM, "out of memory");
		}
		n = ssh_channel_read_nonblocking(c->ssh, rest->buf, size, is_err);
	}
	c->pulling = false;
	rest->len = n > 0 ? (size_t)n : 0;
	c->held[stream] = n > 0;
	return n == SSH_ERROR ? guest_lost(c->g, err) : 0;
}

int guest_channel_pull(struct guest_channel *c, enum channel_stream stream, struct error *err)
{
	struct channel_rest *rest = &c->rest[stream];

	while (c->held[stream]) {
		int r;

		offer(c, stream);
		if (rest->off < rest->len)
			return 0;
		r = refill_rest(c, stream, err);
		if (r < 0)
			return r;
	}
	return 0;
}

size_t guest_channel_room(const struct guest_channel *c)
{
	if (c->state != CHANNEL_RUNNING || c->closed || guest_output_pending(c->g))
		return 0;
	return ssh_channel_window_size(c->ssh);
}

ssize_t guest_channel_write(struct guest_channel *c, const void *buf, size_t len, struct error *err)
{
	int n;

	if (c->closed || ssh_channel_is_closed(c->ssh))
		return -EPIPE;
	n = ssh_channel_write(c->ssh, buf, (uint32_t)len);
	if (n == SSH_ERROR)
		return c->closed ? -EPIPE : guest_lost(c->g, err);
	return n;
}

void guest_channel_end_input(struct guest_channel *c)
{
	if (!c->closed)
		(void)ssh_channel_send_eof(c->ssh);
}

bool guest_channel_is_over(const struct guest_channel *c)
{
	bool drained = !c->held[STREAM_OUT] && !c->held[STREAM_ERR];

	return drained && (c->closed || (c->has_status && c->eof));
}

void guest_channel_done(struct guest_channel *c)
{
	if (c->ssh != NULL) {
		(void)ssh_remove_channel_callbacks(c->ssh, &c->callbacks);
		ssh_channel_free(c->ssh);
	}
	free(c->rest[STREAM_OUT].buf);
	free(c->rest[STREAM_ERR].buf);
	memset(c, 0, sizeof(*c));
}
