/* SPDX-License-Identifier: MIT */
/*
 * Block devices, as far as it is asked whether somebody has one.
 *
 * Whoever builds upon a block device claims it: a mounted file system of any kind (its number in
 * mountinfo may be an anonymous one, as btrfs and ZFS have it), swap, device mapper, RAID, DRBD;
 * in whatever mount namespace. Linux refuses an exclusive opening then, and says so without
 * having touched the device.
 */
#ifndef SYSFS_DISK_H
#define SYSFS_DISK_H

#include <sys/types.h>

#include "sysfs/tree.h"

/**
 * disk_probe() - Ask the kernel whether a block device is claimed
 * @sys:  read_limit_ms bounds it: opening may wait for the device
 * @name: below /dev, "nvme0n1p1"
 * @rdev: its number; another device of that name is left alone
 * @err:  @err->wedged is the helper left behind on -ETIMEDOUT
 *
 * A disk counts as claimed also when one of its partitions is. The device is open for a moment,
 * read-only. Return: 0 it is not, or there is no such node, or it may not be opened (only root
 * may); -EBUSY it is; -ETIMEDOUT it does not answer; -ECHILD; errno of fork(2).
 */
int disk_probe(const struct sysfs *sys, const char *name, dev_t rdev, struct sysfs_error *err);

#endif
