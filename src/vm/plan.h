/* SPDX-License-Identifier: MIT */
/*
 * The description of one virtual machine, complete and without I/O: what args.c turns into QEMU's
 * argument list. Whoever fills it has opened the files, made the sockets and chosen the numbers.
 *
 * Descriptors are named by their number IN QEMU: struct vm_fds gives those out and remembers which
 * descriptor of ours each one is, for process_spawn(). All strings are borrowed and must outlive
 * the plan; a struct vm_plan itself owns nothing.
 */
#ifndef BMVM_VM_PLAN_H
#define BMVM_VM_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/process.h"

#define VM_FDS_MAX     60
#define VM_BACKING_MAX 32
#define VM_MOUNTS_MAX  16
#define VM_MAC_SIZE    18

/** struct vm_fds - Descriptors QEMU inherits: v[i] = {ours, its number in QEMU from 3 on} */
struct vm_fds {
	struct spawn_fd v[VM_FDS_MAX];
	size_t n;
};

enum vm_accel {
	VM_ACCEL_KVM,
	VM_ACCEL_TCG,
};

/**
 * enum vm_memory - Where the guest's RAM comes from
 * @VM_MEMORY_PLAIN:  anonymous memory
 * @VM_MEMORY_SHARED: memfd, shared: what virtiofs needs
 * @VM_MEMORY_HUGE:   memfd of huge pages, allocated at start; shared when there is a virtiofs mount
 */
enum vm_memory {
	VM_MEMORY_PLAIN,
	VM_MEMORY_SHARED,
	VM_MEMORY_HUGE,
};

enum vm_format {
	VM_FORMAT_QCOW2,
	VM_FORMAT_RAW,
};

enum vm_seed {
	VM_SEED_NONE,
	VM_SEED_VVFAT,
	VM_SEED_ISO,
};

enum vm_mount_kind {
	VM_MOUNT_VIRTIOFS,
	VM_MOUNT_9P,
};

/** struct vm_node - One disk image file: an inherited descriptor and its format */
struct vm_node {
	int fd;
	enum vm_format format;
};

/**
 * struct vm_mount - A host folder shown to the guest
 * @tag:  what the guest mounts, at most 31 bytes
 * @fd:   virtiofs: connected vhost-user socket
 * @path: 9p: folder as QEMU sees it (in the jail JAIL_SHARE), else NULL
 */
struct vm_mount {
	enum vm_mount_kind kind;
	const char *tag;
	int fd;
	const char *path;
	bool readonly;
};

/**
 * struct vm_plan - One virtual machine; start from VM_PLAN_INIT
 * @name:        for `-name`
 * @uuid:        8-4-4-4-12, lower case
 * @memory:      bytes, a multiple of 1 MiB (of the huge page with VM_MEMORY_HUGE)
 * @huge_page:   bytes of a huge page, VM_MEMORY_HUGE only
 * @disk:        the overlay, opened read-write by the caller; fd -1: no disk
 * @disk_flush:  honour the guest's flushes; false for a disk that nobody reads after a power loss
 * @backing:     the overlay's backing chain, nearest first, opened O_RDONLY by the caller
 * @firmware_code_fd, @firmware_vars_fd: UEFI; both -1: BIOS. vars is this VM's own copy, read-write
 * @seed_dir:    VM_SEED_VVFAT: folder as QEMU sees it (in the jail JAIL_SEED)
 * @seed_fd:     VM_SEED_ISO: the image, opened O_RDONLY
 * @kernel, @initrd, @append: direct boot; paths QEMU can read ("/proc/self/fd/N"); NULL: none
 * @qmp_fd:      QEMU's end of the control socketpair
 * @serial_fd:   QEMU's end of the serial socketpair; -1: no serial port
 * @network:     a user-mode NIC with SSH forwarded from a free port of 127.0.0.1
 * @isolated:    that NIC reaches nothing but the forward
 * @mac:         of that NIC
 * @extra:       NULL-terminated arguments put at the end, or NULL
 */
struct vm_plan {
	const char *name;
	const char *uuid;
	enum vm_accel accel;
	unsigned int vcpus;
	uint64_t memory;
	enum vm_memory memory_kind;
	uint64_t huge_page;
	struct vm_node disk;
	bool disk_flush;
	struct vm_node backing[VM_BACKING_MAX];
	size_t n_backing;
	int firmware_code_fd, firmware_vars_fd;
	enum vm_seed seed;
	const char *seed_dir;
	int seed_fd;
	const char *kernel, *initrd, *append;
	int qmp_fd, serial_fd;
	bool network, isolated;
	const char *mac;
	struct vm_mount mounts[VM_MOUNTS_MAX];
	size_t n_mounts;
	char *const *extra;
	struct vm_fds fds;
};

#define VM_PLAN_INIT                                                                               \
	{                                                                                          \
		.disk = { .fd = -1 }, .firmware_code_fd = -1, .firmware_vars_fd = -1,              \
		.seed_fd = -1, .qmp_fd = -1, .serial_fd = -1                                       \
	}

/**
 * vm_fds_add() - Give a descriptor of ours a number in QEMU
 * @fd: borrowed, must stay open until the child has been released
 *
 * Return: its number in QEMU; -EBADF @fd is negative; -EMFILE no number left.
 */
int vm_fds_add(struct vm_fds *fds, int fd);

/**
 * vm_mac() - A MAC address for a VM, the same for the same arguments
 * @uuid:  of the VM
 * @index: which of its NICs
 * @buf:   VM_MAC_SIZE bytes; "52:54:00:xx:xx:xx"
 */
void vm_mac(const char *uuid, unsigned int index, char *buf);

#endif
