/* SPDX-License-Identifier: MIT */
#include "run/module_share.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/strv.h"
#include "host/lease.h"
#include "host/ledger.h"
#include "host/modules.h"
#include "run/undo.h"

#define LOCK_SECONDS 120

static int load(const struct host *host, const char *vm, struct journal *journal, const char *name,
		struct error *err)
{
	struct json_object *record = json_new_object();
	char key[96];
	int64_t seq;
	int r;

	(void)snprintf(key, sizeof(key), LEDGER_MODULE "%.64s", name);
	json_add_str(record, "name", name);
	seq = journal_intend(journal, OP_MODULE, record, err);
	r = seq < 0 ? (int)seq : ledger_share(host, key, vm, NULL, err);
	return r < 0 ? r : module_insert(name, err);
}

static void collect_name(void *data, const char *rest)
{
	strv_add(data, rest);
}

/* Each VM's share counts 1. */
static int is_held(const struct host *host, const char *vm, const char *name, bool *ret,
		   struct error *err)
{
	uint64_t all = 0, others = 0;
	char key[96];
	int r;

	(void)snprintf(key, sizeof(key), LEDGER_MODULE "%.64s", name);
	r = ledger_held(host, key, NULL, &all, err);
	if (r == 0)
		r = ledger_held(host, key, vm, &others, err);
	*ret = all > others;
	return r;
}

/*
 * What other VMs have loaded must not go away with them: it may be of what is needed here. What
 * this VM holds already is not recorded again: its undo would come before that of all that was
 * bound in between.
 */
int modules_hold(const struct host *host, const char *vm, struct journal *journal,
		 const char *const *names, size_t n, struct error *err)
{
	AUTO_STRV struct strv all = STRV_INIT;
	AUTO_CLOSE int lock = lease_lock(host, "modules", deadline_in_s(LOCK_SECONDS), NULL, err);
	int r;

	if (lock < 0)
		return lock;
	r = ledger_each(host, LEDGER_MODULE, collect_name, &all, err);
	for (size_t i = 0; i < n && r == 0; i++)
		r = modules_missing(host, names[i], &all, err);
	if (r == 0 && strv_error(&all) < 0)
		r = error_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < all.n && r == 0; i++) {
		bool held = false;

		r = is_held(host, vm, all.v[i], &held, err);
		if (r == 0 && !held)
			r = load(host, vm, journal, all.v[i], err);
	}
	return r;
}

/* ---- afterwards ---- */

static void collect_loaded(void *data, struct json_object *record)
{
	const char *name = json_str_or(record, "name", "");

	if (!strv_contains(data, name))
		strv_add(data, name);
}

/* Under the lock under which others load it and enter themselves. */
static int compare_one(const struct host *host, const char *vm, const char *name,
		       struct json_object *list, struct error *err)
{
	AUTO_JSON struct json_object *original = NULL;
	struct json_object *o;
	char text[96];
	size_t others = 0;
	int r = 0;

	(void)snprintf(text, sizeof(text), LEDGER_MODULE "%.64s", name);
	if (module_is_loaded(host, name))
		r = ledger_original(host, text, vm, &original, &others, err);
	if (r < 0 || others > 0 || !module_is_loaded(host, name))
		return r;
	(void)snprintf(text, sizeof(text), "kernel module %.64s", name);
	o = json_new_object();
	json_add_str(o, "what", text);
	json_add_str(o, "expected", "not loaded");
	json_add_str(o, "found", "loaded");
	(void)json_object_array_add(list, o);
	return 0;
}

int modules_compare(const struct host *host, const char *vm, const struct journal *journal,
		    struct json_object *list, struct error *err)
{
	AUTO_STRV struct strv names = STRV_INIT;
	AUTO_CLOSE int lock = -1;
	int r = journal_each(journal, OP_MODULE, collect_loaded, &names, err);

	if (r == 0 && strv_error(&names) < 0)
		r = error_set(err, ENOMEM, "out of memory");
	if (r < 0 || names.n == 0)
		return r;
	lock = lease_lock(host, "modules", deadline_in_s(LOCK_SECONDS), NULL, err);
	if (lock < 0)
		return lock;
	for (size_t i = 0; i < names.n && r == 0; i++)
		r = compare_one(host, vm, names.v[i], list, err);
	return r;
}
