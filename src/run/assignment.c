/* SPDX-License-Identifier: MIT */
#include "run/assignment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/uuid.h"
#include "host/ledger.h"
#include "run/device_record.h"
#include "run/module_share.h"
#include "run/undo.h"
#include "sysfs/mdev.h"
#include "sysfs/nvidia.h"

#define BIND_SECONDS  60
#define VFS_SECONDS   60
#define LOCK_SECONDS  120
#define MDEV_SECONDS  30
#define GROUP_SECONDS 5

/* One making: the task, the result, and the library's view that writes. */
struct making {
	const struct assignment_task *task;
	struct assignment *a;
	struct sysfs sys;
};

static int failed(struct error *err, int r, const struct sysfs_error *why, const char *what)
{
	return error_prefix(err, device_error(err, r, why), "%s", what);
}

static int intend(const struct making *m, const char *op, struct json_object *what,
		  struct error *err)
{
	int64_t r = journal_intend(m->task->journal, op, what, err);

	return r < 0 ? (int)r : 0;
}

static int lease(struct making *m, const struct strv *names, struct error *err)
{
	struct leases more = LEASES_INIT;
	int r = leases_take(m->task->host, names, m->task->vm, &more, err);

	return r < 0 ? r : leases_add(&m->a->leases, &more, err);
}

static int lease_one(struct making *m, const char *name, struct error *err)
{
	AUTO_STRV struct strv names = STRV_INIT;

	strv_add(&names, name);
	if (strv_error(&names) < 0)
		return error_set(err, ENOMEM, "out of memory");
	return lease(m, &names, err);
}

/* ---- what the guest gets ---- */

static int add_assigned(struct making *m, const struct assigned *one, struct error *err)
{
	struct assignment *a = m->a;

	if (a->n == VM_DEVICES_MAX)
		return error_set(err, E2BIG, "more than %d devices for one VM", VM_DEVICES_MAX);
	a->v[a->n++] = *one;
	return 0;
}

static int add_function(struct making *m, const struct pci_address *address, unsigned int slot,
			unsigned int function, struct error *err)
{
	const uint64_t big = PCI_BAR_MEMORY_64 | PCI_BAR_PREFETCH;
	struct assigned one = { .slot = slot, .function = function };
	struct pci_function f = { 0 };
	struct sysfs_error why = { 0 };
	int r = pci_function_read(&m->sys, address, &f, &why);

	if (r < 0)
		return device_error(err, r, &why);
	(void)pci_address_format(address, one.address);
	one.group = f.iommu_group;
	one.vendor = f.vendor;
	one.device = f.device;
	for (size_t i = 0; i < PCI_N_BARS; i++) {
		if ((f.regions[i].flags & big) == big)
			one.bars64[i] = f.regions[i].size;
	}
	pci_function_done(&f);
	return add_assigned(m, &one, err);
}

/* ---- drivers ---- */

static int bind(struct making *m, const struct pci_address *address, struct error *err)
{
	struct driver_binding b;
	struct sysfs_error why = { 0 };
	char name[PCI_ADDRESS_SIZE];
	int r = driver_plan(&m->sys, address, "vfio-pci", &b, &why);

	(void)pci_address_format(address, name);
	if (r < 0)
		return failed(err, r, &why, name);
	r = intend(m, OP_BIND, device_record_binding(&b), err);
	if (r < 0)
		return r;
	r = driver_bind(&m->sys, &b, deadline_in_s(BIND_SECONDS), &why);
	return r < 0 ? failed(err, r, &why, name) : 0;
}

/* The users were looked for when the device was chosen; much may have happened since. */
static int still_unused(const struct making *m, const char *address, struct error *err)
{
	AUTO_DEVICE_USERS struct device_users users = DEVICE_USERS_INIT;
	int r = device_users_find(m->task->host, address, &users, err);

	if (r < 0 || users.n == 0)
		return r;
	return error_set(err, EBUSY, "%s is in use by now: %s%s%s", address, users.v[0].name,
			 users.v[0].name[0] != '\0' ? ", " : "", users.v[0].what);
}

/* Highest function first: an audio function depends on the GPU it belongs to. */
static int take_whole(struct making *m, const struct device_request *q, struct error *err)
{
	struct pci_address address, main;
	unsigned int slot = m->a->n_slots;
	int r = 0;

	if (pci_address_parse(q->address, &main, NULL) < 0)
		return error_set(err, EINVAL, "%s: no PCI address", q->address);
	for (size_t i = q->members.n; i-- > 0 && r == 0;) {
		r = still_unused(m, q->members.v[i], err);
		if (r == 0 && pci_address_parse(q->members.v[i], &address, NULL) == 0)
			r = bind(m, &address, err);
	}
	for (size_t i = 0; i < q->members.n && r == 0; i++) {
		bool same_slot = pci_address_parse(q->members.v[i], &address, NULL) == 0 &&
				 address.domain == main.domain && address.bus == main.bus &&
				 address.device == main.device;

		if (same_slot)
			r = add_function(m, &address, slot,
					 q->members.n == 1 ? 0 : address.function, err);
	}
	m->a->n_slots++;
	return r;
}

/* ---- VFs ---- */

/* Free for us: nobody has it, no driver but vfio-pci, which nobody uses. */
static bool vf_is_free(const struct making *m, const struct device *d)
{
	return !d->leased && !d->quarantined && !d->f.is_gone && d->users.n == 0 &&
	       (d->f.driver[0] == '\0' || group_driver_is_vfio(d->f.driver)) &&
	       group_probe(&m->sys, d->f.iommu_group, NULL, NULL) != -EBUSY;
}

static int take_vf(struct making *m, const struct pci_address *vf, struct error *err)
{
	AUTO_DEVICE struct device d = { .n_offers = 0 };
	int r = device_read(m->task->host, NULL, vf, &d, err);

	if (r < 0)
		return r;
	if (!vf_is_free(m, &d) || lease_one(m, d.address, NULL) < 0)
		return 0;
	r = bind(m, vf, err);
	if (r == 0)
		r = add_function(m, vf, m->a->n_slots++, 0, err);
	return r < 0 ? r : 1;
}

static int make_vfs(struct making *m, const struct device_request *q, const char *key,
		    const struct pci_address *pf, struct error *err)
{
	struct sriov_change change;
	struct sysfs_error why = { 0 };
	int r = sriov_plan(&m->sys, pf, (int)q->create, &change, &why);

	if (r < 0)
		return device_error(err, r, &why);
	r = intend(m, OP_VFS, device_record_sriov(&change), err);
	if (r == 0)
		r = ledger_share(m->task->host, key, m->task->vm, device_record_sriov(&change),
				 err);
	if (r < 0)
		return r;
	r = sriov_create(&m->sys, &change, deadline_in_s(VFS_SECONDS), &why);
	return r < 0 ? device_error(err, r, &why) : 0;
}

/* VFs that another VM of ours made: we hold them too. Those somebody else made are just used. */
static int join_vfs(struct making *m, const char *key, struct error *err)
{
	AUTO_JSON struct json_object *original = NULL;
	size_t others = 0;
	int r = ledger_original(m->task->host, key, m->task->vm, &original, &others, err);

	if (r < 0 || others == 0)
		return r;
	m->a->joined = true;
	r = intend(m, OP_VFS, json_object_get(original), err);
	return r < 0 ? r : ledger_share(m->task->host, key, m->task->vm, NULL, err);
}

static int choose_vfs(struct making *m, const struct device_request *q,
		      const struct pci_address *pf, struct error *err)
{
	AUTO_FREE struct pci_vf *vfs = NULL;
	size_t n = 0;
	unsigned int taken = 0;
	int r = pci_vfs_read(&m->sys, pf, &vfs, &n);

	if (r < 0)
		return error_set(err, -r, "read the VFs of %s: %s", q->address, strerror(-r));
	for (size_t i = 0; i < n && taken < q->count; i++) {
		r = take_vf(m, &vfs[i].address, err);
		if (r < 0)
			return r;
		taken += (unsigned int)r;
	}
	if (taken < q->count)
		return error_set(err, EBUSY,
				 "%s: only %u of its %zu VFs are free, %u are asked for",
				 q->address, taken, n, q->count);
	return 0;
}

static int take_vfs(struct making *m, const struct device_request *q, struct error *err)
{
	AUTO_CLOSE int lock = -1;
	struct pci_address pf;
	struct sysfs_error why = { 0 };
	char key[64], name[64];
	int numvfs = 0, r;

	(void)snprintf(key, sizeof(key), LEDGER_VFS "%.40s", q->address);
	(void)snprintf(name, sizeof(name), "%.40s.vfs", q->address);
	if (pci_address_parse(q->address, &pf, NULL) < 0)
		return error_set(err, EINVAL, "%s: no PCI address", q->address);
	lock = lease_lock(m->task->host, name, deadline_in_s(LOCK_SECONDS), err);
	if (lock < 0)
		return lock;
	strv_add(&m->a->shared, q->address);
	r = pci_numvfs_read(&m->sys, &pf, &numvfs, &why);
	if (r < 0)
		return device_error(err, r, &why);
	r = numvfs == 0 ? make_vfs(m, q, key, &pf, err) : join_vfs(m, key, err);
	return r < 0 ? r : choose_vfs(m, q, &pf, err);
}

/* ---- vGPUs ---- */

static int take_mdev(struct making *m, const struct device_request *q, struct error *err)
{
	struct json_object *record = json_new_object();
	struct assigned one = { .slot = m->a->n_slots++ };
	struct mdev_device made = { .group = -1 };
	struct sysfs_error why = { 0 };
	int r = uuid_new(one.uuid, err);

	json_add_str(record, "uuid", one.uuid);
	json_add_str(record, "address", q->address);
	if (r < 0) {
		(void)json_object_put(record);
		return r;
	}
	r = intend(m, OP_MDEV, record, err);
	if (r < 0)
		return r;
	r = mdev_create(&m->sys, q->address, q->type, one.uuid, deadline_in_s(MDEV_SECONDS), &why);
	if (r == 0)
		r = mdev_read(&m->sys, one.uuid, &made, &why);
	if (r < 0)
		return failed(err, r, &why, q->address);
	one.group = made.group;
	return add_assigned(m, &one, err);
}

static int take_vendor_vgpu(struct making *m, const struct device_request *q,
			    const struct pci_address *vf, struct error *err)
{
	char name[PCI_ADDRESS_SIZE];
	struct json_object *record;
	struct sysfs_error why = { 0 };
	unsigned int now = 0, type = (unsigned int)strtoul(q->type, NULL, 10);
	int r = nvidia_current(&m->sys, vf, &now, &why);

	if (r < 0 || now != 0 || lease_one(m, pci_address_format(vf, name), NULL) < 0)
		return 0; /* no such VF, or somebody's */
	record = json_new_object();
	json_add_str(record, "address", name);
	json_add_u64(record, "type", type);
	r = intend(m, OP_VGPU, record, err);
	if (r < 0)
		return r;
	r = nvidia_set(&m->sys, vf, type, deadline_in_s(MDEV_SECONDS), &why);
	if (r < 0)
		return failed(err, r, &why, name);
	r = add_function(m, vf, m->a->n_slots++, 0, err);
	return r < 0 ? r : 1;
}

static int take_vendor_vgpus(struct making *m, const struct device_request *q, struct error *err)
{
	AUTO_FREE struct pci_vf *vfs = NULL;
	struct pci_address pf;
	unsigned int taken = 0;
	size_t n = 0;
	int r = pci_address_parse(q->address, &pf, NULL);

	if (r == 0)
		r = pci_vfs_read(&m->sys, &pf, &vfs, &n);
	if (r < 0)
		return error_set(err, -r, "read the VFs of %s: %s", q->address, strerror(-r));
	for (size_t i = 0; i < n && taken < q->count; i++) {
		r = take_vendor_vgpu(m, q, &vfs[i].address, err);
		if (r < 0)
			return r;
		taken += (unsigned int)r;
	}
	if (taken < q->count)
		return error_set(err, EBUSY,
				 "%s: only %u of its %zu VFs can become a vGPU, %u are asked for",
				 q->address, taken, n, q->count);
	return 0;
}

/* ---- modules ---- */

/* The container's back end by name: the kernel would load it on demand, unseen by the journal. */
static int load_modules(struct making *m, struct error *err)
{
	static const char *const names[] = { "vfio-pci", "vfio_iommu_type1" };

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

/* Leases on what is known by name; VFs are leased when they are there. */
static int lease_named(struct making *m, struct error *err)
{
	const struct device_choice *choice = m->task->choice;
	AUTO_STRV struct strv names = STRV_INIT;
	int r = 0;

	for (size_t i = 0; i < choice->n && r == 0; i++) {
		const struct device_request *q = &choice->v[i];

		if (q->way == DEVICE_WHOLE)
			strv_add_all(&names, q->members.v);
		r = add_scope(m, q->address, err);
		if (r == 0 && (q->way == DEVICE_VFS || q->way == DEVICE_VENDOR_VGPU))
			r = add_vfs_to_scope(m, q->address, err);
		for (size_t k = 0; q->way == DEVICE_WHOLE && k < q->members.n && r == 0; k++)
			r = add_scope(m, q->members.v[k], err);
	}
	if (r == 0 && strv_error(&names) < 0)
		r = error_set(err, ENOMEM, "out of memory");
	return r < 0 ? r : lease(m, &names, err);
}

static int take_request(struct making *m, const struct device_request *q, struct error *err)
{
	int r = 0;

	switch (q->way) {
	case DEVICE_WHOLE:
		r = take_whole(m, q, err);
		break;
	case DEVICE_VFS:
		r = take_vfs(m, q, err);
		break;
	case DEVICE_MDEV:
		for (unsigned int i = 0; i < q->count && r == 0; i++)
			r = take_mdev(m, q, err);
		break;
	case DEVICE_VENDOR_VGPU:
		r = take_vendor_vgpus(m, q, err);
		break;
	}
	return r < 0 && q->key[0] != '\0' ? error_prefix(err, r, "%s", q->key) : r;
}

int assignment_make(struct assignment *a, const struct assignment_task *task, struct error *err)
{
	struct making m = { .task = task, .a = a, .sys = device_sysfs(task->host) };
	int r;

	m.sys.lock_fd = task->journal->fd;
	r = lease_named(&m, err);
	if (r == 0)
		r = load_modules(&m, err);
	if (r == 0)
		r = take_snapshot(a, &m.sys, &a->before, err);
	for (size_t i = 0; i < task->choice->n && r == 0; i++) {
		r = watch_serve(task->watch, 0, err);
		if (r == 0)
			r = take_request(&m, &task->choice->v[i], err);
	}
	return r;
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
	leases_done(&a->leases);
	snapshot_done(&a->before);
	free(a->scope);
	strv_done(&a->parents);
	strv_done(&a->shared);
	*a = (struct assignment)ASSIGNMENT_INIT;
}
