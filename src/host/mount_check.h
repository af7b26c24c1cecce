/* SPDX-License-Identifier: MIT */
/* Whether a host folder may be shown to a guest as the configuration wants it. */
#ifndef BMVM_HOST_MOUNT_CHECK_H
#define BMVM_HOST_MOUNT_CHECK_H

#include <stddef.h>

struct config;
struct error;
struct host;

/**
 * host_mount_check() - Look at cfg->mounts[@i]
 *
 * A writable one must not reach our own folders: through them the guest could change what other
 * VMs, and the undoing after them, go by. An unmade one need not be there. Return: 0; -ENOTDIR;
 * -EPERM it reaches them; errno of stat; each with a hint.
 */
int host_mount_check(const struct host *host, const struct config *cfg, size_t i,
		     struct error *err);

/** host_mount_check_writable() - Whether a folder is none of ours. Return: 0; -EPERM. */
int host_mount_check_writable(const struct host *host, const char *path, struct error *err);

#endif
