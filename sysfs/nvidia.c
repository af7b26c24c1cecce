/* SPDX-License-Identifier: MIT */
/* NVIDIA's vendor-specific VFIO: see nvidia.h. */
#include "sysfs/nvidia.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sysfs/cleanup.h"
#include "sysfs/clock.h"
#include "sysfs/group.h"
#include "sysfs/pci.h"
#include "sysfs/write.h"

#define CURRENT_TYPE "nvidia/current_vgpu_type"

/* Read "ID : NAME" of the @len bytes at @line. */
static bool parse_type(const char *line, size_t len, struct nvidia_type *ret)
{
	const char *end = line + len;
	const char *s = line + strspn(line, " \t");
	unsigned long id = 0;

	for (; s < end && *s >= '0' && *s <= '9' && id <= INT_MAX; s++)
		id = id * 10 + (unsigned long)(*s - '0');
	s += strspn(s, " \t");
	if (id == 0 || id > INT_MAX || s >= end || *s != ':')
		return false;
	s++;
	s += strspn(s, " \t");
	if (s >= end || (size_t)(end - s) >= sizeof(ret->name))
		return false;
	*ret = (struct nvidia_type){ .id = (unsigned int)id };
	memcpy(ret->name, s, (size_t)(end - s));
	return true;
}

int nvidia_parse_types(const char *text, struct nvidia_types *ret)
{
	struct nvidia_types types = { 0 };
	size_t lines = 1;

	for (const char *s = text; *s != '\0'; s++)
		lines += *s == '\n';
	types.v = calloc(lines, sizeof(*types.v));
	if (types.v == NULL)
		return -ENOMEM;
	for (const char *line = text; *line != '\0';) {
		size_t len = strcspn(line, "\n");

		types.n += parse_type(line, len, &types.v[types.n]);
		line += len + (line[len] == '\n');
	}
	*ret = types;
	return 0;
}

int nvidia_types_read(const struct sysfs *sys, const struct pci_address *vf,
		      struct nvidia_types *ret, struct sysfs_error *err)
{
	char path[SYSFS_PATH_SIZE];
	struct sysfs_text text;
	int r = sysfs_read(sys->sys_fd, pci_path(path, vf, "nvidia/creatable_vgpu_types"), &text);

	if (r == 0)
		r = nvidia_parse_types(text.text, ret);
	return r < 0 ? sysfs_error_os(err, -r, "read %s", path) : 0;
}

void nvidia_types_done(struct nvidia_types *types)
{
	free(types->v);
	*types = (struct nvidia_types){ 0 };
}

int nvidia_current(const struct sysfs *sys, const struct pci_address *vf, unsigned int *ret,
		   struct sysfs_error *err)
{
	char path[SYSFS_PATH_SIZE];
	int64_t value;
	int r = sysfs_read_number(sys->sys_fd, pci_path(path, vf, CURRENT_TYPE), &value);

	if (r < 0)
		return sysfs_error_os(err, -r, "read %s", path);
	if (value < 0 || value > UINT_MAX)
		return sysfs_error_set(err, EBADMSG, "%s reads %" PRId64, path, value);
	*ret = (unsigned int)value;
	return 0;
}

static int write_type(const struct sysfs *sys, const struct pci_address *vf, unsigned int old,
		      unsigned int type, uint64_t deadline_ns, struct sysfs_error *err)
{
	char path[SYSFS_PATH_SIZE], name[PCI_ADDRESS_SIZE], old_text[16], text[16];

	(void)snprintf(old_text, sizeof(old_text), "%u", old);
	(void)snprintf(text, sizeof(text), "%u", type);

	struct sysfs_change change = { .op = type == 0 ? "clear-vgpu" : "set-vgpu",
				       .object = pci_address_format(vf, name),
				       .path = pci_path(path, vf, CURRENT_TYPE),
				       .old = old_text,
				       .value = text,
				       .expect = text };

	return sysfs_change(sys, &change, deadline_ns, err);
}

int nvidia_set(const struct sysfs *sys, const struct pci_address *vf, unsigned int type,
	       uint64_t deadline_ns, struct sysfs_error *err)
{
	char name[PCI_ADDRESS_SIZE];
	unsigned int current = 0;

	if (type == 0)
		return sysfs_error_set(err, EINVAL, "0 is no type of vGPU");

	int r = nvidia_current(sys, vf, &current, err);

	if (r < 0)
		return r;
	if (current != 0)
		return sysfs_error_set(err, EBUSY, "%s has the vGPU type %u already",
				       pci_address_format(vf, name), current);
	return write_type(sys, vf, 0, type, deadline_ns, err);
}

/* One attempt to clear. Each looks again at whose the type is: it may go by itself meanwhile. */
static int try_clear(const struct sysfs *sys, const struct pci_address *vf, unsigned int type,
		     uint64_t deadline_ns, struct sysfs_error *err)
{
	char name[PCI_ADDRESS_SIZE];
	unsigned int current = 0;
	int r = nvidia_current(sys, vf, &current, err);

	if (r < 0 || current == 0)
		return r;
	if (current != type)
		return sysfs_error_set(err, ESTALE, "%s has the vGPU type %u, not %u",
				       pci_address_format(vf, name), current, type);
	r = group_wait_closed(sys, pci_group(sys, vf), deadline_ns, err);
	return r < 0 ? r : write_type(sys, vf, current, 0, deadline_ns, err);
}

int nvidia_clear(const struct sysfs *sys, const struct pci_address *vf, unsigned int type,
		 struct nvidia_retry retry, uint64_t deadline_ns, struct sysfs_error *err)
{
	int r = try_clear(sys, vf, type, deadline_ns, err);

	for (unsigned int i = 1; r == -EPERM && i < retry.times; i++) {
		if (!sysfs_nap(retry.pause_ms, deadline_ns))
			break;
		r = try_clear(sys, vf, type, deadline_ns, err);
	}
	return r;
}
