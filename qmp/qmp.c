/* SPDX-License-Identifier: MIT */
/*
 * A QMP connection: see qmp.h.
 *
 * Everything that does I/O goes through pump(), which never blocks, and wait_until(), which pumps
 * until a condition holds, the connection ends or the deadline passes.
 */
#include "qmp/qmp.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "qmp/link.h"
#include "qmp/message.h"

#define NS_PER_S 1000000000ULL

/* Rounds of read and write in one qmp_process(). */
#define PROCESS_ROUNDS 16

struct qmp {
	struct qmp_link link; /* closed in state CLOSED */
	enum qmp_state state;
	struct qmp_error lost; /* why it is CLOSED */
	bool in_callback;
	struct json_tokener *tokener;
	struct json_object *greeting;

	uint64_t last_id;
	uint64_t pending_id;       /* 0 while no command is in flight */
	struct json_object *reply; /* to the pending command, until it is taken */

	struct qmp_queue events;
	uint64_t events_seen;
	qmp_match_fn wanted; /* of qmp_wait_event(); NULL else */
	const void *wanted_data;
	struct qmp_event found;

	qmp_trace_fn trace;
	void *trace_data;
	qmp_wait_fn wait;
	void *wait_data;
};

static uint64_t now_ns(void)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static void trace(struct qmp *q, enum qmp_trace kind, const char *text, size_t len)
{
	if (q->trace == NULL)
		return;
	q->in_callback = true;
	q->trace(q->trace_data, kind, text, len);
	q->in_callback = false;
}

/* ---- ending ---- */

/* Enter CLOSED with the reason in q->lost. */
static void end_connection(struct qmp *q)
{
	qmp_link_close(&q->link);
	q->state = QMP_STATE_CLOSED;
	trace(q, QMP_TRACE_CLOSED, q->lost.desc, strlen(q->lost.desc));
}

/* Report why the connection is CLOSED. Return: the negative errno. */
static int lost(const struct qmp *q, struct qmp_error *err)
{
	return qmp_error_set(err, q->lost.code, "%s", q->lost.desc);
}

/* ---- receiving ---- */

static int take_greeting(struct qmp *q, struct json_object *msg)
{
	struct json_object *greeting = qmp_member(msg, "QMP", json_type_object);

	if (qmp_message_kind(msg) != QMP_MESSAGE_GREETING || greeting == NULL)
		return qmp_error_set(&q->lost, EPROTO, "the peer sent no QMP greeting");
	q->greeting = json_object_get(greeting);
	q->state = QMP_STATE_CAPABILITIES;
	return 0;
}

static void take_event(struct qmp *q, struct json_object *msg, const char *line, size_t len)
{
	AUTO_QMP_EVENT struct qmp_event event = { 0 };

	qmp_event_from_json(msg, ++q->events_seen, &event);
	if (q->wanted != NULL && q->found.json == NULL && q->wanted(&event, q->wanted_data)) {
		q->found = event;
		event = (struct qmp_event){ 0 };
		return;
	}
	for (size_t n = qmp_queue_push(&q->events, &event, len); n > 0; n--)
		trace(q, QMP_TRACE_EVENT_DROPPED, line, len);
}

static void take_reply(struct qmp *q, struct json_object *msg, const char *line, size_t len)
{
	uint64_t id = 0;

	if (q->pending_id != 0 && q->reply == NULL && qmp_member_u64(msg, "id", &id) &&
	    id == q->pending_id)
		q->reply = json_object_get(msg);
	else
		trace(q, QMP_TRACE_REPLY_DROPPED, line, len);
}

/* Act on one line. Return: 0, or negative with the reason in q->lost. */
static int take_line(struct qmp *q, const char *line, size_t len)
{
	trace(q, QMP_TRACE_RECEIVED, line, len);

	QMP_AUTO_JSON struct json_object *msg = NULL;
	int r = qmp_message_parse(q->tokener, line, len, &msg, &q->lost);

	if (r < 0)
		return r;
	if (q->state == QMP_STATE_GREETING)
		return take_greeting(q, msg);
	switch (qmp_message_kind(msg)) {
	case QMP_MESSAGE_EVENT:
		take_event(q, msg, line, len);
		return 0;
	case QMP_MESSAGE_REPLY:
		take_reply(q, msg, line, len);
		return 0;
	case QMP_MESSAGE_GREETING:
	case QMP_MESSAGE_OTHER:
		break;
	}
	return qmp_error_set(&q->lost, EPROTO, "the peer sent neither a reply nor an event");
}

/* Act on all whole lines received. Return: 0, or negative with the reason in q->lost. */
static int take_lines(struct qmp *q)
{
	for (;;) {
		const char *line = NULL;
		size_t len = 0;
		int r = qmp_frame_next(&q->link.in, &line, &len);

		if (r == 0)
			return 0;
		if (r == -EMSGSIZE)
			return qmp_error_set(&q->lost, EMSGSIZE,
					     "the peer sent a line of more than %zu bytes",
					     QMP_LINE_MAX);
		r = take_line(q, line, len);
		if (r < 0)
			return r;
	}
}

/*
 * One round of writing and reading, never blocking. Ends the connection when it must.
 * Return: whether anything moved.
 */
static bool pump(struct qmp *q)
{
	if (q->state == QMP_STATE_CLOSED)
		return false;

	int moved = qmp_link_pump(&q->link, &q->lost);

	if (moved < 0 || (moved > 0 && take_lines(q) < 0))
		end_connection(q);
	return moved > 0;
}

/* ---- waiting ---- */

static int poll_wait(int fd, short events, uint64_t deadline_ns)
{
	struct pollfd pfd = { .fd = fd, .events = events };
	uint64_t now = now_ns();
	uint64_t left = deadline_ns > now ? deadline_ns - now : 0;
	struct timespec ts = { .tv_sec = (time_t)(left / NS_PER_S),
			       .tv_nsec = (long)(left % NS_PER_S) };

	/* Neither a timeout nor a signal is an error: the caller looks at the clock. */
	if (ppoll(&pfd, 1, deadline_ns == UINT64_MAX ? NULL : &ts, NULL) < 0 && errno != EINTR)
		return -errno;
	return 0;
}

static int wait_ready(struct qmp *q, uint64_t deadline_ns)
{
	if (q->wait == NULL)
		return poll_wait(q->link.fd, qmp_poll_events(q), deadline_ns);
	q->in_callback = true;

	int r = q->wait(q->wait_data, q->link.fd, qmp_poll_events(q), deadline_ns);

	q->in_callback = false;
	return r;
}

/*
 * Pump until @is_done holds; at least one round, whatever the deadline.
 * Return: 0; -ETIMEDOUT; what the wait function returned; the reason of CLOSED. @err is set.
 */
static int wait_until(struct qmp *q, bool (*is_done)(const struct qmp *q), uint64_t deadline_ns,
		      const char *what, struct qmp_error *err)
{
	assert(!q->in_callback);
	for (;;) {
		bool moved = pump(q);

		if (is_done(q))
			return 0;
		if (q->state == QMP_STATE_CLOSED)
			return lost(q, err);
		if (now_ns() >= deadline_ns)
			return qmp_error_set(err, ETIMEDOUT, "%s: timed out", what);
		if (moved)
			continue;

		int r = wait_ready(q, deadline_ns);

		if (r < 0)
			return qmp_error_set(err, -r, "%s: %s", what, strerror(-r));
	}
}

static bool is_greeted(const struct qmp *q)
{
	return q->greeting != NULL;
}

static bool is_flushed(const struct qmp *q)
{
	return !qmp_link_is_writing(&q->link);
}

static bool is_replied(const struct qmp *q)
{
	return q->reply != NULL;
}

static bool has_event(const struct qmp *q)
{
	return q->events.n > 0;
}

static bool has_found(const struct qmp *q)
{
	return q->found.json != NULL;
}

/* ---- commands ---- */

/* Make @request the pending command and queue its text; there must be no other text queued. */
static int begin_command(struct qmp *q, const struct qmp_request *request, struct qmp_error *err)
{
	int pass_fd = request->pass_fd != NULL ? *request->pass_fd : -1;
	char *text = NULL;
	size_t len = 0;

	if (request->pass_fd != NULL && fcntl(pass_fd, F_GETFD) < 0)
		return qmp_error_set(err, errno, "%s: descriptor %d: %s", request->command, pass_fd,
				     strerror(errno));

	int r = qmp_message_encode(request->command, request->args, q->last_id + 1, &text, &len,
				   err);

	if (r < 0)
		return r;
	q->pending_id = ++q->last_id;
	trace(q, QMP_TRACE_SENT, text, len - 1);
	qmp_link_queue(&q->link, text, len, pass_fd);
	return 0;
}

/* Turn the reply to the pending command into a result. */
static int finish_command(struct qmp *q, const char *command, struct json_object **ret,
			  struct qmp_error *err)
{
	QMP_AUTO_JSON struct json_object *reply = q->reply;
	struct json_object *value = NULL;

	q->reply = NULL;
	q->pending_id = 0;
	if (json_object_object_get_ex(reply, "return", &value)) {
		if (ret != NULL)
			*ret = json_object_get(value);
		return 0;
	}

	struct json_object *error = qmp_member(reply, "error", json_type_object);
	const char *class = qmp_member_str(error, "class");
	const char *desc = qmp_member_str(error, "desc");

	if (class != NULL && desc != NULL)
		return qmp_error_reply(err, class, desc);
	if (q->state != QMP_STATE_CLOSED) {
		(void)qmp_error_set(&q->lost, EPROTO, "%s: malformed error reply", command);
		end_connection(q);
	}
	return qmp_error_set(err, EPROTO, "%s: malformed error reply", command);
}

int qmp_call(struct qmp *q, const struct qmp_request *request, uint64_t deadline_ns,
	     struct json_object **ret, struct qmp_error *err)
{
	const char *command = request->command;

	if (q->state == QMP_STATE_CLOSED)
		return lost(q, err);
	if (q->state != QMP_STATE_READY)
		return qmp_error_set(err, ENOTCONN, "%s: the handshake is not done", command);
	if (now_ns() >= deadline_ns)
		return qmp_error_set(err, ETIMEDOUT, "%s: timed out before it was sent", command);

	int r = wait_until(q, is_flushed, deadline_ns, command, err);

	if (r < 0)
		return r;
	if (q->state == QMP_STATE_CLOSED)
		return lost(q, err);
	r = begin_command(q, request, err);
	if (r < 0)
		return r;
	r = wait_until(q, is_replied, deadline_ns, command, err);
	if (r < 0) {
		q->pending_id = 0;
		qmp_link_cancel(&q->link);
		return r;
	}
	return finish_command(q, command, ret, err);
}

int qmp_execute(struct qmp *q, const char *command, struct json_object *args, uint64_t deadline_ns,
		struct json_object **ret, struct qmp_error *err)
{
	const struct qmp_request request = { .command = command, .args = args };

	return qmp_call(q, &request, deadline_ns, ret, err);
}

/* ---- life cycle ---- */

int qmp_attach(int fd, struct qmp **ret, struct qmp_error *err)
{
	AUTO_QMP struct qmp *q = calloc(1, sizeof(*q));

	if (q == NULL) {
		if (fd >= 0)
			(void)close(fd);
		return qmp_error_set(err, ENOMEM, "out of memory");
	}

	int r = qmp_link_open(&q->link, fd, QMP_LINE_MAX, err);

	if (r < 0)
		return r;
	q->tokener = json_tokener_new();
	if (q->tokener == NULL)
		return qmp_error_set(err, ENOMEM, "out of memory");
	*ret = q;
	q = NULL;
	return 0;
}

int qmp_handshake(struct qmp *q, uint64_t deadline_ns, struct qmp_error *err)
{
	static const struct qmp_request capabilities = { .command = "qmp_capabilities" };
	int r = 0;

	if (q->state == QMP_STATE_GREETING)
		r = wait_until(q, is_greeted, deadline_ns, "waiting for the QMP greeting", err);
	if (r < 0 || q->state == QMP_STATE_READY)
		return r;
	if (q->state == QMP_STATE_CLOSED)
		return lost(q, err);
	/* On a timeout it stays pending, so that the next call takes up its reply. */
	if (q->pending_id == 0)
		r = begin_command(q, &capabilities, err);
	if (r == 0)
		r = wait_until(q, is_replied, deadline_ns, capabilities.command, err);
	if (r == 0)
		r = finish_command(q, capabilities.command, NULL, err);
	if (r < 0)
		return r;
	if (q->state == QMP_STATE_CLOSED)
		return lost(q, err);
	q->state = QMP_STATE_READY;
	return 0;
}

int qmp_connect_fd(int fd, uint64_t deadline_ns, struct qmp **ret, struct qmp_error *err)
{
	AUTO_QMP struct qmp *q = NULL;
	int r = qmp_attach(fd, &q, err);

	if (r < 0)
		return r;
	assert(q != NULL);
	r = qmp_handshake(q, deadline_ns, err);
	if (r < 0)
		return r;
	*ret = q;
	q = NULL;
	return 0;
}

void qmp_close(struct qmp *q)
{
	int saved_errno = errno;

	if (q == NULL)
		return;
	assert(!q->in_callback);
	qmp_link_close(&q->link);
	if (q->tokener != NULL)
		json_tokener_free(q->tokener);
	json_object_put(q->greeting);
	json_object_put(q->reply);
	qmp_queue_clear(&q->events);
	qmp_event_done(&q->found);
	free(q);
	errno = saved_errno;
}

/* ---- events ---- */

int qmp_process(struct qmp *q, struct qmp_error *err)
{
	assert(!q->in_callback);
	for (int i = 0; i < PROCESS_ROUNDS && pump(q); i++)
		;
	return q->state == QMP_STATE_CLOSED ? lost(q, err) : 0;
}

int qmp_next_event(struct qmp *q, uint64_t deadline_ns, struct qmp_event *ret,
		   struct qmp_error *err)
{
	int r = has_event(q) ? 0 : wait_until(q, has_event, deadline_ns, "next event", err);

	if (r == 0)
		qmp_queue_take(&q->events, 0, ret);
	return r;
}

int qmp_wait_event(struct qmp *q, qmp_match_fn match, const void *data, uint64_t deadline_ns,
		   struct qmp_event *ret, struct qmp_error *err)
{
	for (size_t i = 0; i < q->events.n; i++) {
		if (match(&q->events.slot[i].event, data)) {
			qmp_queue_take(&q->events, i, ret);
			return 0;
		}
	}
	q->wanted = match;
	q->wanted_data = data;

	int r = wait_until(q, has_found, deadline_ns, "waiting for an event", err);

	q->wanted = NULL;
	if (r == 0) {
		*ret = q->found;
		q->found = (struct qmp_event){ 0 };
	}
	return r;
}

/* ---- settings and counters ---- */

void qmp_set_trace(struct qmp *q, qmp_trace_fn fn, void *data)
{
	q->trace = fn;
	q->trace_data = data;
}

void qmp_set_wait(struct qmp *q, qmp_wait_fn fn, void *data)
{
	q->wait = fn;
	q->wait_data = data;
}

enum qmp_state qmp_state(const struct qmp *q)
{
	return q->state;
}

struct json_object *qmp_greeting(const struct qmp *q)
{
	return q->greeting;
}

int qmp_fd(const struct qmp *q)
{
	return q->link.fd;
}

short qmp_poll_events(const struct qmp *q)
{
	return qmp_link_is_writing(&q->link) ? POLLIN | POLLOUT : POLLIN;
}

size_t qmp_n_events(const struct qmp *q)
{
	return q->events.n;
}

uint64_t qmp_events_seen(const struct qmp *q)
{
	return q->events_seen;
}

uint64_t qmp_events_dropped(const struct qmp *q)
{
	return q->events.dropped;
}
