/* SPDX-License-Identifier: MIT */
#include "tests/qemu/helper_jail.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/process.h"

int make_folder(int dir_fd, const char *name, mode_t mode)
{
	int fd;

	cr_assert_eq(mkdirat(dir_fd, name, mode), 0);
	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(fd, 0);
	cr_assert_eq(fchmod(fd, mode), 0);
	return fd;
}

void open_place(struct place *p)
{
	*p = (struct place){ .dir = "/tmp/bmvm-test-XXXXXX" };
	cr_assert_not_null(mkdtemp(p->dir)); /* 0700, ours */
	p->dir_fd = open(p->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	p->share_fd = make_folder(p->dir_fd, "share", 0777);
	p->seed_fd = make_folder(p->dir_fd, "seed", 0755);
	cr_assert_eq(file_write_atomic_at(p->share_fd, "file", "shared\n", 7, 0666, NULL), 0);
	cr_assert_eq(file_write_atomic_at(p->seed_fd, "key", "secret\n", 7, 0444, NULL), 0);
}

void close_place(struct place *p)
{
	close_fd(&p->dir_fd);
	close_fd(&p->share_fd);
	close_fd(&p->seed_fd);
	cr_assert_eq(file_remove_tree_at(AT_FDCWD, p->dir, NULL), 0);
}

void fill_jail(const struct place *p, struct jail *j)
{
	*j = (struct jail)JAIL_INIT;
	j->uid = UID;
	j->isolate = true;
	j->seed_fd = p->seed_fd;
	j->shares[0] = (struct jail_share){ p->share_fd, true };
	j->shares[1] = (struct jail_share){ p->share_fd, false };
	j->n_shares = 2;
}

void need_root(void)
{
	if (geteuid() != 0)
		cr_skip("needs root");
}

static int enter_and_look(void *data, struct error *err)
{
	struct look *l = data;
	int r = jail_enter(&l->jail, err);

	return r < 0 ? r : l->around(err);
}

void look_around(struct look *l)
{
	char path[] = "/bin/true";
	char *argv[] = { path, NULL };
	struct spawn s = { .path = path,
			   .argv = argv,
			   .prepare = enter_and_look,
			   .prepare_data = l,
			   .die_with_us = true };
	struct process p = PROCESS_INIT;
	struct error err = ERROR_INIT;

	cr_assert_eq(process_spawn(&s, &p, &err), 0, "%s", err.msg);
	cr_assert_eq(process_stop(&p, 0, deadline_in_s(30)), 0);
	process_done(&p);
}

int become_nobody_and_enter(void *data, struct error *err)
{
	if (setgroups(0, NULL) < 0 || setresuid(UID, UID, UID) < 0)
		return error_errno(err, "setresuid");
	return jail_enter(data, err);
}

bool opens(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}
