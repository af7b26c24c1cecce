/* SPDX-License-Identifier: MIT */
/* vGPUs: mediated devices, and NVIDIA's vendor VFIO: see assignment_private.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/uuid.h"
#include "run/assignment_private.h"
#include "run/undo.h"
#include "sysfs/mdev.h"
#include "sysfs/nvidia.h"

/* ---- mediated devices ---- */

static int take_mdev(struct making *m, const struct device_request *q, struct error *err)
{
	struct assigned one = { .slot = m->a->n_slots++ };
	struct json_object *record;
	struct mdev_device made = { .group = -1 };
	struct sysfs_error why = { 0 };
	int r = uuid_new(one.uuid, err);

	if (r < 0)
		return r;
	record = json_new_object();
	json_add_str(record, "uuid", one.uuid);
	json_add_str(record, "address", q->address);
	r = making_intend(m, OP_MDEV, record, err);
	if (r < 0)
		return r;
	strv_add(&m->a->uuids, one.uuid);
	r = mdev_create(&m->sys, q->address, q->type, one.uuid,
			deadline_in_s(ASSIGNMENT_MDEV_SECONDS), &why);
	if (r == 0)
		r = mdev_read(&m->sys, one.uuid, &made, &why);
	if (r < 0)
		return making_failed(err, r, &why, q->address);
	one.group = made.group;
	return making_add(m, &one, err);
}

int assignment_take_mdevs(struct making *m, const struct device_request *q, struct error *err)
{
	AUTO_CLOSE int lock = making_lock_parent(m, q->address, err);
	int r = lock < 0 ? lock : 0;

	for (unsigned int i = 0; i < q->count && r == 0; i++)
		r = take_mdev(m, q, err);
	return r;
}

/* ---- NVIDIA's vendor VFIO ---- */

/* The VF stays with NVIDIA's driver; a type it has already is somebody else's. */
static int check_no_type(const struct making *m, const struct device *d, struct error *err)
{
	struct sysfs_error why = { 0 };
	unsigned int now = 0;
	int r = nvidia_current(&m->sys, &d->f.address, &now, &why);

	if (r < 0)
		return error_set(err, EBUSY, "%s", why.text);
	if (now != 0)
		return error_set(err, EBUSY, "%s is a vGPU of type %u already", d->address, now);
	return 0;
}

static int set_type(struct making *m, const struct device_request *q, const struct device *vf,
		    struct error *err)
{
	unsigned int type = (unsigned int)strtoul(q->type, NULL, 10);
	struct json_object *record = json_new_object();
	struct sysfs_error why = { 0 };
	int r;

	json_add_str(record, "address", vf->address);
	json_add_u64(record, "type", type);
	r = making_intend(m, OP_VGPU, record, err);
	if (r < 0)
		return r;
	r = nvidia_set(&m->sys, &vf->f.address, type, deadline_in_s(ASSIGNMENT_MDEV_SECONDS), &why);
	if (r < 0)
		return making_failed(err, r, &why, vf->address);
	return making_add_function(m, &vf->f.address, m->a->n_slots++, 0, err);
}

static const struct part_kind vendor_vgpu = { .check = check_no_type, .take = set_type };

int assignment_take_vgpus(struct making *m, const struct device_request *q, struct error *err)
{
	/* how much room there is is a matter of the PF */
	AUTO_CLOSE int lock = making_lock_parent(m, q->address, err);

	if (lock < 0)
		return lock;
	if (q->members.n < q->count)
		return error_set(err, EINVAL, "%s: no VFs are chosen", q->address);
	return making_take_chosen(m, q, &vendor_vgpu, err);
}
