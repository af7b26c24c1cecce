/* SPDX-License-Identifier: MIT */
/*
 * The host as this program sees it: its roots as directory handles, its own folders, who we are.
 *
 * Roots are injected: everything below /proc, /sys and /dev is reached openat-relative to the
 * handles here, so that the same code runs on a recorded tree in a test.
 *
 * Folders (design: root / everyone else):
 *   run_dir   /run/bmvm        $XDG_RUNTIME_DIR/bmvm, else /run/user/UID/bmvm if ours, else
 *                              /tmp/bmvm-UID (owner and mode checked). VM directories, locks,
 * ledger. data_dir  /var/lib/bmvm    $XDG_STATE_HOME/bmvm, else ~/.local/state/bmvm. Disks,
 * receipts. images    data_dir/images; then /var/lib/bmvm/images for every user.
 */
#ifndef BMVM_HOST_HOST_H
#define BMVM_HOST_HOST_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/cleanup.h"

struct error;

#define HOST_SYSTEM_IMAGES "/var/lib/bmvm/images"

/**
 * struct host - Handles and facts; strings and descriptors owned
 * @proc_fd, @sys_fd, @dev_fd: directory handles of /proc, /sys, /dev
 * @run_fd:  directory handle of @run_dir
 * @data_fd: directory handle of @data_dir
 * @system_run_fd: handle of /run, where other programs' state is; -1: there is none
 * @etc_fd:  handle of /etc; -1: there is none
 * @modules_fd: handle of the running kernel's folder in /lib/modules; -1: there is none
 * @boot_id: this boot's id, 36 characters
 */
struct host {
	int proc_fd;
	int sys_fd;
	int dev_fd;
	int run_fd;
	int data_fd;
	int system_run_fd;
	int etc_fd;
	int modules_fd;
	const struct sysfs_kernel *kernel;
	char *run_dir;
	char *data_dir;
	char *images_dir;
	bool is_root;
	uid_t uid;
	char boot_id[40];
};

#define HOST_INIT                                                                                  \
	{                                                                                          \
		.proc_fd = -1, .sys_fd = -1, .dev_fd = -1, .run_fd = -1, .data_fd = -1,            \
		.system_run_fd = -1, .etc_fd = -1, .modules_fd = -1                                \
	}

/**
 * host_open() - Open the roots and make sure of our own folders
 * @prefix: put before every root ("" for the real host, a recorded tree in tests)
 *
 * Makes run_dir, data_dir (0700) and their first-level folders when missing; this is no change that
 * a run has to undo. Return: 0; -EPERM when a folder is somebody else's or open to others; errno.
 */
int host_open(struct host *host, const char *prefix, struct error *err);

/**
 * host_sees_vms() - Whether all leases and quarantine entries can be read
 *
 * Those of root can by root alone, and only root's VMs have devices. Return: as root, or if root
 * has no VMs on this boot, true.
 */
bool host_sees_vms(const struct host *host);

/** host_done() - Close and free; accepts HOST_INIT. */
void host_done(struct host *host);

#define AUTO_HOST CLEANUP(host_done)

#endif
