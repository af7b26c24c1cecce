/* SPDX-License-Identifier: MIT */
/*
 * The host ledger: things that several VMs share, and who holds how much of them.
 *
 * One file, run_dir/ledger.json: {"boot": ID, "entries": {KEY: {"original": {}, "holders": {VM:
 * N}}}}. It is read and replaced under the host lock. A ledger of an earlier boot counts as empty,
 * and so does a broken one.
 * The holder journals {"op":"ledger","key":KEY} before it calls ledger_hold().
 */
#ifndef BMVM_HOST_LEDGER_H
#define BMVM_HOST_LEDGER_H

#include <json-c/json.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strv.h"
#include "host/host.h"

struct error;

/* Guest memory promised to VMs, bytes; "original" is unused. */
#define LEDGER_MEMORY "memory"
/* The same of VMs bound to a NUMA node, whose number follows. */
#define LEDGER_NODE "node:"
/* A host CPU that a VM's vCPU is pinned to; the CPU's number follows. "original" is unused. */
#define LEDGER_CPU "cpu:"
/* VFs that were made on a PF, whose address follows; "original" is what undoing it needs. */
#define LEDGER_VFS "vfs:"
/* A kernel module that was loaded, whose name follows; "original" is unused. */
#define LEDGER_MODULE "module:"

/**
 * ledger_hold() - Write down that a VM holds part of a shared thing
 * @key:    e.g. LEDGER_MEMORY
 * @vm:     its name
 * @amount: in the key's unit; replaces an amount this VM held before
 *
 * Return: 0 or -errno.
 */
int ledger_hold(const struct host *host, const char *key, const char *vm, uint64_t amount,
		struct error *err);

/**
 * ledger_share() - Hold a shared thing, and with the first holder its original state
 * @original: kept if nobody holds it yet, else dropped; taken in any case
 *
 * Return: 0; -errno.
 */
int ledger_share(const struct host *host, const char *key, const char *vm,
		 struct json_object *original, struct error *err);

/**
 * ledger_reshare() - The same, where what a holder was about to do has come to nothing
 * @original: replaces the one that is there; taken in any case
 */
int ledger_reshare(const struct host *host, const char *key, const char *vm,
		   struct json_object *original, struct error *err);

/**
 * ledger_original() - The state a shared thing had before the first holder
 * @ret:    owned by the caller; NULL when nobody holds it
 * @others: how many VMs but @vm hold it
 *
 * Return: 0 or -errno.
 */
int ledger_original(const struct host *host, const char *key, const char *vm,
		    struct json_object **ret, size_t *others, struct error *err);

/** ledger_holders() - Names of the VMs that hold a thing, added to @ret. Return: 0; -errno. */
int ledger_holders(const struct host *host, const char *key, struct strv *ret, struct error *err);

/** ledger_release() - Let go, on a full file system too; not holding is success. 0 or -errno. */
int ledger_release(const struct host *host, const char *key, const char *vm, struct error *err);

/**
 * ledger_release_lost() - Let go of all amounts of a VM whose journal is lost
 *
 * For a VM of which nothing lives. Return: 0, also when it holds nothing; -errno.
 */
int ledger_release_lost(const struct host *host, const char *vm, struct error *err);

/**
 * ledger_held() - What the VMs hold together
 * @except: a VM that is not counted, or NULL
 * @ret:    sum of the amounts
 *
 * Return: 0 (0 when nobody holds any) or -errno.
 */
int ledger_held(const struct host *host, const char *key, const char *except, uint64_t *ret,
		struct error *err);

/**
 * ledger_each() - Call @fn for every key that somebody holds
 * @prefix: only keys that begin with it
 * @fn:     with the rest of the key
 */
int ledger_each(const struct host *host, const char *prefix,
		void (*fn)(void *data, const char *rest), void *data, struct error *err);

#endif
