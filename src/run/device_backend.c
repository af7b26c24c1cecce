/* SPDX-License-Identifier: MIT */
#include "run/device_backend.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/strv.h"
#include "host/device_nodes.h"
#include "host/host.h"
#include "host/modules.h"
#include "sysfs/tree.h"
#include "vm/caps.h"

#define IOMMU_FOLDER "class/misc/iommu"
#define TEXT_CAP     ((size_t)64 * 1024)

const char *device_backend_module(bool iommufd)
{
	return iommufd ? "iommufd" : "vfio_iommu_type1";
}

static int refuse(struct error *err, const char *why)
{
	int r = error_set(err, ENOTSUP, "iommufd: %s", why);

	return error_hint(err, r, "leave out \"iommufd\": VFIO's groups do the same");
}

/* Once VFIO is there, its share of the device numbers tells; before, nothing does. */
static bool gives_no_nodes(const struct host *host)
{
	AUTO_FREE char *text = NULL;

	if (!sysfs_exists(host->sys_fd, "class/vfio-dev") ||
	    file_read_at(host->proc_fd, "devices", TEXT_CAP, &text, NULL, NULL) < 0)
		return false;
	return strstr(text, " vfio-dev\n") == NULL;
}

int device_backend_check(const struct host *host, const struct qemu_caps *caps, struct error *err)
{
	AUTO_STRV struct strv missing = STRV_INIT;
	int r;

	if (!caps->iommufd)
		return refuse(err, "this QEMU has no such object (9.0 and later can have it)");
	r = sysfs_exists(host->sys_fd, IOMMU_FOLDER)
		    ? 0
		    : modules_missing(host, device_backend_module(true), &missing, err);
	if (r == -ENOENT)
		return refuse(err, "this kernel has no /dev/iommu, and no module that makes it");
	if (r == 0 && gives_no_nodes(host))
		r = refuse(err,
			   "this kernel gives devices no nodes of their own "
			   "(CONFIG_VFIO_DEVICE_CDEV, Linux 6.6)");
	return r;
}

static int read_rdev(const struct host *host, const char *folder, dev_t *ret)
{
	char path[SYSFS_PATH_SIZE], text[32];
	int r = sysfs_path(path, "%s/dev", folder);

	if (r == 0)
		r = sysfs_read_string(host->sys_fd, path, text, sizeof(text));
	if (r == 0 && !device_rdev_parse(text, ret))
		r = -EBADMSG;
	return r;
}

int device_backend_iommu(const struct host *host, dev_t *ret, struct error *err)
{
	if (read_rdev(host, IOMMU_FOLDER, ret) < 0)
		return refuse(err, "the kernel has made no /dev/iommu");
	return 0;
}

/* "vfio3" */
static int parse_number(const char *name)
{
	char *end = NULL;
	unsigned long n = strncmp(name, "vfio", 4) != 0 ? 0 : strtoul(name + 4, &end, 10);

	return end == NULL || end == name + 4 || *end != '\0' || n > 0xfffff ? -1 : (int)n;
}

int device_backend_node(const struct host *host, const char *address, const char *uuid,
			int *ret_number, dev_t *ret, struct error *err)
{
	AUTO_SYSFS_NAMES struct sysfs_names names = { 0 };
	char folder[SYSFS_PATH_SIZE], path[SYSFS_PATH_SIZE];

	(void)sysfs_path(folder, "bus/%s/devices/%s/vfio-dev", uuid[0] != '\0' ? "mdev" : "pci",
			 uuid[0] != '\0' ? uuid : address);
	(void)sysfs_list(host->sys_fd, folder, &names);
	for (size_t i = 0; i < names.n; i++) {
		*ret_number = parse_number(names.v[i]);
		if (*ret_number >= 0 && sysfs_path(path, "%s/%s", folder, names.v[i]) == 0 &&
		    read_rdev(host, path, ret) == 0)
			return 0;
	}
	return error_prefix(err,
			    refuse(err,
				   "the kernel gives it no node in /dev/vfio/devices "
				   "(CONFIG_VFIO_DEVICE_CDEV, Linux 6.6)"),
			    "%s", uuid[0] != '\0' ? uuid : address);
}
