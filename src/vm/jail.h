/* SPDX-License-Identifier: MIT */
/*
 * What QEMU (and virtiofsd) may reach, set up in the child between fork and exec.
 *
 * Started by root: a mount namespace of its own, in which everything there is becomes read-only and
 * nosuid and /dev is a small tmpfs with just the nodes needed (those of the passed devices' IOMMU
 * groups, or of the devices themselves, among them), the seed and the shared folders (bind mounts,
 * read-only ones so in the kernel); then the uid of this VM alone. Nothing on the host changes: the
 * namespace ends with its last process. Started by somebody else: limits and no_new_privs only.
 *
 * The uids: JAIL_UID_BASE and the 65535 above it, one per running VM, gid the same number. That
 * block begins where systemd's range for containers ends (0x6FFFFFFF) and stays below its
 * "foreign" range (0x7FFE0000): no distribution hands them out, useradd and /etc/subuid do not
 * get there by themselves. No passwd entry is needed. jail_uid_lease() finds a free one.
 */
#ifndef BMVM_VM_JAIL_H
#define BMVM_VM_JAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "vm/plan.h"

struct error;

#define JAIL_UID_BASE  1879048192U /* 0x70000000 */
#define JAIL_UID_COUNT 65536U

/* Paths inside the jail. JAIL_SHARE is a printf format for the number of the share. */
#define JAIL_SEED  "/dev/bmvm/seed"
#define JAIL_SHARE "/dev/bmvm/share%zu"

/**
 * struct jail_group - What QEMU may open: /dev/vfio/@number is made as node @rdev, or, with
 * iommufd, /dev/vfio/devices/vfio@number
 */
struct jail_group {
	int number;
	dev_t rdev;
};

/** struct jail_share - A folder bound into the jail; @fd: O_PATH or readable directory, borrowed */
struct jail_share {
	int fd;
	bool readonly;
};

/**
 * struct jail - What the child gets
 * @uid:      its uid and gid; 0: stay what we are (virtiofsd)
 * @isolate:  make the mount namespace; needs root
 * @kvm:      it needs /dev/kvm
 * @seed_fd:  folder shown read-only as JAIL_SEED, borrowed; its files readable for all; -1: none
 * @shares:   appear as JAIL_SHARE in this order, without what is mounted below them
 * @groups:   nodes of these IOMMU groups, and of no other, are in /dev/vfio beside the container
 *            node "vfio"; none: no /dev/vfio. See jail_add_devices()
 * @iommu_rdev: not 0: the nodes of @groups are single devices', and with them is /dev/iommu, as
 * this node, instead of the container node
 * @memlock:  RLIMIT_MEMLOCK in bytes; 0: leave it
 */
struct jail {
	uid_t uid;
	bool isolate;
	bool kvm;
	int seed_fd;
	struct jail_share shares[VM_MOUNTS_MAX];
	size_t n_shares;
	struct jail_group groups[VM_DEVICES_MAX];
	size_t n_groups;
	dev_t iommu_rdev;
	uint64_t memlock;
};

#define JAIL_INIT                                                                                  \
	{                                                                                          \
		.seed_fd = -1                                                                      \
	}

/**
 * jail_add_devices() - Let QEMU have the devices of a plan
 * @plan: complete: its memory and devices are looked at
 *
 * Sets @groups, @iommu_rdev and @memlock; without devices nothing changes. QEMU also reads /sys,
 * which the jail shows as the host has it, read-only. Return: 0; -EINVAL more than VM_DEVICES_MAX
 * devices, one that has no group or no node, two that disagree on the node of their group, or
 * iommufd without its node.
 */
int jail_add_devices(struct jail *jail, const struct vm_plan *plan, struct error *err);

/**
 * jail_enter() - Go into the jail; the `prepare` of a struct spawn
 * @jail: struct jail
 *
 * For a forked child only: there is no way back. Return: 0; the errno of the step named in @err.
 */
int jail_enter(void *jail, struct error *err);

/**
 * jail_uid_user() - Find a process that runs under a uid
 * @proc_fd: directory handle of /proc
 *
 * Return: the pid of one of them; 0 when there is none; errno of reading /proc.
 */
pid_t jail_uid_user(int proc_fd, uid_t uid, struct error *err);

/**
 * jail_uid_lease() - Find a uid no other running VM and no process has
 * @proc_fd:  directory handle of /proc: VMs of another run folder, as of a container, count too
 * @run_fd:   directory handle of the run folder; holds the folder "uids" with one empty file "lock"
 * @ret_uid:  the uid
 * @ret_lock: owned descriptor that holds the lock; the uid is ours while it or an inherited copy
 *            is open
 *
 * The first one tried is random: another bmvm, in a container, sees neither our locks nor our
 * processes, and is not to come upon the same. Does not block. Return: 0; -EUSERS none is free;
 * errno.
 */
int jail_uid_lease(int proc_fd, int run_fd, uid_t *ret_uid, int *ret_lock, struct error *err);

/** jail_uid_lease_from() - The same, from JAIL_UID_BASE + @first upwards and round. */
int jail_uid_lease_from(int proc_fd, int run_fd, unsigned int first, uid_t *ret_uid, int *ret_lock,
			struct error *err);

/**
 * jail_readable_copy() - Make a file readable for a uid that has no right on it
 * @fd:  a regular file, read from its beginning; borrowed
 * @uid: who is going to open /proc/self/fd/N again; our own uid always can
 * @ret: an owned duplicate of @fd if its mode lets everyone read it or @uid is ours, else a sealed
 *       memfd with the same content
 *
 * Return: 0; -EINVAL not a regular file; errno.
 */
int jail_readable_copy(int fd, uid_t uid, int *ret, struct error *err);

#endif
