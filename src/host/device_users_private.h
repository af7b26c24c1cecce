/* SPDX-License-Identifier: MIT */
/*
 * Looking for users, inside: device_users.c looks at processes, interfaces and other programs,
 * device_disks.c at block devices.
 */
#ifndef BMVM_HOST_DEVICE_USERS_PRIVATE_H
#define BMVM_HOST_DEVICE_USERS_PRIVATE_H

#include "host/device_users.h"

#include <stdbool.h>

#include "host/device_nodes.h"

/* Of a file in /proc. */
#define DEVICE_USERS_TEXT_CAP ((size_t)16 << 20)

/**
 * struct device_search - One look through /proc
 * @registers: what paths of the function's registers in /sys contain, "0000:41:00.0/"
 * @proc_fd:   of the process looked at
 */
struct device_search {
	const struct host *host;
	const struct device_nodes *nodes;
	struct device_users *found;
	char registers[64];
	int proc_fd;
	pid_t pid;
};

/**
 * device_users_add() - Note a use, once; by the process s->pid, unless that is 0
 *
 * Return: 0; -ENOMEM.
 */
int device_users_add(struct device_search *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/** device_node_by_path() - The function's node of that path, "/dev/nvme0n1". Return: NULL none. */
const struct device_node *device_node_by_path(const struct device_search *s, const char *path);

/** device_node_by_rdev() - The same by number. */
const struct device_node *device_node_by_rdev(const struct device_search *s, dev_t rdev,
					      bool block);

/**
 * device_users_find_disks() - Note who has one of the function's block devices
 *
 * The kernel is asked of each (sysfs/disk.h): what mountinfo, swaps and "holders" tell only says
 * why. Return: 0; -ENOMEM; errno of starting a helper.
 */
int device_users_find_disks(struct device_search *s, struct error *err);

#endif
