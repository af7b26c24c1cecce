/* SPDX-License-Identifier: MIT */
/* Who uses a PCI function's disks: the kernel is asked, mountinfo only says why. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/error.h"
#include "host/device_users.h"
#include "sysfs/disk.h"
#include "tests/unit/helper_tree.h"

#define DISK    "0000:04:00.0"
#define DEVICES "sys/bus/pci/devices/"
#define ROOT_SD "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"

/* What somebody has claimed, " sda sda1 ", what does not answer, and what is given up soon. */
struct claims {
	const char *claimed;
	const char *silent;
	const char *fleeting;
	unsigned int asked; /* counted in the helper that asks */
};

static char *root;
static struct host host = HOST_INIT;
static struct claims claims;
static struct sysfs_kernel kernel;

static bool is_in(const char *list, const char *name)
{
	char word[64];

	(void)snprintf(word, sizeof(word), " %s ", name);
	return list != NULL && strstr(list, word) != NULL;
}

static int claim(void *data, int dir_fd, const char *name, dev_t rdev)
{
	struct claims *c = data;

	(void)dir_fd;
	if (is_in(c->fleeting, name) && c->asked++ == 0)
		return -EBUSY;
	if (is_in(c->silent, name))
		(void)sleep(10);
	return is_in(c->claimed, name) && rdev != 0 ? -EBUSY : -ENXIO;
}

static void setup(void)
{
	root = tree_new();
	tree_amd(root);
	tree_dir(root, "run");
	tree_dir(root, "etc");
	tree_file(root, DEVICES DISK "/vendor", "0x144d\n");
	tree_host(root, &host);
	claims = (struct claims){ .claimed = NULL };
	kernel = (struct sysfs_kernel){ .claim_disk = claim, .data = &claims };
	host.kernel = &kernel;
}

static void teardown(void)
{
	host_done(&host);
	tree_remove(root);
}

TestSuite(device_disks, .init = setup, .fini = teardown, .timeout = 30);

/* A block device in @folder of the function; its name is that of the folder. */
static void disk(const char *folder, const char *number)
{
	char path[256], full[512];
	const char *slash = strrchr(folder, '/');

	(void)snprintf(path, sizeof(path), DEVICES DISK "/%s/dev", folder);
	tree_file(root, path, "%s\n", number);
	(void)snprintf(path, sizeof(path), DEVICES DISK "/%s/uevent", folder);
	tree_file(root, path, "DEVNAME=%s\n", slash + 1);
	(void)snprintf(full, sizeof(full), "%s/" DEVICES DISK "/%s/subsystem", root, folder);
	cr_assert_eq(symlink("../../class/block", full), 0);
}

static void nvme(void)
{
	disk("nvme/nvme0/nvme0n1", "259:0");
	disk("nvme/nvme0/nvme0n1/nvme0n1p1", "259:1");
}

static const char *users(void)
{
	static char text[2048];
	AUTO_DEVICE_USERS struct device_users u = DEVICE_USERS_INIT;
	struct error err = ERROR_INIT;
	size_t len = 0;

	cr_assert_eq(device_users_find(&host, DISK, &u, &err), 0, "%s", err.msg);
	text[0] = '\0';
	for (size_t i = 0; i < u.n; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%d %s %s\n",
					(int)u.v[i].pid, u.v[i].name, u.v[i].what);
	return text;
}

Test(device_disks, nobody)
{
	nvme();
	tree_file(root, "proc/self/mountinfo", ROOT_SD);
	cr_expect_str_eq(users(), "");
}

/* As a kernel tells of a btrfs: the number is nobody's, the disk stands behind the dash. */
Test(device_disks, btrfs_has_a_number_of_its_own)
{
	nvme();
	tree_file(root, "proc/self/mountinfo",
		  "22 1 0:25 /@ / rw,relatime shared:1 - btrfs /dev/nvme0n1p1 rw,subvol=/@\n");
	claims.claimed = " nvme0n1 nvme0n1p1 ";
	cr_expect_str_eq(users(), "0  mounted on /\n");
}

/* A pool, a second disk of a btrfs, DRBD: nothing in /proc names the disk. */
Test(device_disks, what_is_claimed_is_in_use_whoever_claimed_it)
{
	nvme();
	tree_file(root, "proc/self/mountinfo", "22 1 0:25 / / rw - zfs tank/root rw\n");
	claims.claimed = " nvme0n1 nvme0n1p1 ";
	cr_expect_str_eq(users(),
			 "0  /dev/nvme0n1p1 is claimed: by a file system, a pool, RAID or a "
			 "program\n",
			 "the partition, and not its disk too");
	claims.claimed = " nvme0n1 ";
	cr_expect_str_eq(users(),
			 "0  /dev/nvme0n1 is claimed: by a file system, a pool, RAID or a "
			 "program\n");
}

/* The tenth name space is no partition of the first, nor sdaa of sda. */
Test(device_disks, a_name_that_begins_like_anothers)
{
	disk("nvme/nvme0/nvme0n1", "259:0");
	disk("nvme/nvme0/nvme0n10", "259:10");
	disk("host1/block/sda", "8:0");
	disk("host1/block/sdaa", "65:160");
	claims.claimed = " nvme0n1 nvme0n10 sda sdaa ";
	const char *found = users();

	cr_expect_not_null(strstr(found, "/dev/nvme0n1 is"), "%s", found);
	cr_expect_not_null(strstr(found, "/dev/nvme0n10 is"), "%s", found);
	cr_expect_not_null(strstr(found, "/dev/sda is"), "%s", found);
	cr_expect_not_null(strstr(found, "/dev/sdaa is"), "%s", found);
}

static void process_in(int pid, const char *space, const char *mountinfo)
{
	char path[64], full[512];

	(void)snprintf(path, sizeof(path), "proc/%d/ns", pid);
	tree_dir(root, path);
	(void)snprintf(full, sizeof(full), "%s/proc/%d/ns/mnt", root, pid);
	cr_assert_eq(symlink(space, full), 0);
	(void)snprintf(path, sizeof(path), "proc/%d/comm", pid);
	tree_file(root, path, "podman\n");
	(void)snprintf(path, sizeof(path), "proc/%d/mountinfo", pid);
	tree_file(root, path, "%s", mountinfo);
}

Test(device_disks, mounted_in_another_mount_namespace)
{
	static const char there[] = "36 22 259:1 / /data rw - ext4 /dev/nvme0n1p1 rw\n";
	char full[512];

	nvme();
	tree_file(root, "proc/self/mountinfo", ROOT_SD);
	tree_dir(root, "proc/self/ns");
	(void)snprintf(full, sizeof(full), "%s/proc/self/ns/mnt", root);
	cr_assert_eq(symlink("mnt:[1]", full), 0);
	process_in(200, "mnt:[1]", ROOT_SD);
	process_in(300, "mnt:[2]", there);
	claims.claimed = " nvme0n1 nvme0n1p1 ";
	cr_expect_str_eq(users(), "300 podman mounted on /data\n");
}

/* A service with a namespace of its own has all mounts of the host in it. */
Test(device_disks, what_is_mounted_here_is_not_looked_for_elsewhere)
{
	static const char here[] = "36 22 259:1 / /srv rw - ext4 /dev/nvme0n1p1 rw\n";

	nvme();
	tree_file(root, "proc/self/mountinfo", "%s", here);
	process_in(300, "mnt:[2]", here);
	claims.claimed = " nvme0n1 nvme0n1p1 ";
	cr_expect_str_eq(users(), "0  mounted on /srv\n");
}

/* mpt3sas: host/port/end_device/target/lun/block/sda/sda1. */
Test(device_disks, a_partition_behind_a_sas_adapter)
{
	disk("host0/port-0:0/end_device-0:0/target0:0:0/0:0:0:0/block/sda", "8:0");
	disk("host0/port-0:0/end_device-0:0/target0:0:0/0:0:0:0/block/sda/sda1", "8:1");
	tree_file(root, "proc/self/mountinfo", ROOT_SD);
	cr_expect_str_eq(users(), "0  mounted on /\n");
}

Test(device_disks, a_disk_behind_two_sas_expanders)
{
	disk("host0/port-0:0/expander-0:0/port-0:0:1/expander-0:1/port-0:1:1/end_device-0:0:1/"
	     "target0:0:0/0:0:0:0/block/sda",
	     "8:1");
	tree_file(root, "proc/self/mountinfo", ROOT_SD);
	cr_expect_str_eq(users(), "0  mounted on /\n");
}

Test(device_disks, a_usb_disk_behind_hubs)
{
	disk("usb1/1-1/1-1.2/1-1.2.3/1-1.2.3:1.0/host4/target4:0:0/4:0:0:0/block/sda", "8:1");
	tree_file(root, "proc/self/mountinfo", ROOT_SD);
	cr_expect_str_eq(users(), "0  mounted on /\n");
}

/* A VMD controller's disks are in a PCI domain that goes with it. */
Test(device_disks, a_disk_in_the_domain_of_a_vmd_controller)
{
	disk("pci10000:e0/10000:e0:06.0/10000:e1:00.0/nvme/nvme0/nvme0n1", "8:1");
	tree_file(root, "proc/self/mountinfo", ROOT_SD);
	cr_expect_str_eq(users(), "0  mounted on /\n");
}

Test(device_disks, one_that_does_not_answer_is_in_use)
{
	nvme();
	claims.silent = " nvme0n1 nvme0n1p1 ";
	const char *found = users();

	cr_expect(strcmp(found, "0  /dev/nvme0n1 does not answer\n") == 0 ||
			  strcmp(found, "0  /dev/nvme0n1p1 does not answer\n") == 0,
		  "%s", found);
}

/* Another program that asks the same has it for a moment. */
Test(device_disks, a_claim_that_lasts_a_moment_is_none)
{
	nvme();
	claims.fleeting = " nvme0n1 nvme0n1p1 ";
	cr_expect_str_eq(users(), "");
}

/* The real way: a node of that name and another number, or none at all, is nobody's claim. */
Test(device_disks, only_the_node_that_is_meant_is_opened)
{
	struct sysfs sys;

	sysfs_init(&sys, host.sys_fd, host.dev_fd, host.proc_fd);
	tree_file(root, "dev/sda", "%s", "");
	cr_expect_eq(disk_probe(&sys, "sda", makedev(8, 0), NULL), 0);
	cr_expect_eq(disk_probe(&sys, "sdb", makedev(8, 16), NULL), 0);
}
