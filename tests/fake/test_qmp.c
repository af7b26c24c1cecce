/* SPDX-License-Identifier: MIT */
/* qmp/qmp against a scripted peer: handshake, replies, timeouts, ends of the connection. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helper_qmp_peer.h"
#include "qmp/message.h"

TestSuite(qmp, .timeout = 60);

#define SOON in_ms(20)
#define LATE in_ms(20000)

/* Execute a command in the name of all tests that do not care which. */
static int ask(struct peer *peer, struct qmp_error *err)
{
	return qmp_execute(peer->q, "query-status", NULL, LATE, NULL, err);
}

/* ---- attach and handshake ---- */

static int n_open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

Test(qmp, attach_refuses_what_is_no_stream_socket_and_closes_it)
{
	struct qmp *q = NULL;
	struct qmp_error err = { 0 };
	int pair[2];
	int before = n_open_fds();

	cr_expect(eq(int, qmp_attach(-1, &q, &err), -EBADF));
	cr_expect(eq(int, qmp_attach(open("/dev/null", O_RDWR), &q, &err), -ENOTSOCK));
	cr_assert(eq(int, socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0));
	cr_expect(eq(int, qmp_attach(pair[0], &q, &err), -EPROTOTYPE));
	cr_expect(eq(int, qmp_connect_fd(pair[1], SOON, &q, NULL), -EPROTOTYPE));
	cr_expect(q == NULL);
	cr_expect(eq(int, n_open_fds(), before));
	qmp_close(NULL);
}

Test(qmp, attach_sets_close_on_exec)
{
	static const struct peer_move script[] = { { PEER_END, NULL } };
	struct peer peer;

	peer_open(&peer, script);
	cr_expect(eq(int, fcntl(qmp_fd(peer.q), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC));
	cr_expect(eq(int, (int)qmp_state(peer.q), (int)QMP_STATE_GREETING));
	cr_expect(qmp_greeting(peer.q) == NULL);
	peer_close(&peer);
}

Test(qmp, handshake_keeps_the_greeting)
{
	static const struct peer_move script[] = { { PEER_END, NULL } };
	struct peer peer;
	uint64_t major = 0;

	peer_open_ready(&peer, script);
	struct json_object *version = qmp_member(qmp_greeting(peer.q), "version", json_type_object);
	cr_expect(qmp_member_u64(qmp_member(version, "qemu", json_type_object), "major", &major));
	cr_expect(eq(u64, major, 7));
	cr_expect(eq(int, qmp_handshake(peer.q, 0, NULL), 0));
	peer_close(&peer);
}

static void *serve_connect(void *data)
{
	int fd = *(int *)data;
	char buf[256];
	const char *const replies[] = { PEER_GREETING, "{\"return\": {}, \"id\": 1}\r\n" };

	if (write(fd, replies[0], strlen(replies[0])) > 0 && read(fd, buf, sizeof(buf)) > 0 &&
	    write(fd, replies[1], strlen(replies[1])) > 0)
		return data;
	return NULL;
}

Test(qmp, connect_fd_waits_by_polling)
{
	int fds[2];
	pthread_t thread;
	void *served = NULL;
	struct qmp_error err = { 0 };
	AUTO_QMP struct qmp *q = NULL;

	cr_assert(eq(int, socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0));
	cr_assert(eq(int, pthread_create(&thread, NULL, serve_connect, &fds[1]), 0));
	cr_expect(eq(int, qmp_connect_fd(fds[0], LATE, &q, &err), 0), "%s", err.desc);
	pthread_join(thread, &served);
	cr_expect(served != NULL);
	cr_expect(eq(int, (int)qmp_state(q), (int)QMP_STATE_READY));
	close(fds[1]);
}

Test(qmp, connect_fd_gives_up_at_the_deadline)
{
	int fds[2];
	struct qmp *q = NULL;
	struct qmp_error err = { 0 };

	cr_assert(eq(int, socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0));
	cr_expect(eq(int, qmp_connect_fd(fds[0], SOON, &q, &err), -ETIMEDOUT));
	cr_expect(eq(int, err.code, ETIMEDOUT));
	cr_expect(q == NULL);
	cr_expect(eq(int, (int)send(fds[1], "x", 1, MSG_NOSIGNAL), -1),
		  "the descriptor was not closed");
	close(fds[1]);
}

Test(qmp, greeting_that_is_not_qmp_closes_the_connection)
{
	static const char *const greetings[] = {
		"SSH-2.0-OpenSSH_9.2p1\r\n",
		"HTTP/1.1 400 Bad Request\r\n\r\n",
		"{}\n",
		"{\"QMP\": 1}\n",
		"{\"QMP\": null}\n",
		"{\"QMP\": {}, \"return\": {}}\n",
		"{\"return\": {}, \"id\": 1}\n",
		"{\"event\": \"STOP\"}\n",
		"[]\n",
		"\n",
		"{\"QMP\": {\"version\": \"\xff\"}}\n",
	};

	for (size_t i = 0; i < sizeof(greetings) / sizeof(greetings[0]); i++) {
		const struct peer_move script[] = { { PEER_SEND, greetings[i] },
						    { PEER_END, NULL } };
		struct peer peer;
		struct qmp_error err = { 0 };

		peer_open(&peer, script);
		cr_expect(eq(int, qmp_handshake(peer.q, LATE, &err), -EPROTO), "case %zu", i);
		cr_expect(eq(int, (int)qmp_state(peer.q), (int)QMP_STATE_CLOSED));
		cr_expect(eq(int, qmp_fd(peer.q), -1));
		cr_expect(eq(int, qmp_handshake(peer.q, LATE, NULL), -EPROTO));
		cr_expect(eq(int, ask(&peer, NULL), -EPROTO));
		peer_close(&peer);
	}
}

Test(qmp, capabilities_may_be_refused)
{
	static const struct peer_move script[] = {
		{ PEER_SEND, PEER_GREETING },
		{ PEER_EXPECT, "qmp_capabilities" },
		{ PEER_SEND,
		  "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}, \"id\": @ID}\n" },
		{ PEER_END, NULL },
	};
	struct peer peer;
	struct qmp_error err = { 0 };

	peer_open(&peer, script);
	cr_expect(eq(int, qmp_handshake(peer.q, LATE, &err), -EIO));
	cr_expect(eq(str, err.class_, (char *)"GenericError"));
	cr_expect(eq(int, (int)qmp_state(peer.q), (int)QMP_STATE_CAPABILITIES));
	peer_close(&peer);
}

Test(qmp, handshake_goes_on_after_a_timeout)
{
	static const struct peer_move nothing[] = { { PEER_TIME_OUT, NULL }, { PEER_END, NULL } };
	static const struct peer_move greet[] = { { PEER_SEND, PEER_GREETING },
						  { PEER_EXPECT, "qmp_capabilities" },
						  { PEER_TIME_OUT, NULL },
						  { PEER_END, NULL } };
	static const struct peer_move reply[] = { { PEER_SEND, "{\"return\": {}, \"id\": @ID}\n" },
						  { PEER_END, NULL } };
	struct peer peer;

	peer_open(&peer, nothing);
	cr_expect(eq(int, qmp_handshake(peer.q, LATE, NULL), -ETIMEDOUT));
	cr_expect(eq(int, (int)qmp_state(peer.q), (int)QMP_STATE_GREETING));
	peer.move = greet;
	cr_expect(eq(int, qmp_handshake(peer.q, LATE, NULL), -ETIMEDOUT));
	cr_expect(eq(int, (int)qmp_state(peer.q), (int)QMP_STATE_CAPABILITIES));
	cr_expect(eq(int, ask(&peer, NULL), -ENOTCONN));
	peer.move = reply;
	cr_expect(eq(int, qmp_handshake(peer.q, LATE, NULL), 0));
	cr_expect(eq(int, (int)qmp_state(peer.q), (int)QMP_STATE_READY));
	peer_close(&peer);
}

/* ---- replies ---- */

Test(qmp, execute_sends_arguments_and_returns_the_value)
{
	static const struct peer_move script[] = {
		{ PEER_EXPECT, "{\"execute\":\"cmd\",\"arguments\":{\"a\":\"b\"},\"id\":2}" },
		{ PEER_SEND, "{\"return\": {\"x\": 5}, \"id\": 2}\r\n" },
		{ PEER_END, NULL },
	};
	struct peer peer;
	uint64_t x = 0;
	struct json_object *args = json_object_new_object();
	struct json_object *ret = NULL;

	json_object_object_add(args, "a", json_object_new_string("b"));
	peer_open_ready(&peer, script);
	cr_assert(eq(int, qmp_execute(peer.q, "cmd", args, LATE, &ret, NULL), 0));
	cr_expect(qmp_member_u64(ret, "x", &x));
	cr_expect(eq(u64, x, 5));
	json_object_put(ret);
	cr_expect(eq(int, json_object_put(args), 1));
	peer_close(&peer);
}

Test(qmp, replies_and_events_torn_at_every_byte)
{
	static const struct peer_move script[] = {
		{ PEER_SEND_TORN, PEER_GREETING },
		{ PEER_EXPECT, "qmp_capabilities" },
		{ PEER_SEND_TORN, "{\"return\": {}, \"id\": @ID}\r\n" },
		{ PEER_EXPECT, "query-status" },
		{ PEER_SEND_TORN,
		  "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": \"STOP\"}\r\n"
		  "{\"return\": {\"running\": true}, \"id\": @ID}\r\n" },
		{ PEER_END, NULL },
	};
	struct peer peer;
	struct qmp_error err = { 0 };
	AUTO_QMP_EVENT struct qmp_event event = { 0 };

	peer_open(&peer, script);
	cr_assert(eq(int, qmp_handshake(peer.q, LATE, &err), 0), "%s", err.desc);
	cr_assert(eq(int, ask(&peer, &err), 0), "%s", err.desc);
	cr_assert(eq(int, qmp_next_event(peer.q, 0, &event, NULL), 0));
	cr_expect(eq(str, (char *)event.name, (char *)"STOP"));
	cr_expect(eq(u64, event.time_us, 1000002));
	peer_close(&peer);
}

Test(qmp, events_before_between_and_after_replies_keep_their_order)
{
	static const struct peer_move script[] = {
		{ PEER_EXPECT, "query-status" },
		{ PEER_SEND,
		  "{\"event\": \"A\"}\n{\"event\": \"B\"}\n{\"return\": 1, \"id\": @ID}\n"
		  "{\"event\": \"C\"}\n" },
		{ PEER_EXPECT, "query-status" },
		{ PEER_SEND, "{\"event\": \"D\"}\n{\"return\": 1, \"id\": @ID}\n" },
		{ PEER_END, NULL },
	};
	struct peer peer;
	char names[8] = "";

	peer_open_ready(&peer, script);
	cr_assert(eq(int, ask(&peer, NULL), 0));
	cr_expect(eq(sz, qmp_n_events(peer.q), 3));
	cr_assert(eq(int, ask(&peer, NULL), 0));
	for (uint64_t seq = 1; seq <= 4; seq++) {
		AUTO_QMP_EVENT struct qmp_event event = { 0 };

		cr_assert(eq(int, qmp_next_event(peer.q, 0, &event, NULL), 0));
		cr_expect(eq(u64, event.seq, seq));
		strcat(names, event.name);
	}
	cr_expect(eq(str, names, (char *)"ABCD"));
	cr_expect(eq(u64, qmp_events_seen(peer.q), 4));
	peer_close(&peer);
}

Test(qmp, error_reply_carries_class_and_description)
{
	static const struct peer_move script[] = {
		{ PEER_EXPECT, "query-status" },
		{ PEER_SEND,
		  "{\"id\": @ID, \"error\": {\"class\": \"CommandNotFound\","
		  " \"desc\": \"The command x has not been found\"}}\n" },
		{ PEER_EXPECT, "query-status" },
		{ PEER_SEND, "{\"id\": @ID, \"return\": {}}\n" },
		{ PEER_END, NULL },
	};
	struct peer peer;
	struct qmp_error err = { 0 };

	peer_open_ready(&peer, script);
	cr_expect(eq(int, ask(&peer, &err), -EIO));
	cr_expect(eq(int, err.code, EIO));
	cr_expect(eq(str, err.class_, (char *)"CommandNotFound"));
	cr_expect(eq(str, err.desc, (char *)"The command x has not been found"));
	cr_expect(eq(int, ask(&peer, &err), 0));
	peer_close(&peer);
}

Test(qmp, replies_with_a_wrong_or_no_id_are_dropped)
{
	static const struct peer_move script[] = {
		{ PEER_EXPECT, "query-status" },
		{ PEER_SEND, "{\"return\": {}}\n" },
		{ PEER_SEND, "{\"return\": {}, \"id\": 1}\n" },
		{ PEER_SEND, "{\"return\": {}, \"id\": 3}\n" },
		{ PEER_SEND, "{\"return\": {}, \"id\": \"2\"}\n" },
		{ PEER_SEND, "{\"return\": {}, \"id\": 2.0}\n" },
		{ PEER_SEND, "{\"return\": {}, \"id\": -2}\n" },
		{ PEER_SEND, "{\"return\": {}, \"id\": null}\n" },
		{ PEER_SEND, "{\"return\": {}, \"id\": 18446744073709551618}\n" },
		{ PEER_SEND, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"\"}}\n" },
		{ PEER_SEND,
		  "{\"return\": {\"right\": true}, \"id\": 2}\n"
		  "{\"return\": {\"twice\": true}, \"id\": 2}\n" },
		{ PEER_END, NULL },
	};
	struct peer peer;
	bool is_right = false;
	struct json_object *ret = NULL;

	peer_open_ready(&peer, script);
	cr_assert(eq(int, qmp_execute(peer.q, "query-status", NULL, LATE, &ret, NULL), 0));
	cr_expect(qmp_member_bool(ret, "right", &is_right));
	cr_expect(eq(uint, peer.trace[QMP_TRACE_REPLY_DROPPED], 10));
	json_object_put(ret);
	peer_close(&peer);
}

Test(qmp, a_return_of_null_is_a_success)
{
	static const struct peer_move script[] = { { PEER_EXPECT, "query-status" },
						   { PEER_SEND,
						     "{\"return\": null, \"id\": @ID}\n" },
						   { PEER_END, NULL } };
	struct peer peer;
	struct json_object *ret = NULL;

	peer_open_ready(&peer, script);
	cr_expect(eq(int, qmp_execute(peer.q, "query-status", NULL, LATE, &ret, NULL), 0));
	cr_expect(ret == NULL);
	peer_close(&peer);
}

Test(qmp, broken_protocol_ends_the_connection_but_keeps_events)
{
	static const char *const lines[] = {
		"garbage\n",
		"{\"return\": {}, \"id\": 2\n",
		"{\"return\": {}, \"id\": 2} {}\n",
		"{\"return\": {\"a\": \"\xff\"}, \"id\": 2}\n",
		"{\"return\": {\"\xe2\x82\": 1}, \"id\": 2}\n",
		"{\"return\": {}, \"error\": {}, \"id\": 2}\n",
		"{\"id\": 2}\n",
		"{\"event\": 7}\n",
		"{\"error\": 1, \"id\": 2}\n",
		"{\"error\": {\"class\": \"GenericError\"}, \"id\": 2}\n",
		"{\"error\": {\"class\": 1, \"desc\": \"x\"}, \"id\": 2}\n",
		PEER_GREETING,
		"[]\n",
		"\n",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		const struct peer_move script[] = { { PEER_EXPECT, "query-status" },
						    { PEER_SEND, "{\"event\": \"BEFORE\"}\n" },
						    { PEER_SEND, lines[i] },
						    { PEER_END, NULL } };
		struct peer peer;
		struct qmp_error err = { 0 };
		AUTO_QMP_EVENT struct qmp_event event = { 0 };

		peer_open_ready(&peer, script);
		cr_expect(eq(int, ask(&peer, &err), -EPROTO), "case %zu", i);
		cr_expect(err.desc[0] != '\0');
		cr_expect(eq(int, (int)qmp_state(peer.q), (int)QMP_STATE_CLOSED), "case %zu", i);
		cr_expect(eq(int, ask(&peer, &err), -EPROTO), "case %zu", i);
		cr_expect(eq(int, qmp_process(peer.q, &err), -EPROTO));
		cr_expect(eq(int, qmp_next_event(peer.q, LATE, &event, NULL), 0));
		cr_expect(eq(int, qmp_next_event(peer.q, LATE, &event, NULL), -EPROTO));
		cr_expect(eq(uint, peer.trace[QMP_TRACE_CLOSED], 1));
		peer_close(&peer);
	}
}

Test(qmp, embedded_nul_breaks_the_protocol)
{
	static const char line[] = "{\"return\": {}, \"id\": 2}\0\n";
	static const struct peer_move script[] = { { PEER_END, NULL } };
	struct peer peer;

	peer_open_ready(&peer, script);
	peer_send(&peer, line, sizeof(line) - 1);
	cr_expect(eq(int, ask(&peer, NULL), -EPROTO));
	peer_close(&peer);
}

/* Send a reply of @len bytes, newline not counted, while the client waits for it. */
struct flood {
	int fd;
	size_t len;
};

static void *send_flood(void *data)
{
	const struct flood *flood = data;
	char *line = malloc(flood->len + 1);
	int n = snprintf(line, flood->len, "{\"id\": 2, \"return\": \"");

	memset(line + n, 'x', flood->len - (size_t)n);
	memcpy(line + flood->len - 2, "\"}\n", 3);
	for (size_t sent = 0; sent <= flood->len;) {
		ssize_t r = send(flood->fd, line + sent, flood->len + 1 - sent, MSG_NOSIGNAL);

		if (r <= 0)
			break;
		sent += (size_t)r;
	}
	free(line);
	return NULL;
}

Test(qmp, line_of_the_cap_passes_and_one_byte_more_does_not)
{
	for (size_t more = 0; more <= 1; more++) {
		static const struct peer_move script[] = { { PEER_END, NULL } };
		struct peer peer;
		pthread_t thread;
		struct qmp_error err = { 0 };
		struct json_object *ret = NULL;

		peer_open_ready(&peer, script);
		struct flood flood = { peer.fd, QMP_LINE_MAX + more };
		cr_assert(eq(int, pthread_create(&thread, NULL, send_flood, &flood), 0));
		int r = qmp_execute(peer.q, "query-status", NULL, LATE, &ret, &err);
		pthread_join(thread, NULL);
		cr_expect(eq(int, r, more > 0 ? -EMSGSIZE : 0), "%s", err.desc);
		cr_expect(eq(int, (int)qmp_state(peer.q),
			     (int)(more > 0 ? QMP_STATE_CLOSED : QMP_STATE_READY)));
		if (more > 0)
			cr_expect(eq(int, ask(&peer, NULL), -EMSGSIZE));
		else
			cr_expect(gt(int, json_object_get_string_len(ret), 16000000));
		json_object_put(ret);
		peer_close(&peer);
	}
}

/* ---- the end of the connection ---- */

Test(qmp, eof_in_state_greeting)
{
	static const char *const before[] = { "", "{\"QMP\": {\"ver" };

	for (size_t i = 0; i < 2; i++) {
		const struct peer_move script[] = { { PEER_SEND, before[i] },
						    { PEER_HANG_UP, NULL },
						    { PEER_END, NULL } };
		struct peer peer;

		peer_open(&peer, script);
		cr_expect(eq(int, qmp_handshake(peer.q, LATE, NULL), -ECONNRESET));
		cr_expect(eq(int, (int)qmp_state(peer.q), (int)QMP_STATE_CLOSED));
		peer_close(&peer);
	}
}

Test(qmp, eof_in_state_capabilities)
{
	static const struct peer_move silent[] = { { PEER_SEND, PEER_GREETING },
						   { PEER_EXPECT, "qmp_capabilities" },
						   { PEER_HANG_UP, NULL },
						   { PEER_END, NULL } };
	/* The greeting and the end come in one read; the command goes nowhere. */
	static const struct peer_move deaf[] = { { PEER_END, NULL } };
	struct peer peer;

	peer_open(&peer, silent);
	cr_expect(eq(int, qmp_handshake(peer.q, LATE, NULL), -ECONNRESET));
	cr_expect(eq(int, (int)qmp_state(peer.q), (int)QMP_STATE_CLOSED));
	peer_close(&peer);

	peer_open(&peer, deaf);
	peer_say(&peer, PEER_GREETING);
	close(peer.fd);
	peer.fd = -1;
	cr_expect(eq(int, qmp_handshake(peer.q, LATE, NULL), -ECONNRESET));
	cr_expect(qmp_greeting(peer.q) != NULL);
	peer_close(&peer);
}

Test(qmp, eof_while_a_command_is_pending_keeps_events)
{
	static const struct peer_move script[] = {
		{ PEER_EXPECT, "query-status" },
		{ PEER_SEND, "{\"event\": \"SHUTDOWN\"}\n{\"event\": \"HAL" },
		{ PEER_HANG_UP, NULL },
		{ PEER_END, NULL },
	};
	struct peer peer;
	struct qmp_error err = { 0 };
	AUTO_QMP_EVENT struct qmp_event event = { 0 };

	peer_open_ready(&peer, script);
	cr_expect(eq(int, ask(&peer, &err), -ECONNRESET));
	cr_expect(eq(int, err.code, ECONNRESET));
	cr_expect(eq(int, ask(&peer, NULL), -ECONNRESET));
	cr_expect(eq(int, qmp_fd(peer.q), -1));
	cr_assert(eq(int, qmp_next_event(peer.q, LATE, &event, NULL), 0));
	cr_expect(eq(str, (char *)event.name, (char *)"SHUTDOWN"));
	cr_expect(eq(int, qmp_next_event(peer.q, LATE, &event, NULL), -ECONNRESET));
	peer_close(&peer);
}

Test(qmp, reply_and_eof_at_once_is_a_reply)
{
	static const struct peer_move script[] = {
		{ PEER_EXPECT, "query-status" },
		{ PEER_SEND, "{\"event\": \"SHUTDOWN\"}\n{\"return\": {}, \"id\": @ID}\n" },
		{ PEER_HANG_UP, NULL },
		{ PEER_END, NULL },
	};
	struct peer peer;

	peer_open_ready(&peer, script);
	cr_expect(eq(int, ask(&peer, NULL), 0));
	cr_expect(eq(int, (int)peer.move->op, (int)PEER_HANG_UP));
	cr_expect(eq(sz, qmp_n_events(peer.q), 1));
	close(peer.fd);
	peer.fd = -1;
	peer.move++;
	cr_expect(eq(int, qmp_process(peer.q, NULL), -ECONNRESET));
	cr_expect(eq(sz, qmp_n_events(peer.q), 1));
	peer_close(&peer);
}

Test(qmp, eof_while_idle_is_found_by_process_and_by_next_event)
{
	static const struct peer_move script[] = { { PEER_HANG_UP, NULL }, { PEER_END, NULL } };
	struct peer peer;
	struct qmp_event event = { 0 };

	peer_open_ready(&peer, script);
	cr_expect(eq(int, qmp_process(peer.q, NULL), 0));
	cr_expect(eq(int, qmp_next_event(peer.q, LATE, &event, NULL), -ECONNRESET));
	cr_expect(eq(int, qmp_process(peer.q, NULL), -ECONNRESET));
	peer_close(&peer);
}

/* A write that fails must not hide what the peer said before it went; nor raise SIGPIPE. */
Test(qmp, events_sent_before_the_peer_went_are_read_although_writing_fails)
{
	static const struct peer_move script[] = { { PEER_END, NULL } };
	struct peer peer;
	struct qmp_event event = { 0 };

	peer_open_ready(&peer, script);
	/* More than one read takes, so that the write comes in between. */
	for (int i = 0; i < 200; i++)
		peer_say(&peer, "{\"event\": \"RTC_CHANGE\", \"data\": {\"offset\": 0}}\n");
	peer_say(&peer, "{\"event\": \"SHUTDOWN\"}\n");
	/* Unread bytes at its end make the kernel report a reset rather than an end of file. */
	cr_assert(eq(int, (int)send(qmp_fd(peer.q), " ", 1, 0), 1));
	close(peer.fd);
	peer.fd = -1;
	cr_expect(eq(int, ask(&peer, NULL), -ECONNRESET));
	cr_expect(eq(sz, qmp_n_events(peer.q), 201));
	for (int i = 0; i < 201; i++) {
		qmp_event_done(&event);
		cr_assert(eq(int, qmp_next_event(peer.q, 0, &event, NULL), 0));
	}
	cr_expect(eq(str, (char *)event.name, (char *)"SHUTDOWN"));
	qmp_event_done(&event);
	peer_close(&peer);
}

Test(qmp, peer_that_stops_reading_for_good_is_lost)
{
	static const struct peer_move script[] = { { PEER_END, NULL } };
	struct peer peer;

	peer_open_ready(&peer, script);
	shutdown(peer.fd, SHUT_RD);
	cr_expect(eq(int, ask(&peer, NULL), -ECONNRESET));
	peer_close(&peer);
}
