/* SPDX-License-Identifier: MIT */
/*
 * What the host is: memory, CPUs, KVM, IOMMU, hugepages, limits, and the programs installed on it.
 * Read once per command from the handles of struct host; nothing is changed, no module loaded, no
 * program started.
 *
 * A file that cannot be read is a fact too: its value stays 0, and the check that needs it says so.
 * Only what no run can do without (memory, CPUs) makes the reading fail.
 */
#ifndef BMVM_HOST_FACTS_H
#define BMVM_HOST_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "host/cpus.h"
#include "host/iommu.h"

struct error;
struct host;

#define HOST_POOLS_MAX 8

/**
 * struct host_pool - Huge pages of one size, of the host or of one node
 * @page_size: bytes
 * @total, @free, @reserved: pages; reserved ones are promised to a process though still free
 */
struct host_pool {
	uint64_t page_size;
	uint64_t total, free, reserved;
};

/**
 * struct host_node - A NUMA node; sizes in bytes
 * @mem_available: free, or the kernel's caches that it can free
 * @mem_promised:  what VMs bound to this node may take; 0 unless the caller sets it
 */
struct host_node {
	unsigned int id;
	struct cpu_mask cpus;
	uint64_t mem_total, mem_available;
	uint64_t mem_promised;
	struct host_pool pools[HOST_POOLS_MAX];
	size_t n_pools;
};

enum cpu_vendor {
	CPU_VENDOR_OTHER,
	CPU_VENDOR_INTEL,
	CPU_VENDOR_AMD,
};

enum kvm_node {
	KVM_NODE_MISSING,
	KVM_NODE_DENIED, /* there, but not for us */
	KVM_NODE_BROKEN, /* open fails otherwise, see kvm_errno */
	KVM_NODE_OPENS,
};

/** struct host_tools - Programs, absolute paths, owned; NULL: not found */
struct host_tools {
	char *qemu;
	char *qemu_img;
	char *mmdebstrap;
	char *newuidmap;
};

/**
 * struct host_facts - All of it; sizes in bytes
 * @mem_available:    what could be taken without swapping
 * @mem_promised:     what other VMs of this program may still take; 0 unless the caller sets it
 * @overcommit:       vm.overcommit_memory
 * @usable:           CPUs online and allowed to this process
 * @taken:            CPUs that other VMs are pinned to; empty unless the caller sets it
 * @load:             load average of the last minute
 * @has_virt:         the CPU flag vmx or svm is there
 * @in_vm:            the CPU flag hypervisor is there: this host is itself a guest
 * @phys_bits:        physical address bits, 0 unknown
 * @pools:            huge page pools of the whole host
 * @default_hugepage: the page size that vm.nr_hugepages counts
 * @kvm_errno:        of the failed open, > 0
 * @kvm_group:        group that owns /dev/kvm
 * @vfio_errno:       of the first VFIO module that is not there and cannot be loaded; 0: none
 * @vfio_why:         what is the matter with it
 * @memlock:          soft RLIMIT_MEMLOCK, UINT64_MAX unlimited
 * @userns:           user namespaces may be made without privilege
 * @has_subuid:       /etc/subuid and /etc/subgid give this user 65536 ids
 */
struct host_facts {
	uint64_t mem_total, mem_available, swap_total;
	uint64_t mem_promised;
	unsigned int overcommit;
	struct cpu_mask online, usable, taken;
	double load;
	enum cpu_vendor vendor;
	bool has_virt, in_vm;
	unsigned int phys_bits;
	struct host_node *nodes;
	size_t n_nodes;
	struct host_pool pools[HOST_POOLS_MAX];
	size_t n_pools;
	uint64_t default_hugepage;
	bool mod_kvm, mod_kvm_vendor, kvm_nested;
	bool has_vfio_pci, has_vfio_iommu;
	enum kvm_node kvm;
	int kvm_errno;
	char kvm_group[32];
	int vfio_errno;
	char vfio_why[160];
	struct iommu_facts iommu;
	uint64_t memlock;
	bool userns, has_subuid;
	struct host_tools tools;
};

/**
 * host_facts_read() - Read them
 * @host:  its proc_fd, sys_fd and dev_fd are read; /dev/kvm is opened and closed at once
 * @facts: filled on success (tools excepted); end with host_facts_done()
 *
 * Does not block. Return: 0; -EIO when memory or CPUs cannot be learned; -ENOMEM.
 */
int host_facts_read(const struct host *host, struct host_facts *facts, struct error *err);

/**
 * host_facts_find_tools() - Look for the programs, in PATH and where distributions hide them
 * @facts:       its tools are filled anew
 * @qemu_binary: the configured emulator, name or path; NULL: qemu-system-x86_64
 *
 * None is started. What is not found stays NULL.
 */
void host_facts_find_tools(struct host_facts *facts, const char *qemu_binary);

/** host_facts_node() - The NUMA node of that number; NULL: there is none. */
const struct host_node *host_facts_node(const struct host_facts *facts, unsigned int id);

/** host_facts_pool() - The pool of a page size, of @facts->pools; NULL: no such pages here. */
const struct host_pool *host_facts_pool(const struct host_facts *facts, uint64_t page_size);

/** host_node_pool() - The pool of a page size, of one node; NULL: it has no such pages. */
const struct host_pool *host_node_pool(const struct host_node *node, uint64_t page_size);

/** host_facts_done() - Free; accepts a zeroed struct. */
void host_facts_done(struct host_facts *facts);

#define AUTO_HOST_FACTS CLEANUP(host_facts_done)

#endif
