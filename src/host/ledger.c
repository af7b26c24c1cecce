/* SPDX-License-Identifier: MIT */
#include "host/ledger.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "host/vmdir.h"

#define LEDGER_NAME "ledger.json"

static struct json_object *member_object(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	if (json_get_object(o, key, &v, NULL) < 0) {
		v = json_new_object();
		json_add(o, key, v);
	}
	return v;
}

/* Under the host lock. A file that is missing, broken or of another boot is an empty ledger. */
static struct json_object *load(const struct host *host)
{
	struct json_object *ledger = NULL;

	if (json_load_at(host->run_fd, LEDGER_NAME, &ledger, NULL) == 0 &&
	    strcmp(json_str_or(ledger, "boot", ""), host->boot_id) == 0)
		return ledger;
	(void)json_object_put(ledger);
	ledger = json_new_object();
	json_add_str(ledger, "boot", host->boot_id);
	return ledger;
}

static struct json_object *holders_of(struct json_object *ledger, const char *key)
{
	return member_object(member_object(member_object(ledger, "entries"), key), "holders");
}

int ledger_hold(const struct host *host, const char *key, const char *vm, uint64_t amount,
		struct error *err)
{
	AUTO_CLOSE int lock = host_lock(host, err);
	AUTO_JSON struct json_object *ledger = NULL;

	if (lock < 0)
		return lock;
	ledger = load(host);
	json_add_u64(holders_of(ledger, key), vm, amount);
	return json_save_at(host->run_fd, LEDGER_NAME, ledger, 0600, err);
}

static int share(const struct host *host, const char *key, const char *vm,
		 struct json_object *original, bool replace, struct error *err)
{
	AUTO_JSON struct json_object *kept = original;
	AUTO_CLOSE int lock = host_lock(host, err);
	AUTO_JSON struct json_object *ledger = NULL;
	struct json_object *entry;

	if (lock < 0)
		return lock;
	ledger = load(host);
	if (replace || json_object_object_length(holders_of(ledger, key)) == 0) {
		entry = member_object(member_object(ledger, "entries"), key);
		json_add(entry, "original", json_object_get(kept));
	}
	json_add_u64(holders_of(ledger, key), vm, 1);
	return json_save_at(host->run_fd, LEDGER_NAME, ledger, 0600, err);
}

int ledger_share(const struct host *host, const char *key, const char *vm,
		 struct json_object *original, struct error *err)
{
	return share(host, key, vm, original, false, err);
}

int ledger_reshare(const struct host *host, const char *key, const char *vm,
		   struct json_object *original, struct error *err)
{
	return share(host, key, vm, original, true, err);
}

int ledger_original(const struct host *host, const char *key, const char *vm,
		    struct json_object **ret, size_t *others, struct error *err)
{
	AUTO_CLOSE int lock = host_lock(host, err);
	AUTO_JSON struct json_object *ledger = NULL;
	struct json_object *holders, *original = NULL;

	if (lock < 0)
		return lock;
	ledger = load(host);
	holders = holders_of(ledger, key);
	(void)json_object_object_get_ex(member_object(member_object(ledger, "entries"), key),
					"original", &original);
	*others = (size_t)json_object_object_length(holders);
	if (json_object_object_get_ex(holders, vm, NULL))
		(*others)--;
	*ret = json_object_get(original);
	return 0;
}

int ledger_holders(const struct host *host, const char *key, struct strv *ret, struct error *err)
{
	AUTO_CLOSE int lock = host_lock(host, err);
	AUTO_JSON struct json_object *ledger = NULL;

	if (lock < 0)
		return lock;
	ledger = load(host);
	json_object_object_foreach(holders_of(ledger, key), vm, amount)
	{
		(void)amount;
		strv_add(ret, vm);
	}
	return strv_error(ret) < 0 ? error_set(err, ENOMEM, "out of memory") : 0;
}

/* Giving back must not fail for want of space: what is left of the ledger fits where it was. */
static int save_less(const struct host *host, struct json_object *ledger, struct error *err)
{
	int r = json_save_at(host->run_fd, LEDGER_NAME, ledger, 0600, err);

	if (r != -ENOSPC && r != -EDQUOT)
		return r;
	return json_resave_at(host->run_fd, LEDGER_NAME, ledger, err);
}

int ledger_release(const struct host *host, const char *key, const char *vm, struct error *err)
{
	AUTO_CLOSE int lock = host_lock(host, err);
	AUTO_JSON struct json_object *ledger = NULL;
	struct json_object *holders;

	if (lock < 0)
		return lock;
	ledger = load(host);
	holders = holders_of(ledger, key);
	if (!json_object_object_get_ex(holders, vm, NULL))
		return 0;
	json_object_object_del(holders, vm);
	if (json_object_object_length(holders) == 0)
		json_object_object_del(member_object(ledger, "entries"), key);
	return save_less(host, ledger, err);
}

/* An "original" is a setting of the host, which only its journal can give back. */
static bool let_go(struct json_object *entry, const char *vm)
{
	struct json_object *holders = member_object(entry, "holders");

	if (json_object_object_get_ex(entry, "original", NULL) ||
	    !json_object_object_get_ex(holders, vm, NULL))
		return false;
	json_object_object_del(holders, vm);
	return true;
}

int ledger_release_lost(const struct host *host, const char *vm, struct error *err)
{
	AUTO_CLOSE int lock = host_lock(host, err);
	AUTO_JSON struct json_object *ledger = NULL;
	struct json_object *entries;
	struct json_object_iterator it, end;
	bool changed = false;

	if (lock < 0)
		return lock;
	ledger = load(host);
	entries = member_object(ledger, "entries");
	end = json_object_iter_end(entries);
	for (it = json_object_iter_begin(entries); !json_object_iter_equal(&it, &end);) {
		const char *key = json_object_iter_peek_name(&it);
		struct json_object *entry = json_object_iter_peek_value(&it);

		json_object_iter_next(&it);
		changed = let_go(entry, vm) || changed;
		if (json_object_object_length(member_object(entry, "holders")) == 0)
			json_object_object_del(entries, key);
	}
	return changed ? save_less(host, ledger, err) : 0;
}

int ledger_held(const struct host *host, const char *key, const char *except, uint64_t *ret,
		struct error *err)
{
	AUTO_CLOSE int lock = host_lock(host, err);
	AUTO_JSON struct json_object *ledger = NULL;
	uint64_t sum = 0;

	if (lock < 0)
		return lock;
	ledger = load(host);
	json_object_object_foreach(holders_of(ledger, key), vm, amount)
	{
		if (except == NULL || strcmp(vm, except) != 0)
			sum += json_object_get_uint64(amount);
	}
	*ret = sum;
	return 0;
}

int ledger_each(const struct host *host, const char *prefix,
		void (*fn)(void *data, const char *rest), void *data, struct error *err)
{
	AUTO_CLOSE int lock = host_lock(host, err);
	AUTO_JSON struct json_object *ledger = NULL;

	if (lock < 0)
		return lock;
	ledger = load(host);
	json_object_object_foreach(member_object(ledger, "entries"), key, entry)
	{
		(void)entry;
		if (strncmp(key, prefix, strlen(prefix)) == 0)
			fn(data, key + strlen(prefix));
	}
	return 0;
}
