/* SPDX-License-Identifier: MIT */
/*
 * Undoing what a VM's journal says. Called by the guardian at the end of a run, by the front when
 * its guardian is gone, and by recover when both are.
 */
#ifndef BMVM_RUN_UNDO_H
#define BMVM_RUN_UNDO_H

#include <stdbool.h>

#include "base/strv.h"
#include "host/host.h"
#include "host/vmdir.h"

struct error;

/* The operations a journal may hold; each has its undo procedure in undo.c. */
#define OP_PROCESS "process" /* pid, start, what: kill it, if it is still that process */
#define OP_DATA    "data"    /* the VM's data folder: remove it */
#define OP_LEDGER  "ledger"  /* key: let go of our share of a shared thing */
#define OP_TAP     "tap"     /* name, address: remove the interface, if it is still that one */

/* Of devices, in undo_devices.c; see run/device_record.h for what the first two hold. */
#define OP_BIND   "bind"   /* a change of driver: give the function back */
#define OP_VFS    "vfs"    /* VFs of a PF that were made or joined: the last holder removes them */
#define OP_MDEV   "mdev"   /* uuid, address of the parent: remove it */
#define OP_VGPU   "vgpu"   /* address of a VF, type: take the type away */
#define OP_MODULE "module" /* name: unload it when no VM holds it any more */

/**
 * struct undo_how - Who undoes, and how far
 * @keep_data:  leave the data folder (a preserved VM whose guardian died keeps disk, keys, logs)
 * @has_leases: the caller holds the leases of the VM's devices; else they are taken over and held
 *              until all is undone, so that nobody takes a device in between
 * @settle_ms:  how long a write of this VM to a device that is still on its way is waited for; 0:
 *              ten seconds
 * @reports:    gets a line for each thing that is not as it was and will not be tried again; NULL
 */
struct undo_how {
	bool keep_data;
	bool has_leases;
	unsigned int settle_ms;
	struct strv *reports;
};

/**
 * undo_all() - Undo every record of a VM's journal, the last first
 * @vd:        its lock must be held
 * @how: see there
 *
 * Idempotent; may be killed and run again. Goes on after a failure. Blocks for at most some 20 s
 * for each process that does not die, and a minute for each device. Return: 0 when all of it is
 * undone; the first -errno.
 */
int undo_all(const struct host *host, struct vmdir *vd, const struct undo_how *how,
	     struct error *err);

#endif
