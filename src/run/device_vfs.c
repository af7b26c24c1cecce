/* SPDX-License-Identifier: MIT */
/*
 * VFs of a GPU.
 *
 * Those that are there are used as they are: their number is never changed, since the kernel can
 * only take away all of them, also those somebody else has. New ones are made on a PF without any,
 * if its driver can; those of AMD's GPUs come into being only when the driver gim is loaded.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/config.h"
#include "host/ledger.h"
#include "run/device_choice_private.h"

#define CLASS_NETWORK 0x02 /* the base class */

/* ---- looking for free ones ---- */

/* Note why a VF is not taken. Return: 0, or @r when it is no verdict but a failure. */
static int pass_over(struct vf_search *s, int r, const struct error *why, struct error *err)
{
	if (r != -EBUSY && r != -ENOTSUP && r != -ENODEV) {
		*err = *why;
		return r;
	}
	s->n_busy += r == -EBUSY;
	if (s->first.code == 0)
		s->first = *why;
	return 0;
}

int device_vf_search(struct vf_search *s,
		     int (*verdict)(const struct vf_search *s, const struct device *vf,
				    struct error *err),
		     struct error *err)
{
	const struct pci_function *f = &s->gpu->f;

	for (size_t i = 0; i < f->n_vfs && s->rq->members.n < s->rq->count; i++) {
		struct device vf = { .n_offers = 0 };
		struct error why = ERROR_INIT;
		int r = device_read(s->c->host, NULL, &f->vfs[i].address, &vf, &why);

		if (r == -ETIMEDOUT)
			r = error_set(&why, EBUSY, "%s is stuck in a change", vf.address);
		else if (r == 0 && device_is_taken(s->c->choice, vf.address))
			r = error_set(&why, ENOTSUP, "%s is taken by another key", vf.address);
		else if (r == 0)
			r = verdict(s, &vf, &why);
		if (r == 0)
			strv_add(&s->rq->members, vf.address);
		else
			r = pass_over(s, r, &why, err);
		device_done(&vf);
		if (r < 0)
			return r;
	}
	return strv_error(&s->rq->members) < 0 ? error_set(err, ENOMEM, "out of memory") : 0;
}

int device_vf_too_few(const struct vf_search *s, const char *what, struct error *err)
{
	const struct device_request *rq = s->rq;
	bool later = rq->members.n + s->n_busy >= rq->count;
	int r = error_set(err, later ? EBUSY : ENOTSUP,
			  "%s: %s asked for: %u, VFs there: %zu, of which %zu can be had: %s",
			  rq->address, what, rq->count, s->gpu->f.n_vfs, rq->members.n,
			  s->first.msg);

	return s->first.hint[0] == '\0' ? r : error_hint(err, r, "%s", s->first.hint);
}

/* ---- VFs ---- */

static int vf_verdict(const struct vf_search *s, const struct device *vf, struct error *err)
{
	const struct group_member *in_way;
	int r = device_check_answers(vf, err);

	(void)s;
	if (r == 0)
		r = device_check_iommu(vf, err);
	if (r < 0)
		return r;
	if (vf->f.driver[0] != '\0' && !group_driver_is_placeholder(vf->f.driver)) {
		r = error_set(err, ENOTSUP, "%s is bound to the host's driver %s", vf->address,
			      vf->f.driver);
		return error_hint(err, r, "echo %s > /sys/bus/pci/drivers/%s/unbind", vf->address,
				  vf->f.driver);
	}
	if (group_in_the_way(&vf->group, NULL, 0, &in_way, 1) > 0)
		return error_set(err, ENOTSUP, "%s shares IOMMU group %d with %s (%s)", vf->address,
				 vf->f.iommu_group, in_way->name, in_way->driver);
	return device_check_idle(vf, err);
}

/* VFs that a VM of ours made go with the last VM that holds them; then others can be made. */
static int too_few_of_ours(const struct device *pf, unsigned int wanted, const struct strv *holders,
			   struct error *err)
{
	AUTO_FREE char *names = strv_join(holders, ", ");
	int r;

	if (names == NULL)
		return error_set(err, ENOMEM, "out of memory");
	r = error_set(
		err, EBUSY,
		"%s: VFs asked for: %u, VFs there: %zu, made for VM%s %s; when %s ended, others "
		"can be made",
		pf->address, wanted, pf->f.n_vfs, holders->n > 1 ? "s" : "", names,
		holders->n > 1 ? "they have" : "it has");
	return error_hint(err, r, "--wait S waits for that; create_vfs makes more at first");
}

static int too_few_made(const struct chooser *c, const struct device *pf, unsigned int wanted,
			struct error *err)
{
	AUTO_STRV struct strv holders = STRV_INIT;
	char key[64];
	int r;

	(void)snprintf(key, sizeof(key), LEDGER_VFS "%.40s", pf->address);
	r = ledger_holders(c->host, key, &holders, err);
	if (r < 0)
		return r;
	if (holders.n > 0 && wanted <= (unsigned int)pf->f.sriov_totalvfs)
		return too_few_of_ours(pf, wanted, &holders, err);
	r = error_set(err, ENOTSUP,
		      "%s: VFs asked for: %u, VFs there: %zu; their number is not changed while "
		      "there are some",
		      pf->address, wanted, pf->f.n_vfs);
	if (pf->f.vendor == PCI_VENDOR_AMD)
		return error_hint(
			err, r,
			"AMD's gim driver makes them when it is loaded: modprobe -r gim && "
			"modprobe gim vf_num=%u",
			wanted);
	return error_hint(err, r,
			  "when nobody uses them: echo 0 > /sys/bus/pci/devices/%s/"
			  "sriov_numvfs",
			  pf->address);
}

static int take_existing(const struct chooser *c, const struct device *pf,
			 struct device_request *rq, struct error *err)
{
	struct vf_search s = { .c = c, .gpu = pf, .rq = rq };
	int r;

	if (pf->f.n_vfs < rq->count)
		return too_few_made(c, pf, rq->count, err);
	r = device_vf_search(&s, vf_verdict, err);
	if (r == 0 && rq->members.n < rq->count)
		r = device_vf_too_few(&s, "VFs", err);
	return r;
}

/* Neither amdgpu nor a write can make VFs of an AMD GPU. */
static int refuse_amd(const struct chooser *c, const struct device *pf, struct error *err)
{
	const char *vfio_force = device_needs_force(&pf->f) ? ", \"force\": true" : "";
	bool gim = strcmp(pf->f.driver, "gim") == 0;
	int r;

	if (gim) {
		r = error_set(err, ENOTSUP,
			      "%s has no VFs, though it is on gim: the driver was told to leave it "
			      "out, or failed",
			      pf->address);
		return error_hint(err, r,
				  "dmesg | grep gim tells; modprobe -r gim && modprobe gim "
				  "vf_num=%u makes VFs of every AMD GPU",
				  c->wish.num_vfs);
	}
	r = error_set(err, ENOTSUP,
		      "%s has no VFs, and its driver (%s) cannot make any: for AMD's GPUs that is "
		      "done by gim, AMD's SR-IOV host driver, when it is loaded in the place of "
		      "amdgpu",
		      pf->address, pf->f.driver[0] != '\0' ? pf->f.driver : "none");
	return error_hint(
		err, r,
		"with gim installed: modprobe -r amdgpu && modprobe gim vf_num=%u (at boot: "
		"modprobe.blacklist=amdgpu); or the whole GPU: \"gpu_passthrough\": "
		"{\"mode\": \"vfio\", \"gpu_ids\": [\"%s\"]%s}",
		c->wish.num_vfs, pf->address, vfio_force);
}

static int refuse_driver(const struct device *pf, struct error *err)
{
	int r;

	if (pf->f.driver[0] == '\0')
		r = error_set(err, ENOTSUP, "%s has no VFs, and no driver that could make some",
			      pf->address);
	else
		r = error_set(err, ENOTSUP, "%s has no VFs, and is on %s instead of its own driver",
			      pf->address, pf->f.driver);
	return error_hint(err, r,
			  "bind it to its own driver, or take all of it: \"mode\": "
			  "\"vfio\"");
}

/* A GPU must be idle; an adapter whose interfaces are up makes VFs all the same, as it is made for.
 */
static int check_pf_idle(const struct device *pf, struct error *err)
{
	struct device d = *pf;

	if (pf->f.class_code >> 16 == CLASS_NETWORK)
		d.users.n = 0;
	return device_check_idle(&d, err);
}

static int check_creation(const struct chooser *c, const struct device *pf, unsigned int create,
			  struct error *err)
{
	int r;

	if (pf->f.vendor == PCI_VENDOR_AMD)
		return refuse_amd(c, pf, err);
	if (pf->f.sriov_totalvfs <= 0) {
		r = error_set(err, ENOTSUP, "%s has no SR-IOV", pf->address);
		return error_hint(err, r,
				  "if its data sheet has it, the firmware's SR-IOV setting may be "
				  "off; \"mode\": \"vfio\" takes all of it");
	}
	if (pf->f.driver[0] == '\0' || group_driver_is_placeholder(pf->f.driver))
		return refuse_driver(pf, err);
	if (create > (unsigned int)pf->f.sriov_totalvfs)
		return error_set(err, ENOTSUP, "%s can have %d VFs, not %u", pf->address,
				 pf->f.sriov_totalvfs, create);
	r = device_check_iommu(pf, err);
	if (r == 0)
		r = device_check_console(pf, err);
	return r == 0 ? check_pf_idle(pf, err) : r;
}

int device_vfs_request(const struct chooser *c, const struct device *pf, const char *key,
		       struct device_choice *part, struct error *err)
{
	struct device_request *rq;
	int r = device_check_answers(pf, err);

	if (r < 0)
		return r;
	if (pf->f.vendor == PCI_VENDOR_NVIDIA) {
		r = error_set(
			err, ENOTSUP,
			"%s: VFs of NVIDIA's GPUs are of use as vGPUs only, not by themselves",
			pf->address);
		return error_hint(err, r,
				  "\"mode\": \"vgpu\" with a vgpu_type, or \"mode\": "
				  "\"vfio\" for the whole GPU");
	}
	rq = device_request_new(part, DEVICE_VFS, pf, key);
	if (rq == NULL)
		return error_set(err, ENOMEM, "out of memory");
	rq->count = c->wish.num_vfs;
	if (pf->f.vendor != PCI_VENDOR_AMD)
		rq->create = c->wish.create_vfs > 0 ? c->wish.create_vfs : rq->count;
	if (pf->f.n_vfs > 0)
		return take_existing(c, pf, rq, err);
	if (pf->f.sriov_numvfs > 0)
		return error_set(err, EBUSY, "%s: its VFs are being made", pf->address);
	return check_creation(c, pf, rq->create, err);
}
