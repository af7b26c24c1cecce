/* SPDX-License-Identifier: MIT */
#include "vm/serial.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/file.h"
#include "vm/serial_ring.h"

#define CHUNK       ((size_t)32 * 1024)
#define ROUNDS      8
#define BACKLOG_MAX ((size_t)64 * 1024)

/* ---- polling ---- */

static int poll_for(const struct serial *s, int fd, uint32_t events, int op)
{
	struct epoll_event e = { .events = events, .data = { .fd = fd } };

	return epoll_ctl(s->epoll_fd, op, fd, &e) < 0 ? -errno : 0;
}

/* While input waits for the guest no more is taken from the clients. */
static void set_interest(const struct serial *s)
{
	bool waiting = s->n_pending > 0;

	if (s->guest_fd >= 0)
		(void)poll_for(s, s->guest_fd, waiting ? EPOLLIN | EPOLLOUT : EPOLLIN,
			       EPOLL_CTL_MOD);
	for (size_t i = 0; i < s->n_clients; i++)
		(void)poll_for(s, s->clients[i].fd, waiting ? 0 : EPOLLIN, EPOLL_CTL_MOD);
}

/* ---- clients ---- */

static void drop_client(struct serial *s, size_t i)
{
	close_fd(&s->clients[i].fd);
	s->clients[i] = s->clients[--s->n_clients];
}

/* Sends what fits. Return: bytes taken; -errno when the client is of no more use. */
static ssize_t send_some(int fd, const char *data, size_t len)
{
	ssize_t n = send(fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n >= 0)
		return n;
	return errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

/* Say that something is missing. Return: whether it could be said. */
static bool report_loss(struct serial *s, size_t i)
{
	char note[80];
	int len = snprintf(note, sizeof(note), "\r\n[bmvm: %llu bytes lost]\r\n",
			   (unsigned long long)s->clients[i].lost);

	if (send_some(s->clients[i].fd, note, (size_t)len) != len)
		return false;
	s->clients[i].lost = 0;
	return true;
}

/* Return: false when the client has gone. */
static bool feed_client(struct serial *s, size_t i, const char *data, size_t len)
{
	ssize_t n = 0;

	if (s->clients[i].lost == 0 || report_loss(s, i))
		n = send_some(s->clients[i].fd, data, len);
	if (n < 0)
		return false;
	s->clients[i].lost += len - (size_t)n;
	return true;
}

/* A client writes; take no more than fits into pending. Return: false when it has gone. */
static bool read_client(struct serial *s, int fd)
{
	ssize_t n = recv(fd, s->pending + s->n_pending, sizeof(s->pending) - s->n_pending,
			 MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (s->guest_fd >= 0)
		s->n_pending += (size_t)n;
	return n > 0;
}

/* ---- the guest ---- */

static void lose_guest(struct serial *s)
{
	close_fd(&s->guest_fd);
	s->n_pending = 0;
}

static void feed_guest(struct serial *s)
{
	ssize_t n;

	if (s->guest_fd < 0 || s->n_pending == 0)
		return;
	n = send_some(s->guest_fd, s->pending, s->n_pending);
	if (n <= 0)
		return; /* full, or gone: then reading says so */
	memmove(s->pending, s->pending + n, s->n_pending - (size_t)n);
	s->n_pending -= (size_t)n;
}

static void read_guest(struct serial *s)
{
	char buf[CHUNK];
	ssize_t n = recv(s->guest_fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		lose_guest(s);
		return;
	}
	if (n < 0)
		return;
	serial_ring_write(s->log_fd, s->capacity, &s->total, buf, (size_t)n);
	for (size_t i = s->n_clients; i > 0; i--) {
		if (!feed_client(s, i - 1, buf, (size_t)n))
			drop_client(s, i - 1);
	}
}

/* ---- the relay ---- */

static void on_client(struct serial *s, const struct epoll_event *e)
{
	for (size_t i = 0; i < s->n_clients; i++) {
		if (s->clients[i].fd != e->data.fd)
			continue;
		if ((e->events & EPOLLIN) != 0 && s->n_pending < sizeof(s->pending)) {
			if (!read_client(s, e->data.fd))
				drop_client(s, i);
		} else if ((e->events & (EPOLLHUP | EPOLLERR)) != 0) {
			drop_client(s, i);
		}
		return;
	}
}

int serial_process(struct serial *s)
{
	struct epoll_event events[SERIAL_CLIENTS_MAX + 1];
	size_t before = s->n_pending;

	for (int round = 0; round < ROUNDS; round++) {
		int n = epoll_wait(s->epoll_fd, events, (int)ARRAY_SIZE(events), 0);

		if (n <= 0)
			break;
		for (int i = 0; i < n; i++) {
			if (events[i].data.fd != s->guest_fd)
				on_client(s, &events[i]);
			else if ((events[i].events & ~(uint32_t)EPOLLOUT) != 0)
				read_guest(s);
		}
		feed_guest(s);
		if ((before > 0) != (s->n_pending > 0))
			set_interest(s);
		before = s->n_pending;
	}
	return s->guest_fd < 0 ? 1 : 0;
}

int serial_watch(void *data, struct error *err)
{
	(void)err;
	(void)serial_process(data);
	return 0;
}

int serial_open(struct serial *s, int dir_fd, size_t capacity, int guest_fd, struct error *err)
{
	int r;

	*s = (struct serial)SERIAL_INIT;
	s->guest_fd = guest_fd;
	s->capacity = capacity;
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	r = s->epoll_fd < 0 ? error_errno(err, "epoll") : 0;
	if (r == 0 && (fd_set_nonblock(guest_fd) < 0 || fd_set_cloexec(guest_fd, true) < 0))
		r = error_errno(err, "serial socket");
	if (r == 0)
		r = serial_ring_create(dir_fd, SERIAL_FILE, capacity, &s->log_fd, err);
	if (r == 0 && poll_for(s, guest_fd, EPOLLIN, EPOLL_CTL_ADD) < 0)
		r = error_errno(err, "epoll");
	if (r < 0)
		serial_done(s);
	return r;
}

int serial_poll_fd(const struct serial *s)
{
	return s->epoll_fd;
}

uint64_t serial_seen(const struct serial *s)
{
	return s->total;
}

int serial_attach(struct serial *s, int fd, struct error *err)
{
	int r;

	if (s->n_clients == SERIAL_CLIENTS_MAX)
		return error_set(err, EUSERS, "%d consoles are attached already",
				 SERIAL_CLIENTS_MAX);
	(void)fd_set_cloexec(fd, true);
	r = poll_for(s, fd, s->n_pending > 0 ? 0 : EPOLLIN, EPOLL_CTL_ADD);
	if (r < 0)
		return error_set(err, -r, "console: %s", strerror(-r));
	s->clients[s->n_clients].lost = 0;
	s->clients[s->n_clients++].fd = fd;
	return 0;
}

void serial_send_backlog(const struct serial *s, int fd, size_t bytes)
{
	AUTO_FREE char *data = NULL;
	size_t len = 0;

	if (bytes == 0 || serial_ring_read(s->log_fd, &data, &len, NULL) < 0)
		return;
	if (bytes > BACKLOG_MAX)
		bytes = BACKLOG_MAX;
	if (len > bytes)
		(void)send_some(fd, data + len - bytes, bytes);
	else
		(void)send_some(fd, data, len);
}

void serial_done(struct serial *s)
{
	while (s->n_clients > 0)
		drop_client(s, s->n_clients - 1);
	close_fd(&s->guest_fd);
	close_fd(&s->log_fd);
	close_fd(&s->epoll_fd);
	*s = (struct serial)SERIAL_INIT;
}
