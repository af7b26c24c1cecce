/* SPDX-License-Identifier: MIT */
/*
 * Whether NVIDIA's driver agrees to lose a GPU.
 *
 * It never comes back from being unbound while something uses the GPU, be it something that no
 * process holds (the console, another kernel module). So it is asked by its file unbindLock in
 * /proc. Its agreement ends when the GPU is bound anew, or is given back here.
 */
#ifndef SYSFS_NVIDIA_UNBIND_H
#define SYSFS_NVIDIA_UNBIND_H

#include "sysfs/address.h"
#include "sysfs/tree.h"

/** nvidia_unbind_is_agreed() - Whether somebody has asked, and the driver agreed. */
bool nvidia_unbind_is_agreed(const struct sysfs *sys, const struct pci_address *gpu);

/**
 * nvidia_unbind_ask() - Ask
 * @sys:
 * @gpu:
 * @deadline_ns: absolute, CLOCK_MONOTONIC
 * @err:
 *
 * Return: 0 it agrees, or has no such file; -EBUSY the GPU is in use, or somebody else has asked;
 * else as sysfs_change().
 */
int nvidia_unbind_ask(const struct sysfs *sys, const struct pci_address *gpu, uint64_t deadline_ns,
		      struct sysfs_error *err);

/** nvidia_unbind_waive() - Give an agreement back, if it stands. Return: 0; as sysfs_change(). */
int nvidia_unbind_waive(const struct sysfs *sys, const struct pci_address *gpu,
			uint64_t deadline_ns, struct sysfs_error *err);

#endif
