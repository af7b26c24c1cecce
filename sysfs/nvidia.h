/* SPDX-License-Identifier: MIT */
/*
 * NVIDIA's vendor-specific VFIO: a VF turns into a vGPU by writing a type into its own folder.
 *
 * The VF stays on the vendor's driver, which is a VFIO driver too; it must not be bound to
 * vfio-pci. The same VF serves one guest after the other, so a release that comes too late would
 * clear the vGPU of the next owner: nvidia_clear() only clears the type it is told was set here.
 */
#ifndef SYSFS_NVIDIA_H
#define SYSFS_NVIDIA_H

#include "sysfs/address.h"
#include "sysfs/tree.h"

/**
 * struct nvidia_type - A type of vGPU
 * @id:   > 0
 * @name: as the driver tells it, e.g. "NVIDIA A40-8Q"
 */
struct nvidia_type {
	unsigned int id;
	char name[64];
};

/**
 * struct nvidia_types - Types in the order of the driver; release them with nvidia_types_done()
 * @v: owned
 * @n:
 */
struct nvidia_types {
	struct nvidia_type *v;
	size_t n;
};

/**
 * nvidia_parse_types() - Read the text of creatable_vgpu_types
 * @text: "ID : NAME" lines; others (a header) are skipped
 * @ret:
 *
 * Return: 0; -ENOMEM.
 */
int nvidia_parse_types(const char *text, struct nvidia_types *ret);

/** nvidia_types_read() - Types a VF can turn into now. Return: 0; -ENOENT no vendor VFIO; -errno.
 */
int nvidia_types_read(const struct sysfs *sys, const struct pci_address *vf,
		      struct nvidia_types *ret, struct sysfs_error *err);

/** nvidia_types_done() - Release the types; accepts zeroes. */
void nvidia_types_done(struct nvidia_types *types);

#define AUTO_NVIDIA_TYPES __attribute__((cleanup(nvidia_types_done)))

/**
 * nvidia_current() - The type a VF has
 * @sys:
 * @vf:
 * @ret: 0 for none
 * @err:
 *
 * Return: 0; -ENOENT no vendor VFIO, or no such VF; -EBADMSG.
 */
int nvidia_current(const struct sysfs *sys, const struct pci_address *vf, unsigned int *ret,
		   struct sysfs_error *err);

/**
 * nvidia_set() - Turn a VF into a vGPU
 * @sys:
 * @vf:
 * @type:        id, > 0
 * @deadline_ns: absolute, CLOCK_MONOTONIC
 * @err:
 *
 * Return: 0; -EINVAL @type is 0, or the driver has no such type; -EBUSY the VF has a type already;
 * -ENOENT no vendor VFIO; -EREMOTEIO it reads otherwise; else as sysfs_change(). After a failure
 * other than -EBUSY call nvidia_clear(), unless wedged.
 */
int nvidia_set(const struct sysfs *sys, const struct pci_address *vf, unsigned int type,
	       uint64_t deadline_ns, struct sysfs_error *err);

/**
 * struct nvidia_retry - How long the driver is given for tearing down
 * @times:    writes at most
 * @pause_ms: between two of them
 */
struct nvidia_retry {
	unsigned int times;
	unsigned int pause_ms;
};

/* Ten seconds in all. */
#define NVIDIA_RETRY                                                                               \
	((struct nvidia_retry){                                                                    \
		.times = 10,                                                                       \
		.pause_ms = 1000,                                                                  \
	})

/**
 * nvidia_clear() - Take a vGPU's type from its VF
 * @sys:
 * @vf:
 * @type:        what nvidia_set() was given
 * @retry:       usually NVIDIA_RETRY: the write is refused (EPERM) while the guest is torn down
 * @deadline_ns: absolute, CLOCK_MONOTONIC
 * @err:
 *
 * Return: 0 it has no type, or had none; -ESTALE it has another type, which is somebody else's;
 * -EBUSY its group is open at the deadline, nothing written; -EPERM still refused; -ENOENT no
 * vendor VFIO; else as sysfs_change(); the call can be repeated.
 */
int nvidia_clear(const struct sysfs *sys, const struct pci_address *vf, unsigned int type,
		 struct nvidia_retry retry, uint64_t deadline_ns, struct sysfs_error *err);

#endif
