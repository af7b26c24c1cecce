/* SPDX-License-Identifier: MIT */
#include "run/device_choice.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/suggest.h"
#include "config/config.h"
#include "host/host.h"
#include "run/device_choice_private.h"
#include "sysfs/error.h"
#include "sysfs/mdev.h"

#define LIST_TEXT_SIZE 600

bool device_choice_wanted(const struct config *cfg)
{
	return cfg->n_devices > 0 ||
	       (cfg->gpu.mode != GPU_MODE_ABSENT && cfg->gpu.mode != GPU_MODE_NONE);
}

/* ---- requests ---- */

static struct device_request *append(struct device_choice *choice)
{
	struct device_request *v = reallocarray(choice->v, choice->n + 1, sizeof(*v));

	if (v == NULL)
		return NULL;
	choice->v = v;
	v[choice->n] = (struct device_request){ .count = 1, .numa_node = -1 };
	return &v[choice->n++];
}

struct device_request *device_request_new(struct device_choice *part, enum device_way way,
					  const struct device *d, const char *key)
{
	struct device_request *rq = append(part);

	if (rq == NULL)
		return NULL;
	rq->way = way;
	rq->numa_node = d->f.numa_node;
	(void)snprintf(rq->address, sizeof(rq->address), "%s", d->address);
	(void)snprintf(rq->key, sizeof(rq->key), "%s", key);
	return rq;
}

static bool owns(const struct device_request *rq, const char *address)
{
	return rq->members.n > 0 ? strv_contains(&rq->members, address)
				 : strcmp(rq->address, address) == 0;
}

static const struct device_request *owner(const struct device_choice *choice, const char *address)
{
	for (size_t i = 0; i < choice->n; i++) {
		if (owns(&choice->v[i], address))
			return &choice->v[i];
	}
	return NULL;
}

bool device_is_taken(const struct device_choice *choice, const char *address)
{
	return owner(choice, address) != NULL;
}

/* A request that owns something of @rq already, which is @ret. */
static const struct device_request *rival(const struct device_choice *choice,
					  const struct device_request *rq, const char **ret)
{
	const struct device_request *other = NULL;

	*ret = rq->address;
	if (rq->members.n == 0)
		return owner(choice, rq->address);
	for (size_t i = 0; i < rq->members.n && other == NULL; i++) {
		*ret = rq->members.v[i];
		other = owner(choice, *ret);
	}
	return other;
}

bool device_choice_overlaps(const struct device_choice *choice, const struct device_choice *part)
{
	const char *what;

	for (size_t i = 0; i < part->n; i++) {
		if (rival(choice, &part->v[i], &what) != NULL)
			return true;
	}
	return false;
}

static int refuse_rival(const struct device_request *rq, const struct device_request *other,
			const char *what, struct error *err)
{
	int r;

	if (strcmp(rq->address, what) == 0)
		return error_set(err, EINVAL, "%s is asked for by baremetal_vm.%s too", what,
				 other->key);
	r = error_set(err, EINVAL, "%s, which goes with %s, is asked for by baremetal_vm.%s too",
		      what, rq->address, other->key);
	return error_hint(err, r, "leave it out of baremetal_vm.%s", other->key);
}

int device_choice_decide(struct chooser *c, struct device_choice *part, struct error *err)
{
	for (size_t i = 0; i < part->n; i++) {
		const char *what;
		const struct device_request *other = rival(c->choice, &part->v[i], &what);
		struct device_request *rq;

		if (other != NULL)
			return refuse_rival(&part->v[i], other, what, err);
		rq = append(c->choice);
		if (rq == NULL)
			return error_set(err, ENOMEM, "out of memory");
		*rq = part->v[i];
		part->v[i].members = (struct strv)STRV_INIT;
	}
	return 0;
}

/* A refusal that waiting may cure is kept for the end, so that one for good goes before it. */
static int put_off(struct chooser *c, int r, const struct error *why)
{
	if (r != -EBUSY)
		return r;
	if (c->busy.code == 0)
		c->busy = *why;
	return 0;
}

static int prefix_key(struct error *err, int r, const char *key)
{
	return r < 0 ? error_prefix(err, r, "baremetal_vm.%s", key) : r;
}

struct device_wish device_wish_gpu(const struct config *cfg)
{
	return (struct device_wish){
		.mode = cfg->gpu.mode,
		.num_vfs = cfg->gpu.num_vfs,
		.create_vfs = cfg->gpu.create_vfs,
		.vgpu_type = cfg->gpu.vgpu_type,
		.force = cfg->gpu.force,
		.gpu = true,
	};
}

static struct device_wish wish_other(const struct config_device *d)
{
	return (struct device_wish){
		.mode = d->mode,
		.num_vfs = d->num_vfs,
		.create_vfs = d->create_vfs,
		.vgpu_type = d->vgpu_type,
		.force = d->force,
	};
}

/* A VF is passed as it is, but for one that can make vGPUs itself. */
static bool is_whole(const struct chooser *c, const char *address)
{
	struct pci_address a;
	char path[SYSFS_PATH_SIZE];

	if (c->wish.mode == GPU_MODE_VFIO)
		return true;
	if (pci_address_parse(address, &a, NULL) < 0 ||
	    !sysfs_exists(c->host->sys_fd, pci_path(path, &a, "physfn")))
		return false;
	return c->wish.mode == GPU_MODE_SRIOV ||
	       !sysfs_exists(c->host->sys_fd, pci_path(path, &a, "mdev_supported_types"));
}

int device_request_mode(const struct chooser *c, const struct device *d, const char *key,
			struct device_choice *part, struct error *err)
{
	if (is_whole(c, d->address))
		return device_whole_request(c, d, key, part, err);
	return c->wish.mode == GPU_MODE_VGPU ? device_vgpu_request(c, d, key, part, err)
					     : device_vfs_request(c, d, key, part, err);
}

/* ---- named ones ---- */

static int refuse_unknown(const struct chooser *c, const char *address, struct error *err)
{
	struct sysfs sys = device_sysfs(c->host);
	AUTO_PCI_LIST struct pci_list all = { 0 };
	struct suggest near = SUGGEST_INIT(address);
	char list[LIST_TEXT_SIZE] = "", nearest[SUGGEST_TEXT_SIZE], names[64][PCI_ADDRESS_SIZE];
	size_t len = 0, n = 0;
	int r;

	(void)pci_scan(&sys, &all, NULL);
	for (size_t i = 0; i < all.n && n < ARRAY_SIZE(names); i++) {
		if (!device_is_gpu(&all.v[i]))
			continue;
		(void)pci_address_format(&all.v[i].address, names[n]);
		suggest_try(&near, names[n]);
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", n > 0 ? ", " : "",
					names[n]);
		if (len >= sizeof(list))
			break;
		n++;
	}
	r = error_set(err, ENODEV, "there is no PCI function %s%s", address,
		      suggest_text(&near, nearest));
	return error_hint(err, r, "GPUs of this host: %s", n > 0 ? list : "none");
}

static int refuse_parent(const struct chooser *c, const char *name, struct error *err)
{
	struct sysfs sys = device_sysfs(c->host);
	AUTO_SYSFS_NAMES struct sysfs_names names = { 0 };
	struct suggest near = SUGGEST_INIT(name);
	char list[LIST_TEXT_SIZE] = "", nearest[SUGGEST_TEXT_SIZE];
	size_t len = 0;
	int r;

	(void)mdev_parents(&sys, &names, NULL);
	for (size_t i = 0; i < names.n && len < sizeof(list); i++) {
		suggest_try(&near, names.v[i]);
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", i > 0 ? ", " : "",
					names.v[i]);
	}
	r = error_set(err, ENODEV, "there is no PCI function or parent of mediated devices %s%s",
		      name, suggest_text(&near, nearest));
	return error_hint(err, r, "parents of mediated devices here: %s",
			  names.n > 0 ? list : "none");
}

uint16_t device_vendor_id(const char *name)
{
	if (name == NULL)
		return 0;
	if (strcmp(name, "AMD") == 0)
		return PCI_VENDOR_AMD;
	return strcmp(name, "NVIDIA") == 0 ? PCI_VENDOR_NVIDIA : PCI_VENDOR_INTEL;
}

static int check_is_gpu(const struct chooser *c, const struct device *d, struct error *err)
{
	const char *wanted = c->cfg->gpu.gpu_vendor;
	struct pci_function f = d->f;
	int r;

	f.is_vf = false; /* a VF of a GPU will do */
	if (!device_is_gpu(&f)) {
		r = error_set(err, ENOTSUP, "%s is no GPU of AMD, NVIDIA or Intel (class %06x)",
			      d->address, d->f.class_code);
		return error_hint(err, r,
				  "other functions go into \"devices\": [{\"address\": "
				  "\"%s\"}]",
				  d->address);
	}
	if (wanted != NULL && f.vendor != device_vendor_id(wanted))
		return error_set(err, ENOTSUP, "%s is no GPU of %s, which gpu_vendor asks for",
				 d->address, wanted);
	return 0;
}

static int take_named(struct chooser *c, const char *address, const char *key, struct error *err)
{
	struct device d = { .n_offers = 0 };
	struct device_choice part = DEVICE_CHOICE_INIT;
	struct pci_address a;
	bool is_parent = c->wish.mode == GPU_MODE_VGPU && pci_address_parse(address, &a, NULL) < 0;
	int r = is_parent ? 0 : pci_address_parse(address, &a, NULL);

	if (r < 0)
		return error_set(err, EINVAL, "\"%.64s\" is no PCI address", address);
	r = is_parent ? device_read_parent(c->host, address, &d, err)
		      : device_read(c->host, NULL, &a, &d, err);
	if (r == -ENODEV)
		r = is_parent ? refuse_parent(c, address, err) : refuse_unknown(c, d.address, err);
	else if (r == -ETIMEDOUT)
		r = error_set(err, EBUSY, "%s is stuck in a change the kernel does not finish",
			      d.address);
	else if (r == 0 && c->wish.gpu && !is_parent)
		r = check_is_gpu(c, &d, err);
	if (r == 0)
		r = device_request_mode(c, &d, key, &part, err);
	if (r == 0)
		r = device_choice_decide(c, &part, err);
	device_choice_done(&part);
	device_done(&d);
	return r;
}

static int take_keyed(struct chooser *c, const char *address, const char *key, struct error *err)
{
	struct error why = ERROR_INIT;
	int r;

	if (is_whole(c, address) != c->whole)
		return 0;
	r = prefix_key(&why, take_named(c, address, key, &why), key);
	r = put_off(c, r, &why);
	if (r < 0)
		*err = why;
	return r;
}

static int take_devices(struct chooser *c, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < c->cfg->n_devices && r == 0; i++) {
		char key[64];

		(void)snprintf(key, sizeof(key), "devices[%zu].address", i);
		c->wish = wish_other(&c->cfg->devices[i]);
		r = take_keyed(c, c->cfg->devices[i].address, key, err);
	}
	return r;
}

static int take_gpu_ids(struct chooser *c, struct error *err)
{
	int r = 0;

	c->wish = device_wish_gpu(c->cfg);
	for (size_t i = 0; i < c->cfg->gpu.gpu_ids.n && r == 0; i++) {
		char key[64];

		(void)snprintf(key, sizeof(key), "gpu_passthrough.gpu_ids[%zu]", i);
		r = take_keyed(c, c->cfg->gpu.gpu_ids.v[i], key, err);
	}
	return r;
}

/* Of a PF any free VFs will do, so what is named as a whole, which may be one of them, goes first.
 */
static int take_all_named(struct chooser *c, bool gpus, struct error *err)
{
	int r = 0;

	for (int pass = 0; pass < 2 && r == 0; pass++) {
		c->whole = pass == 0;
		r = take_devices(c, err);
		if (r == 0 && gpus)
			r = take_gpu_ids(c, err);
	}
	return r;
}

/* The groups and users of what is named, once all of it is known. */
static int check_named(struct chooser *c, struct error *err)
{
	for (size_t i = 0; i < c->choice->n; i++) {
		const struct device_request *rq = &c->choice->v[i];
		struct error why = ERROR_INIT;
		int r = 0;

		if (rq->way == DEVICE_WHOLE)
			r = device_whole_group(c, rq, &why);
		if (r == 0 && rq->way == DEVICE_WHOLE)
			r = device_whole_idle(c, rq, &why);
		r = put_off(c, prefix_key(&why, r, rq->key), &why);
		if (r < 0) {
			*err = why;
			return r;
		}
	}
	return 0;
}

/* ---- all of it ---- */

static int compare_requests(const void *a, const void *b)
{
	const struct device_request *left = a, *right = b;
	struct pci_address x = { 0 }, y = { 0 };

	(void)pci_address_parse(left->address, &x, NULL);
	(void)pci_address_parse(right->address, &y, NULL);
	return pci_address_compare(&x, &y);
}

int device_choice_node(const struct device_choice *choice)
{
	int node = choice->n > 0 ? choice->v[0].numa_node : -1;

	for (size_t i = 1; i < choice->n; i++) {
		if (choice->v[i].numa_node != node)
			return -1;
	}
	return node;
}

int device_choice_make(const struct host *host, const struct config *cfg, struct device_choice *ret,
		       struct error *err)
{
	struct chooser c = { .host = host, .cfg = cfg, .choice = ret };
	bool gpus = cfg->gpu.mode != GPU_MODE_ABSENT && cfg->gpu.mode != GPU_MODE_NONE;
	struct error unread;
	int r;

	if (err == NULL)
		err = &unread;
	r = take_all_named(&c, gpus, err);
	if (r == 0)
		r = check_named(&c, err);
	if (r == 0 && gpus && cfg->gpu.gpu_ids.n == 0)
		r = device_free_take(&c, err);
	if (r < 0)
		return r;
	if (c.busy.code != 0) {
		*err = c.busy;
		return -EBUSY;
	}
	if (ret->n > 1)
		qsort(ret->v, ret->n, sizeof(*ret->v), compare_requests);
	ret->numa_node = device_choice_node(ret);
	ret->iommufd = cfg->iommufd;
	device_warn(&c);
	return strv_error(&ret->warnings) < 0 ? error_set(err, ENOMEM, "out of memory") : 0;
}

void device_choice_done(struct device_choice *choice)
{
	for (size_t i = 0; i < choice->n; i++)
		strv_done(&choice->v[i].members);
	free(choice->v);
	strv_done(&choice->warnings);
	*choice = (struct device_choice)DEVICE_CHOICE_INIT;
}
