/* SPDX-License-Identifier: MIT */
/* What a run may change, before and after: see snapshot.h. The text form is in snapshot_text.c. */
#include "sysfs/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "sysfs/cleanup.h"
#include "sysfs/mdev.h"
#include "sysfs/pci.h"
#include "sysfs/settings.h"
#include "sysfs/snapshot_lines.h"

/* Files of a function whose text is taken as it is, if they are there. */
static const char *const plain_fields[] = {
	"enable",
	"numa_node",
	"msi_bus",
	"broken_parity_status",
	"resource",
	"sriov_drivers_autoprobe",
	"nvidia/current_vgpu_type",
	"current_memory_partition",
};

/* A snapshot in the making. */
struct taking {
	const struct sysfs *sys;
	struct snapshot_lines lines;
	struct sysfs_error *err;
};

static int take_group(struct taking *t, int number)
{
	char object[32], path[SYSFS_PATH_SIZE], type[64], node[64] = "";
	struct stat st;

	(void)snprintf(object, sizeof(object), "group %d", number);
	(void)sysfs_path(path, "kernel/iommu_groups/%d/type", number);
	if (sysfs_read_string(t->sys->sys_fd, path, type, sizeof(type)) == 0)
		snapshot_lines_add(&t->lines, object, "type", type);
	(void)sysfs_path(path, "vfio/%d", number);
	if (t->sys->dev_fd >= 0 && fstatat(t->sys->dev_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
		(void)snprintf(node, sizeof(node), "%04o %u %u", (unsigned int)st.st_mode & 07777U,
			       st.st_uid, st.st_gid);
	snapshot_lines_add(&t->lines, object, "node", node);
	return 0;
}

/* The devices of a parent: those of the bus that lie in its folder. */
static int take_devices(struct taking *t, const char *object, const char *parent)
{
	AUTO_SYSFS_NAMES struct sysfs_names names = { 0 };
	struct snapshot_text devices = { 0 };
	int r = sysfs_list(t->sys->sys_fd, "bus/mdev/devices", &names);

	if (r < 0 && r != -ENOENT)
		return sysfs_error_os(t->err, -r, "list the mediated devices");
	for (size_t i = 0; i < names.n; i++) {
		struct mdev_device device;

		if (mdev_read(t->sys, names.v[i], &device, NULL) < 0 ||
		    strcmp(device.parent, parent) != 0)
			continue;
		snapshot_text_add(&devices, "%s%s=%s", devices.len > 0 ? " " : "", device.uuid,
				  device.type);
	}
	snapshot_lines_take(&t->lines, object, "devices", &devices);
	return 0;
}

static int take_parent(struct taking *t, const char *parent)
{
	AUTO_MDEV_TYPES struct mdev_types types = { 0 };
	char object[SYSFS_NAME_SIZE + 8], field[SYSFS_NAME_SIZE + 16], value[16];
	int r = mdev_types_read(t->sys, parent, &types, t->err);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	(void)snprintf(object, sizeof(object), "mdev %.*s", SYSFS_NAME_SIZE - 1, parent);
	for (size_t i = 0; i < types.n; i++) {
		(void)snprintf(field, sizeof(field), "available/%s", types.v[i].id);
		(void)snprintf(value, sizeof(value), "%d", types.v[i].available);
		snapshot_lines_add(&t->lines, object, field, value);
	}
	return take_devices(t, object, parent);
}

static void take_vfs(struct taking *t, const char *object, const struct pci_vf *vfs, size_t n)
{
	struct snapshot_text text = { 0 };
	char name[PCI_ADDRESS_SIZE];

	for (size_t i = 0; i < n; i++)
		snapshot_text_add(&text, "%s%u=%s", i > 0 ? " " : "", vfs[i].index,
				  pci_address_format(&vfs[i].address, name));
	snapshot_lines_take(&t->lines, object, "virtfns", &text);
}

/* What the kernel shows under the lock of a change, or by links. */
static int take_state(struct taking *t, const struct pci_address *address, const char *object)
{
	SYSFS_AUTO_FREE struct pci_vf *vfs = NULL;
	char driver[SYSFS_NAME_SIZE], override[SYSFS_NAME_SIZE], value[16] = "";
	size_t n_vfs = 0;
	int numvfs, group = pci_group(t->sys, address);
	int r = pci_driver(t->sys, address, driver);

	if (r == 0)
		r = pci_vfs_read(t->sys, address, &vfs, &n_vfs);
	if (r < 0)
		return sysfs_error_os(t->err, -r, "read %s", object);
	snapshot_lines_add(&t->lines, object, "driver", driver);
	take_vfs(t, object, vfs, n_vfs);
	if (group >= 0)
		(void)snprintf(value, sizeof(value), "%d", group);
	snapshot_lines_add(&t->lines, object, "iommu_group", value);
	r = pci_override_read(t->sys, address, override, t->err);
	if (r == 0)
		snapshot_lines_add(&t->lines, object, "driver_override",
				   pci_override_is_set(override) ? override : "");
	if (r == 0 || r == -ENOENT)
		r = pci_numvfs_read(t->sys, address, &numvfs, t->err);
	if (r == 0) {
		(void)snprintf(value, sizeof(value), "%d", numvfs);
		snapshot_lines_add(&t->lines, object, "sriov_numvfs", value);
	}
	return r == -ENOENT ? 0 : r;
}

static void take_settings(struct taking *t, const struct pci_address *address, const char *object)
{
	struct settings s;

	settings_read(t->sys, address, &s);
	for (size_t i = 0; i < SETTINGS_N; i++) {
		if (s.v[i].is_there)
			snapshot_lines_add(&t->lines, object, settings_name(i), s.v[i].text);
	}
}

static int take_function(struct taking *t, const struct pci_address *address)
{
	char object[PCI_ADDRESS_SIZE], path[SYSFS_PATH_SIZE];
	int group = pci_group(t->sys, address);
	bool present = sysfs_exists(t->sys->sys_fd, pci_path(path, address, NULL));

	(void)pci_address_format(address, object);
	snapshot_lines_add(&t->lines, object, "present", present ? "yes" : "no");
	if (!present)
		return 0;
	for (size_t i = 0; i < SYSFS_ARRAY_SIZE(plain_fields); i++) {
		struct sysfs_text text;

		if (sysfs_read(t->sys->sys_fd, pci_path(path, address, plain_fields[i]), &text) ==
		    0)
			snapshot_lines_add(&t->lines, object, plain_fields[i], text.text);
	}
	take_settings(t, address, object);

	int r = take_state(t, address, object);

	if (r == 0 && group >= 0)
		r = take_group(t, group);
	return r < 0 ? r : take_parent(t, object);
}

/* The PF of a VF. Return: 1 there is one; 0 it is no VF. */
static int physical_function(const struct sysfs *sys, const struct pci_address *address,
			     struct pci_address *ret)
{
	char path[SYSFS_PATH_SIZE], name[PCI_ADDRESS_SIZE];

	return sysfs_read_link(sys->sys_fd, pci_path(path, address, "physfn"), name,
			       sizeof(name)) == 0 &&
	       pci_address_parse(name, ret, NULL) == 0;
}

/* What a bus has, as one line. */
static int take_bus(struct taking *t, const char *object, const char *field)
{
	AUTO_SYSFS_NAMES struct sysfs_names names = { 0 };
	struct snapshot_text text = { 0 };
	char path[SYSFS_PATH_SIZE];
	int r = sysfs_path(path, "bus/%s/devices", object);

	if (r == 0)
		r = sysfs_list(t->sys->sys_fd, path, &names);
	if (r < 0 && r != -ENOENT)
		return sysfs_error_os(t->err, -r, "list %s", path);
	for (size_t i = 0; i < names.n; i++)
		snapshot_text_add(&text, "%s%s", i > 0 ? " " : "", names.v[i]);
	snapshot_lines_take(&t->lines, object, field, &text);
	return 0;
}

static int take_all(struct taking *t, const struct snapshot_scope *scope)
{
	int r = take_bus(t, "pci", "functions");

	if (r == 0)
		r = take_bus(t, "mdev", "devices");
	for (size_t i = 0; r == 0 && i < scope->n_functions; i++) {
		struct pci_address pf;

		r = take_function(t, &scope->functions[i]);
		if (r == 0 && physical_function(t->sys, &scope->functions[i], &pf))
			r = take_function(t, &pf);
	}
	for (size_t i = 0; r == 0 && i < scope->n_parents; i++)
		r = take_parent(t, scope->parents[i]);
	return r;
}

int snapshot_take(const struct sysfs *sys, const struct snapshot_scope *scope, struct snapshot *ret,
		  struct sysfs_error *err)
{
	struct taking t = { .sys = sys, .err = err };
	int r = take_all(&t, scope);

	if (r < 0) {
		snapshot_done(&t.lines.snapshot);
		return r;
	}
	r = snapshot_lines_finish(&t.lines, ret);
	return r < 0 ? sysfs_error_os(err, -r, "take a snapshot") : 0;
}
