/* SPDX-License-Identifier: MIT */
#include "image/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/process.h"
#include "base/strv.h"

#define LINE_SIZE 4096
#define TAIL_SIZE 320
#define GRACE_S   5
#define GONE_S    30
#define LOCK_FD   3 /* in the program */

/* The program's output under way: the line begun, and the end of all before it. */
struct pump {
	const struct tool *tool;
	int fd, pidfd;
	char line[LINE_SIZE];
	size_t len;
	char tail[TAIL_SIZE];
	size_t tail_len;
};

void image_steps(struct image_progress *progress, size_t total)
{
	if (progress == NULL)
		return;
	progress->index = 0;
	progress->total = total;
}

void image_step(struct image_progress *progress, const char *title)
{
	if (progress == NULL)
		return;
	progress->index++;
	if (progress->step != NULL)
		progress->step(progress->data, progress, title);
}

void tool_args(struct strv *argv, ...)
{
	const char *word;
	va_list ap;

	va_start(ap, argv);
	while ((word = va_arg(ap, const char *)) != NULL)
		strv_add(argv, word);
	va_end(ap);
}

/* Keeps the last lines, joined by "; ": errors are one line. */
static void tail_add(struct pump *p, const char *line, size_t len)
{
	if (len + 2 >= TAIL_SIZE) {
		line += len + 3 - TAIL_SIZE;
		len = TAIL_SIZE - 3;
	}
	while (p->tail_len + len + 2 >= TAIL_SIZE) {
		const char *cut = strstr(p->tail, "; ");
		size_t drop = cut == NULL ? p->tail_len : (size_t)(cut + 2 - p->tail);

		memmove(p->tail, p->tail + drop, p->tail_len - drop + 1);
		p->tail_len -= drop;
	}
	p->tail_len += (size_t)snprintf(p->tail + p->tail_len, TAIL_SIZE - p->tail_len, "%s%.*s",
					p->tail_len == 0 ? "" : "; ", (int)len, line);
}

static void end_line(struct pump *p)
{
	if (p->len == 0)
		return;
	p->line[p->len] = '\0';
	tail_add(p, p->line, p->len);
	if (p->tool->line != NULL)
		p->tool->line(p->tool->data, p->line);
	p->len = 0;
}

static void take_bytes(struct pump *p, const char *buf, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (buf[i] == '\n' || buf[i] == '\r') {
			end_line(p);
			continue;
		}
		if (p->len == LINE_SIZE - 1)
			end_line(p);
		p->line[p->len] = buf[i];
		if (buf[i] == '\0')
			p->line[p->len] = '?';
		p->len++;
	}
}

/* Return: 1 at the end of the output, 0 for more, a watch's negative return. */
static int pump_once(struct pump *p, struct error *err)
{
	const struct watchset *watch = p->tool->watch;
	size_t n_watch = watch != NULL && watch->n <= WATCH_MAX ? watch->n : 0;
	struct pollfd pfds[WATCH_MAX + 2] = { { .fd = p->fd, .events = POLLIN },
					      { .fd = p->pidfd, .events = POLLIN } };
	char buf[4096];
	ssize_t n;

	for (size_t i = 0; i < n_watch; i++)
		pfds[i + 2] = (struct pollfd){ .fd = watch->v[i].fd, .events = POLLIN };
	if (poll(pfds, n_watch + 2, -1) < 0)
		return errno == EINTR ? 0 : error_errno(err, "poll");
	for (size_t i = 0; i < n_watch; i++) {
		int r = pfds[i + 2].revents != 0 ? watch->v[i].ready(watch->v[i].data, err) : 0;

		if (r < 0)
			return r;
	}
	/* the program ended, though something it left behind keeps the pipe open */
	if (pfds[0].revents == 0)
		return pfds[1].revents != 0 ? 1 : 0;
	n = read(p->fd, buf, sizeof(buf));
	if (n < 0)
		return errno == EINTR ? 0 : error_errno(err, "read");
	take_bytes(p, buf, (size_t)n);
	return n == 0 ? 1 : 0;
}

static int enter_dir(void *data, struct error *err)
{
	const char *dir = data;

	return dir != NULL && chdir(dir) < 0 ? error_errno(err, "enter %s", dir) : 0;
}

/* Reads on until nobody has the other end of the pipe: the last of the program's helpers is gone.
 */
static void await_silence(int fd)
{
	uint64_t deadline_ns = deadline_in_s(GONE_S);
	char buf[4096];
	ssize_t n = 1;

	while (n > 0 || (n < 0 && errno == EINTR)) {
		struct pollfd pfd = { .fd = fd, .events = POLLIN };

		if (poll(&pfd, 1, deadline_poll_ms(deadline_ns)) == 0)
			return;
		n = read(fd, buf, sizeof(buf));
	}
}

/* The whole group, as the terminal's Ctrl-C would: mmdebstrap cleans up when its helpers ended. */
static void stop(const struct pump *p, struct process *child)
{
	(void)kill(-child->pid, SIGTERM);
	if (process_wait(child, deadline_in_s(GRACE_S), NULL) == -ETIMEDOUT) {
		(void)kill(-child->pid, SIGKILL);
		(void)process_wait(child, deadline_in_s(GONE_S), NULL);
	}
	await_silence(p->fd);
}

static int run_to_end(struct pump *p, struct process *child, struct error *err)
{
	char how[64];
	int status = 0;
	int r;

	do
		r = pump_once(p, err);
	while (r == 0);
	end_line(p);
	if (r > 0)
		r = process_wait(child, DEADLINE_NEVER, &status);
	if (r < 0) {
		stop(p, child);
		return r;
	}
	if (status == 0)
		return 0;
	return error_set(err, EIO, "%s: %s: %s", p->tool->argv[0],
			 process_status_text(status, how, sizeof(how)), p->tail);
}

int tool_run(const struct tool *tool, struct error *err)
{
	AUTO_FREE char *path = process_find_program(tool->argv[0], NULL);
	AUTO_FREE char *dir = tool->dir != NULL ? strdup(tool->dir) : NULL;
	AUTO_CLOSE int read_end = -1;
	AUTO_CLOSE int write_end = -1;
	struct process child = PROCESS_INIT;
	struct pump pump = { .tool = tool };
	int pipe_fds[2];
	int r;

	if (path == NULL)
		return error_set(err, ENOENT, "program %s not found", tool->argv[0]);
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return error_errno(err, "pipe");
	read_end = pipe_fds[0];
	write_end = pipe_fds[1];

	struct spawn_fd fds[] = { { write_end, 1 }, { write_end, 2 }, { tool->lock_fd, LOCK_FD } };
	struct spawn spawn = {
		.path = path,
		.argv = tool->argv,
		.envp = tool->envp,
		.fds = fds,
		.n_fds = tool->lock_fd > 0 ? 3 : 2,
		.new_session = true, /* the terminal's Ctrl-C is ours to pass on */
		.die_with_us = true,
		.prepare = enter_dir,
		.prepare_data = dir,
	};

	r = process_spawn(&spawn, &child, err);
	if (r < 0)
		return r;
	close_fd(&write_end);
	pump.fd = read_end;
	pump.pidfd = child.pidfd;
	r = run_to_end(&pump, &child, err);
	process_done(&child);
	return r;
}

int tool_convert(const char *from, const char *format, const char *to,
		 struct image_progress *progress, const struct watchset *watch, struct error *err)
{
	AUTO_STRV struct strv argv = STRV_INIT;
	struct tool tool = { .watch = watch };

	tool_args(&argv, "qemu-img", "convert", "-f", format, "-O", "qcow2", from, to, NULL);
	if (strv_error(&argv) < 0)
		return error_set(err, ENOMEM, "qemu-img convert: out of memory");
	tool.argv = argv.v;
	image_step(progress, "copying the disk");
	return tool_run(&tool, err);
}
