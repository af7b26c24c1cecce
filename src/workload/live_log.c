/* SPDX-License-Identifier: MIT */
#include "workload/live_log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

/* What poll(2) promises to be taken at once. */
#define SCREEN_CHUNK 4096
#define PAUSE_MS     50
#define TRIES        10

/* Whether @fd is still what the name stands for. */
static bool is_current(int dir_fd, const char *name, int fd)
{
	struct stat ours, named;

	return fstat(fd, &ours) == 0 && fstatat(dir_fd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       ours.st_dev == named.st_dev && ours.st_ino == named.st_ino;
}

/*
 * Where a file system has no locks, nobody else is known. Return: 0; -EBUSY somebody has it;
 * -ESTALE the name is another file's by now.
 */
static int lock(int dir_fd, const char *name, int fd)
{
	if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return -EBUSY;
	return is_current(dir_fd, name, fd) ? 0 : -ESTALE;
}

/*
 * Only whoever has the lock of the old log removes it. What cannot be opened, such as a link, is no
 * log of anybody's who is writing it. Return: 0; as lock().
 */
static int remove_old(int dir_fd, const char *name)
{
	AUTO_CLOSE int fd =
		openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	int r;

	if (fd < 0 && errno == ENOENT)
		return 0; /* and what is there by now is another run's */
	r = fd < 0 ? 0 : lock(dir_fd, name, fd);
	if (r == 0)
		(void)unlinkat(dir_fd, name, 0);
	return r;
}

/*
 * Return: descriptor of a new file that is locked; -EBUSY another run writes that log; -ESTALE,
 * -EEXIST others were quicker; other errno.
 */
static int make_new(int dir_fd, const char *name)
{
	AUTO_CLOSE int fd = -1;
	int r = remove_old(dir_fd, name);

	if (r < 0)
		return r;
	fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (fd < 0)
		return -errno;
	(void)file_own_as_folder(dir_fd, name, fd);
	r = lock(dir_fd, name, fd);
	return r < 0 ? r : TAKE_FD(fd);
}

char *live_log_numbered(const char *name, const char *end, unsigned int number)
{
	size_t len = strlen(name), n = strlen(end);
	size_t stem = len > n && strcmp(name + len - n, end) == 0 ? len - n : len;
	char *ret = NULL;

	return asprintf(&ret, "%.*s.%u%s", (int)stem, name, number, name + stem) < 0 ? NULL : ret;
}

int live_log_open(struct live_log *log, int dir_fd, const char *name, int screen_fd,
		  struct error *err)
{
	int ends[2];
	int fd = -ESTALE;

	*log = (struct live_log)LIVE_LOG_INIT;
	for (int i = 0; i < TRIES && (fd == -ESTALE || fd == -EEXIST); i++)
		fd = make_new(dir_fd, name);
	if (fd == -EBUSY)
		return error_set(err, EBUSY, "%s is the log of another run, under way now", name);
	if (fd < 0)
		return error_set(err, -fd, "make %s: %s", name, strerror(-fd));
	log->fd = fd;
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
