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
#include <sys/types.h>

#include "base/process.h"

struct error;

#define VM_FDS_MAX     60
#define VM_BACKING_MAX 32
#define VM_MOUNTS_MAX  16
#define VM_DEVICES_MAX 64
#define VM_MAC_SIZE    18
#define VM_DEVICES_MAX 64

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
 * struct vm_device - A host device passed through, as one function of a slot of the guest
 * @host:       address of a PCI function bound to vfio-pci, "0000:41:00.0"; "": @sysfsdev
 * @sysfsdev:   folder of a mediated device, "/sys/bus/mdev/devices/UUID"; "": @host
 * @slot:       a root port of its own; numbered from 0 without a gap
 * @function:   0 to 7 within @slot, which needs a function 0: a GPU's audio is function 1
 * @group:      IOMMU group, as in /dev/vfio/41
 * @group_rdev: device number of that node
 * @cdev:       with vm_plan.iommufd: its own node's number, as in /dev/vfio/devices/vfio3
 * @cdev_rdev:  device number of that node
 * @rombar:     show the guest the option ROM; false saves time where nobody needs the display
 */
struct vm_device {
	char host[32];
	char sysfsdev[96];
	unsigned int slot;
	unsigned int function;
	int group;
	dev_t group_rdev;
	int cdev;
	dev_t cdev_rdev;
	bool rombar;
};

/**
 * struct vm_plan - One virtual machine; start from VM_PLAN_INIT
 * @name:        for `-name`
 * @uuid:        8-4-4-4-12, lower case
 * @memory:      bytes, a multiple of 1 MiB (of the huge page with VM_MEMORY_HUGE)
 * @huge_page:   bytes of a huge page, VM_MEMORY_HUGE only
 * @numa_node:   host node that all of @memory comes from; -1: wherever the kernel takes it
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
 * @lan_fd:      of a tap interface: a second NIC; -1: none
 * @lan_vhost_fd: of /dev/vhost-net for it; -1: QEMU does it itself
 * @lan_mac:     of that NIC
 * @lan_mtu:     of the tap interface, told to the guest where it is not the usual 1500; 0: not told
 * @devices:     passed through, in the order of slot and function
 * @iommufd:     they are passed through /dev/iommu and their own nodes, not through their groups
 * @iommu_rdev:  device number of /dev/iommu
 * @mmio64:      bytes of all their 64-bit prefetchable BARs, by vm_mmio64_add(); 0: none
 * @phys_bits:   physical address bits of the host's CPU; 0: not known, QEMU and firmware must find
 *               out whether there is room for @mmio64
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
	int numa_node;
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
	bool network, isolated, iommufd;
	const char *mac;
	int lan_fd, lan_vhost_fd;
	const char *lan_mac;
	unsigned int lan_mtu;
	struct vm_mount mounts[VM_MOUNTS_MAX];
	size_t n_mounts;
	struct vm_device devices[VM_DEVICES_MAX];
	size_t n_devices;
	dev_t iommu_rdev;
	uint64_t mmio64;
	unsigned int phys_bits;
	char *const *extra;
	struct vm_fds fds;
};

#define VM_PLAN_INIT                                                                               \
	{                                                                                          \
		.numa_node = -1, .disk = { .fd = -1 }, .firmware_code_fd = -1,                     \
		.firmware_vars_fd = -1, .seed_fd = -1, .qmp_fd = -1, .serial_fd = -1,              \
		.lan_fd = -1, .lan_vhost_fd = -1                                                   \
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

/**
 * vm_mmio64_add() - Count one 64-bit prefetchable BAR for vm_plan.mmio64
 * @sum:  counted so far
 * @size: of the BAR in bytes; 0: none
 *
 * A BAR lies at a multiple of its size, which is a power of two: any other size is rounded up.
 * Return: the new sum; UINT64_MAX when it cannot be expressed, which no guest has room for.
 */
uint64_t vm_mmio64_add(uint64_t sum, uint64_t size);

/**
 * vm_address_bits() - Of the guest's address space, as far as firmware makes use of it
 *
 * Those of the host with KVM, 40 with TCG, at most 46. Return: bits; 0 not known.
 */
unsigned int vm_address_bits(const struct vm_plan *plan);

/**
 * vm_window() - The room in the guest's address space that vm_plan.mmio64 takes
 * @ret: bytes, a power of two: twice @mmio64 at least, as the alignment of BARs wastes some; 0
 *       without any
 *
 * The rule: RAM, then a window aligned to its size, below 2^vm_address_bits(). Return: 0; -ENOTSUP
 * there is no room.
 */
int vm_window(const struct vm_plan *plan, uint64_t *ret, struct error *err);

/**
 * vm_memlock() - What QEMU must be allowed to lock (RLIMIT_MEMLOCK) so that devices can be passed
 *
 * A passed device may access all of the guest's RAM at any time, so VFIO pins all of it, huge pages
 * as well, once for any number of devices: with devices the rule is RAM + 1 GiB for what else
 * QEMU maps for them (firmware, option ROMs, its own buffers). VFIO's group interface does not
 * charge BARs, iommufd does: there they are added.
 *
 * Return: bytes; 0 without devices: leave the limit as it is.
 */
uint64_t vm_memlock(const struct vm_plan *plan);

#endif
