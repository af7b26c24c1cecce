/* SPDX-License-Identifier: MIT */
/*
 * What is left of a run's devices: the snapshots before and after, and which of their differences
 * are this run's.
 *
 * Other VMs come and go meanwhile. So a function counts if this run has leased it or may have
 * changed it, a group if such a function is in it; the list of all functions counts for nothing, as
 * each that counts tells whether it is present, and each PF its VFs. PFs that had VFs of another
 * VM's making are judged by the ledger: whoever ends last takes the VFs away.
 */
#include "run/assignment.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "host/ledger.h"
#include "run/assignment_private.h"

/*
 * struct comparison - One comparison
 * @theirs:      PFs that are judged by the ledger
 * @other_mdevs: other VMs' mediated devices are not those from before: neither is what the parents
 *               have left to give
 */
struct comparison {
	const struct assignment *a;
	struct snapshot now;
	struct strv theirs;
	bool other_mdevs;
};

int assignment_snapshot(const struct assignment *a, const struct sysfs *sys, struct snapshot *ret,
			struct error *err)
{
	struct snapshot_scope scope = {
		.functions = a->scope,
		.n_functions = a->n_scope,
		.parents = (const char *const *)a->parents.v,
		.n_parents = a->parents.n,
	};
	struct sysfs_error why = { 0 };
	int r = snapshot_take(sys, &scope, ret, &why);

	return r < 0 ? device_error(err, r, &why) : 0;
}

int assignment_sharers(const struct host *host, const char *vm, const char *pf, size_t *ret,
		       struct error *err)
{
	AUTO_JSON struct json_object *original = NULL;
	char key[64];

	(void)snprintf(key, sizeof(key), LEDGER_VFS "%.40s", pf);
	return ledger_original(host, key, vm, &original, ret, err);
}

static int find_theirs(struct comparison *c, const struct host *host, const char *vm,
		       struct error *err)
{
	int r = 0;

	strv_add_all(&c->theirs, c->a->joined.v);
	for (size_t i = 0; i < c->a->shared.n && r == 0; i++) {
		size_t others = 0;

		r = assignment_sharers(host, vm, c->a->shared.v[i], &others, err);
		if (others > 0)
			strv_add(&c->theirs, c->a->shared.v[i]);
	}
	return r == 0 && strv_error(&c->theirs) < 0 ? error_set(err, ENOMEM, "out of memory") : r;
}

/* ---- what counts ---- */

/* Of a line that is not there: "". */
static const char *value_of(const struct snapshot *s, const char *object, const char *field)
{
	for (size_t i = 0; i < s->n; i++) {
		if (strcmp(s->v[i].object, object) == 0 && strcmp(s->v[i].field, field) == 0)
			return s->v[i].value;
	}
	return "";
}

/* Whether "0=0000:41:00.2 1=..." has the address. */
static bool has_vf(const char *virtfns, const char *address)
{
	size_t len = strlen(address);

	for (const char *p = strchr(virtfns, '='); p != NULL; p = strchr(p + 1, '=')) {
		if (strncmp(p + 1, address, len) == 0 && (p[1 + len] == ' ' || p[1 + len] == '\0'))
			return true;
	}
	return false;
}

/* The PF, among those whose VFs other VMs may use, of a VF that was there before; else NULL. */
static const char *shared_pf_of(const struct assignment *a, const char *address)
{
	for (size_t i = 0; i < a->shared.n; i++) {
		const char *pf = a->shared.v[i];

		if (has_vf(value_of(&a->before, pf, "virtfns"), address))
			return pf;
	}
	return NULL;
}

static bool function_counts(const struct comparison *c, const char *address)
{
	const char *pf = shared_pf_of(c->a, address);

	if (pf == NULL)
		return !strv_contains(&c->theirs, address);
	if (!leases_contain(&c->a->leases, address))
		return false;
	/* it went with the others of its PF */
	return !strv_contains(&c->theirs, pf) ||
	       strcmp(value_of(&c->now, address, "present"), "no") != 0;
}

static bool group_counts_in(const struct comparison *c, const struct snapshot *s,
			    const char *number)
{
	for (size_t i = 0; i < s->n; i++) {
		if (strcmp(s->v[i].field, "iommu_group") == 0 &&
		    strcmp(s->v[i].value, number) == 0 && function_counts(c, s->v[i].object))
			return true;
	}
	return false;
}

static bool counts(const char *object, void *data)
{
	const struct comparison *c = data;

	if (strcmp(object, "pci") == 0 || strcmp(object, "mdev") == 0)
		return false;
	if (strncmp(object, "mdev ", strlen("mdev ")) == 0)
		return !c->other_mdevs;
	if (strncmp(object, "group ", strlen("group ")) == 0)
		return group_counts_in(c, &c->a->before, object + strlen("group ")) ||
		       group_counts_in(c, &c->now, object + strlen("group "));
	return function_counts(c, object);
}

/* ---- differences ---- */

static void differs(struct json_object *list, const struct snapshot_difference *d)
{
	struct json_object *o = json_new_object();
	char what[300];

	(void)snprintf(what, sizeof(what), "%.120s %.120s", d->object, d->field);
	json_add_str(o, "what", what);
	json_add_str(o, "expected", d->before != NULL ? d->before : "(absent)");
	json_add_str(o, "found", d->after != NULL ? d->after : "(absent)");
	(void)json_object_array_add(list, o);
}

/* Ours are told one by one, so that those of other VMs do not hide them. */
static void compare_mdevs(struct comparison *c, struct json_object *list)
{
	const char *before = value_of(&c->a->before, "mdev", "devices");
	const char *now = value_of(&c->now, "mdev", "devices");

	c->other_mdevs = strcmp(before, now) != 0;
	for (size_t i = 0; i < c->a->uuids.n; i++) {
		const struct snapshot_difference left = { .object = "mediated device",
							  .field = c->a->uuids.v[i],
							  .after = "(present)" };

		if (strstr(now, c->a->uuids.v[i]) != NULL)
			differs(list, &left);
	}
}

static int compare(struct comparison *c, const struct host *host, const char *vm,
		   struct json_object *list, struct error *err)
{
	struct sysfs sys = device_sysfs(host);
	AUTO_FREE struct snapshot_difference *d = NULL;
	ssize_t n;
	int r = find_theirs(c, host, vm, err);

	if (r == 0)
		r = assignment_snapshot(c->a, &sys, &c->now, err);
	if (r == 0) /* some may have begun meanwhile */
		r = find_theirs(c, host, vm, err);
	if (r < 0)
		return r;
	compare_mdevs(c, list);
	n = snapshot_compare(&c->a->before, &c->now, counts, c, &d);
	for (ssize_t i = 0; i < n; i++)
		differs(list, &d[i]);
	return n < 0 ? error_set(err, ENOMEM, "out of memory") : 0;
}

int assignment_compare(const struct assignment *a, const struct host *host, const char *vm,
		       struct json_object *list, struct error *err)
{
	struct comparison c = { .a = a, .theirs = STRV_INIT };
	int r;

	if (a->before.n == 0)
		return 0; /* nothing was touched */
	r = compare(&c, host, vm, list, err);
	if (r < 0) {
		struct snapshot_difference broken = { .object = "devices",
						      .field = "comparison",
						      .before = "possible",
						      .after = err != NULL ? err->msg : "failed" };

		differs(list, &broken);
	}
	snapshot_done(&c.now);
	strv_done(&c.theirs);
	return r;
}
