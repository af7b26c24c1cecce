/* SPDX-License-Identifier: MIT */
/* Functions taken as a whole: see assignment_private.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "run/assignment_private.h"
#include "run/device_order.h"

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

/* A VF goes with the others of its PF, unless whoever made them knows that we have one. */
static int join_if_vf(struct making *m, const char *name, struct error *err)
{
	AUTO_CLOSE int lock = -1;
	char pf[PCI_ADDRESS_SIZE];

	if (!making_pf_of(m, name, pf))
		return 0;
	lock = making_lock(m, pf, err);
	return lock < 0 ? lock : assignment_join_vfs(m, pf, err);
}

/* Under the lock under which others make VFs or mediated devices of it. */
static int bind_member(struct making *m, const char *name, struct error *err)
{
	AUTO_CLOSE int lock = -1;
	struct pci_address address;
	int r = join_if_vf(m, name, err);

	if (r < 0)
		return r;
	lock = making_lock(m, name, err);
	r = lock < 0 ? lock : still_unused(m, name, err);
	if (r < 0)
		return r;
	if (pci_address_parse(name, &address, NULL) < 0)
		return error_set(err, EINVAL, "%s: no PCI address", name);
	return making_bind(m, &address, err);
}

/* Highest function first: an audio function depends on the GPU it belongs to. */
static int bind_members(struct making *m, const struct device_request *q, struct error *err)
{
	int r = 0;

	for (size_t i = q->members.n; i-- > 0 && r == 0;)
		r = bind_member(m, q->members.v[i], err);
	return r < 0 && q->key[0] != '\0' ? error_prefix(err, r, "%s", q->key) : r;
}

static int bind_ordered(struct making *m, const struct device_request *const *v, size_t n,
			struct error *err)
{
	struct pci_address address;
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		r = watch_serve(m->task->watch, 0, err);
		if (r == 0)
			r = bind_members(m, v[i], err);
	}
	/* of one group there may be several requests: it is whole when all are bound */
	for (size_t i = 0; i < n && r == 0; i++) {
		if (pci_address_parse(v[i]->address, &address, NULL) < 0)
			r = error_set(err, EINVAL, "%s: no PCI address", v[i]->address);
		else
			r = making_check_group(m, &address, err);
	}
	return r;
}

int assignment_bind_whole(struct making *m, struct error *err)
{
	AUTO_FREE const struct device_request **v = NULL;
	size_t n = 0;
	int r = device_order_whole(m->task->host, m->task->choice, &v, &n, err);

	return r < 0 ? r : bind_ordered(m, v, n, err);
}

int assignment_add_whole(struct making *m, const struct device_request *q, struct error *err)
{
	struct pci_address address, main;
	unsigned int slot = m->a->n_slots++;
	int r = 0;

	if (pci_address_parse(q->address, &main, NULL) < 0)
		return error_set(err, EINVAL, "%s: no PCI address", q->address);
	for (size_t i = 0; i < q->members.n && r == 0; i++) {
		bool same_slot = pci_address_parse(q->members.v[i], &address, NULL) == 0 &&
				 address.domain == main.domain && address.bus == main.bus &&
				 address.device == main.device;

		if (same_slot)
			r = making_add_function(m, &address, slot,
						q->members.n == 1 ? 0 : address.function, err);
	}
	return r;
}
