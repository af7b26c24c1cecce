/* SPDX-License-Identifier: MIT */
/*
 * /proc/iomem: whose the address regions of a PCI function are.
 *
 * vfio claims a function's regions while a guest has them mapped. Its group may be closed a moment
 * before it lets go of them.
 */
#ifndef SYSFS_IOMEM_H
#define SYSFS_IOMEM_H

#include "sysfs/address.h"
#include "sysfs/tree.h"

/**
 * iomem_is_vfio() - Whether vfio has claimed a region of a function
 *
 * Return: false also when /proc/iomem cannot be read.
 */
bool iomem_is_vfio(const struct sysfs *sys, const struct pci_address *address);

/**
 * iomem_wait_released() - Wait until vfio has let go of a function's regions
 * @sys:
 * @address:
 * @deadline_ns: absolute, CLOCK_MONOTONIC
 * @err:
 *
 * Return: 0, also when nobody tells; -EBUSY it has not at the deadline.
 */
int iomem_wait_released(const struct sysfs *sys, const struct pci_address *address,
			uint64_t deadline_ns, struct sysfs_error *err);

#endif
