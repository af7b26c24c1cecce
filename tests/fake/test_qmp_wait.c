/* SPDX-License-Identifier: MIT */
/* qmp/qmp against a scripted peer: deadlines, stalled peers, events, event loops, descriptors. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "helper_qmp_peer.h"
#include "qmp/commands.h"
#include "qmp/message.h"

TestSuite(qmp_wait, .timeout = 60);

#define LATE in_ms(20000)

static int ask(struct peer *peer, struct qmp_error *err)
{
	return qmp_execute(peer->q, "query-status", NULL, LATE, NULL, err);
}

/* ---- deadlines ---- */

Test(qmp_wait, late_reply_after_a_timeout_is_dropped)
{
	static const struct peer_move silent[] = { { PEER_EXPECT, "\"id\":2" },
						   { PEER_TIME_OUT, NULL },
						   { PEER_END, NULL } };
	static const struct peer_move late[] = {
		{ PEER_EXPECT, "\"id\":3" },
		{ PEER_SEND, "{\"return\": {\"late\": true}, \"id\": 2}\n{\"event\": \"A\"}\n" },
		{ PEER_SEND, "{\"return\": {\"right\": true}, \"id\": 3}\n" },
		{ PEER_END, NULL },
	};
	struct peer peer;
	bool is_right = false;
	struct qmp_error err = { 0 };
	struct json_object *ret = NULL;

	peer_open_ready(&peer, silent);
	cr_expect(eq(int, qmp_execute(peer.q, "cmd", NULL, LATE, &ret, &err), -ETIMEDOUT));
	cr_expect(eq(int, err.code, ETIMEDOUT));
	cr_expect(strstr(err.desc, "cmd") != NULL);
	cr_expect(ret == NULL);
	cr_expect(eq(int, (int)qmp_state(peer.q), (int)QMP_STATE_READY));
	peer.move = late;
	cr_assert(eq(int, qmp_execute(peer.q, "cmd", NULL, LATE, &ret, &err), 0), "%s", err.desc);
	cr_expect(qmp_member_bool(ret, "right", &is_right));
	cr_expect(eq(uint, peer.trace[QMP_TRACE_REPLY_DROPPED], 1));
	cr_expect(eq(sz, qmp_n_events(peer.q), 1));
	json_object_put(ret);
	peer_close(&peer);
}

Test(qmp_wait, late_reply_between_two_commands_is_not_taken_for_the_second)
{
	static const struct peer_move script[] = {
		{ PEER_EXPECT, "\"id\":2" },
		{ PEER_TIME_OUT, NULL },
		{ PEER_EXPECT, "\"id\":3" },
		{ PEER_SEND, "{\"return\": {\"right\": true}, \"id\": 3}\n" },
		{ PEER_END, NULL },
	};
	struct peer peer;
	bool is_right = false;
	struct json_object *ret = NULL;

	peer_open_ready(&peer, script);
	cr_expect(eq(int, ask(&peer, NULL), -ETIMEDOUT));
	peer_say(&peer, "{\"return\": {}, \"id\": 2}\n");
	cr_expect(eq(int, qmp_process(peer.q, NULL), 0));
	cr_assert(eq(int, qmp_execute(peer.q, "cmd", NULL, LATE, &ret, NULL), 0));
	cr_expect(qmp_member_bool(ret, "right", &is_right));
	json_object_put(ret);
	peer_close(&peer);
}

Test(qmp_wait, nothing_is_sent_when_the_deadline_has_passed)
{
	static const struct peer_move script[] = { { PEER_END, NULL } };
	struct peer peer;
	char c;

	peer_open_ready(&peer, script);
	cr_expect(eq(int, qmp_execute(peer.q, "quit", NULL, 0, NULL, NULL), -ETIMEDOUT));
	cr_expect(eq(int, (int)recv(peer.fd, &c, 1, MSG_DONTWAIT), -1));
	peer_close(&peer);
}

/* Send the next event as soon as one was received, so that there always is something to read. */
static void flood_events(void *data, enum qmp_trace kind, const char *text, size_t len)
{
	(void)text;
	(void)len;
	if (kind == QMP_TRACE_RECEIVED)
		peer_say(data, "{\"event\": \"RTC_CHANGE\"}\n");
}

Test(qmp_wait, events_without_end_do_not_defeat_the_deadline)
{
	static const struct peer_move script[] = { { PEER_END, NULL } };
	struct peer peer;

	peer_open_ready(&peer, script);
	qmp_set_trace(peer.q, flood_events, &peer);
	peer_say(&peer, "{\"event\": \"RTC_CHANGE\"}\n");
	cr_expect(eq(int, qmp_execute(peer.q, "cmd", NULL, in_ms(200), NULL, NULL), -ETIMEDOUT));
	cr_expect(gt(sz, qmp_n_events(peer.q), 1));
	cr_expect(eq(int, qmp_process(peer.q, NULL), 0), "and process returns, too");
	peer_close(&peer);
}

static void on_alarm(int signal)
{
	(void)signal;
}

Test(qmp_wait, signals_do_not_end_a_wait)
{
	static const struct peer_move script[] = { { PEER_END, NULL } };
	struct peer peer;
	struct itimerval every_5_ms = { { 0, 5000 }, { 0, 5000 } };
	struct itimerval off = { { 0, 0 }, { 0, 0 } };
	struct sigaction action = { .sa_handler = on_alarm };

	peer_open_ready(&peer, script);
	qmp_set_wait(peer.q, NULL, NULL);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &every_5_ms, NULL);
	uint64_t deadline_ns = in_ms(50);
	cr_expect(eq(int, qmp_execute(peer.q, "cmd", NULL, deadline_ns, NULL, NULL), -ETIMEDOUT));
	cr_expect(ge(u64, in_ms(0), deadline_ns));
	setitimer(ITIMER_REAL, &off, NULL);
	peer_close(&peer);
}

Test(qmp_wait, wait_function_can_cancel_a_call)
{
	static const struct peer_move script[] = {
		{ PEER_EXPECT, "\"id\":2" },
		{ PEER_CANCEL, NULL },
		{ PEER_EXPECT, "\"id\":3" },
		{ PEER_SEND, "{\"return\": {}, \"id\": 2}\n{\"return\": {}, \"id\": 3}\n" },
		{ PEER_END, NULL },
	};
	struct peer peer;
	struct qmp_error err = { 0 };

	peer_open_ready(&peer, script);
	cr_expect(eq(int, ask(&peer, &err), -ECANCELED));
	cr_expect(eq(int, err.code, ECANCELED));
	cr_expect(eq(int, ask(&peer, &err), 0));
	peer_close(&peer);
}

/* ---- a peer that does not read ---- */

static struct json_object *large_args(size_t n)
{
	struct json_object *args = json_object_new_object();
	char *text = malloc(n);

	memset(text, 'x', n);
	json_object_object_add(args, "text", json_object_new_string_len(text, (int)n));
	free(text);
	return args;
}

/* Read all that the client writes, letting it write on, until @n lines have come. */
static char *drain_lines(struct peer *peer, int n)
{
	size_t size = 16 * 1024 * 1024;
	size_t len = 0;
	char *text = malloc(size);
	uint64_t deadline_ns = LATE;

	while (n > 0) {
		cr_assert(lt(u64, in_ms(0), deadline_ns));
		cr_assert(eq(int, qmp_process(peer->q, NULL), 0));
		ssize_t r = recv(peer->fd, text + len, size - len - 1, MSG_DONTWAIT);
		for (ssize_t i = 0; i < r; i++)
			n -= text[len + (size_t)i] == '\n';
		len += r > 0 ? (size_t)r : 0;
	}
	text[len] = '\0';
	return text;
}

Test(qmp_wait, stalled_peer_costs_the_deadline_and_the_rest_goes_out_later)
{
	static const struct peer_move script[] = { { PEER_TIME_OUT, NULL },
						   { PEER_TIME_OUT, NULL },
						   { PEER_END, NULL } };
	struct peer peer;
	struct qmp_error err = { 0 };
	QMP_AUTO_JSON struct json_object *args = large_args(2 * 1024 * 1024);

	peer_open_ready(&peer, script);
	cr_expect(eq(int, qmp_execute(peer.q, "large", args, LATE, NULL, &err), -ETIMEDOUT));
	cr_expect(eq(int, qmp_poll_events(peer.q), POLLIN | POLLOUT));

	/* The next command cannot even begin, and is not sent later either. */
	cr_expect(eq(int, qmp_execute(peer.q, "second", NULL, LATE, NULL, &err), -ETIMEDOUT));

	char *text = drain_lines(&peer, 1);
	QMP_AUTO_JSON struct json_object *sent = json_tokener_parse(text);
	cr_expect(eq(str, (char *)qmp_member_str(sent, "execute"), (char *)"large"));
	cr_expect(strstr(text, "second") == NULL);
	cr_expect(eq(int, qmp_poll_events(peer.q), POLLIN));
	free(text);

	static const struct peer_move alive[] = { { PEER_EXPECT, "third" },
						  { PEER_SEND, "{\"return\": {}, \"id\": 2}\n" },
						  { PEER_SEND, "{\"return\": {}, \"id\": @ID}\n" },
						  { PEER_END, NULL } };
	peer.move = alive;
	cr_expect(eq(int, qmp_execute(peer.q, "third", NULL, LATE, NULL, &err), 0), "%s", err.desc);
	peer_close(&peer);
}

static void fill_socket(int fd)
{
	char block[4096];

	memset(block, ' ', sizeof(block));
	while (send(fd, block, sizeof(block), MSG_DONTWAIT) > 0)
		;
	while (send(fd, block, 1, MSG_DONTWAIT) > 0)
		;
}

Test(qmp_wait, command_of_which_nothing_was_written_is_never_sent)
{
	static const struct peer_move script[] = { { PEER_TIME_OUT, NULL }, { PEER_END, NULL } };
	struct peer peer;
	char buf[4096];
	ssize_t n;

	peer_open_ready(&peer, script);
	fill_socket(qmp_fd(peer.q));
	cr_expect(eq(int, qmp_execute(peer.q, "forgotten", NULL, LATE, NULL, NULL), -ETIMEDOUT));
	cr_expect(eq(int, qmp_poll_events(peer.q), POLLIN));
	do {
		cr_expect(eq(int, qmp_process(peer.q, NULL), 0));
		n = recv(peer.fd, buf, sizeof(buf), MSG_DONTWAIT);
		cr_expect(n <= 0 || memchr(buf, 'f', (size_t)n) == NULL);
	} while (n > 0);
	peer_close(&peer);
}

Test(qmp_wait, peer_that_talks_before_it_reads_cannot_deadlock)
{
	static const struct peer_move script[] = {
		{ PEER_SEND, "{\"event\": \"A\"}\n" },
		{ PEER_SEND, "{\"event\": \"B\"}\n" },
		{ PEER_TIME_OUT, NULL },
		{ PEER_END, NULL },
	};
	struct peer peer;
	QMP_AUTO_JSON struct json_object *args = large_args(2 * 1024 * 1024);

	peer_open_ready(&peer, script);
	cr_expect(eq(int, qmp_execute(peer.q, "large", args, LATE, NULL, NULL), -ETIMEDOUT));
	cr_expect(eq(sz, qmp_n_events(peer.q), 2));
	peer_close(&peer);
}

/* ---- events ---- */

Test(qmp_wait, next_event_does_not_block_without_a_deadline)
{
	static const struct peer_move script[] = { { PEER_END, NULL } };
	struct peer peer;
	struct qmp_event event = { 0 };
	struct qmp_error err = { 0 };

	peer_open_ready(&peer, script);
	cr_expect(eq(int, qmp_next_event(peer.q, 0, &event, &err), -ETIMEDOUT));
	peer_say(&peer, "{\"event\": \"A\"}\n");
	cr_expect(eq(int, qmp_next_event(peer.q, 0, &event, &err), 0));
	cr_expect(eq(str, (char *)event.name, (char *)"A"));
	qmp_event_done(&event);
	cr_expect(eq(int, qmp_next_event(peer.q, in_ms(0), &event, &err), -ETIMEDOUT));
	peer_close(&peer);
}

Test(qmp_wait, next_event_waits_for_one)
{
	static const struct peer_move script[] = { { PEER_SEND, "{\"event\":" },
						   { PEER_SEND, " \"A\"}\n" },
						   { PEER_END, NULL } };
	struct peer peer;
	AUTO_QMP_EVENT struct qmp_event event = { 0 };

	peer_open_ready(&peer, script);
	cr_expect(eq(int, qmp_next_event(peer.q, LATE, &event, NULL), 0));
	peer_close(&peer);
}

Test(qmp_wait, overflow_drops_the_oldest_events_and_counts_them)
{
	static const struct peer_move script[] = {
		{ PEER_EXPECT, "query-status" },
		{ PEER_SEND, "{\"event\": \"LAST\"}\n{\"return\": {}, \"id\": @ID}\n" },
		{ PEER_END, NULL },
	};
	struct peer peer;
	char line[64];
	struct qmp_event event = { 0 };

	peer_open_ready(&peer, script);
	for (int i = 0; i < QMP_EVENTS_MAX + 20; i++) {
		snprintf(line, sizeof(line), "{\"event\": \"E%d\"}\n", i);
		peer_say(&peer, line);
	}
	cr_expect(eq(int, ask(&peer, NULL), 0));
	cr_expect(eq(sz, qmp_n_events(peer.q), QMP_EVENTS_MAX));
	cr_expect(eq(u64, qmp_events_dropped(peer.q), 21));
	cr_expect(eq(u64, qmp_events_seen(peer.q), QMP_EVENTS_MAX + 21));
	cr_expect(eq(uint, peer.trace[QMP_TRACE_EVENT_DROPPED], 21));
	cr_assert(eq(int, qmp_next_event(peer.q, 0, &event, NULL), 0));
	cr_expect(eq(str, (char *)event.name, (char *)"E21"));
	qmp_event_done(&event);
	while (qmp_n_events(peer.q) > 1) {
		cr_assert(eq(int, qmp_next_event(peer.q, 0, &event, NULL), 0));
		qmp_event_done(&event);
	}
	cr_assert(eq(int, qmp_next_event(peer.q, 0, &event, NULL), 0));
	cr_expect(eq(str, (char *)event.name, (char *)"LAST"));
	qmp_event_done(&event);
	peer_close(&peer);
}

static bool is_named(const struct qmp_event *event, const void *data)
{
	return strcmp(event->name, data) == 0;
}

Test(qmp_wait, wait_event_takes_the_match_and_leaves_the_others)
{
	static const struct peer_move script[] = {
		{ PEER_EXPECT, "query-status" },
		{ PEER_SEND,
		  "{\"event\": \"A\"}\n{\"event\": \"B\"}\n{\"event\": \"C\"}\n"
		  "{\"return\": {}, \"id\": @ID}\n" },
		{ PEER_SEND, "{\"event\": \"D\"}\n{\"event\": \"E\"}\n{\"event\": \"F\"}\n" },
		{ PEER_END, NULL },
	};
	struct peer peer;
	char names[8] = "";
	struct qmp_event event = { 0 };

	peer_open_ready(&peer, script);
	cr_assert(eq(int, ask(&peer, NULL), 0));
	cr_expect(eq(int, qmp_wait_event(peer.q, is_named, "B", LATE, &event, NULL), 0));
	cr_expect(eq(u64, event.seq, 2));
	qmp_event_done(&event);
	cr_expect(eq(int, qmp_wait_event(peer.q, is_named, "E", LATE, &event, NULL), 0));
	cr_expect(eq(u64, event.seq, 5));
	qmp_event_done(&event);
	cr_expect(eq(int, qmp_wait_event(peer.q, is_named, "X", 0, &event, NULL), -ETIMEDOUT));
	while (qmp_next_event(peer.q, 0, &event, NULL) == 0) {
		strcat(names, event.name);
		qmp_event_done(&event);
	}
	cr_expect(eq(str, names, (char *)"ACDF"));
	peer_close(&peer);
}

Test(qmp_wait, awaited_event_survives_an_overflow)
{
	static const struct peer_move script[] = { { PEER_END, NULL } };
	struct peer peer;
	struct qmp_event event = { 0 };

	peer_open_ready(&peer, script);
	peer_say(&peer, "{\"event\": \"WANTED\"}\n");
	for (int i = 0; i < QMP_EVENTS_MAX + 20; i++)
		peer_say(&peer, "{\"event\": \"E\"}\n");
	cr_expect(eq(int, qmp_wait_event(peer.q, is_named, "WANTED", LATE, &event, NULL), 0));
	qmp_event_done(&event);
	peer_close(&peer);
}

/* ---- an event loop ---- */

Test(qmp_wait, process_serves_an_event_loop)
{
	static const struct peer_move script[] = { { PEER_END, NULL } };
	struct peer peer;
	struct qmp_event event = { 0 };
	char names[8] = "";

	peer_open_ready(&peer, script);
	cr_expect(eq(int, qmp_process(peer.q, NULL), 0));
	cr_expect(eq(sz, qmp_n_events(peer.q), 0));
	peer_say(&peer, "{\"event\": \"A\"}\n{\"event\": \"B\"}\n{\"event\"");

	struct pollfd pfd = { .fd = qmp_fd(peer.q), .events = qmp_poll_events(peer.q) };
	cr_assert(eq(int, poll(&pfd, 1, 5000), 1));
	cr_expect(eq(int, qmp_process(peer.q, NULL), 0));
	cr_expect(eq(int, poll(&pfd, 1, 0), 0));
	while (qmp_next_event(peer.q, 0, &event, NULL) == 0) {
		strcat(names, event.name);
		qmp_event_done(&event);
	}
	cr_expect(eq(str, names, (char *)"AB"));
	peer_close(&peer);
}

/* ---- passing a descriptor ---- */

static int receive_fd(int fd, char *text, size_t size)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int) * 4)];
	} control;
	struct iovec iov = { text, size };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.bytes,
			      .msg_controllen = sizeof(control.bytes) };
	int got = -1;
	ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT);

	cr_assert(n > 0);
	text[n] = '\0';
	struct cmsghdr *header = CMSG_FIRSTHDR(&msg);
	if (header != NULL && header->cmsg_type == SCM_RIGHTS) {
		cr_assert(eq(sz, header->cmsg_len, CMSG_LEN(sizeof(int))));
		memcpy(&got, CMSG_DATA(header), sizeof(int));
	}
	return got;
}

Test(qmp_wait, descriptor_goes_with_its_command_only)
{
	static const struct peer_move script[] = { { PEER_TIME_OUT, NULL },
						   { PEER_TIME_OUT, NULL },
						   { PEER_END, NULL } };
	struct peer peer;
	char text[256];
	int pipe_fds[2];
	char c = 0;

	peer_open_ready(&peer, script);
	cr_assert(eq(int, pipe(pipe_fds), 0));
	cr_expect(eq(int, qmp_getfd(peer.q, "p", pipe_fds[1], LATE, NULL), -ETIMEDOUT));
	int got = receive_fd(peer.fd, text, sizeof(text) - 1);
	cr_expect(
		eq(str, text,
		   (char *)"{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"p\"},\"id\":2}\n"));
	cr_assert(got >= 0, "no descriptor came");
	cr_assert(eq(int, (int)write(got, "x", 1), 1));
	cr_assert(eq(int, (int)read(pipe_fds[0], &c, 1), 1));
	cr_expect(eq(chr, c, 'x'));
	cr_expect(fcntl(pipe_fds[1], F_GETFD) >= 0, "it was only borrowed");

	cr_expect(eq(int, qmp_closefd(peer.q, "p", LATE, NULL), -ETIMEDOUT));
	cr_expect(eq(int, receive_fd(peer.fd, text, sizeof(text) - 1), -1));
	peer_close(&peer);
}

Test(qmp_wait, descriptor_goes_once_with_a_command_written_in_pieces)
{
	static const struct peer_move script[] = { { PEER_TIME_OUT, NULL }, { PEER_END, NULL } };
	struct peer peer;
	static char text[64 * 1024];
	int pipe_fds[2];
	int n_fds = 0;
	QMP_AUTO_JSON struct json_object *args = large_args(1024 * 1024);

	cr_assert(eq(int, pipe(pipe_fds), 0));
	const struct qmp_request request = { "add-fd", args, &pipe_fds[0] };
	peer_open_ready(&peer, script);
	cr_expect(eq(int, qmp_call(peer.q, &request, LATE, NULL, NULL), -ETIMEDOUT));
	do {
		int got = receive_fd(peer.fd, text, sizeof(text) - 1);

		n_fds += got >= 0;
		cr_assert(eq(int, qmp_process(peer.q, NULL), 0));
	} while (strchr(text, '\n') == NULL);
	cr_expect(eq(int, n_fds, 1));
	peer_close(&peer);
}

Test(qmp_wait, descriptor_that_is_not_open_is_refused)
{
	static const struct peer_move script[] = {
		{ PEER_EXPECT, "query-status" },
		{ PEER_SEND, "{\"return\": {}, \"id\": @ID}\n" },
		{ PEER_END, NULL },
	};
	struct peer peer;

	peer_open_ready(&peer, script);
	cr_expect(eq(int, qmp_getfd(peer.q, "p", 250, LATE, NULL), -EBADF));
	cr_expect(eq(int, qmp_getfd(peer.q, "p", -1, LATE, NULL), -EBADF));
	cr_expect(eq(int, ask(&peer, NULL), 0));
	peer_close(&peer);
}
