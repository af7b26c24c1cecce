/* SPDX-License-Identifier: MIT */
/* Whether NVIDIA's driver agrees to lose a GPU: see nvidia_unbind.h. */
#include "sysfs/nvidia_unbind.h"

#include <errno.h>

#include "sysfs/write.h"

static void lock_path(const struct pci_address *gpu, char path[SYSFS_PATH_SIZE])
{
	char name[PCI_ADDRESS_SIZE];

	(void)sysfs_path(path, "driver/nvidia/gpus/%s/unbindLock", pci_address_format(gpu, name));
}

/* Return: 1 it agreed, 0 not; -ENOENT there is no such file; errno of reading. */
static int read_lock(const struct sysfs *sys, const struct pci_address *gpu)
{
	char path[SYSFS_PATH_SIZE];
	int64_t value = 0;
	int r = -ENOENT;

	lock_path(gpu, path);
	if (sys->proc_fd >= 0)
		r = sysfs_read_number(sys->proc_fd, path, &value);
	return r < 0 ? r : value != 0;
}

static int write_lock(const struct sysfs *sys, const struct pci_address *gpu, bool lock,
		      uint64_t deadline_ns, struct sysfs_error *err)
{
	char path[SYSFS_PATH_SIZE], name[PCI_ADDRESS_SIZE];

	lock_path(gpu, path);

	struct sysfs_change change = { .op = lock ? "ask-unbind" : "waive-unbind",
				       .object = pci_address_format(gpu, name),
				       .in_proc = true,
				       .path = path,
				       .old = lock ? "0" : "1",
				       .value = lock ? "1\n" : "0\n" };

	return sysfs_change(sys, &change, deadline_ns, err);
}

bool nvidia_unbind_is_agreed(const struct sysfs *sys, const struct pci_address *gpu)
{
	return read_lock(sys, gpu) > 0;
}

int nvidia_unbind_ask(const struct sysfs *sys, const struct pci_address *gpu, uint64_t deadline_ns,
		      struct sysfs_error *err)
{
	char name[PCI_ADDRESS_SIZE];
	int r = read_lock(sys, gpu);

	(void)pci_address_format(gpu, name);
	if (r == -ENOENT)
		return 0;
	if (r > 0)
		return sysfs_error_set(err, EBUSY,
				       "%s: somebody else is taking it from NVIDIA's driver", name);
	r = write_lock(sys, gpu, true, deadline_ns, err);
	if (r < 0)
		return r;
	r = read_lock(sys, gpu);
	if (r < 0)
		return sysfs_error_os(err, -r, "read the unbindLock of %s", name);
	return r > 0 ? 0
		     : sysfs_error_set(err, EBUSY,
				       "%s is in use, says NVIDIA's driver: by a process, the "
				       "console or another kernel module",
				       name);
}

int nvidia_unbind_waive(const struct sysfs *sys, const struct pci_address *gpu,
			uint64_t deadline_ns, struct sysfs_error *err)
{
	return nvidia_unbind_is_agreed(sys, gpu) ? write_lock(sys, gpu, false, deadline_ns, err)
						 : 0;
}
