/* SPDX-License-Identifier: MIT */
/* The transport under a QMP connection: see link.h. */
#include "qmp/link.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int qmp_link_open(struct qmp_link *link, int fd, size_t line_max, struct qmp_error *err)
{
	int type = 0;
	socklen_t len = sizeof(type);

	*link = (struct qmp_link){ .fd = fd, .pass_fd = -1 };
	qmp_frame_init(&link->in, line_max);
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
		return qmp_error_set(err, errno, "descriptor %d: %s", fd, strerror(errno));
	if (type != SOCK_STREAM)
		return qmp_error_set(err, EPROTOTYPE, "descriptor %d is not a stream socket", fd);
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return qmp_error_set(err, errno, "descriptor %d: %s", fd, strerror(errno));
	return 0;
}

static void drop_text(struct qmp_link *link)
{
	free(link->text);
	link->text = NULL;
	link->len = link->sent = 0;
	link->pass_fd = -1;
}

void qmp_link_close(struct qmp_link *link)
{
	if (link->fd >= 0)
		(void)close(link->fd);
	link->fd = -1;
	drop_text(link);
	qmp_frame_done(&link->in);
}

void qmp_link_queue(struct qmp_link *link, char *text, size_t len, int pass_fd)
{
	assert(link->text == NULL);
	link->text = text;
	link->len = len;
	link->sent = 0;
	link->pass_fd = pass_fd;
}

void qmp_link_cancel(struct qmp_link *link)
{
	if (link->sent == 0)
		drop_text(link);
}

bool qmp_link_is_writing(const struct qmp_link *link)
{
	return link->text != NULL;
}

static ssize_t send_some(struct qmp_link *link)
{
	union {
		struct cmsghdr header; /* for the alignment */
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec iov = { link->text + link->sent, link->len - link->sent };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (link->pass_fd >= 0) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &link->pass_fd, sizeof(int));
	}
	return sendmsg(link->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Return: whether something was written. */
static bool transmit(struct qmp_link *link)
{
	if (link->text == NULL)
		return false;

	ssize_t n = send_some(link);

	if (n < 0) {
		if (errno == EAGAIN || errno == EINTR)
			return false;
		link->is_peer_deaf = true;
		drop_text(link);
		return false;
	}
	link->pass_fd = -1;
	link->sent += (size_t)n;
	if (link->sent == link->len)
		drop_text(link);
	return true;
}

/* Return: 1 bytes came; 0 none there; -ECONNRESET; -ENOMEM. */
static int receive(struct qmp_link *link, struct qmp_error *err)
{
	char *room = NULL;
	size_t size = 0;

	if (qmp_frame_reserve(&link->in, &room, &size) < 0)
		return qmp_error_set(err, ENOMEM, "out of memory for the receive buffer");

	/* Not recvmsg(): descriptors that the peer might send are thus refused by the kernel. */
	ssize_t n = recv(link->fd, room, size, MSG_DONTWAIT);

	if (n > 0) {
		qmp_frame_commit(&link->in, (size_t)n);
		return 1;
	}
	if (n == 0)
		return qmp_error_set(err, ECONNRESET, "the peer closed the connection%s",
				     qmp_frame_rest(&link->in) > 0 ? " in the middle of a line"
								   : "");
	if (errno == EAGAIN || errno == EINTR)
		return 0;
	return qmp_error_set(err, ECONNRESET, "the connection was lost: %s", strerror(errno));
}

int qmp_link_pump(struct qmp_link *link, struct qmp_error *err)
{
	bool has_sent = transmit(link);
	int r = receive(link, err);

	if (r == 0 && link->is_peer_deaf)
		return qmp_error_set(err, ECONNRESET, "the peer no longer reads");
	return r == 0 && has_sent ? 1 : r;
}
