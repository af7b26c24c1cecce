/* SPDX-License-Identifier: MIT */
/*
 * VFs of a PF: see assignment_private.h.
 *
 * Those that were made belong to all VMs that use some of them: the host ledger keeps the PF's
 * original state. All of this happens under the lock of the PF's VFs.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "host/ledger.h"
#include "run/assignment_private.h"
#include "run/device_record.h"
#include "run/undo.h"

/* It answers, and has no driver that does anything: vfio-pci may be in use all the same. */
static int check_free(const struct making *m, const struct device *d, struct error *err)
{
	if (d->f.is_gone)
		return error_set(err, EBUSY, "%s does not answer", d->address);
	if (d->f.driver[0] != '\0' && !group_driver_is_placeholder(d->f.driver))
		return error_set(err, EBUSY, "%s is on the driver %s", d->address, d->f.driver);
	if (group_probe(&m->sys, d->f.iommu_group, NULL, NULL) == -EBUSY)
		return error_set(err, EBUSY, "%s: a guest has it", d->address);
	return 0;
}

static int bind_vf(struct making *m, const struct device_request *q, const struct device *vf,
		   struct error *err)
{
	int r = making_bind(m, &vf->f.address, err);

	(void)q;
	if (r == 0)
		r = making_check_group(m, &vf->f.address, err);
	return r == 0 ? making_add_function(m, &vf->f.address, m->a->n_slots++, 0, err) : r;
}

static const struct part_kind plain_vf = { .check = check_free, .take = bind_vf };

/* ---- making them ---- */

/*
 * A holder of VFs that are not there has failed to make them, and not undone that yet: what it
 * found is the original state, what we are about to make is what the last of us takes away.
 */
static int adopt_original(struct making *m, const char *key, struct sriov_change *change,
			  bool *ret_others, struct error *err)
{
	AUTO_JSON struct json_object *original = NULL;
	struct sriov_change old;
	size_t others = 0;
	int r = ledger_original(m->task->host, key, m->task->vm, &original, &others, err);

	*ret_others = others > 0;
	if (r == 0 && others > 0)
		r = device_read_sriov(original, &old, err);
	if (r == 0 && others > 0)
		change->old_autoprobe = old.old_autoprobe;
	return r;
}

static int make_vfs(struct making *m, const struct device_request *q, const char *key,
		    const struct pci_address *pf, struct error *err)
{
	struct sriov_change change;
	struct sysfs_error why = { 0 };
	bool others = false;
	int r = sriov_plan(&m->sys, pf, (int)q->create, &change, &why);

	if (r < 0)
		return device_error(err, r, &why);
	r = adopt_original(m, key, &change, &others, err);
	if (others)
		strv_add(&m->a->joined, q->address);
	if (r == 0)
		r = making_intend(m, OP_VFS, device_record_sriov(&change), err);
	if (r == 0)
		r = (others ? ledger_reshare : ledger_share)(m->task->host, key, m->task->vm,
							     device_record_sriov(&change), err);
	if (r < 0)
		return r;
	strv_add(&m->a->holds, q->address);
	r = sriov_create(&m->sys, &change, deadline_in_s(ASSIGNMENT_VFS_SECONDS), &why);
	return r < 0 ? device_error(err, r, &why) : 0;
}

/* VFs that another VM of ours made: we hold them too. Those somebody else made are just used. */
int assignment_join_vfs(struct making *m, const char *pf, struct error *err)
{
	AUTO_JSON struct json_object *original = NULL;
	char key[64];
	size_t others = 0;
	int r;

	if (strv_contains(&m->a->holds, pf))
		return 0;
	(void)snprintf(key, sizeof(key), LEDGER_VFS "%.40s", pf);
	r = ledger_original(m->task->host, key, m->task->vm, &original, &others, err);
	if (r < 0 || others == 0)
		return r;
	strv_add(&m->a->joined, pf);
	strv_add(&m->a->holds, pf);
	r = making_intend(m, OP_VFS, json_object_get(original), err);
	return r < 0 ? r : ledger_share(m->task->host, key, m->task->vm, NULL, err);
}

/* Any that are free: they were made a moment ago, by us or by another VM. */
static int take_any(struct making *m, const struct device_request *q, const struct pci_address *pf,
		    struct error *err)
{
	AUTO_FREE struct pci_vf *vfs = NULL;
	struct error first = ERROR_INIT;
	size_t n = 0;
	unsigned int taken = 0;
	int r = pci_vfs_read(&m->sys, pf, &vfs, &n);

	if (r < 0)
		return error_set(err, -r, "read the VFs of %s: %s", q->address, strerror(-r));
	for (size_t i = 0; i < n && taken < q->count; i++) {
		struct error why = ERROR_INIT;

		r = making_take_free(m, q, &vfs[i].address, &plain_vf, &why, err);
		if (r < 0)
			return r;
		taken += r == 0;
		if (first.code == 0)
			first = why;
	}
	if (taken < q->count)
		return error_set(
			err, EBUSY, "%s: only %u of its %zu VFs are free, %u are asked for%s%s",
			q->address, taken, n, q->count, first.code != 0 ? ": " : "", first.msg);
	return 0;
}

int assignment_take_vfs(struct making *m, const struct device_request *q, struct error *err)
{
	AUTO_CLOSE int lock = making_lock_parent(m, q->address, err);
	struct pci_address pf;
	struct sysfs_error why = { 0 };
	char key[64];
	int numvfs = 0, r;

	if (lock < 0)
		return lock;
	(void)snprintf(key, sizeof(key), LEDGER_VFS "%.40s", q->address);
	if (pci_address_parse(q->address, &pf, NULL) < 0)
		return error_set(err, EINVAL, "%s: no PCI address", q->address);
	r = pci_numvfs_read(&m->sys, &pf, &numvfs, &why);
	if (r < 0)
		return device_error(err, r, &why);
	r = numvfs == 0 ? make_vfs(m, q, key, &pf, err) : assignment_join_vfs(m, q->address, err);
	if (r < 0)
		return r;
	if (numvfs > 0 && q->members.n > 0)
		return making_take_chosen(m, q, &plain_vf, err);
	return take_any(m, q, &pf, err);
}
