/* SPDX-License-Identifier: MIT */
/*
 * Kernel modules that runs share: whoever needs one loads it, journaled (OP_MODULE) and entered in
 * the host ledger; the last VM that holds it unloads it.
 */
#ifndef BMVM_RUN_MODULE_SHARE_H
#define BMVM_RUN_MODULE_SHARE_H

#include <stddef.h>

#include "host/journal.h"

struct error;
struct host;

/**
 * modules_hold() - Load what is missing for some modules, and hold what other VMs have loaded
 * @vm:    name of the VM
 * @names: as modprobe takes them
 *
 * May be called again for more; what is held already is left as it is. Blocks while modules
 * initialise. Return: 0; -ENOENT the kernel has no such module; as modules_missing() and
 * module_insert().
 */
int modules_hold(const struct host *host, const char *vm, struct journal *journal,
		 const char *const *names, size_t n, struct error *err);

/**
 * modules_compare() - Whether the modules that this run loaded are gone, after the undo
 * @journal: of the run
 * @list:    array that gets {"what","expected","found"} for each that is not; one that another VM
 *           holds is no difference
 *
 * Return: 0; -errno: it could not be compared.
 */
int modules_compare(const struct host *host, const char *vm, const struct journal *journal,
		    struct json_object *list, struct error *err);

#endif
