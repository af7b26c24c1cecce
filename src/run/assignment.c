/* SPDX-License-Identifier: MIT */
#include "run/assignment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "host/ledger.h"
#include "run/assignment_private.h"
#include "run/device_backend.h"
#include "run/module_share.h"
#include "run/undo.h"

/* ---- modules ---- */

/* The container's back end by name: the kernel would load it on demand, unseen by the journal. */
static int load_modules(struct making *m, struct error *err)
{
	const char *const names[] = { "vfio-pci", device_backend_module(m->task->choice->iommufd) };

	return modules_hold(m->task->host, m->task->vm, m->task->journal, names, ARRAY_SIZE(names),
			    err);
}

/* ---- all of it ---- */

static int add_scope(struct making *m, const char *name, struct error *err)
{
	struct assignment *a = m->a;
	struct pci_address address, *scope;

	if (pci_address_parse(name, &address, NULL) < 0) {
		strv_add(&a->parents, name);
		return strv_error(&a->parents) < 0 ? error_set(err, ENOMEM, "out of memory") : 0;
	}
	scope = reallocarray(a->scope, a->n_scope + 1, sizeof(*scope));
	if (scope == NULL)
		return error_set(err, ENOMEM, "out of memory");
	a->scope = scope;
	scope[a->n_scope++] = address;
	return 0;
}

static int take_snapshot(const struct assignment *a, const struct sysfs *sys, struct snapshot *ret,
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

/* VFs that are there already; those of another VM's making may be gone at the end. */
static int add_vfs_to_scope(struct making *m, const char *pf, struct error *err)
{
	AUTO_FREE struct pci_vf *vfs = NULL;
	struct pci_address address;
	char key[64], name[PCI_ADDRESS_SIZE];
	AUTO_JSON struct json_object *original = NULL;
	size_t n = 0, others = 0;
	int r;

	(void)snprintf(key, sizeof(key), LEDGER_VFS "%.40s", pf);
	r = ledger_original(m->task->host, key, m->task->vm, &original, &others, err);
	if (r < 0 || others > 0 || pci_address_parse(pf, &address, NULL) < 0 ||
	    pci_vfs_read(&m->sys, &address, &vfs, &n) < 0)
		return r;
	for (size_t i = 0; i < n && r == 0; i++)
		r = add_scope(m, pci_address_format(&vfs[i].address, name), err);
	return r;
}

/* A group goes to one VM, so all its endpoints are leased, also those that are not passed. */
static int add_group(const struct making *m, const char *name, struct strv *names,
		     struct error *err)
{
	AUTO_IOMMU_GROUP struct iommu_group group = { 0 };
	struct sysfs_error why = { 0 };
	struct pci_address address;
	int r = pci_address_parse(name, &address, &why);

	if (r == 0)
		r = group_read(&m->sys, pci_group(&m->sys, &address), &group, &why);
	if (r < 0)
		return making_failed(err, r, &why, name);
	for (size_t i = 0; i < group.n_members; i++) {
		if (group.members[i].is_pci && !group.members[i].is_bridge)
			strv_add(names, group.members[i].name);
	}
	return 0;
}

static int add_request(struct making *m, const struct device_request *q, struct strv *names,
		       struct error *err)
{
	int r = add_scope(m, q->address, err);

	strv_add_all(names, q->members.v);
	if (r == 0 && (q->way == DEVICE_VFS || q->way == DEVICE_VENDOR_VGPU))
		r = add_vfs_to_scope(m, q->address, err);
	for (size_t i = 0; q->way == DEVICE_WHOLE && i < q->members.n && r == 0; i++) {
		r = add_scope(m, q->members.v[i], err);
		if (r == 0)
			r = add_group(m, q->members.v[i], names, err);
	}
	return r;
}

/* Leases on what is known by name; VFs that are still to be made are leased when they are there. */
static int lease_named(struct making *m, struct error *err)
{
	const struct device_choice *choice = m->task->choice;
	AUTO_STRV struct strv names = STRV_INIT;
	int r = 0;

	for (size_t i = 0; i < choice->n && r == 0; i++)
		r = add_request(m, &choice->v[i], &names, err);
	if (r == 0 && strv_error(&names) < 0)
		r = error_set(err, ENOMEM, "out of memory");
	return r < 0 ? r : making_lease(m, &names, err);
}

static int take_request(struct making *m, const struct device_request *q, struct error *err)
{
	int r = 0;

	switch (q->way) {
	case DEVICE_WHOLE:
		r = assignment_add_whole(m, q, err);
		break;
	case DEVICE_VFS:
		r = assignment_take_vfs(m, q, err);
		break;
	case DEVICE_MDEV:
		r = assignment_take_mdevs(m, q, err);
		break;
	case DEVICE_VENDOR_VGPU:
		r = assignment_take_vgpus(m, q, err);
		break;
	}
	return r < 0 && q->key[0] != '\0' ? error_prefix(err, r, "%s", q->key) : r;
}

static int make_all(struct making *m, struct error *err)
{
	const struct device_choice *choice = m->task->choice;
	int r = lease_named(m, err);

	/* an administrator's override makes vfio-pci take its function as soon as it is loaded */
	if (r == 0)
		r = take_snapshot(m->a, &m->sys, &m->a->before, err);
	if (r == 0)
		r = load_modules(m, err);
	if (r == 0)
		r = assignment_bind_whole(m, err);
	for (size_t i = 0; i < choice->n && r == 0; i++) {
		r = watch_serve(m->task->watch, 0, err);
		if (r == 0)
			r = take_request(m, &choice->v[i], err);
	}
	return r;
}

int assignment_make(struct assignment *a, const struct assignment_task *task, struct error *err)
{
	struct making m = { .task = task, .a = a, .sys = device_sysfs(task->host) };

	m.sys.lock_fd = task->journal->fd;
	return make_all(&m, err);
}

/* ---- afterwards ---- */

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

struct shared_filter {
	const struct assignment *a;
	bool shared_now;
};

/* What other VMs may have changed since: their VFs, and with them the list of all functions. */
static bool is_ours(const char *object, void *data)
{
	const struct shared_filter *f = data;

	if (!f->shared_now)
		return true;
	return strcmp(object, "pci") != 0 && !strv_contains(&f->a->shared, object);
}

static int count_sharers(const struct assignment *a, const struct host *host, const char *vm,
			 size_t *ret, struct error *err)
{
	int r = 0;

	*ret = 0;
	for (size_t i = 0; i < a->shared.n && r == 0; i++) {
		AUTO_JSON struct json_object *original = NULL;
		char key[64];
		size_t others = 0;

		(void)snprintf(key, sizeof(key), LEDGER_VFS "%.40s", a->shared.v[i]);
		r = ledger_original(host, key, vm, &original, &others, err);
		*ret += others;
	}
	return r;
}

int assignment_compare(const struct assignment *a, const struct host *host, const char *vm,
		       struct json_object *list, struct error *err)
{
	struct sysfs sys = device_sysfs(host);
	struct shared_filter filter = { .a = a };
	struct snapshot now = { .n = 0 };
	AUTO_FREE struct snapshot_difference *d = NULL;
	size_t sharers = 0;
	ssize_t n;
	int r;

	if (a->before.n == 0)
		return 0; /* nothing was touched */
	r = count_sharers(a, host, vm, &sharers, err);
	filter.shared_now = sharers > 0 || a->joined;
	if (r == 0)
		r = take_snapshot(a, &sys, &now, err);
	n = r < 0 ? r : snapshot_compare(&a->before, &now, is_ours, &filter, &d);
	for (ssize_t i = 0; i < n; i++)
		differs(list, &d[i]);
	snapshot_done(&now);
	if (n < 0) {
		struct snapshot_difference broken = { .object = "devices",
						      .field = "comparison",
						      .before = "possible",
						      .after = err != NULL ? err->msg : "failed" };

		differs(list, &broken);
	}
	return n < 0 ? (int)n : 0;
}

void assignment_done(struct assignment *a)
{
	if (a->given_back)
		leases_clear(&a->leases);
	leases_done(&a->leases);
	snapshot_done(&a->before);
	free(a->scope);
	strv_done(&a->parents);
	strv_done(&a->shared);
	*a = (struct assignment)ASSIGNMENT_INIT;
}
