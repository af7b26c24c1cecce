/* SPDX-License-Identifier: MIT */
/*
 * Who uses a PCI function: processes that have one of its nodes or its registers open or mapped,
 * and uses without a process (mounts, swap, a network interface that is up, a VM of another
 * program that has or has reserved it: owners.h).
 *
 * Only what this process may see: as root in the first pid namespace that is everything. A user
 * found is a fact; none found is as good as the moment: look again right before taking the function
 * away.
 */
#ifndef BMVM_HOST_DEVICE_USERS_H
#define BMVM_HOST_DEVICE_USERS_H

#include <stddef.h>
#include <sys/types.h>

#include "base/cleanup.h"

struct error;
struct host;

/**
 * struct device_user - One use
 * @pid:  0: no process, the kernel itself
 * @name: the process's name as the kernel has it, escaped for people; "" for the kernel
 * @what: "/dev/dri/card0", "mounted on /srv", "swap", "interface eth0 is up"; owned
 */
struct device_user {
	pid_t pid;
	char name[64];
	char *what;
};

/** struct device_users - All of them; free with device_users_done() */
struct device_users {
	struct device_user *v;
	size_t n;
};

#define DEVICE_USERS_INIT                                                                          \
	{                                                                                          \
		.v = NULL                                                                          \
	}

/**
 * device_users_find() - Find them; several of one process count once for each thing it holds
 * @address: "0000:41:00.0"
 * @ret:     must be DEVICE_USERS_INIT
 *
 * Reads all of /proc once; never touches a remote file system. Return: 0; -ENOENT no such function;
 * -ENOMEM; errno of reading /proc.
 */
int device_users_find(const struct host *host, const char *address, struct device_users *ret,
		      struct error *err);

/** device_users_done() - Free; accepts DEVICE_USERS_INIT. */
void device_users_done(struct device_users *users);

#define AUTO_DEVICE_USERS CLEANUP(device_users_done)

#endif
