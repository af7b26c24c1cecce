/* SPDX-License-Identifier: MIT */
#include "run/console.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <termios.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"

/**
 * struct console - One session
 * @line_start: the next byte typed begins a line
 * @tilde:      the line began with "~", which is held back
 */
struct console {
	int fd;
	int signal_fd;
	bool stdin_open;
	bool line_start;
	bool tilde;
	bool raw;
	struct termios saved;
};

static void make_raw(struct console *c)
{
	struct termios t;

	if (tcgetattr(STDIN_FILENO, &c->saved) < 0)
		return;
	t = c->saved;
	cfmakeraw(&t);
	c->raw = tcsetattr(STDIN_FILENO, TCSANOW, &t) == 0;
}

/* Return: whether the session goes on. */
static bool typed(struct console *c, char byte)
{
	char out[2];
	size_t n = 0;

	if (c->tilde) {
		c->tilde = false;
		if (byte == '.')
			return false;
		if (byte != '~')
			out[n++] = '~';
	} else if (c->line_start && byte == '~') {
		c->tilde = true;
		return true;
	}
	out[n++] = byte;
	c->line_start = byte == '\r' || byte == '\n';
	return send(c->fd, out, n, MSG_NOSIGNAL) == (ssize_t)n;
}

static bool from_user(struct console *c)
{
	char buf[256];
	ssize_t n = read(STDIN_FILENO, buf, sizeof(buf));

	if (n <= 0) {
		c->stdin_open = false;
		(void)shutdown(c->fd, SHUT_WR);
		return true;
	}
	for (ssize_t i = 0; i < n; i++) {
		if (!typed(c, buf[i]))
			return false;
	}
	return true;
}

/* Return: 1 the session goes on; 0 the VM ended; errno of writing. */
static int from_guest(const struct console *c, struct error *err)
{
	char buf[4096];
	ssize_t n = recv(c->fd, buf, sizeof(buf), 0);
	int r;

	if (n <= 0)
		return 0;
	r = fd_write_all(STDOUT_FILENO, buf, (size_t)n);
	return r < 0 ? error_set(err, -r, "write to stdout: %s", strerror(-r)) : 1;
}

static int relay(struct console *c, struct error *err)
{
	for (;;) {
		struct pollfd pfds[] = {
			{ .fd = c->fd, .events = POLLIN },
			{ .fd = c->signal_fd, .events = POLLIN },
			{ .fd = c->stdin_open ? STDIN_FILENO : -1, .events = POLLIN },
		};

		int r = 1;

		if (poll(pfds, ARRAY_SIZE(pfds), -1) < 0 && errno != EINTR)
			return error_errno(err, "poll");
		if (pfds[0].revents != 0)
			r = from_guest(c, err);
		if (r <= 0)
			return r;
		if (pfds[1].revents != 0 || (pfds[2].revents != 0 && !from_user(c)))
			return 0;
	}
}

int console_relay(int fd, struct error *err)
{
	struct console c = { .fd = fd, .stdin_open = true, .line_start = true };
	sigset_t set, old;
	int r;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &set, &old);
	c.signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (isatty(STDIN_FILENO) != 0)
		log_info("connected; ~. at the start of a line leaves");
	make_raw(&c);
	r = relay(&c, err);
	if (c.raw)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &c.saved);
	close_fd(&c.signal_fd);
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	return r;
}
