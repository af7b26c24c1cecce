/* SPDX-License-Identifier: MIT */
#include "host/device_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "host/host.h"

#define LIMIT_MS 3000
#define OUT_FD   3
#define SYS_FD   4
#define MOVE_TO  10
#define FDS_MAX  4096

/* One look at all that are left. */
struct probe {
	const struct host *host;
	device_probe_fn *look;
	const void *what;
	size_t n;
};

/* Of the parent nothing stays but two descriptors: whoever waits for the end of a pipe, or for a
 * lock, must not wait for a child that is left behind. */
static bool keep_only(int out_fd, int sys_fd)
{
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	int out = fcntl(out_fd, F_DUPFD, MOVE_TO), sys = fcntl(sys_fd, F_DUPFD, MOVE_TO);

	if (null_fd < 0 || out < 0 || sys < 0)
		return false;
	for (int fd = 0; fd < OUT_FD; fd++) {
		if (dup2(null_fd, fd) < 0)
			return false;
	}
	if (dup2(out, OUT_FD) < 0 || dup2(sys, SYS_FD) < 0)
		return false;
	if (syscall(SYS_close_range, SYS_FD + 1U, ~0U, 0U) < 0) {
		/* before Linux 5.9 */
		for (int fd = SYS_FD + 1; fd < FDS_MAX; fd++)
			(void)close(fd);
	}
	return true;
}

static _Noreturn void child(const struct probe *p, size_t from, int out_fd)
{
	struct host host = HOST_INIT;

	if (!keep_only(out_fd, p->host->sys_fd))
		_exit(1);
	host.sys_fd = SYS_FD;
	for (size_t i = from; i < p->n; i++) {
		char answered = (char)(p->look(&host, p->what, i) ? 1 : 0);

		if (write(OUT_FD, &answered, 1) != 1)
			_exit(1);
	}
	_exit(0);
}

/* The next answer. Return: 1, 0; -ETIMEDOUT there is none. */
static int next_answer(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint64_t deadline = deadline_in_ms(LIMIT_MS);
	char answer = 0;
	int n;

	do
		n = poll(&pfd, 1, deadline_poll_ms(deadline));
	while (n < 0 && errno == EINTR);
	return n > 0 && read(fd, &answer, 1) == 1 ? answer : -ETIMEDOUT;
}

/* Look from @from on. Return: where to go on, behind one that is stuck or at the end; -errno. */
static ssize_t look_from(const struct probe *p, size_t from, bool *stuck, struct error *err)
{
	AUTO_CLOSE int in = -1;
	AUTO_CLOSE int out = -1;
	size_t at = from;
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_errno(err, "pipe");
	in = ends[0];
	out = ends[1];
	pid = fork();
	if (pid < 0)
		return error_errno(err, "fork");
	if (pid == 0)
		child(p, from, out);
	close_fd(&out);
	for (; at < p->n; at++) {
		int answer = next_answer(in);

		stuck[at] = answer != 1;
		if (answer < 0) {
			at++;
			break;
		}
	}
	(void)kill(pid, SIGKILL); /* if it is stuck, it ends when the kernel lets it */
	(void)waitpid(pid, NULL, at < p->n || stuck[p->n - 1] ? WNOHANG : 0);
	return (ssize_t)at;
}

int device_probe(const struct host *host, size_t n, device_probe_fn *look, const void *what,
		 bool *ret, struct error *err)
{
	const struct probe p = { .host = host, .look = look, .what = what, .n = n };

	for (size_t at = 0; at < n;) {
		ssize_t next = look_from(&p, at, ret, err);

		if (next < 0)
			return (int)next;
		at = (size_t)next;
	}
	return 0;
}
