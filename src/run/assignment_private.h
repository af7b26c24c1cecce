/* SPDX-License-Identifier: MIT */
/*
 * Taking devices, inside: assignment.c goes through the requests, the others take one kind each.
 * Every change is journaled before it is begun.
 */
#ifndef BMVM_RUN_ASSIGNMENT_PRIVATE_H
#define BMVM_RUN_ASSIGNMENT_PRIVATE_H

#include "run/assignment.h"

#include "base/error.h"
#include "host/device.h"

#define ASSIGNMENT_BIND_SECONDS 60
#define ASSIGNMENT_VFS_SECONDS  60
#define ASSIGNMENT_LOCK_SECONDS 120
#define ASSIGNMENT_MDEV_SECONDS 30

/**
 * struct making - One making
 * @task:   borrowed
 * @a:      the result
 * @sys:    the library's view that writes
 * @unbound, @n_unbound: functions that had no driver before any module was loaded; owned
 */
struct making {
	const struct assignment_task *task;
	struct assignment *a;
	struct sysfs sys;
	struct driver_binding *unbound;
	size_t n_unbound;
};

/* ---- making.c ---- */

/** making_failed() - A failure of the sysfs library as ours, with @what before it. Return: @r. */
int making_failed(struct error *err, int r, const struct sysfs_error *why, const char *what);

/** making_intend() - Journal an operation of run/undo.h; @what is taken. Return: 0; -errno. */
int making_intend(const struct making *m, const char *op, struct json_object *what,
		  struct error *err);

/**
 * making_remember() - Note a function that has no driver
 *
 * To be called before modules are loaded: an administrator's override makes a driver take its
 * function at once, and what was before is then seen nowhere. Return: 0; -ENOMEM.
 */
int making_remember(struct making *m, const struct pci_address *address, struct error *err);

/** making_lease() - Take leases that are not ours yet. Return: as leases_take(). */
int making_lease(struct making *m, const struct strv *names, struct error *err);

/** making_lease_one() - The same for one. */
int making_lease_one(struct making *m, const char *name, struct error *err);

/**
 * making_lock() - The lock under which a device is divided, or taken as a whole
 * @name: of the PF or the parent of mediated devices
 *
 * Return: descriptor that holds it, owned; as lease_lock().
 */
int making_lock(const struct making *m, const char *name, struct error *err);

/** making_lock_parent() - The same, for who wants a part: -EBUSY another VM has the whole. */
int making_lock_parent(const struct making *m, const char *name, struct error *err);

/** making_pf_of() - The PF of a VF. Return: whether @name is one. */
bool making_pf_of(const struct making *m, const char *name, char ret[PCI_ADDRESS_SIZE]);

/** making_add() - The guest gets @one. Return: 0; -E2BIG. */
int making_add(struct making *m, const struct assigned *one, struct error *err);

/** making_add_function() - The guest gets a PCI function as @function of @slot. Return: 0; -errno.
 */
int making_add_function(struct making *m, const struct pci_address *address, unsigned int slot,
			unsigned int function, struct error *err);

/**
 * making_bind() - Bind a function to vfio-pci, or the variant that vfio_driver_find() chooses
 *
 * Return: 0; as driver_plan(), driver_bind(), modules_hold().
 */
int making_bind(struct making *m, const struct pci_address *address, struct error *err);

/**
 * making_check_group() - Whether the kernel would give the group of a bound function to a guest
 *
 * Return: 0; -EBUSY somebody has it open, or a host driver is in it (named).
 */
int making_check_group(const struct making *m, const struct pci_address *address,
		       struct error *err);

/* ---- making.c, VFs ---- */

/**
 * struct part_kind - How a VF of one kind is taken
 * @check: -EBUSY and why it cannot be ours; quarantine, lease and users are looked at before
 * @take:  changes it and gives it to the guest
 */
struct part_kind {
	int (*check)(const struct making *m, const struct device *vf, struct error *err);
	int (*take)(struct making *m, const struct device_request *q, const struct device *vf,
		    struct error *err);
};

/**
 * making_take_free() - Take a VF unless somebody has it by now
 *
 * Return: 0 it is ours; 1 somebody has it, @why says who; -errno of what failed.
 */
int making_take_free(struct making *m, const struct device_request *q, const struct pci_address *vf,
		     const struct part_kind *kind, struct error *why, struct error *err);

/** making_take_chosen() - Take all members of @q. Return: 0; -EBUSY one of them is not free. */
int making_take_chosen(struct making *m, const struct device_request *q,
		       const struct part_kind *kind, struct error *err);

/* ---- assignment_compare.c ---- */

/** assignment_snapshot() - The scope as it is now. Return: as snapshot_take(). */
int assignment_snapshot(const struct assignment *a, const struct sysfs *sys, struct snapshot *ret,
			struct error *err);

/** assignment_sharers() - How many VMs but @vm hold the VFs of @pf. Return: as ledger_original().
 */
int assignment_sharers(const struct host *host, const char *vm, const char *pf, size_t *ret,
		       struct error *err);

/* ---- assignment_whole.c ---- */

/**
 * assignment_bind_whole() - Bind what all requests of DEVICE_WHOLE ask for
 *
 * The GPU with the highest number (card1, nvidia1) goes first, and so comes back last: their
 * drivers give the lowest free number away, so each gets back its own.
 */
int assignment_bind_whole(struct making *m, struct error *err);

/** assignment_add_whole() - The guest gets what a request of DEVICE_WHOLE asks for. */
int assignment_add_whole(struct making *m, const struct device_request *q, struct error *err);

/* ---- assignment_vfs.c ---- */

/** assignment_take_vfs() - VFs of a PF: those chosen, if they are free still; else new ones. */
int assignment_take_vfs(struct making *m, const struct device_request *q, struct error *err);

/**
 * assignment_join_vfs() - Hold the VFs of a PF too, if another VM of ours made them
 * @pf: whose lock (making_lock()) is held
 *
 * To be called before any of them is changed, so that they are undone after it. Again is nothing.
 * Return: 0; -errno.
 */
int assignment_join_vfs(struct making *m, const char *pf, struct error *err);

/* ---- assignment_vgpu.c ---- */

/** assignment_take_mdevs() - Mediated devices. */
int assignment_take_mdevs(struct making *m, const struct device_request *q, struct error *err);

/** assignment_take_vgpus() - NVIDIA's vendor VFIO on VFs of a PF. */
int assignment_take_vgpus(struct making *m, const struct device_request *q, struct error *err);

#endif
