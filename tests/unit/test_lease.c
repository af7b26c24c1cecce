/* SPDX-License-Identifier: MIT */
/* Leases and quarantine of devices. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "host/lease.h"
#include "host/quarantine.h"
#include "tests/unit/helper_host.h"
#include "tests/unit/helper_tree.h"

#define A "0000:41:00.0"
#define B "0000:41:00.1"
#define C "0000:42:00.0"

static struct test_host t;

static void setup(void)
{
	test_host_init(&t);
}

static void teardown(void)
{
	test_host_done(&t);
}

TestSuite(lease, .init = setup, .fini = teardown, .timeout = 30);
TestSuite(quarantine, .init = setup, .fini = teardown, .timeout = 30);

static int take(const char *vm, struct leases *ret, struct error *err, const char *a, const char *b)
{
	AUTO_STRV struct strv names = STRV_INIT;

	strv_add(&names, a);
	if (b != NULL)
		strv_add(&names, b);
	return leases_take(&t.host, &names, vm, ret, err);
}

static int holder_pid(const char *name)
{
	struct lease_holder who;
	int r = lease_holder(&t.host, name, &who, NULL);

	cr_assert_geq(r, 0);
	return r == 1 ? who.pid : 0;
}

Test(lease, a_function_belongs_to_one_vm)
{
	AUTO_LEASES struct leases mine = LEASES_INIT, theirs = LEASES_INIT;
	struct error err = ERROR_INIT;

	cr_assert_eq(take("one", &mine, &err, B, A), 0, "%s", err.msg);
	cr_expect_eq(take("two", &theirs, &err, B, NULL), -EBUSY);
	cr_expect(strstr(err.msg, B) != NULL && strstr(err.msg, "VM one") != NULL, "%s", err.msg);
	leases_done(&mine);
	err = (struct error)ERROR_INIT;
	cr_expect_eq(take("two", &theirs, &err, B, NULL), 0, "%s", err.msg);
}

Test(lease, all_or_none)
{
	AUTO_LEASES struct leases mine = LEASES_INIT, theirs = LEASES_INIT, third = LEASES_INIT;

	cr_assert_eq(take("one", &mine, NULL, C, NULL), 0);
	cr_expect_eq(take("two", &theirs, NULL, A, C), -EBUSY);
	cr_expect_eq(theirs.n, 0);
	cr_expect_eq(take("three", &third, NULL, A, NULL), 0, "the refused one kept a lease");
}

Test(lease, a_name_twice_is_one_lease)
{
	AUTO_LEASES struct leases mine = LEASES_INIT;

	cr_expect_eq(take("one", &mine, NULL, A, A), 0);
	cr_expect_eq(mine.n, 1);
}

Test(lease, a_child_that_inherited_it_keeps_it)
{
	struct leases mine = LEASES_INIT;
	AUTO_LEASES struct leases theirs = LEASES_INIT;
	pid_t child;

	cr_assert_eq(take("one", &mine, NULL, A, NULL), 0);
	child = fork();
	cr_assert_geq(child, 0);
	if (child == 0) {
		(void)pause();
		_exit(0);
	}
	leases_done(&mine);
	cr_expect_eq(take("two", &theirs, NULL, A, NULL), -EBUSY);
	(void)kill(child, SIGKILL);
	cr_assert_eq(waitpid(child, NULL, 0), child);
	cr_expect_eq(take("two", &theirs, NULL, A, NULL), 0);
}

Test(lease, who_has_it_can_be_asked_without_taking_it)
{
	AUTO_LEASES struct leases mine = LEASES_INIT;
	struct lease_holder who;

	cr_expect_eq(lease_holder(&t.host, A, &who, NULL), 0);
	cr_assert_eq(take("one", &mine, NULL, A, NULL), 0);
	cr_assert_eq(lease_holder(&t.host, A, &who, NULL), 1);
	cr_expect_str_eq(who.vm, "one");
	cr_expect_eq(who.pid, (int)getpid());
	cr_expect_gt(who.since, 1700000000);
	cr_expect_eq(holder_pid(B), 0);
	leases_done(&mine);
	cr_expect_eq(lease_holder(&t.host, A, &who, NULL), 0);
}

Test(lease, a_name_that_leaves_the_folder_is_refused)
{
	AUTO_LEASES struct leases mine = LEASES_INIT;
	struct error err = ERROR_INIT;

	cr_expect_eq(take("one", &mine, &err, "../lock", NULL), -EINVAL);
	cr_expect_eq(take("one", &mine, NULL, ".", NULL), -EINVAL);
	cr_expect_eq(mine.n, 0);
}

/* ---- quarantine ---- */

static void device(const char *address, const char *config, size_t len)
{
	char path[128];
	FILE *f;

	(void)snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/vendor", address);
	tree_file(t.prefix, path, "0x1002\n");
	(void)snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s/config", t.prefix, address);
	f = fopen(path, "w");
	cr_assert_not_null(f);
	cr_assert_eq(fwrite(config, 1, len, f), len);
	cr_assert_eq(fclose(f), 0);
}

static int interrupted(void *data, struct error *err)
{
	char c;

	cr_expect_eq(read(*(int *)data, &c, 1), 1);
	return error_set(err, EINTR, "interrupted");
}

Test(lease, waiting_for_a_lock_can_be_interrupted_and_ends)
{
	AUTO_CLOSE int first = lease_lock(&t.host, A ".vfs", 0, NULL, NULL);
	int pipe_fds[2];
	const struct watch watch = { .ready = interrupted, .data = &pipe_fds[0] };
	struct watch ready[1];
	struct watchset ws = { .v = ready, .n = 1 };
	struct error err = ERROR_INIT;
	AUTO_CLOSE int second = -1;

	cr_assert_geq(first, 0);
	cr_expect_eq(lease_lock(&t.host, A ".vfs", deadline_in_ms(60), NULL, &err), -ETIMEDOUT);
	cr_assert_eq(pipe(pipe_fds), 0);
	ready[0] = watch;
	ready[0].fd = pipe_fds[0];
	cr_assert_eq(write(pipe_fds[1], "x", 1), 1);
	cr_expect_eq(lease_lock(&t.host, A ".vfs", deadline_in_s(20), &ws, &err), -EINTR);
	close_fd(&first);
	second = lease_lock(&t.host, A ".vfs", deadline_in_s(20), &ws, &err);
	cr_expect_geq(second, 0, "%s", err.msg);
	(void)close(pipe_fds[0]);
	(void)close(pipe_fds[1]);
}

Test(quarantine, an_entry_stays_until_it_is_lifted)
{
	AUTO_STRV struct strv list = STRV_INIT;
	struct quarantine q;

	device(A, "\x02\x10\xa1\x74", 4);
	cr_expect_eq(quarantine_get(&t.host, A, &q), 0);
	cr_assert_eq(quarantine_put(&t.host, A, "one", "a write hangs", NULL), 0);
	cr_assert_eq(quarantine_get(&t.host, A, &q), 1);
	cr_expect_str_eq(q.vm, "one");
	cr_expect_str_eq(q.why, "a write hangs");
	cr_expect(q.this_boot);
	cr_expect_eq(quarantine_list(&t.host, &list, NULL), 0);
	cr_expect(list.n == 1 && strcmp(list.v[0], A) == 0);
	cr_expect_eq(quarantine_retest(&t.host, A, NULL), 0);
	cr_expect_eq(quarantine_get(&t.host, A, &q), 0);
	cr_expect_eq(quarantine_retest(&t.host, A, NULL), 0, "lifting twice is no error");
}

Test(quarantine, a_device_that_reads_all_ones_stays)
{
	struct error err = ERROR_INIT;
	struct quarantine q;

	device(A, "\xff\xff\xff\xff", 4);
	cr_assert_eq(quarantine_put(&t.host, A, "one", "lost", NULL), 0);
	cr_expect_eq(quarantine_retest(&t.host, A, &err), -EBUSY);
	cr_expect(strstr(err.msg, "all ones") != NULL, "%s", err.msg);
	cr_expect_eq(quarantine_get(&t.host, A, &q), 1);
}

Test(quarantine, a_device_that_is_not_there_needs_none)
{
	struct quarantine q;

	cr_assert_eq(quarantine_put(&t.host, A, "one", "lost", NULL), 0);
	cr_expect_eq(quarantine_retest(&t.host, A, NULL), 1);
	cr_expect_eq(quarantine_get(&t.host, A, &q), 0);
}

Test(quarantine, a_broken_entry_is_an_entry)
{
	struct quarantine q;

	cr_assert_eq(quarantine_put(&t.host, A, "one", "lost", NULL), 0);
	cr_assert_eq(ftruncate(openat(t.host.run_fd, "quarantine/" A, O_WRONLY | O_CLOEXEC), 3), 0);
	cr_expect_eq(quarantine_get(&t.host, A, &q), 1);
	cr_expect(strstr(q.why, "cannot be read") != NULL);
}
