/* SPDX-License-Identifier: MIT */
#include "host/device_nodes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "host/host.h"
#include "host/vendor_nodes.h"
#include "sysfs/mdev.h"

/* Only against a folder without an end: a disk behind USB hubs or SAS expanders is half as deep. */
#define DEPTH_MAX 48
#define TEXT_CAP  ((size_t)64 * 1024)

int device_nodes_add(struct device_nodes *nodes, const struct device_node *node)
{
	struct device_node *v = reallocarray(nodes->v, nodes->n + 1, sizeof(*v));

	if (v == NULL)
		return -ENOMEM;
	nodes->v = v;
	v[nodes->n] = *node;
	v[nodes->n].name = strdup(node->name);
	if (v[nodes->n].name == NULL)
		return -ENOMEM;
	nodes->n++;
	return 0;
}

/* The last component of a link; "" when there is none. */
static void link_name(int dir_fd, const char *path, char *ret, size_t size)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dir_fd, path, target, sizeof(target) - 1);
	const char *last;

	ret[0] = '\0';
	if (n <= 0)
		return;
	target[n] = '\0';
	last = strrchr(target, '/');
	(void)snprintf(ret, size, "%.60s", last != NULL ? last + 1 : target);
}

static bool has_entries(int dir_fd, const char *path)
{
	AUTO_CLOSEDIR DIR *dir = file_opendir_at(dir_fd, path, O_NOFOLLOW);
	const struct dirent *e;

	if (dir == NULL)
		return false;
	while ((e = readdir(dir)) != NULL) {
		if (e->d_name[0] != '.')
			return true;
	}
	return false;
}

bool device_rdev_parse(const char *text, dev_t *ret)
{
	char *end = NULL;
	unsigned long maj = strtoul(text, &end, 10), min;

	if (end == text || *end != ':')
		return false;
	text = end + 1;
	min = strtoul(text, &end, 10);
	*ret = makedev((unsigned int)maj, (unsigned int)min);
	return end != text;
}

/* A folder with "dev" and, in "uevent", the name that devtmpfs gives the node. */
static int take_node(struct device_nodes *nodes, int dir_fd)
{
	AUTO_FREE char *number = NULL, *event = NULL;
	struct device_node node = { .block = false };
	char subsystem[64];
	char *name;

	if (file_read_at(dir_fd, "dev", TEXT_CAP, &number, NULL, NULL) < 0 ||
	    !device_rdev_parse(number, &node.rdev) ||
	    file_read_at(dir_fd, "uevent", TEXT_CAP, &event, NULL, NULL) < 0)
		return 0;
	name = strstr(event, "DEVNAME=");
	if (name == NULL)
		return 0;
	name += strlen("DEVNAME=");
	name[strcspn(name, "\n")] = '\0';
	link_name(dir_fd, "subsystem", subsystem, sizeof(subsystem));
	node.block = strcmp(subsystem, "block") == 0;
	node.held = node.block && has_entries(dir_fd, "holders");
	node.name = name;
	return device_nodes_add(nodes, &node);
}

/*
 * "0000:41:00.0", another PCI function: directly in a bridge's folder. Those of a PCI domain that
 * the function itself makes (VMD) lie deeper, below "pci10000:e0", and go where it goes.
 */
static bool is_function(const char *name)
{
	const char *dot = strrchr(name, '.');

	return strlen(name) >= 12 && dot != NULL && dot[1] >= '0' && dot[1] <= '7' && dot[2] == 0 &&
	       strchr(name, ':') != NULL && strchr(name, ':') != strrchr(name, ':');
}

/* Network interfaces are folders below one called "net", of the function or of its virtio device.
 */
static void take_interfaces(struct device_nodes *nodes, int dir_fd)
{
	AUTO_CLOSEDIR DIR *dir = file_opendir_at(dir_fd, ".", 0);
	const struct dirent *e;

	if (dir == NULL)
		return;
	while ((e = readdir(dir)) != NULL) {
		if (e->d_name[0] != '.')
			strv_add(&nodes->interfaces, e->d_name);
	}
}

/*
 * "nvme0c1n2" is one controller's way to a namespace that more than one may have: the disk itself,
 * with its node, partitions and users, is "nvme0n2", below none of them.
 */
static void take_shared_disk(struct device_nodes *nodes, const char *name)
{
	static const char digits[] = "0123456789";
	const char *way, *rest;
	char disk[64];

	if (strncmp(name, "nvme", 4) != 0)
		return;
	way = name + 4 + strspn(name + 4, digits);
	if (way[0] != 'c')
		return;
	rest = way + 1 + strspn(way + 1, digits);
	if (rest[0] != 'n' || rest[1] == '\0' || rest[1 + strspn(rest + 1, digits)] != '\0')
		return;
	(void)snprintf(disk, sizeof(disk), "%.*s%.32s", (int)(way - name), name, rest);
	strv_add(&nodes->shared, disk);
}

static int walk(struct device_nodes *nodes, int dir_fd, unsigned int depth);

static int walk_into(struct device_nodes *nodes, int dir_fd, const char *name, unsigned int depth)
{
	AUTO_CLOSE int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r;

	if (fd < 0)
		return 0; /* a file, a link, or gone meanwhile */
	if (strcmp(name, "net") == 0)
		take_interfaces(nodes, fd);
	take_shared_disk(nodes, name);
	r = take_node(nodes, fd);
	return r < 0 ? r : walk(nodes, fd, depth + 1);
}

static int walk(struct device_nodes *nodes, int dir_fd, unsigned int depth)
{
	AUTO_CLOSEDIR DIR *dir = file_opendir_at(dir_fd, ".", 0);
	const struct dirent *e;
	int r = 0;

	if (dir == NULL)
		return 0;
	if (depth == DEPTH_MAX)
		return -ELOOP;
	while (r == 0 && (e = readdir(dir)) != NULL) {
		if (e->d_name[0] == '.' || e->d_type == DT_REG || e->d_type == DT_LNK)
			continue;
		if (depth > 0 || !is_function(e->d_name))
			r = walk_into(nodes, dir_fd, e->d_name, depth);
	}
	return r;
}

static int walk_shared_disks(const struct host *host, struct device_nodes *nodes)
{
	int r = 0;

	for (size_t i = 0; i < nodes->shared.n && r == 0; i++) {
		AUTO_CLOSE int fd = -1;
		char path[64];

		(void)snprintf(path, sizeof(path), "class/block/%s", nodes->shared.v[i]);
		fd = openat(host->sys_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			continue;
		r = take_node(nodes, fd);
		if (r == 0)
			r = walk(nodes, fd, 1);
	}
	return r;
}

static int add_vfio_group(const struct host *host, struct device_nodes *nodes, int dir_fd)
{
	AUTO_FREE char *number = NULL;
	struct device_node node = { .block = false };
	char group[32], path[64], name[64];

	link_name(dir_fd, "iommu_group", group, sizeof(group));
	if (group[0] == '\0')
		return 0;
	(void)snprintf(path, sizeof(path), "class/vfio/%s/dev", group);
	if (file_read_at(host->sys_fd, path, TEXT_CAP, &number, NULL, NULL) < 0 ||
	    !device_rdev_parse(number, &node.rdev))
		return 0;
	(void)snprintf(name, sizeof(name), "vfio/%s", group);
	node.name = name;
	return device_nodes_add(nodes, &node);
}

/* The groups of mediated devices that were made of the function. */
static int add_mdev_groups(const struct host *host, struct device_nodes *nodes, int dir_fd)
{
	AUTO_CLOSEDIR DIR *dir = file_opendir_at(dir_fd, ".", 0);
	const struct dirent *e;
	int r = 0;

	if (dir == NULL)
		return 0;
	while (r == 0 && (e = readdir(dir)) != NULL) {
		AUTO_CLOSE int device = -1;

		if (!mdev_uuid_is_valid(e->d_name))
			continue;
		nodes->n_mdevs++;
		device = openat(dir_fd, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = device < 0 ? 0 : add_vfio_group(host, nodes, device);
	}
	return r;
}

int device_nodes_find(const struct host *host, const char *address, struct device_nodes *ret,
		      struct error *err)
{
	bool is_pci = strchr(address, ':') != NULL;
	char path[192];
	AUTO_CLOSE int fd = -1;
	int r;

	(void)snprintf(path, sizeof(path), "%s/%.128s",
		       is_pci ? "bus/pci/devices" : "class/mdev_bus", address);
	fd = openat(host->sys_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, "device %s", address);
	r = walk(ret, fd, 0);
	if (r == 0)
		r = walk_shared_disks(host, ret);
	if (r == 0)
		r = add_vfio_group(host, ret, fd);
	if (r == 0)
		r = add_mdev_groups(host, ret, fd);
	if (r == 0)
		r = nvidia_nodes_find(host, address, ret);
	if (r == 0)
		r = kfd_nodes_find(host, address, ret);
	if (r == -ELOOP)
		return error_set(err, ELOOP, "device %s: its folders have no end", address);
	if (r < 0 || strv_error(&ret->interfaces) < 0 || strv_error(&ret->shared) < 0)
		return error_set(err, ENOMEM, "out of memory");
	return 0;
}

void device_nodes_done(struct device_nodes *nodes)
{
	for (size_t i = 0; i < nodes->n; i++)
		free(nodes->v[i].name);
	free(nodes->v);
	strv_done(&nodes->interfaces);
	strv_done(&nodes->shared);
	*nodes = (struct device_nodes)DEVICE_NODES_INIT;
}
