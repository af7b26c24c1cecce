/* SPDX-License-Identifier: MIT */
/* Mediated devices: see mdev.h. */
#include "sysfs/mdev.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sysfs/cleanup.h"
#include "sysfs/clock.h"
#include "sysfs/group.h"
#include "sysfs/pci.h"
#include "sysfs/write.h"

bool mdev_uuid_is_valid(const char *uuid)
{
	for (size_t i = 0; i < MDEV_UUID_SIZE - 1; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		bool digit =
			(uuid[i] >= '0' && uuid[i] <= '9') || (uuid[i] >= 'a' && uuid[i] <= 'f');

		if (dash ? uuid[i] != '-' : !digit)
			return false;
	}
	return uuid[MDEV_UUID_SIZE - 1] == '\0';
}

static int check_uuid(const char *uuid, struct sysfs_error *err)
{
	if (mdev_uuid_is_valid(uuid))
		return 0;
	return sysfs_error_set(err, EINVAL, "\"%.40s\" is no UUID in lower case", uuid);
}

/* The folder of types of @parent. */
static int types_path(const struct sysfs *sys, const char *parent, char path[SYSFS_PATH_SIZE],
		      struct sysfs_error *err)
{
	static const char *const places[] = { "bus/pci/devices", "class/mdev_bus" };

	if (!sysfs_is_name(parent) || strlen(parent) >= SYSFS_NAME_SIZE)
		return sysfs_error_set(err, EINVAL, "\"%.64s\" is no name of a device", parent);
	for (size_t i = 0; i < SYSFS_ARRAY_SIZE(places); i++) {
		(void)sysfs_path(path, "%s/%s/mdev_supported_types", places[i], parent);
		if (sysfs_exists(sys->sys_fd, path))
			return 0;
	}
	return sysfs_error_set(err, ENOENT, "%s offers no mediated devices", parent);
}

static int read_type(int types_fd, const char *id, struct mdev_type *ret)
{
	SYSFS_AUTO_CLOSE int fd = sysfs_open_dir(types_fd, id);
	struct mdev_type type = { 0 };
	int64_t available;

	if (fd < 0)
		return fd;
	if (strlen(id) >= sizeof(type.id))
		return -ENAMETOOLONG;
	memcpy(type.id, id, strlen(id) + 1);
	if (sysfs_read_string(fd, "name", type.name, sizeof(type.name)) < 0)
		type.name[0] = '\0';
	if (sysfs_read_string(fd, "description", type.description, sizeof(type.description)) < 0)
		type.description[0] = '\0';
	if (sysfs_read_string(fd, "device_api", type.device_api, sizeof(type.device_api)) < 0)
		type.device_api[0] = '\0';
	if (sysfs_read_number(fd, "available_instances", &available) == 0 && available > 0)
		type.available = available > INT_MAX ? INT_MAX : (int)available;
	*ret = type;
	return 0;
}

int mdev_types_read(const struct sysfs *sys, const char *parent, struct mdev_types *ret,
		    struct sysfs_error *err)
{
	AUTO_SYSFS_NAMES struct sysfs_names names = { 0 };
	struct mdev_types types = { 0 };
	char path[SYSFS_PATH_SIZE];
	int r = types_path(sys, parent, path, err);

	if (r < 0)
		return r;

	SYSFS_AUTO_CLOSE int fd = sysfs_open_dir(sys->sys_fd, path);

	r = fd < 0 ? fd : sysfs_list(fd, ".", &names);
	if (r == 0) {
		types.v = calloc(names.n + 1, sizeof(*types.v));
		r = types.v == NULL ? -ENOMEM : 0;
	}
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		r = read_type(fd, names.v[i], &types.v[types.n]);
		types.n += r == 0;
		/* No folder, so no type; or one that has just gone. */
		if (r == -ENOTDIR || r == -ENOENT)
			r = 0;
	}
	if (r < 0) {
		mdev_types_done(&types);
		return sysfs_error_os(err, -r, "read the types of %s", parent);
	}
	*ret = types;
	return 0;
}

void mdev_types_done(struct mdev_types *types)
{
	free(types->v);
	*types = (struct mdev_types){ 0 };
}

const struct mdev_type *mdev_find_type(const struct mdev_types *types, const char *id_or_name)
{
	for (size_t i = 0; i < types->n; i++) {
		if (strcmp(types->v[i].id, id_or_name) == 0)
			return &types->v[i];
	}
	for (size_t i = 0; i < types->n; i++) {
		if (types->v[i].name[0] != '\0' && strcmp(types->v[i].name, id_or_name) == 0)
			return &types->v[i];
	}
	return NULL;
}

int mdev_parents(const struct sysfs *sys, struct sysfs_names *ret, struct sysfs_error *err)
{
	int r = sysfs_list(sys->sys_fd, "class/mdev_bus", ret);

	if (r == -ENOENT) {
		*ret = (struct sysfs_names){ 0 };
		return 0;
	}
	return r < 0 ? sysfs_error_os(err, -r, "list the parents of mediated devices") : 0;
}

/* The folder of a device is a link ".../PARENT/UUID". */
static int read_parent(int sys_fd, const char *path, char *parent, size_t size)
{
	char target[4096];
	ssize_t n = readlinkat(sys_fd, path, target, sizeof(target) - 1);

	if (n < 0)
		return errno == ENOENT ? -ENODEV : -EBADMSG;
	target[n] = '\0';

	char *slash = strrchr(target, '/');

	if (slash == NULL)
		return -EBADMSG;
	*slash = '\0';
	slash = strrchr(target, '/');

	const char *name = slash == NULL ? target : slash + 1;

	if (!sysfs_is_name(name) || strlen(name) >= size)
		return -EBADMSG;
	memcpy(parent, name, strlen(name) + 1);
	return 0;
}

static int read_links(const struct sysfs *sys, struct mdev_device *device)
{
	char path[SYSFS_PATH_SIZE], group[16];
	int64_t number;

	(void)sysfs_path(path, "bus/mdev/devices/%s", device->uuid);

	int r = read_parent(sys->sys_fd, path, device->parent, sizeof(device->parent));

	if (r < 0)
		return r;
	(void)sysfs_path(path, "bus/mdev/devices/%s/mdev_type", device->uuid);
	r = sysfs_read_link(sys->sys_fd, path, device->type, sizeof(device->type));
	if (r < 0)
		return r == -ENOENT ? -ENODEV : -EBADMSG;
	(void)sysfs_path(path, "bus/mdev/devices/%s/iommu_group", device->uuid);
	device->group = -1;
	if (sysfs_read_link(sys->sys_fd, path, group, sizeof(group)) == 0 &&
	    sysfs_parse_number(group, &number) == 0 && number >= 0 && number <= INT_MAX)
		device->group = (int)number;
	return 0;
}

int mdev_read(const struct sysfs *sys, const char *uuid, struct mdev_device *ret,
	      struct sysfs_error *err)
{
	struct mdev_device device = { 0 };
	int r = check_uuid(uuid, err);

	if (r < 0)
		return r;
	memcpy(device.uuid, uuid, sizeof(device.uuid));
	r = read_links(sys, &device);
	if (r < 0)
		return sysfs_error_os(err, -r, "mediated device %s", uuid);
	*ret = device;
	return 0;
}

static int explain(const char *parent, const char *type, int r, struct sysfs_error *err)
{
	if (r == -ENOENT)
		return sysfs_error_set(err, ENOENT, "%s offers no type %s", parent, type);
	if (r == -EEXIST)
		return sysfs_error_set(err, EEXIST, "%s: the UUID is taken", parent);
	if (r == -ENOSPC)
		return sysfs_error_set(err, ENOSPC, "%s has no room for another %s", parent, type);
	if (r == -EIO)
		return sysfs_error_set(err, EIO,
				       "%s refuses another %s: no room, or its vGPU service is not "
				       "running",
				       parent, type);
	return r;
}

/* Wait until the device can be opened; it must be what was asked for. */
static int wait_device(const struct sysfs *sys, const char *type, const char *uuid,
		       uint64_t deadline_ns, struct sysfs_error *err)
{
	struct mdev_device device = { .group = -1 };

	for (;;) {
		int r = mdev_read(sys, uuid, &device, err);

		if (r < 0 && r != -ENODEV)
			return r;
		if (r == 0 && device.group >= 0)
			break;
		if (!sysfs_nap(sys->poll_ms, deadline_ns))
			return sysfs_error_set(err, ETIMEDOUT,
					       "mediated device %s does not come up, or without "
					       "IOMMU group",
					       uuid);
	}
	if (strcmp(device.type, type) != 0)
		return sysfs_error_set(err, EREMOTEIO, "mediated device %s is a %s, not a %s", uuid,
				       device.type, type);
	return group_wait_node(sys, device.group, deadline_ns, err);
}

int mdev_create(const struct sysfs *sys, const char *parent, const char *type, const char *uuid,
		uint64_t deadline_ns, struct sysfs_error *err)
{
	char types[SYSFS_PATH_SIZE], path[SYSFS_PATH_SIZE];
	int r = check_uuid(uuid, err);

	if (r == 0)
		r = types_path(sys, parent, types, err);
	if (r < 0)
		return r;
	if (!sysfs_is_name(type) || sysfs_path(path, "%s/%s/create", types, type) < 0)
		return sysfs_error_set(err, EINVAL, "\"%.64s\" is no name of a type", type);

	struct sysfs_change change = {
		.op = "create-mdev", .object = uuid, .path = path, .value = uuid
	};

	r = sysfs_change(sys, &change, deadline_ns, err);
	if (r < 0)
		return explain(parent, type, r, err);
	return wait_device(sys, type, uuid, deadline_ns, err);
}

/* Whether the device goes within a time. */
static bool wait_gone(const struct sysfs *sys, const char *path, uint64_t deadline_ns)
{
	while (sysfs_exists(sys->sys_fd, path)) {
		if (!sysfs_nap(sys->poll_ms, deadline_ns))
			return false;
	}
	return true;
}

int mdev_remove(const struct sysfs *sys, const char *uuid, unsigned int grace_ms,
		uint64_t deadline_ns, struct sysfs_error *err)
{
	char path[SYSFS_PATH_SIZE], remove[SYSFS_PATH_SIZE];
	struct mdev_device device = { .group = -1 };
	int r = check_uuid(uuid, err);

	if (r < 0)
		return r;
	(void)sysfs_path(path, "bus/mdev/devices/%s", uuid);
	(void)sysfs_path(remove, "bus/mdev/devices/%s/remove", uuid);
	if (!sysfs_exists(sys->sys_fd, path))
		return 0;
	r = mdev_read(sys, uuid, &device, err);
	if (r == 0)
		r = group_wait_closed(sys, device.group, deadline_ns, err);
	if (r < 0 && r != -ENODEV)
		return r;

	uint64_t grace_ns = sysfs_deadline_ms(grace_ms);

	if (wait_gone(sys, path, grace_ns < deadline_ns ? grace_ns : deadline_ns))
		return 0;

	struct sysfs_change change = {
		.op = "remove-mdev", .object = uuid, .path = remove, .value = "1"
	};

	r = sysfs_change(sys, &change, deadline_ns, err);
	/* On its way already. */
	if (r < 0 && r != -ENOENT && r != -ENODEV && r != -EAGAIN)
		return r;
	if (!wait_gone(sys, path, deadline_ns))
		return sysfs_error_set(err, ETIMEDOUT, "mediated device %s does not go", uuid);
	return 0;
}
