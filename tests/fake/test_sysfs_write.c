/* SPDX-License-Identifier: MIT */
/* The one function that writes: order, lock, deadline, and what its helper is. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helper_kernel.h"
#include "sysfs/clock.h"
#include "sysfs/write.h"

#define ATTRIBUTE "bus/pci/devices/0000:41:00.0/power/control"

static struct fake_kernel k;
static int lock_fd;

static void setup(void)
{
	fake_start(&k);
	fake_host(&k);
	lock_fd = open(k.root, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (lock_fd < 0) {
		char path[PATH_MAX + 8];

		snprintf(path, sizeof(path), "%s/lock", k.root);
		lock_fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	}
	cr_assert_geq(lock_fd, 0);
	k.sys.lock_fd = lock_fd;
}

static void teardown(void)
{
	fake_stop(&k);
	close(lock_fd);
}

TestSuite(sysfs_write, .init = setup, .fini = teardown);

static int change_until(const char *value, const char *expect, uint64_t deadline_ns,
			struct sysfs_error *err)
{
	struct sysfs_change change = { .op = "test",
				       .object = "0000:41:00.0",
				       .path = ATTRIBUTE,
				       .old = "auto",
				       .value = value,
				       .expect = expect };

	return sysfs_change(&k.sys, &change, deadline_ns, err);
}

static int change(const char *value, const char *expect, struct sysfs_error *err)
{
	return change_until(value, expect, sysfs_deadline_ms(10000), err);
}

/* Whether the lock could be had exclusively, as an undo wants it. */
static bool lock_is_free(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", lock_fd);

	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool is_free = flock(fd, LOCK_EX | LOCK_NB) == 0;

	close(fd);
	return is_free;
}

Test(sysfs_write, an_intent_is_told_in_full_before_the_write)
{
	struct sysfs_error err = { 0 };

	cr_assert_eq(change("on", "on", &err), 0, "%s", err.text);
	cr_assert_str_eq(fake_get(&k, ATTRIBUTE), "on");
	cr_assert_eq(k.n_intents, 1);
	cr_assert_str_eq(k.intents[0].op, "test");
	cr_assert_str_eq(k.intents[0].object, "0000:41:00.0");
	cr_assert_str_eq(k.intents[0].path, ATTRIBUTE);
	cr_assert_str_eq(k.intents[0].old_value, "auto");
	cr_assert_str_eq(k.intents[0].new_value, "on");
	k.intents_before_write = 2;
	cr_assert_eq(change("auto", "auto", &err), -EROFS);
	cr_assert_eq(k.state->n_writes, 1, "without intent there is no write");
	cr_assert_str_eq(fake_get(&k, ATTRIBUTE), "on");
}

Test(sysfs_write, the_kernels_answer_is_returned)
{
	struct sysfs_error err = { 0 };

	k.state->fail_at = 1;
	k.state->fail_errno = EPERM;
	cr_assert_eq(change("on", "on", &err), -EPERM);
	cr_assert_eq(err.code, EPERM);
	cr_assert_eq(err.wedged, 0);
	cr_assert_neq(strstr(err.text, "power/control"), NULL, "%s", err.text);
}

Test(sysfs_write, a_value_that_reads_otherwise_is_an_error)
{
	struct sysfs_error err = { 0 };

	cr_assert_eq(change("on", "off", &err), -EREMOTEIO);
	cr_assert_neq(strstr(err.text, "reads \"on\""), NULL, "%s", err.text);
	cr_assert_eq(change("on", NULL, &err), 0);
}

Test(sysfs_write, nothing_is_written_outside_of_the_root_or_without_value)
{
	static const char *const paths[] = { "/etc/x", "../x", "a/../../x", "a/..", "", ".." };

	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		struct sysfs_change out = {
			.op = "test", .object = "x", .path = paths[i], .value = "1"
		};

		cr_assert_eq(sysfs_change(&k.sys, &out, UINT64_MAX, NULL), -EINVAL, "%s", paths[i]);
	}
	cr_assert_eq(change("", NULL, NULL), -EINVAL);
	cr_assert_eq(k.n_intents, 0);
	cr_assert_eq(k.state->n_writes, 0);
}

Test(sysfs_write, without_time_nothing_is_begun)
{
	struct sysfs_error err = { 0 };

	cr_assert_eq(change_until("on", "on", 1, &err), -ETIMEDOUT);
	cr_assert_eq(err.wedged, 0);
	cr_assert_eq(k.n_intents, 0);
	cr_assert_eq(k.state->n_writes, 0);
}

Test(sysfs_write, a_hung_write_costs_the_deadline_and_keeps_the_lock)
{
	for (int after = 0; after < 2; after++) {
		struct sysfs_error err = { 0 };
		uint64_t start = sysfs_now_ns();

		fake_reset(&k);
		fake_text(&k, ATTRIBUTE, "auto\n");
		k.state->hang_at = !after;
		k.state->hang_after_at = after;
		cr_assert_eq(change_until("on", "on", sysfs_deadline_ms(150), &err), -ETIMEDOUT);
		cr_assert_lt(sysfs_now_ns() - start, UINT64_C(2000000000));
		cr_assert_gt(err.wedged, 0);
		cr_assert(fake_wait_hang(&k, err.wedged));
		cr_assert_eq(waitpid(err.wedged, NULL, WNOHANG), 0, "it is left alone");
		cr_assert_str_eq(fake_get(&k, ATTRIBUTE), after ? "on" : "auto");
		cr_assert(!lock_is_free());
		fake_release(&k, err.wedged);
		cr_assert(lock_is_free());
		cr_assert_str_eq(fake_get(&k, ATTRIBUTE), "on", "it finishes what it began");
	}
}

Test(sysfs_write, the_lock_goes_with_the_helper)
{
	cr_assert_eq(change("on", "on", NULL), 0);
	cr_assert(lock_is_free());
	cr_assert_eq(waitpid(-1, NULL, WNOHANG), -1);
	cr_assert_eq(errno, ECHILD);
}

Test(sysfs_write, while_somebody_undoes_nothing_is_written)
{
	char path[64];
	struct sysfs_error err = { 0 };

	snprintf(path, sizeof(path), "/proc/self/fd/%d", lock_fd);

	int undoer = open(path, O_RDONLY | O_CLOEXEC);

	cr_assert_eq(flock(undoer, LOCK_EX), 0);
	cr_assert_eq(change("on", "on", &err), -ENOLCK);
	cr_assert_eq(k.n_intents, 0);
	cr_assert_eq(k.state->n_writes, 0);
	/* The undo itself goes on with a shared one. */
	cr_assert_eq(flock(undoer, LOCK_SH), 0);
	cr_assert_eq(change("on", "on", &err), 0);
	close(undoer);
}

Test(sysfs_write, the_callers_own_lock_is_not_touched)
{
	cr_assert_eq(flock(lock_fd, LOCK_SH), 0);
	cr_assert_eq(change("on", "on", NULL), 0);
	cr_assert(!lock_is_free());
	cr_assert_eq(flock(lock_fd, LOCK_UN), 0);
	cr_assert(lock_is_free());
}

Test(sysfs_write, a_helper_that_is_killed_leaves_it_open_what_happened)
{
	struct sysfs_error err = { 0 };

	k.state->die_at = 1;
	cr_assert_eq(change("on", "on", &err), -ECHILD);
	cr_assert_eq(err.wedged, 0);
	cr_assert(lock_is_free());
}

/* What a helper finds out about itself. */
struct self {
	int open_fds;
	bool has_dir;
	bool own_session;
	bool standard_is_null;
	bool default_signals;
	bool nothing_blocked;
	char name[16];
	char cwd[8];
};

static void look_at_signals(struct self *self)
{
	sigset_t blocked;

	self->default_signals = true;
	self->nothing_blocked = true;
	sigprocmask(SIG_SETMASK, NULL, &blocked);
	for (int sig = 1; sig < 32; sig++) {
		struct sigaction action;

		if (sigaction(sig, NULL, &action) == 0 && action.sa_handler != SIG_DFL)
			self->default_signals = false;
		if (sigismember(&blocked, sig) == 1)
			self->nothing_blocked = false;
	}
}

static int look_at_self(void *data, int dir_fd, const char *path, const char *value, size_t len)
{
	struct self *self = data;
	struct stat st, null;

	(void)value;
	(void)len;
	self->standard_is_null = stat("/dev/null", &null) == 0;
	for (int fd = 0; fd < 1024; fd++) {
		if (fcntl(fd, F_GETFD) < 0)
			continue;
		self->open_fds++;
		if (fd < 3 && (fstat(fd, &st) < 0 || st.st_rdev != null.st_rdev))
			self->standard_is_null = false;
	}
	self->has_dir = faccessat(dir_fd, path, F_OK, 0) == 0;
	self->own_session = getsid(0) == getpid();
	look_at_signals(self);
	prctl(PR_GET_NAME, self->name);
	if (getcwd(self->cwd, sizeof(self->cwd)) == NULL)
		self->cwd[0] = '\0';
	return 0;
}

static void ignore(int sig)
{
	(void)sig;
}

Test(sysfs_write, the_helper_keeps_nothing_of_the_process_that_made_it)
{
	struct self *self = mmap(NULL, sizeof(*self), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	sigset_t usr;
	int ends[2];

	cr_assert_eq(pipe(ends), 0); /* without close-on-exec, as somebody else's may be */
	cr_assert_geq(fcntl(ends[0], F_DUPFD, 700), 0);
	signal(SIGHUP, SIG_IGN);
	signal(SIGTERM, ignore);
	sigemptyset(&usr);
	sigaddset(&usr, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr, NULL);
	k.sys.kernel.write = look_at_self;
	k.sys.kernel.data = self;
	cr_assert_eq(change("on", NULL, NULL), 0);
	cr_assert_eq(self->open_fds, 3 + 3, "standard ones, pipe, folder, lock: %d",
		     self->open_fds);
	cr_assert(self->has_dir);
	cr_assert(self->own_session);
	cr_assert(self->standard_is_null);
	cr_assert(self->default_signals);
	cr_assert(self->nothing_blocked);
	cr_assert_str_eq(self->name, "bmvm-write");
	cr_assert_str_eq(self->cwd, "/");
	sigprocmask(SIG_SETMASK, NULL, &usr);
	cr_assert(sigismember(&usr, SIGUSR1), "the caller's mask is as it was");
	munmap(self, sizeof(*self));
}

Test(sysfs_write, descriptors_below_three_do_no_harm)
{
	struct self *self = mmap(NULL, sizeof(*self), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int out = dup(1);

	close(0);
	cr_assert_eq(dup(k.sys.sys_fd), 0);
	close(1);
	k.sys.sys_fd = 0;
	k.sys.kernel.write = look_at_self;
	k.sys.kernel.data = self;
	cr_assert_eq(change("on", NULL, NULL), 0);
	cr_assert_eq(dup2(out, 1), 1);
	cr_assert(self->has_dir);
	cr_assert(self->standard_is_null);
	munmap(self, sizeof(*self));
}

Test(sysfs_write, the_real_kernel_gets_the_value_as_it_is)
{
	struct sysfs_error err = { 0 };

	memset(&k.sys.kernel, 0, sizeof(k.sys.kernel));
	fake_text(&k, ATTRIBUTE, "%s", "");
	cr_assert_eq(change("vfio-pci\n", "vfio-pci", &err), 0, "%s", err.text);
	cr_assert_str_eq(fake_get(&k, ATTRIBUTE), "vfio-pci");
	fake_remove(&k, ATTRIBUTE);
	cr_assert_eq(change("x", NULL, &err), -ENOENT);
	fake_link(&k, ATTRIBUTE, "bus/pci/devices/0000:41:00.0/vendor");
	cr_assert_eq(change("x", NULL, &err), -ELOOP);
	cr_assert_str_eq(fake_get(&k, "bus/pci/devices/0000:41:00.0/vendor"), "0x1002");
}
