/* SPDX-License-Identifier: MIT */
#include "run/assignment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/assignment_private.h"
#include "run/device_backend.h"
#include "run/device_writing.h"
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

/* Those that are there already; which of them this run gets, only its leases will tell. */
static int add_vfs_to_scope(struct making *m, const char *pf, struct error *err)
{
	AUTO_FREE struct pci_vf *vfs = NULL;
	struct pci_address address;
	char name[PCI_ADDRESS_SIZE];
	size_t n = 0;
	int r = 0;

	strv_add(&m->a->shared, pf);
	if (pci_address_parse(pf, &address, NULL) < 0 ||
	    pci_vfs_read(&m->sys, &address, &vfs, &n) < 0)
		return 0;
	for (size_t i = 0; i < n && r == 0; i++)
		r = add_scope(m, pci_address_format(&vfs[i].address, name), err);
	return r;
}

/* A VF may be named like any other function. */
static void share_pf_of(struct making *m, const char *name)
{
	char pf[PCI_ADDRESS_SIZE];

	if (making_pf_of(m, name, pf) && !strv_contains(&m->a->shared, pf))
		strv_add(&m->a->shared, pf);
}

/* VFs of another VM's making may go before this one ends, and so are no part of its "before". */
static int note_joined(struct making *m, struct error *err)
{
	struct assignment *a = m->a;
	int r = 0;

	for (size_t i = 0; i < a->shared.n && r == 0; i++) {
		const char *pf = a->shared.v[i];
		size_t others = 0;

		r = assignment_sharers(m->task->host, m->task->vm, pf, &others, err);
		if (r == 0 && others > 0 && !strv_contains(&a->joined, pf))
			strv_add(&a->joined, pf);
	}
	return r == 0 && strv_error(&a->joined) < 0 ? error_set(err, ENOMEM, "out of memory") : r;
}

/* Others may begin or end their sharing while it is taken. */
static int take_before(struct making *m, struct error *err)
{
	int r = note_joined(m, err);

	if (r == 0)
		r = assignment_snapshot(m->a, &m->sys, &m->a->before, err);
	return r < 0 ? r : note_joined(m, err);
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
		share_pf_of(m, q->members.v[i]);
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
		r = take_before(m, err);
	for (size_t i = 0; i < m->a->n_scope && r == 0; i++)
		r = making_remember(m, &m->a->scope[i], err);
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
	struct device_writer writer = { .host = task->host,
					.vm = task->vm,
					.journal_fd = task->journal->fd };
	struct making m = { .task = task, .a = a, .sys = device_writer_sysfs(&writer) };
	int r = make_all(&m, err);

	free(m.unbound);
	return r;
}

void assignment_done(struct assignment *a)
{
	if (a->given_back)
		leases_clear(&a->leases);
	leases_done(&a->leases);
	snapshot_done(&a->before);
	free(a->scope);
	strv_done(&a->parents);
	strv_done(&a->uuids);
	strv_done(&a->shared);
	strv_done(&a->joined);
	strv_done(&a->holds);
	*a = (struct assignment)ASSIGNMENT_INIT;
}
