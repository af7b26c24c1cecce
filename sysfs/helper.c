/* SPDX-License-Identifier: MIT */
/* Calls that may block for ever, made in a child process: see helper.h. */
#include "sysfs/helper.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sysfs/cleanup.h"
#include "sysfs/clock.h"
#include "sysfs/tree.h"

/* What the child sends: well below what a pipe takes without blocking. */
struct report {
	ssize_t result;
	char reply[SYSFS_TEXT_SIZE];
};

#define REPORT_HEAD offsetof(struct report, reply)

static void close_range_or_each(unsigned int first, unsigned int last)
{
	if (close_range(first, last, 0) == 0)
		return;
	/* Before Linux 5.9. */
	for (unsigned int fd = first; fd <= last && fd < 65536; fd++)
		(void)close((int)fd);
}

/* Close everything above 2 but the @n descriptors of @keep. */
static void close_others(const int *keep, size_t n)
{
	unsigned int from = 3;

	for (;;) {
		unsigned int next = ~0U;

		for (size_t i = 0; i < n; i++) {
			if (keep[i] >= 0 && (unsigned int)keep[i] >= from &&
			    (unsigned int)keep[i] < next)
				next = (unsigned int)keep[i];
		}
		if (next > from)
			close_range_or_each(from, next == ~0U ? next : next - 1);
		if (next == ~0U)
			return;
		from = next + 1;
	}
}

/* The standard descriptors lead nowhere: whoever waits for the end of a pipe must not wait for us.
 */
static void detach_standard(void)
{
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; fd < 3; fd++) {
		if (null_fd < 0)
			(void)close(fd);
		else if (fd != null_fd)
			(void)dup2(null_fd, fd);
	}
}

static void default_signals(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		(void)sigaction(sig, &action, NULL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

__attribute__((noreturn)) static void be_helper(const struct helper *helper, int report_fd)
{
	int keep[3] = { report_fd, helper->dir_fd, helper->lock_fd };
	struct report report = { 0 };

	for (size_t i = 0; i < SYSFS_ARRAY_SIZE(keep); i++) {
		if (keep[i] >= 0 && keep[i] < 3)
			keep[i] = fcntl(keep[i], F_DUPFD_CLOEXEC, 3);
	}
	(void)setsid();
	(void)prctl(PR_SET_NAME, "bmvm-write");
	if (chdir("/") < 0) {
		/* Then it stays where it is, which harms nobody but who wants to unmount that. */
	}
	detach_standard();
	close_others(keep, SYSFS_ARRAY_SIZE(keep));
	default_signals();

	report.result = helper->run(helper->data, keep[1], report.reply, sizeof(report.reply));

	size_t len = REPORT_HEAD + (report.result > 0 ? (size_t)report.result : 0);

	_exit(write(keep[0], &report, len) == (ssize_t)len ? 0 : 1);
}

/* Fork with all signals blocked, so that no handler of the parent runs in the child. */
static pid_t fork_helper(const struct helper *helper, int report_fd)
{
	sigset_t all, before;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &before);

	pid_t pid = fork();

	if (pid == 0)
		be_helper(helper, report_fd);

	int saved = errno;

	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	errno = saved;
	return pid;
}

static bool wait_readable(int fd, uint64_t deadline_ns)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	for (;;) {
		int n = poll(&pfd, 1, sysfs_poll_ms(deadline_ns));

		if (n > 0)
			return true;
		if (n == 0 && sysfs_now_ns() >= deadline_ns)
			return false;
		if (n < 0 && errno != EINTR)
			return false;
	}
}

/*
 * Collect a child that has reported, and is about to end; or that has ended. Should it be late, it
 * stays for the caller's own waitpid().
 */
static void reap(pid_t pid, uint64_t deadline_ns)
{
	uint64_t grace_ns = sysfs_deadline_ms(1000);
	SYSFS_AUTO_CLOSE int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (pidfd >= 0)
		(void)wait_readable(pidfd, grace_ns < deadline_ns ? grace_ns : deadline_ns);
	while (waitpid(pid, NULL, pidfd < 0 ? 0 : WNOHANG) < 0 && errno == EINTR)
		;
}

static ssize_t take_report(int fd, char *reply, size_t size, const struct helper *helper,
			   struct sysfs_error *err)
{
	struct report report;
	ssize_t n = read(fd, &report, sizeof(report));

	if (n < (ssize_t)REPORT_HEAD)
		return sysfs_error_set(err, ECHILD,
				       "%s: the helper died before it told how it went",
				       helper->what);
	if (report.result > 0) {
		assert((size_t)report.result <= size);
		memcpy(reply, report.reply, (size_t)report.result);
	}
	return report.result;
}

ssize_t helper_run(const struct helper *helper, uint64_t deadline_ns, char *reply, size_t size,
		   struct sysfs_error *err)
{
	int ends[2];

	if (sysfs_now_ns() >= deadline_ns)
		return sysfs_error_set(err, ETIMEDOUT, "%s: no time is left for it", helper->what);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return sysfs_error_os(err, errno, "%s: pipe", helper->what);

	SYSFS_AUTO_CLOSE int ours = ends[0];
	SYSFS_AUTO_CLOSE int theirs = ends[1];
	pid_t pid = fork_helper(helper, theirs);

	if (pid < 0)
		return sysfs_error_os(err, errno, "%s: fork", helper->what);
	sysfs_close_fd(&theirs);
	if (!wait_readable(ours, deadline_ns)) {
		(void)sysfs_error_set(
			err, ETIMEDOUT,
			"%s: still in the kernel at the deadline, process %d is left there",
			helper->what, (int)pid);
		if (err != NULL)
			err->wedged = pid;
		return -ETIMEDOUT;
	}

	ssize_t r = take_report(ours, reply, size, helper, err);

	reap(pid, deadline_ns);
	return r;
}
