/* SPDX-License-Identifier: MIT */
/* A scripted QMP peer: see helper_qmp_peer.h. */
#include "helper_qmp_peer.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

uint64_t in_ms(unsigned int ms)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec + ms * UINT64_C(1000000);
}

void peer_send(struct peer *peer, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = send(peer->fd, bytes, len, MSG_NOSIGNAL);

		cr_assert(n > 0, "peer cannot write: %s", strerror(errno));
		bytes += n;
		len -= (size_t)n;
	}
}

void peer_say(struct peer *peer, const char *text)
{
	peer_send(peer, text, strlen(text));
}

void peer_read_line(struct peer *peer, char *line, size_t size)
{
	size_t len = 0;

	for (;;) {
		cr_assert(lt(sz, len + 1, size));
		cr_assert(eq(int, (int)recv(peer->fd, line + len, 1, MSG_DONTWAIT), 1),
			  "no whole line from the client");
		if (line[len] == '\n')
			break;
		len++;
	}
	line[len] = '\0';

	/* The command's own id comes last, after any in its arguments. */
	const char *id = strrchr(line, ':');

	cr_assert(id != NULL && id - line > 4 && strncmp(id - 4, "\"id\"", 4) == 0, "no id in %s",
		  line);
	peer->last_id = strtoull(id + 1, NULL, 10);
}

/* Copy @text with @ID filled in. */
static void fill_id(const struct peer *peer, const char *text, char *out, size_t size)
{
	const char *mark = strstr(text, "@ID");

	if (mark == NULL)
		snprintf(out, size, "%s", text);
	else
		snprintf(out, size, "%.*s%llu%s", (int)(mark - text), text, peer->last_id,
			 mark + 3);
}

static int play(void *data, int fd, short events, uint64_t deadline_ns)
{
	struct peer *peer = data;
	const struct peer_move *move = peer->move;
	char buf[4096];

	switch (move->op) {
	case PEER_END: {
		struct pollfd pfd = { .fd = fd, .events = events };
		uint64_t now = in_ms(0);

		poll(&pfd, 1, deadline_ns > now ? (int)((deadline_ns - now) / 1000000) + 1 : 0);
		return 0;
	}
	case PEER_EXPECT:
		peer_read_line(peer, buf, sizeof(buf));
		cr_assert(strstr(buf, move->text) != NULL, "%s not in %s", move->text, buf);
		break;
	case PEER_SEND:
		fill_id(peer, move->text, buf, sizeof(buf));
		peer_say(peer, buf);
		break;
	case PEER_SEND_TORN:
		fill_id(peer, move->text, buf, sizeof(buf));
		peer_send(peer, buf + peer->torn, 1);
		if (++peer->torn < strlen(buf))
			return 0;
		peer->torn = 0;
		break;
	case PEER_HANG_UP:
		close(peer->fd);
		peer->fd = -1;
		break;
	case PEER_TIME_OUT:
		peer->move++;
		return -ETIMEDOUT;
	case PEER_CANCEL:
		peer->move++;
		return -ECANCELED;
	}
	peer->move++;
	return 0;
}

static void count_trace(void *data, enum qmp_trace kind, const char *text, size_t len)
{
	struct peer *peer = data;

	cr_assert(text != NULL && memchr(text, '\n', len) == NULL);
	peer->trace[kind]++;
}

void peer_open(struct peer *peer, const struct peer_move *script)
{
	int fds[2];
	struct qmp_error err = { 0 };

	*peer = (struct peer){ .move = script };
	cr_assert(eq(int, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0));
	peer->fd = fds[1];
	cr_assert(eq(int, qmp_attach(fds[0], &peer->q, &err), 0), "%s", err.desc);
	qmp_set_wait(peer->q, play, peer);
	qmp_set_trace(peer->q, count_trace, peer);
}

void peer_open_ready(struct peer *peer, const struct peer_move *script)
{
	static const struct peer_move handshake[] = {
		{ PEER_SEND, PEER_GREETING },
		{ PEER_EXPECT, "\"execute\":\"qmp_capabilities\"" },
		{ PEER_SEND, "{\"return\": {}, \"id\": @ID}\r\n" },
		{ PEER_END, NULL },
	};
	struct qmp_error err = { 0 };

	peer_open(peer, handshake);
	cr_assert(eq(int, qmp_handshake(peer->q, in_ms(5000), &err), 0), "%s", err.desc);
	cr_assert(eq(int, (int)qmp_state(peer->q), (int)QMP_STATE_READY));
	cr_assert(eq(int, (int)peer->move->op, (int)PEER_END));
	peer->move = script;
}

void peer_close(struct peer *peer)
{
	cr_assert(eq(int, (int)peer->move->op, (int)PEER_END),
		  "the script was not played to its end");
	qmp_close(peer->q);
	if (peer->fd >= 0)
		close(peer->fd);
}
