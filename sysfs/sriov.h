/* SPDX-License-Identifier: MIT */
/*
 * Virtual functions: making them on a physical function, and taking them away again.
 *
 * VFs that were there before are never touched: the kernel can only remove all of them at once. New
 * ones are made with automatic probing off, so that no host driver takes them, now or later; it
 * stays off while they exist.
 *
 * As with drivers, sriov_plan() reads what the undo needs, and sriov_remove() may be called after
 * sriov_create() succeeded, failed, or was cut short, again and again. Before it, whoever bound a
 * VF gives it back.
 */
#ifndef SYSFS_SRIOV_H
#define SYSFS_SRIOV_H

#include "sysfs/pci.h"

/**
 * struct sriov_change - The making of VFs, and what it takes to undo it
 * @pf:
 * @vendor:        with @device, tells another device at this address
 * @device:
 * @n_vfs:         to be made
 * @old_autoprobe: -1 the kernel has no such file
 */
struct sriov_change {
	struct pci_address pf;
	uint16_t vendor;
	uint16_t device;
	int n_vfs;
	int old_autoprobe;
};

/**
 * sriov_plan() - Find out whether VFs can be made
 * @sys:
 * @pf:
 * @n_vfs: at least 1
 * @ret:
 * @err:
 *
 * Changes nothing. Return: 0; -EINVAL @n_vfs; -ENODEV no such function; -EOPNOTSUPP it is no PF;
 * -ERANGE it has fewer VFs; -EBUSY it has VFs already; -ENOENT no driver is bound to it; -EIO it
 * does not answer; -ETIMEDOUT with @err->wedged it is stuck in another change; -EBADMSG.
 */
int sriov_plan(const struct sysfs *sys, const struct pci_address *pf, int n_vfs,
	       struct sriov_change *ret, struct sysfs_error *err);

/**
 * sriov_create() - Carry out a plan
 * @sys:
 * @change:
 * @deadline_ns: absolute, CLOCK_MONOTONIC
 * @err:
 *
 * Afterwards all VFs are there, each with an IOMMU group and answering; pci_vfs_read() tells their
 * addresses.
 *
 * Return: 0; -ESTALE the PF has VFs by now, or is another device; -ENOENT its driver makes no VFs;
 * -EBUSY; -ERANGE; -ENOMEM no room in the address space or on the bus; -ENOSPC the driver made
 * fewer VFs than asked; -ETIMEDOUT, with @err->wedged if a write is stuck; else as sysfs_change().
 * After a failure call sriov_remove(), unless wedged.
 */
int sriov_create(const struct sysfs *sys, const struct sriov_change *change, uint64_t deadline_ns,
		 struct sysfs_error *err);

/**
 * sriov_remove() - Undo the making of VFs, wherever it stands
 * @sys:
 * @change:
 * @deadline_ns: absolute, CLOCK_MONOTONIC
 * @err:
 *
 * Writes nothing if all is as it was. Up to n_vfs VFs are taken for the ones of @change. A VF that
 * does not answer any more may be on vfio still, if nobody has its group open: it cannot be given
 * back, but it goes with the others.
 *
 * Return: 0 all is as it was. -ENODEV there is no such function. Nothing written: -ESTALE there are
 * more VFs than were made, or it is another device; -EBUSY a VF is bound to a driver. -ENOENT the
 * PF has lost its driver: the VFs stay until it is bound again. Else as sysfs_change(); the call
 * can be repeated.
 */
int sriov_remove(const struct sysfs *sys, const struct sriov_change *change, uint64_t deadline_ns,
		 struct sysfs_error *err);

#endif
