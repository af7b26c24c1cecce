/* SPDX-License-Identifier: MIT */
/*
 * What a run may change, before and after: lines (object, field, value) that can be stored and
 * compared.
 *
 * Objects, and the fields that each has as far as the kernel has the file:
 *   a PCI address   present (yes, no), driver ("" none), driver_override (normalised: "" unset),
 *                   enable, the settings of settings.h, current_memory_partition, numa_node,
 *                   msi_bus, broken_parity_status, resource, iommu_group ("" none), sriov_numvfs,
 *                   sriov_drivers_autoprobe, virtfns ("0=0000:41:00.2 1=..."),
 *                   nvidia/current_vgpu_type; of a parent of mediated devices those of one, too
 *   mdev NAME       devices ("UUID=TYPE ..."), available/TYPE
 *   mdev            devices: the UUIDs of all parents
 *   group N         type, node ("" absent; MODE UID GID)
 *   pci             functions: all addresses of the bus
 *
 * "mdev" and "pci" are about all of the host, whatever the scope.
 *
 * Counters and states that change by themselves (runtime_status, link speed, interrupts) are not in
 * it.
 */
#ifndef SYSFS_SNAPSHOT_H
#define SYSFS_SNAPSHOT_H

#include "sysfs/address.h"
#include "sysfs/tree.h"

/**
 * struct snapshot_line - One value; all owned by the snapshot
 * @object:
 * @field:
 * @value:
 */
struct snapshot_line {
	char *object;
	char *field;
	char *value;
};

/**
 * struct snapshot - Lines, sorted by object and field; release it with snapshot_done()
 * @v: owned
 * @n:
 */
struct snapshot {
	struct snapshot_line *v;
	size_t n;
};

/**
 * struct snapshot_scope - What a snapshot is about; everything borrowed
 * @functions:   PCI functions; the PFs of VFs among them, and the groups of all of these, are added
 * @n_functions:
 * @parents:     parents of mediated devices that are no PCI functions, as in class/mdev_bus
 * @n_parents:
 */
struct snapshot_scope {
	const struct pci_address *functions;
	size_t n_functions;
	const char *const *parents;
	size_t n_parents;
};

/**
 * snapshot_take() - Read all that is in the scope
 * @sys:
 * @scope:
 * @ret:   release it with snapshot_done()
 * @err:
 *
 * A function that is not there is no error, but "present" says "no". Blocks for twice read_limit_ms
 * per function at most.
 *
 * Return: 0; -ETIMEDOUT a function is stuck in a change, with @err->wedged; -EBADMSG a VF link is
 * junk; -ENOMEM; errno of listing.
 */
int snapshot_take(const struct sysfs *sys, const struct snapshot_scope *scope, struct snapshot *ret,
		  struct sysfs_error *err);

/** snapshot_done() - Release a snapshot; accepts zeroes. */
void snapshot_done(struct snapshot *snapshot);

#define AUTO_SNAPSHOT __attribute__((cleanup(snapshot_done)))

/**
 * snapshot_print() - A snapshot as text, one line each: OBJECT tab FIELD tab VALUE
 * @snapshot:
 * @ret:      owned, free() it; pure ASCII: tab, newline and backslash are written \t, \n, \\ and
 *            what is not printable \xNN
 *
 * Return: 0; -ENOMEM.
 */
int snapshot_print(const struct snapshot *snapshot, char **ret);

/**
 * snapshot_parse() - Read what snapshot_print() wrote
 * @text:
 * @ret:  release it with snapshot_done()
 * @err:
 *
 * Return: 0; -EBADMSG, naming the line; -ENOMEM.
 */
int snapshot_parse(const char *text, struct snapshot *ret, struct sysfs_error *err);

/**
 * struct snapshot_difference - A value that is another one; borrowed from both snapshots
 * @object:
 * @field:
 * @before: NULL: was not there
 * @after:  NULL: is not there any more
 */
struct snapshot_difference {
	const char *object;
	const char *field;
	const char *before;
	const char *after;
};

/* Whether the differences of an object are wanted. */
typedef bool snapshot_filter_fn(const char *object, void *data);

/**
 * snapshot_compare() - List what is different
 * @before: must outlive @ret, as @after
 * @after:
 * @filter: NULL: all objects
 * @data:   passed to @filter
 * @ret:    the differences, sorted by object and field; owned, free() it; NULL when there are none
 *
 * Return: how many there are; -ENOMEM.
 */
ssize_t snapshot_compare(const struct snapshot *before, const struct snapshot *after,
			 snapshot_filter_fn *filter, void *data, struct snapshot_difference **ret);

#endif
