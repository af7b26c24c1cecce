/* SPDX-License-Identifier: MIT */
#include "guest/fdio.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static int reopen(int fd, bool writing)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, (writing ? O_WRONLY : O_RDONLY) | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

void fdio_open(struct fdio *io, int fd, bool writing)
{
	struct stat st;
	int own;

	io->kind = FDIO_NONE;
	io->fd = -1;
	if (fd < 0 || fstat(fd, &st) < 0)
		return;
	io->fd = fd;
	io->kind = FDIO_PLAIN;
	if (S_ISSOCK(st.st_mode)) {
		io->kind = FDIO_SOCKET;
	} else if (S_ISFIFO(st.st_mode) || (S_ISCHR(st.st_mode) && isatty(fd))) {
		own = reopen(fd, writing);
		io->kind = own >= 0 ? FDIO_REOPENED : FDIO_POLLED;
		io->fd = own >= 0 ? own : fd;
	}
}

void fdio_close(struct fdio *io)
{
	if (io->kind == FDIO_REOPENED)
		(void)close(io->fd);
	io->kind = FDIO_NONE;
	io->fd = -1;
}

bool fdio_is_ready_always(const struct fdio *io)
{
	return io->kind == FDIO_NONE || io->kind == FDIO_PLAIN;
}

static bool is_ready_now(int fd, short events)
{
	struct pollfd pfd = { .fd = fd, .events = events };

	return poll(&pfd, 1, 0) > 0;
}

static ssize_t read_once(const struct fdio *io, void *buf, size_t size)
{
	switch (io->kind) {
	case FDIO_NONE:
		return 0;
	case FDIO_SOCKET:
		return recv(io->fd, buf, size, MSG_DONTWAIT);
	case FDIO_POLLED:
		if (!is_ready_now(io->fd, POLLIN)) {
			errno = EAGAIN;
			return -1;
		}
		return read(io->fd, buf, size);
	case FDIO_PLAIN:
	case FDIO_REOPENED:
		return read(io->fd, buf, size);
	}
	return 0;
}

static ssize_t write_once(const struct fdio *io, const void *buf, size_t len)
{
	switch (io->kind) {
	case FDIO_NONE:
		return (ssize_t)len;
	case FDIO_SOCKET:
		return send(io->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	case FDIO_POLLED:
		if (!is_ready_now(io->fd, POLLOUT)) {
			errno = EAGAIN;
			return -1;
		}
		return write(io->fd, buf, len < PIPE_BUF ? len : PIPE_BUF);
	case FDIO_PLAIN:
	case FDIO_REOPENED:
		return write(io->fd, buf, len);
	}
	return (ssize_t)len;
}

ssize_t fdio_read(const struct fdio *io, void *buf, size_t size)
{
	ssize_t n;

	do
		n = read_once(io, buf, size);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

ssize_t fdio_write(const struct fdio *io, const void *buf, size_t len)
{
	ssize_t n;

	do
		n = write_once(io, buf, len);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}
