/* SPDX-License-Identifier: MIT */
/*
 * Taking a run's devices, all or none, and what is left of them afterwards.
 *
 * Theory of operation. The guardian leases every device first, looks at the host once more, takes a
 * snapshot, and then goes through the requests; each change is journaled before it begins (OP_BIND,
 * OP_VFS, OP_MDEV, OP_VGPU, OP_MODULE), so that undo_all() takes back whatever was done, here or in
 * another process. VFs that were made belong to all VMs that use some of them: the host ledger
 * keeps the PF's original state, and the last holder undoes it, whoever that is.
 */
#ifndef BMVM_RUN_ASSIGNMENT_H
#define BMVM_RUN_ASSIGNMENT_H

#include <json-c/json.h>

#include "base/watch.h"
#include "host/journal.h"
#include "host/lease.h"
#include "run/device_choice.h"
#include "sysfs/snapshot.h"
#include "vm/plan.h"

/**
 * struct assigned - One thing the guest gets
 * @address:  PCI function, "" for a mediated device
 * @uuid:     mediated device, else ""
 * @group:    IOMMU group
 * @vendor, @device: what the guest will see; 0 for a mediated device
 * @slot:     guest slot, from 0; companions of one host slot share one
 * @function: function in it
 * @bars64:   sizes of its 64-bit prefetchable BARs
 * @bars:     sizes of all its memory BARs, which the guest must see with an address; zeroes for
 * what a vendor's driver makes up for the guest
 */
struct assigned {
	char address[PCI_ADDRESS_SIZE];
	char uuid[40];
	int group;
	uint16_t vendor;
	uint16_t device;
	unsigned int slot;
	unsigned int function;
	uint64_t bars64[PCI_N_BARS];
	uint64_t bars[PCI_N_BARS];
};

/**
 * struct assignment - All of them; start from ASSIGNMENT_INIT, free with assignment_done()
 * @leases:  held until assignment_done()
 * @before:  the snapshot that everything is compared with
 * @scope:   functions it is about, owned, and VFs that it may get; @parents the same for mediated
 *           devices
 * @uuids:   of the mediated devices it has made, or begun to
 * @shared:  PFs whose VFs other VMs may use too
 * @joined:  those of them that had VFs of another VM's making: judged by the ledger, not by the
 *           snapshot
 * @holds:   those whose VFs it holds in the host ledger
 * @given_back: all of it has been undone, so nothing is left of the leases
 */
struct assignment {
	struct leases leases;
	struct assigned v[VM_DEVICES_MAX];
	size_t n;
	unsigned int n_slots;
	struct snapshot before;
	struct pci_address *scope;
	size_t n_scope;
	struct strv parents;
	struct strv uuids;
	struct strv shared;
	struct strv joined;
	struct strv holds;
	bool given_back;
};

#define ASSIGNMENT_INIT                                                                            \
	{                                                                                          \
		.n = 0                                                                             \
	}

/**
 * struct assignment_task - What assignment_make() works with; all borrowed
 * @vm:    name of the VM
 * @watch: served between the steps; a watch that returns < 0 ends the making
 */
struct assignment_task {
	const struct host *host;
	const char *vm;
	struct journal *journal;
	const struct device_choice *choice;
	const struct watchset *watch;
};

/**
 * assignment_make() - Take the devices
 *
 * Blocks for up to a minute for each driver that has to let go. Return: 0; -EBUSY a device is in
 * use or leased by now; -errno of the step that failed; what a watch returned. After a failure the
 * caller undoes its journal.
 */
int assignment_make(struct assignment *a, const struct assignment_task *task, struct error *err);

/**
 * assignment_compare() - Compare the host with the snapshot, after the undo
 * @list: array that gets {"what","expected","found"} for each difference
 *
 * The leases must be held still: only what they, or this run's changes, are about is compared, so
 * that runs which come and go meanwhile are no difference.
 *
 * Return: 0; -errno: it could not be compared (which is a difference too, and added).
 */
int assignment_compare(const struct assignment *a, const struct host *host, const char *vm,
		       struct json_object *list, struct error *err);

/** assignment_done() - Give back the leases and free; accepts ASSIGNMENT_INIT. */
void assignment_done(struct assignment *a);

#endif
