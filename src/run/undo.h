/* SPDX-License-Identifier: MIT */
/*
 * Undoing what a VM's journal says. Called by the guardian at the end of a run, by the front when
 * its guardian is gone, and by recover when both are.
 */
#ifndef BMVM_RUN_UNDO_H
#define BMVM_RUN_UNDO_H

#include <stdbool.h>

#include "host/host.h"
#include "host/vmdir.h"

struct error;

/* The operations a journal may hold; each has its undo procedure in undo.c. */
#define OP_PROCESS "process" /* pid, start, what: kill it, if it is still that process */
#define OP_DATA    "data"    /* the VM's data folder: remove it */
#define OP_LEDGER  "ledger"  /* key: let go of our share of a shared thing */

/**
 * undo_all() - Undo every record of a VM's journal, the last first
 * @vd:        its lock must be held
 * @keep_data: leave the data folder (a preserved VM whose guardian died keeps disk, keys, logs)
 *
 * Idempotent; may be killed and run again. Goes on after a failure. Blocks for at most some 20 s
 * for each process that does not die. Return: 0 when all of it is undone; the first -errno.
 */
int undo_all(const struct host *host, struct vmdir *vd, bool keep_data, struct error *err);

#endif
