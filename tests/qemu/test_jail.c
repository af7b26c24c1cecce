/* SPDX-License-Identifier: MIT */
/*
 * The jail: what a process in it can and cannot reach, and that the host does not change. Most of
 * it needs root. Passed-through devices: test_jail_devices.c.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "tests/qemu/helper_guest.h"
#include "tests/qemu/helper_jail.h"
#include "vm/virtiofsd.h"

static int look_for_identity(struct error *err)
{
	struct rlimit core;

	MUST(getuid() == UID && geteuid() == UID && getgid() == UID && getegid() == UID);
	MUST(getgroups(0, NULL) == 0);
	MUST(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	MUST(prctl(PR_CAPBSET_READ, 0, 0, 0, 0) >= 0);
	MUST(setuid(0) < 0 && setgid(0) < 0);
	MUST(getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0);
	return 0;
}

static int look_for_nodes(struct error *err)
{
	MUST(opens("/dev/null", O_RDWR) && opens("/dev/zero", O_RDONLY));
	MUST(opens("/dev/urandom", O_RDONLY) && opens("/dev/random", O_RDONLY));
	MUST(access("/dev/kvm", F_OK) < 0 && errno == ENOENT);
	MUST(access("/dev/mem", F_OK) < 0 && access("/dev/pts", F_OK) < 0);
	MUST(access("/dev/vfio", F_OK) < 0);
	MUST(access("/dev/shm", F_OK) < 0 && access("/dev/vda", F_OK) < 0);
	MUST(mknod("/dev/mine", S_IFCHR | 0600, makedev(1, 1)) < 0);
	MUST(!opens("/dev/mine", O_WRONLY | O_CREAT));
	return 0;
}

static int look_for_folders(struct error *err)
{
	MUST(opens("/dev/bmvm/seed/key", O_RDONLY));
	MUST(!opens("/dev/bmvm/seed/key", O_WRONLY));
	MUST(opens("/dev/bmvm/share0/file", O_RDONLY));
	MUST(!opens("/dev/bmvm/share0/file", O_WRONLY) && errno == EROFS);
	MUST(!opens("/dev/bmvm/share0/new", O_WRONLY | O_CREAT) && errno == EROFS);
	MUST(opens("/dev/bmvm/share1/file", O_WRONLY));
	MUST(opens("/dev/bmvm/share1/new", O_WRONLY | O_CREAT));
	MUST(mount(NULL, "/dev/bmvm/share0", NULL, MS_BIND | MS_REMOUNT, NULL) < 0);
	MUST(umount2("/dev/bmvm/share0", MNT_DETACH) < 0);
	return 0;
}

static int look_for_the_host(struct error *err)
{
	MUST(opens("/etc/passwd", O_RDONLY));
	MUST(!opens("/etc/shadow", O_RDONLY) && errno == EACCES);
	MUST(!opens("/tmp/bmvm-test-from-the-jail", O_WRONLY | O_CREAT) && errno == EROFS);
	MUST(opens("/proc/self/status", O_RDONLY));
	return 0;
}

Test(jail, the_process_is_nobody_it_could_be_taken_for)
{
	struct place p;
	struct look l = { .around = look_for_identity };

	need_root();
	open_place(&p);
	fill_jail(&p, &l.jail);
	look_around(&l);
	close_place(&p);
}

Test(jail, dev_has_what_is_needed_and_nothing_else)
{
	struct place p;
	struct look l = { .around = look_for_nodes };

	need_root();
	open_place(&p);
	fill_jail(&p, &l.jail);
	look_around(&l);
	close_place(&p);
}

Test(jail, folders_are_there_and_a_readonly_one_is_so)
{
	struct place p;
	struct look l = { .around = look_for_folders };

	need_root();
	open_place(&p);
	fill_jail(&p, &l.jail);
	look_around(&l);
	close_place(&p);
}

Test(jail, the_host_can_be_read_as_anybody_could_and_not_written)
{
	struct place p;
	struct look l = { .around = look_for_the_host };

	need_root();
	open_place(&p);
	fill_jail(&p, &l.jail);
	look_around(&l);
	close_place(&p);
}

static int look_at_kvm(struct error *err)
{
	struct stat st;

	MUST(stat("/dev/kvm", &st) == 0);
	MUST(S_ISCHR(st.st_mode) && st.st_rdev == makedev(10, 232));
	MUST(st.st_uid == UID && (st.st_mode & 0777) == 0600);
	return 0;
}

Test(jail, kvm_is_there_when_asked_for)
{
	struct place p;
	struct look l = { .around = look_at_kvm };

	need_root();
	open_place(&p);
	fill_jail(&p, &l.jail);
	l.jail.kvm = true;
	look_around(&l);
	close_place(&p);
}

static char *mounts_of(pid_t pid)
{
	char path[64];
	char *text = NULL;

	(void)snprintf(path, sizeof(path), "/proc/%d/mountinfo", (int)pid);
	cr_assert_eq(file_read_at(AT_FDCWD, path, 1 << 20, &text, NULL, NULL), 0);
	return text;
}

Test(jail, the_host_itself_does_not_change)
{
	AUTO_FREE char *before = mounts_of(getpid());
	AUTO_FREE char *after = NULL;
	struct stat null_before, null_after, share_before, share_after;
	struct place p;
	struct look l = { .around = look_for_folders };

	need_root();
	open_place(&p);
	cr_assert_eq(stat("/dev/null", &null_before), 0);
	cr_assert_eq(fstat(p.share_fd, &share_before), 0);
	fill_jail(&p, &l.jail);
	look_around(&l);
	after = mounts_of(getpid());
	cr_expect_str_eq(before, after);
	cr_assert_eq(stat("/dev/null", &null_after), 0);
	cr_expect_eq(null_before.st_ino, null_after.st_ino);
	cr_expect_eq(null_before.st_mode, null_after.st_mode);
	cr_assert_eq(fstat(p.share_fd, &share_after), 0);
	cr_expect_eq(share_before.st_uid, share_after.st_uid);
	cr_expect_eq(share_before.st_mode, share_after.st_mode);
	close_place(&p);
}

static int look_without_jail(struct error *err)
{
	MUST(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	MUST(access("/dev/pts", F_OK) == 0);
	return 0;
}

Test(jail, without_isolation_only_the_limits_hold)
{
	struct look l = { .jail = JAIL_INIT, .around = look_without_jail };

	look_around(&l);
}

Test(jail, isolation_without_root_is_a_clear_error)
{
	char path[] = "/bin/true";
	char *argv[] = { path, NULL };
	struct jail j = JAIL_INIT;
	struct spawn s = {
		.path = path, .argv = argv, .prepare = become_nobody_and_enter, .prepare_data = &j
	};
	struct process p = PROCESS_INIT;
	struct error err = ERROR_INIT;

	need_root();
	j.isolate = true;
	cr_expect_eq(process_spawn(&s, &p, &err), -EPERM);
	cr_expect(strstr(err.msg, "jail: make a mount namespace") != NULL, "%s", err.msg);
}

/* ---- uids and files for them ---- */

Test(jail, a_uid_belongs_to_one_vm_at_a_time)
{
	struct place p;
	uid_t uid[3] = { 0 };
	int lock[3] = { -1, -1, -1 }, copy;
	AUTO_CLOSE int no_proc_fd = -1;

	open_place(&p);
	no_proc_fd = make_folder(p.dir_fd, "proc", 0700);
	for (int i = 0; i < 2; i++)
		cr_assert_eq(jail_uid_lease_from(no_proc_fd, p.dir_fd, JAIL_UID_COUNT - 1, &uid[i],
						 &lock[i], NULL),
			     0);
	cr_expect_eq(uid[0], JAIL_UID_BASE + JAIL_UID_COUNT - 1);
	cr_expect_eq(uid[1], JAIL_UID_BASE, "after the last one comes the first");
	copy = dup(lock[0]); /* as a child would inherit it */
	close_fd(&lock[0]);
	cr_assert_eq(jail_uid_lease_from(no_proc_fd, p.dir_fd, JAIL_UID_COUNT - 1, &uid[2],
					 &lock[2], NULL),
		     0);
	cr_expect_eq(uid[2], JAIL_UID_BASE + 1);
	close_fd(&copy);
	close_fd(&lock[2]);
	cr_assert_eq(jail_uid_lease_from(no_proc_fd, p.dir_fd, JAIL_UID_COUNT - 1, &uid[2],
					 &lock[2], NULL),
		     0);
	cr_expect_eq(uid[2], uid[0], "a uid that was given back is used again");
	close_fd(&lock[1]);
	close_fd(&lock[2]);
	close_place(&p);
}

Test(jail, the_uids_of_two_bmvms_that_do_not_see_each_other_are_random)
{
	enum { N = 8 };
	struct place p;
	uid_t uid[N], first;
	int lock = -1, same = 0;
	AUTO_CLOSE int no_proc_fd = -1;

	open_place(&p);
	no_proc_fd = make_folder(p.dir_fd, "proc", 0700);
	for (int i = 0; i < N; i++) {
		cr_assert_eq(jail_uid_lease(no_proc_fd, p.dir_fd, &uid[i], &lock, NULL), 0);
		cr_expect(uid[i] >= JAIL_UID_BASE && uid[i] - JAIL_UID_BASE < JAIL_UID_COUNT);
		close_fd(&lock);
	}
	first = uid[0];
	for (int i = 1; i < N; i++)
		same += uid[i] == first;
	cr_expect_lt(same, N - 1);
	close_place(&p);
}

Test(jail, a_uid_that_a_process_has_is_not_leased)
{
	AUTO_CLOSE int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_CLOSE int fake_fd = -1;
	struct place p;
	uid_t uid = 0;
	int lock = -1;

	need_root();
	cr_expect_gt(jail_uid_user(proc_fd, getuid(), NULL), 0);
	open_place(&p);
	fake_fd = make_folder(p.dir_fd, "proc", 0700);
	cr_assert_eq(mkdirat(fake_fd, "123", 0755), 0);
	cr_assert_eq(fchownat(fake_fd, "123", JAIL_UID_BASE, 0, 0), 0);
	cr_expect_eq(jail_uid_user(fake_fd, JAIL_UID_BASE, NULL), 123);
	cr_assert_eq(jail_uid_lease_from(fake_fd, p.dir_fd, 0, &uid, &lock, NULL), 0);
	cr_expect_eq(uid, JAIL_UID_BASE + 1);
	close_fd(&lock);
	close_place(&p);
}

Test(jail, a_private_file_is_copied_and_a_public_one_is_not)
{
	struct place p;
	int private_fd, public_fd, copy = -1, same = -1;
	struct stat a, b;
	char text[16] = "";

	open_place(&p);
	cr_assert_eq(file_write_atomic_at(p.dir_fd, "private", "kernel\n", 7, 0600, NULL), 0);
	cr_assert_eq(file_write_atomic_at(p.dir_fd, "public", "kernel\n", 7, 0644, NULL), 0);
	private_fd = openat(p.dir_fd, "private", O_RDONLY | O_CLOEXEC);
	public_fd = openat(p.dir_fd, "public", O_RDONLY | O_CLOEXEC);
	cr_assert_eq(jail_readable_copy(private_fd, UID, &copy, NULL), 0);
	cr_assert_eq(fstat(copy, &a), 0);
	cr_expect_eq(a.st_mode & 0777, 0444);
	cr_expect_eq(pread(copy, text, sizeof(text), 0), 7);
	cr_expect_str_eq(text, "kernel\n");
	cr_expect_eq(pwrite(copy, "x", 1, 0), -1, "the copy is sealed");
	close_fd(&copy);
	cr_assert_eq(jail_readable_copy(public_fd, UID, &same, NULL), 0);
	cr_assert_eq(fstat(public_fd, &a), 0);
	cr_assert_eq(fstat(same, &b), 0);
	cr_expect_eq(a.st_ino, b.st_ino);
	close_fd(&same);
	cr_assert_eq(jail_readable_copy(private_fd, geteuid(), &same, NULL), 0);
	cr_assert_eq(fstat(private_fd, &a), 0);
	cr_assert_eq(fstat(same, &b), 0);
	cr_expect_eq(a.st_ino, b.st_ino);
	close_fd(&same);
	cr_expect_eq(jail_readable_copy(p.dir_fd, UID, &same, NULL), -EINVAL);
	close_fd(&private_fd);
	close_fd(&public_fd);
	close_place(&p);
}

/* ---- QEMU and virtiofsd in it ---- */

static void expect_in_status(pid_t pid, const char *line)
{
	AUTO_FREE char *text = NULL;
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	cr_assert_eq(file_read_at(AT_FDCWD, path, 65536, &text, NULL, NULL), 0);
	cr_expect(strstr(text, line) != NULL, "no \"%s\" in\n%s", line, text);
}

Test(jail, qemu_runs_in_it_with_seed_and_share)
{
	struct error err = ERROR_INIT;
	struct place p;
	struct guest g;
	pid_t pid;

	need_root();
	open_place(&p);
	guest_init(&g);
	fill_jail(&p, &g.jail);
	if (g.caps.vvfat) {
		g.plan.seed = VM_SEED_VVFAT;
		g.plan.seed_dir = JAIL_SEED;
	}
	g.plan.mounts[0] = (struct vm_mount){ VM_MOUNT_9P, "a", -1, "/dev/bmvm/share0", true };
	g.plan.mounts[1] = (struct vm_mount){ VM_MOUNT_9P, "b", -1, "/dev/bmvm/share1", false };
	g.plan.n_mounts = g.caps.virtio_9p ? 2 : 0;
	g.plan.network = true;
	g.plan.mac = "52:54:00:00:00:01";
	guest_spawn(&g, true);
	cr_assert_eq(qemu_release(&g.qemu, &err), 0, "%s", err.msg);
	pid = g.qemu.process.pid;
	cr_assert_eq(qemu_connect(&g.qemu, TAKE_FD(g.qmp), deadline_in_s(60), &err), 0, "%s",
		     err.msg);
	guest_expect(&g, GUEST_HELLO);
	expect_in_status(pid, "Uid:\t1879048199\t1879048199\t1879048199\t1879048199\n");
	expect_in_status(pid, "Gid:\t1879048199\t1879048199\t1879048199\t1879048199\n");
	expect_in_status(pid, "CapEff:\t0000000000000000\n");
	expect_in_status(pid, "NoNewPrivs:\t1\n");
	expect_in_status(pid, "Seccomp:\t2\n");
	guest_done(&g);
	close_place(&p);
}

/* 1: process @pid has a mount on @target that is read-only, 0: one that is not, -1: none. */
static int mount_state(pid_t pid, const char *target)
{
	AUTO_FREE char *text = mounts_of(pid);
	char *save = NULL;

	for (char *l = strtok_r(text, "\n", &save); l != NULL; l = strtok_r(NULL, "\n", &save)) {
		char where[256], flags[256];

		if (sscanf(l, "%*s %*s %*s %*s %255s %255s", where, flags) == 2 &&
		    strcmp(where, target) == 0)
			return strncmp(flags, "ro,", 3) == 0;
	}
	return -1;
}

/* The server's only folder: once it has made that its root, it is "/" in its own eyes. */
static bool serves_readonly(pid_t pid)
{
	int state = mount_state(pid, "/dev/bmvm/share0");

	return (state >= 0 ? state : mount_state(pid, "/")) == 1;
}

static void serve(const struct place *p, const struct virtiofsd_program *program, bool readonly)
{
	struct virtiofsd v = VIRTIOFSD_INIT;
	struct error err = ERROR_INIT;
	struct guest g;
	pid_t pid;

	guest_init(&g);
	cr_assert_eq(virtiofsd_spawn(&v, program, p->share_fd, readonly, p->dir_fd, &err), 0, "%s",
		     err.msg);
	pid = v.process.pid;
	cr_assert_eq(virtiofsd_release(&v, &err), 0, "%s", err.msg);
	cr_expect_eq(serves_readonly(pid), readonly);
	g.plan.memory_kind = VM_MEMORY_SHARED;
	g.plan.mounts[0] =
		(struct vm_mount){ VM_MOUNT_VIRTIOFS, "data", vm_fds_add(&g.plan.fds, v.client_fd),
				   NULL, readonly };
	g.plan.n_mounts = 1;
	fill_jail(p, &g.jail);
	g.jail.n_shares = 0;
	guest_spawn(&g, true);
	cr_assert_eq(qemu_release(&g.qemu, &err), 0, "%s", err.msg);
	close_fd(&v.client_fd);
	cr_assert_eq(qemu_connect(&g.qemu, TAKE_FD(g.qmp), deadline_in_s(60), &err), 0, "%s",
		     err.msg);
	guest_expect(&g, GUEST_HELLO);
	expect_in_status(pid, "NoNewPrivs:\t1\n");
	guest_done(&g);
	cr_expect_eq(process_wait(&v.process, deadline_in_s(30), NULL), 0,
		     "the server outlives its only client");
	virtiofsd_done(&v);
}

Test(virtiofsd, serves_one_qemu_and_leaves_with_it)
{
	struct virtiofsd_program program = { .path = NULL };
	struct error err = ERROR_INIT;
	struct place p;
	struct stat st;

	need_root();
	if (virtiofsd_find(&program, &err) < 0)
		cr_skip("%s", err.msg);
	open_place(&p);
	serve(&p, &program, true);
	serve(&p, &program, false);
	virtiofsd_program_done(&program);
	cr_expect_eq(fstatat(p.dir_fd, "virtiofsd", &st, 0), -1);
	/* nothing but the two folders: the socket's name has gone */
	cr_assert_eq(fstat(p.dir_fd, &st), 0);
	cr_expect_eq(st.st_nlink, 4);
	close_place(&p);
}

Test(virtiofsd, a_held_server_can_be_stopped)
{
	struct virtiofsd_program program = { .path = NULL };
	struct virtiofsd v = VIRTIOFSD_INIT;
	struct error err = ERROR_INIT;
	struct place p;

	need_root();
	if (virtiofsd_find(&program, &err) < 0)
		cr_skip("%s", err.msg);
	open_place(&p);
	cr_assert_eq(virtiofsd_spawn(&v, &program, p.share_fd, true, p.dir_fd, &err), 0, "%s",
		     err.msg);
	cr_expect_eq(virtiofsd_stop(&v, deadline_in_s(10)), 0);
	virtiofsd_done(&v);
	virtiofsd_program_done(&program);
	close_place(&p);
}
