/* SPDX-License-Identifier: MIT */
#include "run/channel.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"

int channel_pair(int ret_fds[2], struct error *err)
{
	int size = (int)CHANNEL_MESSAGE_MAX * 2;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ret_fds) < 0)
		return error_errno(err, "socketpair");
	for (int i = 0; i < 2; i++)
		(void)setsockopt(ret_fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return 0;
}

int channel_send(int fd, struct json_object *message, uint64_t deadline_ns, struct error *err)
{
	const char *text = json_compact(message);
	size_t len = strlen(text);

	if (len > CHANNEL_MESSAGE_MAX)
		return error_set(err, EMSGSIZE, "a message of %zu bytes is too long", len);
	while (send(fd, text, len, MSG_NOSIGNAL) < 0) {
		struct pollfd pfd = { .fd = fd, .events = POLLOUT };

		if (errno == EINTR)
			continue;
		if (errno == EPIPE || errno == ECONNRESET)
			return error_set(err, EPIPE, "the other process is gone");
		if (errno != EAGAIN)
			return error_errno(err, "send");
		if (poll(&pfd, 1, deadline_poll_ms(deadline_ns)) == 0)
			return error_set(err, ETIMEDOUT, "the other process does not answer");
	}
	return 0;
}

int channel_receive(int fd, struct json_object **ret, struct error *err)
{
	ssize_t n = recv(fd, NULL, 0, MSG_PEEK | MSG_TRUNC);
	AUTO_FREE char *text = NULL;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	if (n < 0 && errno != ECONNRESET)
		return error_errno(err, "receive");
	if (n <= 0 || (size_t)n > CHANNEL_MESSAGE_MAX)
		return error_set(err, ECONNRESET, "the other process is gone");
	text = malloc((size_t)n);
	if (text == NULL)
		return error_set(err, ENOMEM, "out of memory");
	n = recv(fd, text, (size_t)n, 0);
	if (n <= 0)
		return error_set(err, ECONNRESET, "the other process is gone");
	return json_parse(text, (size_t)n, ret, err) < 0 ? -EPROTO : 0;
}
