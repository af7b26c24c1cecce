/* SPDX-License-Identifier: MIT */
/* The steps that taking any kind of device is made of: see assignment_private.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "run/assignment_private.h"
#include "run/device_record.h"
#include "run/module_share.h"
#include "run/undo.h"
#include "run/vfio_driver.h"

int making_failed(struct error *err, int r, const struct sysfs_error *why, const char *what)
{
	return error_prefix(err, device_error(err, r, why), "%s", what);
}

int making_intend(const struct making *m, const char *op, struct json_object *what,
		  struct error *err)
{
	int64_t r = journal_intend(m->task->journal, op, what, err);

	return r < 0 ? (int)r : 0;
}

/* ---- leases and locks ---- */

int making_lease(struct making *m, const struct strv *names, struct error *err)
{
	AUTO_STRV struct strv wanted = STRV_INIT;
	struct leases more = LEASES_INIT;
	int r;

	for (size_t i = 0; i < names->n; i++) {
		if (!leases_contain(&m->a->leases, names->v[i]))
			strv_add(&wanted, names->v[i]);
	}
	if (strv_error(&wanted) < 0)
		return error_set(err, ENOMEM, "out of memory");
	r = leases_take(m->task->host, &wanted, m->task->vm, &more, err);
	return r < 0 ? r : leases_add(&m->a->leases, &more, err);
}

int making_lease_one(struct making *m, const char *name, struct error *err)
{
	AUTO_STRV struct strv names = STRV_INIT;

	strv_add(&names, name);
	if (strv_error(&names) < 0)
		return error_set(err, ENOMEM, "out of memory");
	return making_lease(m, &names, err);
}

int making_lock(const struct making *m, const char *name, struct error *err)
{
	char lock[SYSFS_NAME_SIZE];

	(void)snprintf(lock, sizeof(lock), "%.100s.vfs", name);
	return lease_lock(m->task->host, lock, deadline_in_s(ASSIGNMENT_LOCK_SECONDS),
			  m->task->watch, err);
}

int making_lock_parent(const struct making *m, const char *name, struct error *err)
{
	AUTO_CLOSE int lock = making_lock(m, name, err);
	struct lease_holder holder;
	int r;

	if (lock < 0)
		return lock;
	r = lease_holder(m->task->host, name, &holder, err);
	if (r < 0)
		return r;
	if (r > 0)
		return error_set(err, EBUSY, "%s is leased by VM %s as a whole", name, holder.vm);
	return TAKE_FD(lock);
}

bool making_pf_of(const struct making *m, const char *name, char ret[PCI_ADDRESS_SIZE])
{
	char path[SYSFS_PATH_SIZE];
	struct pci_address vf, pf;

	if (pci_address_parse(name, &vf, NULL) < 0 ||
	    sysfs_read_link(m->sys.sys_fd, pci_path(path, &vf, "physfn"), ret, PCI_ADDRESS_SIZE) <
		    0)
		return false;
	return pci_address_parse(ret, &pf, NULL) == 0;
}

/* ---- what the guest gets ---- */

int making_add(struct making *m, const struct assigned *one, struct error *err)
{
	struct assignment *a = m->a;

	if (a->n == VM_DEVICES_MAX)
		return error_set(err, E2BIG, "more than %d devices for one VM", VM_DEVICES_MAX);
	a->v[a->n++] = *one;
	return 0;
}

int making_add_function(struct making *m, const struct pci_address *address, unsigned int slot,
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
		/* ports of the guest have no I/O addresses to give away */
		if ((f.regions[i].flags & PCI_BAR_MEMORY) != 0 && group_driver_is_vfio(f.driver))
			one.bars[i] = f.regions[i].size;
	}
	pci_function_done(&f);
	return making_add(m, &one, err);
}

/* ---- VFs ---- */

/* What is no matter of its kind. */
static int check_nobodys(const struct making *m, const struct device *d, struct error *err)
{
	if (d->quarantined)
		return error_set(err, EBUSY, "%s is quarantined: %s", d->quarantine_of,
				 d->quarantine.why);
	if (d->leased && !leases_contain(&m->a->leases, d->address))
		return error_set(err, EBUSY, "%s is leased by VM %s", d->address, d->holder.vm);
	if (d->users.n > 0)
		return error_set(err, EBUSY, "%s is in use: %s", d->address, d->users.v[0].what);
	return 0;
}

int making_take_free(struct making *m, const struct device_request *q, const struct pci_address *vf,
		     const struct part_kind *kind, struct error *why, struct error *err)
{
	AUTO_DEVICE struct device d = { .n_offers = 0 };
	int r = device_read(m->task->host, NULL, vf, &d, err);

	if (r < 0)
		return r;
	if (check_nobodys(m, &d, why) < 0 || kind->check(m, &d, why) < 0 ||
	    making_lease_one(m, d.address, why) < 0)
		return 1;
	return kind->take(m, q, &d, err);
}

int making_take_chosen(struct making *m, const struct device_request *q,
		       const struct part_kind *kind, struct error *err)
{
	struct error why = ERROR_INIT;
	struct pci_address vf;
	int r = 0;

	for (size_t i = 0; i < q->members.n && r == 0; i++) {
		if (pci_address_parse(q->members.v[i], &vf, NULL) < 0)
			return error_set(err, EINVAL, "%s: no PCI address", q->members.v[i]);
		r = making_take_free(m, q, &vf, kind, &why, err);
	}
	return r > 0 ? error_set(err, EBUSY, "%s, which was free when it was chosen", why.msg) : r;
}

/* ---- drivers and groups ---- */

/* Its module is loaded for a variant of vfio-pci. */
static int choose_driver(const struct making *m, const struct pci_address *address,
			 struct vfio_driver *ret, struct error *err)
{
	const struct assignment_task *t = m->task;
	AUTO_PCI_FUNCTION struct pci_function f = { 0 };
	struct sysfs_error why = { 0 };
	const char *module = ret->module;
	int r = pci_function_read(&m->sys, address, &f, &why);

	if (r < 0)
		return device_error(err, r, &why);
	vfio_driver_find(t->host, &f, ret);
	if (ret->module[0] == '\0')
		return 0;
	r = modules_hold(t->host, t->vm, t->journal, &module, 1, err);
	return r < 0 ? r : vfio_driver_loaded(t->host, ret, err);
}

int making_remember(struct making *m, const struct pci_address *address, struct error *err)
{
	struct driver_binding b, *v;

	if (driver_look(&m->sys, address, &b, NULL) < 0 || b.old_driver[0] != '\0')
		return 0;
	v = reallocarray(m->unbound, m->n_unbound + 1, sizeof(*v));
	if (v == NULL)
		return error_set(err, ENOMEM, "out of memory");
	m->unbound = v;
	v[m->n_unbound++] = b;
	return 0;
}

/* It had no driver until ours was loaded, and is to have none again. */
static void plan_as_before(const struct making *m, struct driver_binding *b)
{
	if (strcmp(b->old_driver, b->driver) != 0 || strcmp(b->old_override, b->driver) != 0)
		return;
	for (size_t i = 0; i < m->n_unbound; i++) {
		const struct driver_binding *before = &m->unbound[i];

		if (pci_address_compare(&before->address, &b->address) != 0 ||
		    strcmp(before->old_override, b->old_override) != 0)
			continue;
		b->old_driver[0] = '\0';
		b->settings = before->settings;
	}
}

int making_bind(struct making *m, const struct pci_address *address, struct error *err)
{
	struct driver_binding b;
	struct vfio_driver chosen;
	struct sysfs_error why = { 0 };
	char name[PCI_ADDRESS_SIZE];
	int r = choose_driver(m, address, &chosen, err);

	(void)pci_address_format(address, name);
	if (r < 0)
		return error_prefix(err, r, "%s", name);
	r = driver_plan(&m->sys, address, chosen.driver, &b, &why);
	if (r < 0)
		return making_failed(err, r, &why, name);
	plan_as_before(m, &b);
	r = making_intend(m, OP_BIND, device_record_binding(&b), err);
	if (r < 0)
		return r;
	r = driver_bind(&m->sys, &b, deadline_in_s(ASSIGNMENT_BIND_SECONDS), &why);
	return r < 0 ? making_failed(err, r, &why, name) : 0;
}

static int refuse_group(const struct making *m, int number, struct error *err)
{
	AUTO_IOMMU_GROUP struct iommu_group group = { 0 };
	const struct group_member *in_way = NULL;

	if (group_read(&m->sys, number, &group, NULL) < 0 ||
	    group_in_the_way(&group, NULL, 0, &in_way, 1) == 0)
		return error_set(err, EBUSY, "the kernel does not give IOMMU group %d to a guest",
				 number);
	return error_set(err, EBUSY,
			 "the kernel does not give IOMMU group %d to a guest: %s is on %s by now",
			 number, in_way->name, in_way->driver);
}

int making_check_group(const struct making *m, const struct pci_address *address, struct error *err)
{
	struct sysfs_error why = { 0 };
	char name[PCI_ADDRESS_SIZE];
	bool viable = false;
	int number = pci_group(&m->sys, address);
	int r = group_probe(&m->sys, number, &viable, &why);

	(void)pci_address_format(address, name);
	if (r < 0)
		return making_failed(err, r, &why, name);
	return viable ? 0 : error_prefix(err, refuse_group(m, number, err), "%s", name);
}
