/* SPDX-License-Identifier: MIT */
/* IOMMU groups: see group.h. */
#include "sysfs/group.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "sysfs/cleanup.h"
#include "sysfs/clock.h"
#include "sysfs/pci.h"

bool group_driver_is_vfio(const char *driver)
{
	/* vfio-pci, mlx5_vfio_pci, nvgrace-gpu-vfio-pci, vfio-platform, ... */
	return strstr(driver, "vfio") != NULL;
}

bool group_driver_is_placeholder(const char *driver)
{
	return group_driver_is_vfio(driver) || strcmp(driver, "pci-stub") == 0;
}

/* "START END TYPE" per line. */
static bool has_direct_region(const char *regions)
{
	static const char type[] = " direct";
	const char *line = regions;

	while (*line != '\0') {
		size_t len = strcspn(line, "\n");

		if (len >= strlen(type) &&
		    strncmp(line + len - strlen(type), type, strlen(type)) == 0)
			return true;
		line += len + (line[len] == '\n');
	}
	return false;
}

static int read_member(const struct sysfs *sys, int devices_fd, const char *name,
		       struct group_member *ret)
{
	char path[SYSFS_PATH_SIZE];

	if (strlen(name) >= sizeof(ret->name) || sysfs_path(path, "%s/driver", name) < 0)
		return -ENAMETOOLONG;
	memcpy(ret->name, name, strlen(name) + 1);

	int r = sysfs_read_link(devices_fd, path, ret->driver, sizeof(ret->driver));

	if (r < 0 && r != -ENOENT)
		return r;
	ret->is_pci = pci_address_parse(name, &ret->address, NULL) == 0;
	ret->is_bridge = ret->is_pci && pci_is_bridge(sys, &ret->address);
	return 0;
}

static int read_members(const struct sysfs *sys, int dir_fd, struct iommu_group *group)
{
	AUTO_SYSFS_NAMES struct sysfs_names names = { 0 };
	SYSFS_AUTO_CLOSE int devices_fd = sysfs_open_dir(dir_fd, "devices");
	int r = devices_fd < 0 ? devices_fd : sysfs_list(devices_fd, ".", &names);

	if (r < 0)
		return r;
	group->members = calloc(names.n + 1, sizeof(*group->members));
	if (group->members == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < names.n; i++) {
		r = read_member(sys, devices_fd, names.v[i], &group->members[i]);
		if (r < 0)
			return r;
		group->n_members++;
	}
	return 0;
}

int group_read(const struct sysfs *sys, int number, struct iommu_group *ret,
	       struct sysfs_error *err)
{
	AUTO_IOMMU_GROUP struct iommu_group group = { .number = number };
	char path[SYSFS_PATH_SIZE];
	struct sysfs_text text;

	(void)sysfs_path(path, "kernel/iommu_groups/%d", number);

	SYSFS_AUTO_CLOSE int dir_fd = sysfs_open_dir(sys->sys_fd, path);
	int r = dir_fd < 0 ? dir_fd : read_members(sys, dir_fd, &group);

	if (r < 0)
		return sysfs_error_os(err, -r, "read IOMMU group %d", number);
	if (sysfs_read_string(dir_fd, "name", group.name, sizeof(group.name)) < 0)
		group.name[0] = '\0';
	if (sysfs_read_string(dir_fd, "type", group.type, sizeof(group.type)) < 0)
		group.type[0] = '\0';
	group.is_noiommu = strcmp(group.name, "vfio-noiommu") == 0;
	group.has_direct_regions =
		sysfs_read(dir_fd, "reserved_regions", &text) == 0 && has_direct_region(text.text);
	*ret = group;
	group = (struct iommu_group){ 0 };
	return 0;
}

void group_done(struct iommu_group *group)
{
	free(group->members);
	*group = (struct iommu_group){ 0 };
}

static bool is_in_the_way(const struct group_member *member, const struct pci_address *passed,
			  size_t n_passed)
{
	if (member->is_bridge || member->driver[0] == '\0' ||
	    group_driver_is_placeholder(member->driver))
		return false;
	for (size_t i = 0; member->is_pci && i < n_passed; i++) {
		if (pci_address_compare(&member->address, &passed[i]) == 0)
			return false;
	}
	return true;
}

size_t group_in_the_way(const struct iommu_group *group, const struct pci_address *passed,
			size_t n_passed, const struct group_member **ret, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < group->n_members; i++) {
		if (!is_in_the_way(&group->members[i], passed, n_passed))
			continue;
		if (n < max)
			ret[n] = &group->members[i];
		n++;
	}
	return n;
}

static int open_node(const struct sysfs *sys, const char *path)
{
	if (sys->dev_fd < 0)
		return -ENOENT;
	if (sys->kernel.open_group != NULL)
		return sys->kernel.open_group(sys->kernel.data, sys->dev_fd, path);

	int fd = openat(sys->dev_fd, path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

static int read_flags(const struct sysfs *sys, int group_fd, uint32_t *ret)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };

	if (sys->kernel.group_status != NULL)
		return sys->kernel.group_status(sys->kernel.data, group_fd, ret);
	if (ioctl(group_fd, VFIO_GROUP_GET_STATUS, &status) < 0)
		return -errno;
	*ret = status.flags;
	return 0;
}

int group_probe(const struct sysfs *sys, int number, bool *ret_viable, struct sysfs_error *err)
{
	char path[SYSFS_PATH_SIZE];
	uint32_t flags = 0;

	(void)sysfs_path(path, "vfio/%d", number);

	SYSFS_AUTO_CLOSE int fd = open_node(sys, path);

	if (fd == -EBUSY)
		return sysfs_error_set(err, EBUSY, "IOMMU group %d is open in another process",
				       number);
	if (fd < 0)
		return sysfs_error_os(err, -fd, "open %s", path);
	if (ret_viable == NULL)
		return 0;

	int r = read_flags(sys, fd, &flags);

	if (r < 0)
		return sysfs_error_os(err, -r, "status of IOMMU group %d", number);
	*ret_viable = (flags & VFIO_GROUP_FLAGS_VIABLE) != 0;
	return 0;
}

/* Whether the node is there and is not the one of an earlier group. */
static bool node_is_there(const struct sysfs *sys, int number)
{
	char path[SYSFS_PATH_SIZE], want[32], is[32];
	struct stat st;

	(void)sysfs_path(path, "vfio/%d", number);
	if (sys->dev_fd < 0 || fstatat(sys->dev_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	(void)sysfs_path(path, "class/vfio/%d/dev", number);
	if (sysfs_read_string(sys->sys_fd, path, want, sizeof(want)) < 0)
		return true;
	(void)snprintf(is, sizeof(is), "%u:%u", major(st.st_rdev), minor(st.st_rdev));
	return strcmp(is, want) == 0;
}

int group_wait_node(const struct sysfs *sys, int number, uint64_t deadline_ns,
		    struct sysfs_error *err)
{
	while (!node_is_there(sys, number)) {
		if (!sysfs_nap(sys->poll_ms, deadline_ns))
			return sysfs_error_set(err, ETIMEDOUT,
					       "the device node vfio/%d does not appear", number);
	}
	return 0;
}

int group_wait_closed(const struct sysfs *sys, int number, uint64_t deadline_ns,
		      struct sysfs_error *err)
{
	for (;;) {
		int r = number < 0 ? 0 : group_probe(sys, number, NULL, err);

		if (r == -ENOENT || r == -ENODEV)
			return 0;
		if (r != -EBUSY || !sysfs_nap(sys->poll_ms, deadline_ns))
			return r;
	}
}
