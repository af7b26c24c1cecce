/* SPDX-License-Identifier: MIT */
#include "workload/live_log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

/* What poll(2) promises to be taken at once. */
#define SCREEN_CHUNK 4096
#define PAUSE_MS     50

int live_log_open(struct live_log *log, int dir_fd, const char *name, int screen_fd,
		  struct error *err)
{
	int ends[2];

	*log = (struct live_log)LIVE_LOG_INIT;
	(void)unlinkat(dir_fd, name, 0);
	log->fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (log->fd < 0)
		return error_errno(err, "make %s", name);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_errno(err, "make a pipe");
	log->out_fd = ends[0];
	log->in_fd = ends[1];
	log->screen_fd = screen_fd;
	return fd_set_nonblock(log->out_fd) < 0 ? error_errno(err, "make a pipe") : 0;
}

static bool screen_is_ready(const struct live_log *log)
{
	struct pollfd p = { .fd = log->screen_fd, .events = POLLOUT };

	return poll(&p, 1, 0) > 0;
}

/* Show what can be shown without waiting. */
static void show(struct live_log *log)
{
	char buf[SCREEN_CHUNK];

	while (log->screen_fd >= 0 && log->shown < log->written && screen_is_ready(log)) {
		ssize_t n = pread(log->fd, buf, sizeof(buf), log->shown);
		ssize_t done = n > 0 ? write(log->screen_fd, buf, (size_t)n) : -1;

		if (done > 0)
			log->shown += done;
		else if (n <= 0 || (errno != EINTR && errno != EAGAIN))
			log->screen_fd = -1; /* nobody reads it any more; the log goes on */
		else
			return;
	}
}

static int append(struct live_log *log, const char *data, size_t len, struct error *err)
{
	int r = fd_write_all(log->fd, data, len);

	if (r < 0)
		return error_set(err, -r, "write the log: %s", strerror(-r));
	log->written += (off_t)len;
	show(log);
	return 0;
}

/* Return: 1 more may be there; 0; -errno. */
static int take(struct live_log *log, struct error *err)
{
	char buf[65536];
	ssize_t n = read(log->out_fd, buf, sizeof(buf));
	int r;

	if (n <= 0)
		return 0;
	r = append(log, buf, (size_t)n, err);
	return r < 0 ? r : 1;
}

static int ready(void *data, struct error *err)
{
	int r = take(data, err);

	return r < 0 ? r : 0;
}

struct watch live_log_watch(struct live_log *log)
{
	return (struct watch){ .fd = log->out_fd, .ready = ready, .data = log };
}

int live_log_say(struct live_log *log, struct error *err, const char *fmt, ...)
{
	AUTO_FREE char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0) {
		text = NULL;
		return error_set(err, ENOMEM, "out of memory");
	}
	return append(log, text, (size_t)n, err);
}

int live_log_settle(struct live_log *log, const struct watchset *ws, struct error *err)
{
	int r;

	do
		r = take(log, err);
	while (r > 0);
	show(log);
	while (r == 0 && ws != NULL && log->screen_fd >= 0 && log->shown < log->written) {
		r = watch_serve(ws, deadline_in_ms(PAUSE_MS), err);
		show(log);
	}
	return r;
}

void live_log_done(struct live_log *log)
{
	close_fd(&log->fd);
	close_fd(&log->in_fd);
	close_fd(&log->out_fd);
	log->screen_fd = -1;
}
