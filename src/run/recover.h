/* SPDX-License-Identifier: MIT */
/*
 * Undoing what dead runs left behind, on this boot or an earlier one.
 *
 * A VM whose lock can be taken has neither front nor guardian nor helper any more. Its journal is
 * undone and its folders are removed; one that was being preserved keeps its data folder (disk,
 * keys, logs) until it is destroyed.
 */
#ifndef BMVM_RUN_RECOVER_H
#define BMVM_RUN_RECOVER_H

#include <json-c/json.h>
#include <stdbool.h>

#include "base/strv.h"
#include "host/host.h"
#include "host/vmdir.h"

struct error;

/**
 * struct recover_how - How far
 * @drop:      remove the data folder of a preserved VM too
 * @settle_ms: as in struct undo_how
 * @reports:   as in struct undo_how
 */
struct recover_how {
	bool drop;
	unsigned int settle_ms;
	struct strv *reports;
};

/**
 * recover_vm() - Undo one dead VM
 * @vd: claimed (vmdir_claim())
 *
 * Return: 0 gone, or 1 its disk, keys and logs are kept; -errno.
 */
int recover_vm(const struct host *host, struct vmdir *vd, const struct recover_how *how,
	       struct error *err);

/**
 * recover_all() - Undo all dead VMs, and what dead image builds left
 * @ret: array of {"vm","result","error","reports"}, owned by the caller. "result" is "removed",
 *       "kept", "not as before" (all was done that can be, and "reports" has a text for each thing
 *       that differs) or "failed" ("error" says why, and it can be tried again)
 *
 * Return: how many could not be undone, or not so that the host is as before; -errno when the VMs
 * could not even be listed.
 */
int recover_all(const struct host *host, struct json_object **ret, struct error *err);

/**
 * recover_quietly() - recover_all() at the start of a run: one line for each VM that was undone,
 * and for each thing that is not as before
 *
 * It waits for a moment only for a write to a device that is on its way, be it one that hangs.
 */
void recover_quietly(const struct host *host);

#endif
