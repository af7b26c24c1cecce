/* SPDX-License-Identifier: MIT */
/*
 * The jail of a QEMU with passed-through devices: group nodes, /sys, the limit of locked memory.
 * No device is opened by it.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/process.h"
#include "tests/qemu/helper_guest.h"
#include "tests/qemu/helper_jail.h"

#define GROUP_7_RDEV  makedev(240, 3)
#define GROUP_12_RDEV makedev(240, 5)

static int look_at_node(const char *path, dev_t rdev, struct error *err)
{
	struct stat st;

	MUST(stat(path, &st) == 0);
	MUST(S_ISCHR(st.st_mode) && st.st_rdev == rdev);
	MUST(st.st_uid == UID && st.st_gid == UID && (st.st_mode & 07777) == 0600);
	return 0;
}

static int count_entries(const char *path)
{
	AUTO_CLOSEDIR DIR *dir = opendir(path);
	int n = 0;

	while (dir != NULL && readdir(dir) != NULL)
		n++;
	return n;
}

static int look_at_vfio(struct error *err)
{
	int r = look_at_node("/dev/vfio/vfio", makedev(10, 196), err);

	if (r == 0)
		r = look_at_node("/dev/vfio/7", GROUP_7_RDEV, err);
	if (r == 0)
		r = look_at_node("/dev/vfio/12", GROUP_12_RDEV, err);
	if (r < 0)
		return r;
	MUST(count_entries("/dev/vfio") == 2 + 3); /* no other group's */
	MUST(mknod("/dev/vfio/8", S_IFCHR | 0600, makedev(240, 4)) < 0);
	MUST(unlink("/dev/vfio/7") < 0);
	return 0;
}

/* What QEMU reads of a passed device is there, and nothing of it can be changed. */
static int look_at_sys(struct error *err)
{
	MUST(opens("/sys/bus/pci/devices", O_RDONLY | O_DIRECTORY));
	MUST(opens("/sys/kernel/uevent_seqnum", O_RDONLY));
	MUST(mount(NULL, "/sys", NULL, MS_BIND | MS_REMOUNT, NULL) < 0);
	MUST(mkdir("/sys/bus/pci/devices/new", 0755) < 0 && errno == EROFS);
	MUST(!opens("/sys/bus/pci/rescan", O_WRONLY));
	return 0;
}

/* Two functions of group 7, one of group 12. */
static void plan_devices(struct vm_plan *plan)
{
	*plan = (struct vm_plan)VM_PLAN_INIT;
	plan->memory = (uint64_t)2 << 30;
	plan->n_devices = 3;
	plan->devices[0] = (struct vm_device){ .group = 7, .group_rdev = GROUP_7_RDEV };
	plan->devices[1] = plan->devices[0];
	plan->devices[2] = (struct vm_device){ .group = 12, .group_rdev = GROUP_12_RDEV };
}

Test(jail_devices, the_groups_of_this_vm_are_there_and_no_other)
{
	struct error err = ERROR_INIT;
	struct vm_plan plan;
	struct place p;
	struct look l = { .around = look_at_vfio };

	need_root();
	open_place(&p);
	fill_jail(&p, &l.jail);
	plan_devices(&plan);
	cr_assert_eq(jail_add_devices(&l.jail, &plan, &err), 0, "%s", err.msg);
	cr_expect_eq(l.jail.memlock, (uint64_t)3 << 30);
	l.jail.memlock = 0; /* not everywhere it may be raised */
	look_around(&l);
	close_place(&p);
}

static int look_at_iommufd(struct error *err)
{
	int r = look_at_node("/dev/iommu", makedev(10, 124), err);

	if (r == 0)
		r = look_at_node("/dev/vfio/devices/vfio7", GROUP_7_RDEV, err);
	if (r == 0)
		r = look_at_node("/dev/vfio/devices/vfio12", GROUP_12_RDEV, err);
	if (r < 0)
		return r;
	MUST(count_entries("/dev/vfio") == 2 + 1); /* no container, no group */
	MUST(count_entries("/dev/vfio/devices") == 2 + 2);
	return 0;
}

Test(jail_devices, with_iommufd_the_devices_are_there_instead_of_groups)
{
	struct error err = ERROR_INIT;
	struct vm_plan plan;
	struct place p;
	struct look l = { .around = look_at_iommufd };

	need_root();
	open_place(&p);
	fill_jail(&p, &l.jail);
	plan_devices(&plan);
	plan.iommufd = true;
	plan.iommu_rdev = makedev(10, 124);
	plan.n_devices = 2;
	plan.devices[0].cdev = 7;
	plan.devices[0].cdev_rdev = GROUP_7_RDEV;
	plan.devices[1].cdev = 12;
	plan.devices[1].cdev_rdev = GROUP_12_RDEV;
	cr_assert_eq(jail_add_devices(&l.jail, &plan, &err), 0, "%s", err.msg);
	l.jail.memlock = 0; /* not everywhere it may be raised */
	look_around(&l);
	close_place(&p);
}

#define MEMLOCK 65536

static int look_at_memlock(struct error *err)
{
	struct rlimit lock;

	MUST(getrlimit(RLIMIT_MEMLOCK, &lock) == 0);
	MUST(lock.rlim_cur == MEMLOCK && lock.rlim_max == MEMLOCK);
	return 0;
}

Test(jail_devices, the_limit_of_locked_memory_is_set)
{
	struct look l = { .jail = JAIL_INIT, .around = look_at_memlock };

	l.jail.memlock = MEMLOCK;
	look_around(&l);
}

Test(jail_devices, sys_can_be_read_and_not_written)
{
	struct place p;
	struct look l = { .around = look_at_sys };

	need_root();
	if (access("/sys/bus/pci/devices", F_OK) < 0)
		cr_skip("no PCI bus");
	open_place(&p);
	fill_jail(&p, &l.jail);
	look_around(&l);
	close_place(&p);
}

/* Some function this host has. Return: whether there is one. */
static bool find_function(char *address, size_t size)
{
	AUTO_CLOSEDIR DIR *dir = opendir("/sys/bus/pci/devices");
	const struct dirent *e;

	while (dir != NULL && (e = readdir(dir)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		(void)snprintf(address, size, "%s", e->d_name);
		return true;
	}
	return false;
}

/* What QEMU says of a device in a jail without group nodes, where it cannot touch any. */
static void qemu_says(const char *host, char *msg, size_t size)
{
	struct vm_device d = { .group = -1 };
	struct error err = ERROR_INIT;
	struct place p;
	struct guest g;

	open_place(&p);
	guest_init(&g);
	fill_jail(&p, &g.jail);
	(void)snprintf(d.host, sizeof(d.host), "%s", host);
	g.plan.devices[g.plan.n_devices++] = d;
	guest_spawn(&g, true);
	cr_assert_eq(qemu_release(&g.qemu, &err), 0, "%s", err.msg);
	cr_expect_lt(qemu_connect(&g.qemu, TAKE_FD(g.qmp), deadline_in_s(60), &err), 0);
	(void)snprintf(msg, size, "%s", err.msg);
	guest_done(&g);
	close_place(&p);
}

Test(jail_devices, qemu_finds_in_it_what_the_host_has)
{
	char there[256], missing[1024], found[1024];
	struct qemu_caps caps;
	bool can;

	need_root();
	guest_caps(&caps);
	can = caps.vfio_pci && caps.pcie_root_port;
	qemu_caps_done(&caps);
	if (!can || !find_function(there, sizeof(there)))
		cr_skip("no vfio-pci in QEMU, or no PCI function here");
	qemu_says("fffe:ff:1f.7", missing, sizeof(missing));
	cr_expect(strstr(missing, "no such host device") != NULL, "%s", missing);
	qemu_says(there, found, sizeof(found));
	cr_expect(strstr(found, "iommu_group") != NULL || strstr(found, "/dev/vfio/") != NULL, "%s",
		  found);
}

Test(jail_devices, a_limit_that_may_not_be_raised_is_a_clear_error)
{
	char path[] = "/bin/true";
	char *argv[] = { path, NULL };
	struct jail j = JAIL_INIT;
	struct spawn s = {
		.path = path, .argv = argv, .prepare = become_nobody_and_enter, .prepare_data = &j
	};
	struct rlimit low = { .rlim_cur = MEMLOCK, .rlim_max = MEMLOCK };
	struct process p = PROCESS_INIT;
	struct error err = ERROR_INIT;

	need_root();
	cr_assert_eq(setrlimit(RLIMIT_MEMLOCK, &low), 0);
	j.memlock = 2 * MEMLOCK;
	cr_expect_eq(process_spawn(&s, &p, &err), -EPERM);
	cr_expect(strstr(err.msg, "RLIMIT_MEMLOCK") != NULL, "%s", err.msg);
	cr_expect(strstr(err.hint, "memlock=-1") != NULL, "%s", err.hint);
}
