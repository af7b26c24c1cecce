/* SPDX-License-Identifier: MIT */
/*
 * What the installed QEMU can do, found out by asking it over QMP (`-M none -S`, some 50 ms), never
 * by parsing its version. The answer is kept in a JSON file beside the other run-time state, keyed
 * by the identity of the binary (path, device, inode, size, modification time), and read back with
 * suspicion: a file that does not fit is asked for again and replaced.
 */
#ifndef BMVM_VM_CAPS_H
#define BMVM_VM_CAPS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/strv.h"

struct error;

#define QEMU_DEFAULT_BINARY "qemu-system-x86_64"

/**
 * struct qemu_caps - One QEMU binary and its abilities; strings owned
 * @binary:   absolute path
 * @identity: "dev:inode:size:mtime_ns" of the binary, for caches that depend on it
 * @version:  "7.2.22", for messages and receipts only; nothing decides by it
 * @kvm, @tcg: accelerator compiled in (whether /dev/kvm works is another question, see trial.h)
 * @memfd:    memory-backend-memfd
 * @host_nodes: memory backends can be bound to NUMA nodes
 * @vvfat:    block driver that shows a folder as a FAT disk
 * @net_user: user-mode network (libslirp)
 * @action:   `-action`
 * @sandbox:  `-sandbox`, with the sub-options below
 * @iommufd:  object through which devices are passed without VFIO's groups
 * @vcpus_max: of the q35 machine; 0: not known
 * @machine_options: names of the q35 machine's properties
 *
 * The remaining members say whether the device type exists.
 */
struct qemu_caps {
	char *binary;
	char *identity;
	char *version;
	bool kvm, tcg;
	bool q35;
	bool memfd;
	bool host_nodes;
	bool vvfat;
	bool net_user;
	bool action;
	bool sandbox, sandbox_obsolete, sandbox_elevate, sandbox_spawn, sandbox_resource;
	bool vmgenid;
	bool pvpanic, pvpanic_pci;
	bool virtio_blk, virtio_net, virtio_rng;
	bool vhost_user_fs, virtio_9p;
	bool vfio_pci, pcie_root_port;
	bool iommufd;
	uint64_t vcpus_max;
	struct strv machine_options;
};

/**
 * qemu_caps_get() - The abilities of a QEMU binary, from the cache or by asking it
 * @binary:   path or name as configured; NULL: QEMU_DEFAULT_BINARY in PATH
 * @cache_fd: directory handle (host.run_fd) that holds qemu-caps.json; -1: no cache
 * @ret:      filled on success; free with qemu_caps_done()
 *
 * Blocks up to 20 s when QEMU has to be asked. A cache that cannot be written is no failure.
 * Return: 0; -ENOENT no such binary (with a hint how to install it); -EINVAL it ends at
 * once (with its stderr); -EIO it was killed, or lacks what every VM needs; -ETIMEDOUT; -EPROTO it
 * does not speak QMP.
 */
int qemu_caps_get(const char *binary, int cache_fd, struct qemu_caps *ret, struct error *err);

/** qemu_caps_check_vcpus() - Whether the machine can have so many CPUs. Return: 0 or -EINVAL. */
int qemu_caps_check_vcpus(const struct qemu_caps *caps, unsigned int vcpus, struct error *err);

/** qemu_caps_machine_has() - Whether `-machine q35,@option=...` is understood. */
bool qemu_caps_machine_has(const struct qemu_caps *caps, const char *option);

/** qemu_caps_done() - Free everything; accepts a zeroed struct. */
void qemu_caps_done(struct qemu_caps *caps);

#define AUTO_QEMU_CAPS CLEANUP(qemu_caps_done)

#endif
