/* SPDX-License-Identifier: MIT */
/*
 * vGPUs: mediated devices of a GPU or of its VFs, and NVIDIA's vendor VFIO on its VFs. Those of AMD
 * are VFs and nothing else.
 *
 * What a driver offers depends on what it has given away already; no answer here is more than the
 * moment's.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/config.h"
#include "host/host.h"
#include "run/device_choice_private.h"
#include "sysfs/error.h"
#include "sysfs/mdev.h"
#include "sysfs/nvidia.h"

#define TYPES_TEXT_SIZE 600

/* ---- types of vGPU ---- */

/* "1147 (NVIDIA L40S-1Q), ..." */
static void list_types(const struct device *gpu, char *text, size_t size)
{
	size_t len = 0;

	(void)snprintf(text, size, "none");
	for (size_t i = 0; i < gpu->n_offers; i++) {
		const struct device_offer *o = &gpu->offers[i];
		char one[2 * SYSFS_NAME_SIZE + 32];
		int n = snprintf(one, sizeof(one), "%s%s (%s)", i > 0 ? ", " : "", o->id, o->name);

		if (n < 0 || len + (size_t)n + sizeof(", ...") > size) {
			(void)snprintf(text + len, size - len, ", ...");
			return;
		}
		memcpy(text + len, one, (size_t)n + 1);
		len += (size_t)n;
	}
}

static int refuse_type(const struct chooser *c, const struct device *gpu, struct error *err)
{
	char types[TYPES_TEXT_SIZE];
	int r;

	list_types(gpu, types, sizeof(types));
	if (c->wish.vgpu_type == NULL)
		r = error_set(err, ENOTSUP, "%s: a vGPU needs a vgpu_type, one of: %s",
			      gpu->address, types);
	else
		r = error_set(err, ENOTSUP, "%s has no vGPU type \"%.64s\"; there are: %s",
			      gpu->address, c->wish.vgpu_type, types);
	return error_hint(err, r, "\"vgpu_type\" takes the id or the name; bmvm gpus lists them");
}

static bool is_type(const struct chooser *c, const char *id, const char *name)
{
	return strcmp(c->wish.vgpu_type, id) == 0 ||
	       (name[0] != '\0' && strcmp(c->wish.vgpu_type, name) == 0);
}

/* ---- NVIDIA's vendor VFIO ---- */

static int vendor_verdict(const struct vf_search *s, const struct device *vf, struct error *err)
{
	struct sysfs sys = device_sysfs(s->c->host);
	AUTO_NVIDIA_TYPES struct nvidia_types types = { 0 };
	unsigned int current = 0;
	int r = device_check_answers(vf, err);

	if (r == 0)
		r = device_check_iommu(vf, err);
	if (r == 0)
		r = device_check_idle(vf, err);
	if (r < 0)
		return r;
	if (!vf->f.has_vendor_vfio || vf->f.driver[0] == '\0' ||
	    nvidia_current(&sys, &vf->f.address, &current, NULL) < 0)
		return error_set(err, ENOTSUP, "%s is not ready for a vGPU (driver %s)",
				 vf->address, vf->f.driver[0] != '\0' ? vf->f.driver : "none");
	if (current != 0)
		return error_set(err, EBUSY, "%s is a vGPU of type %u already", vf->address,
				 current);
	if (nvidia_types_read(&sys, &vf->f.address, &types, NULL) < 0)
		return error_set(err, ENOTSUP, "%s does not tell its vGPU types", vf->address);
	for (size_t i = 0; i < types.n; i++) {
		char id[16];

		(void)snprintf(id, sizeof(id), "%u", types.v[i].id);
		if (!is_type(s->c, id, types.v[i].name))
			continue;
		(void)snprintf(s->rq->type, sizeof(s->rq->type), "%s", id);
		return 0;
	}
	return error_set(err, ENOTSUP, "%s does not offer the vGPU type now", vf->address);
}

/* Whether some VF is a vGPU: then the types there is no room for are not offered at present. */
static bool has_vendor_vgpus(const struct chooser *c, const struct device *gpu)
{
	struct sysfs sys = device_sysfs(c->host);
	unsigned int current = 0;

	for (size_t i = 0; i < gpu->f.n_vfs; i++) {
		if (nvidia_current(&sys, &gpu->f.vfs[i].address, &current, NULL) == 0 &&
		    current != 0)
			return true;
	}
	return false;
}

static int vendor_request(const struct chooser *c, const struct device *gpu,
			  struct device_request *rq, struct error *err)
{
	struct vf_search s = { .c = c, .gpu = gpu, .rq = rq };
	char types[TYPES_TEXT_SIZE];
	int r = device_vf_search(&s, vendor_verdict, err);

	if (r < 0 || rq->members.n >= rq->count)
		return r;
	if (rq->type[0] != '\0')
		return device_vf_too_few(&s, "vGPUs", err);
	if (!has_vendor_vgpus(c, gpu))
		return s.n_busy > 0 ? device_vf_too_few(&s, "vGPUs", err)
				    : refuse_type(c, gpu, err);
	list_types(gpu, types, sizeof(types));
	return error_set(
		err, EBUSY,
		"%s does not offer the vGPU type \"%.64s\" while some of its VFs are vGPUs "
		"already; now there are: %s",
		gpu->address, c->wish.vgpu_type, types);
}

/* ---- mediated devices ---- */

static int find_mdev_type(const struct chooser *c, const struct device *parent,
			  struct mdev_type *ret, struct error *err)
{
	struct sysfs sys = device_sysfs(c->host);
	AUTO_MDEV_TYPES struct mdev_types types = { 0 };
	struct sysfs_error why = { 0 };
	const struct mdev_type *type;
	int r = mdev_types_read(&sys, parent->address, &types, &why);

	if (r < 0)
		return device_error(err, r, &why);
	type = mdev_find_type(&types, c->wish.vgpu_type);
	if (type == NULL)
		return refuse_type(c, parent, err);
	if (type->device_api[0] != '\0' && strcmp(type->device_api, "vfio-pci") != 0)
		return error_set(err, ENOTSUP, "%s: type %s is no PCI device (%s)", parent->address,
				 type->id, type->device_api);
	*ret = *type;
	return 0;
}

/* Whether @parent can make @count of the type asked for, whose id goes to @ret_type. */
static int check_parent(const struct chooser *c, const struct device *parent, unsigned int count,
			char ret_type[SYSFS_NAME_SIZE], struct error *err)
{
	struct mdev_type type = { .available = 0 };
	int r = device_check_answers(parent, err);

	if (r == 0)
		r = find_mdev_type(c, parent, &type, err);
	if (r < 0)
		return r;
	if (parent->quarantined || parent->leased)
		return device_check_idle(parent, err);
	/* what there is no room for while nothing is made, there never will be */
	if (type.available < (int)count)
		return error_set(err, device_has_mdevs(c, parent) ? EBUSY : ENOTSUP,
				 "%s has room for %d of type %s (%s), %u asked for",
				 parent->address, type.available, type.id, type.name, count);
	(void)snprintf(ret_type, SYSFS_NAME_SIZE, "%s", type.id);
	return 0;
}

static int mdev_verdict(const struct vf_search *s, const struct device *vf, struct error *err)
{
	if (!vf->f.has_mdev_types)
		return error_set(err, ENOTSUP, "%s offers no mediated devices", vf->address);
	return check_parent(s->c, vf, 1, s->rq->type, err);
}

/* Each VF is the parent of one: a request for each of them. */
static int mdev_vfs_request(const struct chooser *c, const struct device *gpu, const char *key,
			    struct device_choice *part, struct error *err)
{
	struct device_request found = { .count = c->wish.num_vfs };
	struct vf_search s = { .c = c, .gpu = gpu, .rq = &found };
	int r;

	(void)snprintf(found.address, sizeof(found.address), "%s", gpu->address);
	r = device_vf_search(&s, mdev_verdict, err);
	if (r == 0 && found.members.n < found.count)
		r = s.n_busy == 0 ? refuse_type(c, gpu, err) : device_vf_too_few(&s, "vGPUs", err);
	for (size_t i = 0; i < found.members.n && r == 0; i++) {
		struct device_request *rq = device_request_new(part, DEVICE_MDEV, gpu, key);

		if (rq == NULL) {
			r = error_set(err, ENOMEM, "out of memory");
			break;
		}
		(void)snprintf(rq->address, sizeof(rq->address), "%s", found.members.v[i]);
		(void)snprintf(rq->type, sizeof(rq->type), "%s", found.type);
	}
	strv_done(&found.members);
	return r;
}

/* ---- vGPUs ---- */

static bool vfs_have(const struct chooser *c, const struct device *gpu, const char *name)
{
	char path[SYSFS_PATH_SIZE];

	for (size_t i = 0; i < gpu->f.n_vfs; i++) {
		if (sysfs_exists(c->host->sys_fd, pci_path(path, &gpu->f.vfs[i].address, name)))
			return true;
	}
	return false;
}

static int refuse_vgpu(const struct device *gpu, struct error *err)
{
	int r = error_set(err, ENOTSUP,
			  "%s offers no vGPUs: its driver (%s) has neither mediated devices nor "
			  "VFs for them",
			  gpu->address, gpu->f.driver[0] != '\0' ? gpu->f.driver : "none");

	if (gpu->f.vendor == PCI_VENDOR_NVIDIA && gpu->f.sriov_totalvfs > 0)
		return error_hint(err, r,
				  "with NVIDIA's vGPU host driver: /usr/lib/nvidia/sriov-manage -e "
				  "%s; or the whole GPU: \"mode\": \"vfio\"",
				  gpu->address);
	return error_hint(err, r, "%s",
			  gpu->f.vendor == PCI_VENDOR_NVIDIA
				  ? "install NVIDIA's vGPU host driver, or \"mode\": \"vfio\""
				  : "\"mode\": \"sriov\" or \"vfio\"");
}

static int vgpu_as_vfs(const struct chooser *c, const struct device *gpu, const char *key,
		       struct device_choice *part, struct error *err)
{
	int r;

	if (c->wish.vgpu_type == NULL)
		return device_vfs_request(c, gpu, key, part, err);
	r = error_set(err, ENOTSUP, "%s: AMD's GPUs have VFs, not types of vGPU", gpu->address);
	return error_hint(err, r, "leave vgpu_type out");
}

int device_vgpu_request(const struct chooser *c, const struct device *gpu, const char *key,
			struct device_choice *part, struct error *err)
{
	bool vendor = vfs_have(c, gpu, "nvidia");
	bool parents = !vendor && vfs_have(c, gpu, "mdev_supported_types");
	struct device_request *rq;
	int r = device_check_answers(gpu, err);

	if (r < 0)
		return r;
	if (gpu->f.vendor == PCI_VENDOR_AMD)
		return vgpu_as_vfs(c, gpu, key, part, err);
	if (!vendor && !parents && !gpu->f.has_mdev_types)
		return refuse_vgpu(gpu, err);
	if (c->wish.vgpu_type == NULL)
		return refuse_type(c, gpu, err);
	if (parents && !gpu->f.has_mdev_types)
		return mdev_vfs_request(c, gpu, key, part, err);
	rq = device_request_new(part, vendor ? DEVICE_VENDOR_VGPU : DEVICE_MDEV, gpu, key);
	if (rq == NULL)
		return error_set(err, ENOMEM, "out of memory");
	rq->count = c->wish.num_vfs;
	return vendor ? vendor_request(c, gpu, rq, err)
		      : check_parent(c, gpu, rq->count, rq->type, err);
}
