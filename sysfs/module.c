/* SPDX-License-Identifier: MIT */
/* Taking a kernel module out: see module.h. */
#include "sysfs/module.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sysfs/write.h"

/* A link in the folder of a driver ("pci:vfio-pci") is a device, but for the one to its module. */
static int check_driver(const struct sysfs *sys, const char *module, const char *driver,
			struct sysfs_error *err)
{
	AUTO_SYSFS_NAMES struct sysfs_names names = { 0 };
	char folder[SYSFS_PATH_SIZE], path[SYSFS_PATH_SIZE], target[SYSFS_NAME_SIZE];

	(void)sysfs_path(folder, "module/%s/drivers/%s", module, driver);
	if (sysfs_list(sys->sys_fd, folder, &names) < 0)
		return 0;
	for (size_t i = 0; i < names.n; i++) {
		if (strcmp(names.v[i], "module") == 0 ||
		    sysfs_path(path, "%s/%s", folder, names.v[i]) < 0 ||
		    sysfs_read_link(sys->sys_fd, path, target, sizeof(target)) < 0)
			continue;
		return sysfs_error_set(err, EBUSY,
				       "the kernel module %s stays: %s is on its driver", module,
				       names.v[i]);
	}
	return 0;
}

static int check_drivers(const struct sysfs *sys, const char *module, struct sysfs_error *err)
{
	AUTO_SYSFS_NAMES struct sysfs_names names = { 0 };
	char folder[SYSFS_PATH_SIZE];
	int r = 0;

	(void)sysfs_path(folder, "module/%s/drivers", module);
	if (sysfs_list(sys->sys_fd, folder, &names) < 0)
		return 0;
	for (size_t i = 0; i < names.n && r == 0; i++)
		r = check_driver(sys, module, names.v[i], err);
	return r;
}

/* In the helper. The kernel says EWOULDBLOCK for a module in use. */
static int delete_module(void *data, int dir_fd, const char *path, const char *value, size_t len)
{
	(void)data;
	(void)dir_fd;
	(void)path;
	(void)len;
	if (syscall(SYS_delete_module, value, O_NONBLOCK) == 0)
		return 0;
	return errno == EWOULDBLOCK ? -EBUSY : -errno;
}

int module_unload(const struct sysfs *sys, const char *name, uint64_t deadline_ns,
		  struct sysfs_error *err)
{
	char path[SYSFS_PATH_SIZE];
	struct sysfs_change change = { .op = "unload-module",
				       .object = name,
				       .path = path,
				       .value = name,
				       .call = delete_module };
	int r;

	if (!sysfs_is_name(name) || strlen(name) >= SYSFS_NAME_SIZE)
		return sysfs_error_set(err, EINVAL, "\"%.64s\" is no name of a module", name);
	(void)sysfs_path(path, "module/%s", name);
	if (!sysfs_exists(sys->sys_fd, path))
		return 0;
	r = check_drivers(sys, name, err);
	if (r < 0)
		return r;
	r = sysfs_change(sys, &change, deadline_ns, err);
	if (r == -EBUSY)
		return sysfs_error_set(err, EBUSY, "the kernel module %s stays: something uses it",
				       name);
	return r == -ENOENT ? 0 : r;
}
