/* SPDX-License-Identifier: MIT */
/*
 * Taking a kernel module out.
 *
 * The kernel lets go of a module that nobody refers to even while devices are bound to its driver:
 * it unbinds them, which can block for as long as an unbind can. So a module whose driver has a
 * device stays, and the call is made as any other change is (write.h).
 */
#ifndef SYSFS_MODULE_H
#define SYSFS_MODULE_H

#include "sysfs/tree.h"

/**
 * module_unload() - Take a module out if nothing uses it; its users are never waited for
 * @sys:
 * @name:        as in /sys/module
 * @deadline_ns: absolute, CLOCK_MONOTONIC
 * @err:
 *
 * Return: 0, also when it is not there; -EBUSY a device is on a driver of it (named), or something
 * else uses it; -EINVAL @name; else as sysfs_change().
 */
int module_unload(const struct sysfs *sys, const char *name, uint64_t deadline_ns,
		  struct sysfs_error *err);

#endif
