/* SPDX-License-Identifier: MIT */
/*
 * A function as a whole: whether it may be given away, and what goes with it.
 *
 * The unit the kernel gives away is the IOMMU group. Of its other endpoints only the companions of
 * a GPU, which are parts of the same card, are taken along unasked; any other that a host driver
 * has is a reason to refuse, as taking it could cost the host a disk or its network.
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

#define LISTED_MAX  3
#define CLASS_AUDIO 0x0403
#define CLASS_USB   0x0c03
#define CLASS_UCSI  0x0c80
#define CLASS_OF(f) ((f)->class_code >> 8)
#define IN_WAY_MAX  8
#define TEXT_SIZE   700
#define PASSED_MAX  512

/* ---- what it is ---- */

bool device_needs_force(const struct pci_function *f)
{
	/* Instinct MI300A, MI300X, MI308X, MI325X, MI308X HF, MI300X HF, MI350X, MI355X: after a
	 * reset of the physical function its configuration space may read all ones until the next
	 * boot (github.com/amd/MxGPU-Virtualization issue 25). Their VFs have other ids. */
	static const uint16_t ids[] = { 0x74a0, 0x74a1, 0x74a2, 0x74a5,
					0x74a8, 0x74a9, 0x75a0, 0x75a3 };

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		if (f->vendor == PCI_VENDOR_AMD && f->device == ids[i] && !f->is_vf)
			return true;
	}
	return false;
}

int device_check_answers(const struct device *d, struct error *err)
{
	int r;

	if (d->is_stuck)
		return error_set(err, EBUSY, "%s is stuck in a change the kernel does not finish",
				 d->address);
	if (!d->f.is_gone)
		return 0;
	r = error_set(err, ENOTSUP, "%s does not answer: its configuration space reads all ones",
		      d->address);
	return error_hint(err, r, "a reboot, often a power cycle, is what brings it back");
}

int device_check_iommu(const struct device *d, struct error *err)
{
	int r = 0;

	if (d->f.iommu_group < 0)
		r = error_set(
			err, ENOTSUP,
			"%s is in no IOMMU group, so nothing would keep it inside the guest's "
			"memory",
			d->address);
	else if (d->group.is_noiommu)
		r = error_set(err, ENOTSUP,
			      "%s is in a group without an IOMMU (vfio's no-IOMMU mode)",
			      d->address);
	if (r < 0)
		return error_hint(err, r, "bmvm check shows how to switch the IOMMU on");
	if (!d->group.has_direct_regions)
		return 0;
	r = error_set(
		err, ENOTSUP,
		"%s: the firmware claims memory for it (RMRR), so the kernel does not pass it",
		d->address);
	return error_hint(err, r,
			  "only the machine's firmware can change that: look for its settings of "
			  "shared memory or for an update");
}

int device_check_console(const struct device *d, struct error *err)
{
	int r;

	if (!d->console)
		return 0;
	r = error_set(err, ENOTSUP, "%s shows the machine's console: %s", d->address,
		      d->console_by);
	return error_hint(err, r,
			  "it is never taken; choose another, or let the firmware show the console "
			  "elsewhere");
}

bool device_has_mdevs(const struct chooser *c, const struct device *d)
{
	AUTO_SYSFS_NAMES struct sysfs_names names = { 0 };
	char path[SYSFS_PATH_SIZE];

	if (d->is_parent)
		(void)sysfs_path(path, "class/mdev_bus/%s", d->address);
	else
		(void)pci_path(path, &d->f.address, NULL);
	if (sysfs_list(c->host->sys_fd, path, &names) < 0)
		return false;
	for (size_t i = 0; i < names.n; i++) {
		if (mdev_uuid_is_valid(names.v[i]))
			return true;
	}
	return false;
}

static int check_kind(const struct chooser *c, const struct device *d, struct error *err)
{
	char pf[PCI_ADDRESS_SIZE];
	int r = device_check_answers(d, err);

	if (r < 0)
		return r;
	if (d->f.is_bridge)
		return error_set(err, ENOTSUP, "%s is a bridge, not a device", d->address);
	if (d->f.has_vendor_vfio && d->f.is_vf) {
		r = error_set(
			err, ENOTSUP,
			"%s is a VF that NVIDIA's driver turns into a vGPU: it cannot be bound "
			"to vfio-pci",
			d->address);
		return error_hint(err, r,
				  "\"mode\": \"vgpu\" with \"gpu_ids\": [\"%s\"] and a vgpu_type",
				  pci_address_format(&d->f.physfn, pf));
	}
	if (d->f.n_vfs > 0 || d->f.sriov_numvfs > 0) {
		r = error_set(err, ENOTSUP, "%s has VFs (%zu), which would go away with it",
			      d->address, d->f.n_vfs);
		return error_hint(err, r, "\"mode\": \"%s\" passes %s of it",
				  d->f.vendor == PCI_VENDOR_NVIDIA ? "vgpu" : "sriov",
				  d->f.vendor == PCI_VENDOR_NVIDIA ? "vGPUs" : "VFs");
	}
	if (device_has_mdevs(c, d))
		return error_set(err, ENOTSUP, "%s has mediated devices, which would go with it",
				 d->address);
	return 0;
}

static int check_reset(const struct chooser *c, const struct device *d, struct error *err)
{
	int r;

	if (!device_needs_force(&d->f) || c->wish.force)
		return 0;
	r = error_set(
		err, ENOTSUP,
		"%s is of a kind (MI300X class) known not to come back from a reset: after the "
		"VM the host may need a reboot",
		d->address);
	return error_hint(
		err, r,
		"VFs of AMD's gim driver (\"mode\": \"sriov\") come back; \"force\": true "
		"in %s takes the whole GPU nevertheless",
		c->wish.gpu ? "gpu_passthrough" : "its entry of \"devices\"");
}

/* ---- what goes with it ---- */

/* Sound, USB and its Type-C controller are functions 1, 2 and 3 of a graphics card. Elsewhere, as
 * in processors with graphics, what stands there may be the host's own. */
static bool is_companion(const struct sysfs *sys, const struct device *d,
			 const struct group_member *m)
{
	static const uint32_t classes[] = { 0, CLASS_AUDIO, CLASS_USB, CLASS_UCSI };
	const struct pci_address *a = &m->address, *b = &d->f.address;
	AUTO_PCI_FUNCTION struct pci_function f = { 0 };

	if (!m->is_pci || m->is_bridge || !device_is_gpu(&d->f) || b->function != 0 ||
	    a->domain != b->domain || a->bus != b->bus || a->device != b->device)
		return false;
	return a->function > 0 && a->function < ARRAY_SIZE(classes) &&
	       pci_function_read(sys, a, &f, NULL) == 0 && CLASS_OF(&f) == classes[a->function];
}

int device_whole_request(const struct chooser *c, const struct device *d, const char *key,
			 struct device_choice *part, struct error *err)
{
	struct sysfs sys = device_sysfs(c->host);
	struct device_request *rq;
	int r = check_kind(c, d, err);

	if (r == 0)
		r = device_check_iommu(d, err);
	if (r == 0)
		r = device_check_console(d, err);
	if (r == 0)
		r = check_reset(c, d, err);
	if (r < 0)
		return r;
	rq = device_request_new(part, DEVICE_WHOLE, d, key);
	if (rq == NULL)
		return error_set(err, ENOMEM, "out of memory");
	/* the members of a group are sorted */
	for (size_t i = 0; i < d->group.n_members; i++) {
		const struct group_member *m = &d->group.members[i];

		if (strcmp(m->name, d->address) == 0 || is_companion(&sys, d, m))
			strv_add(&rq->members, m->name);
	}
	return strv_error(&rq->members) < 0 ? error_set(err, ENOMEM, "out of memory") : 0;
}

/* ---- its group ---- */

static size_t add_members(struct pci_address *v, size_t n, const struct device_request *rq)
{
	if (rq->way != DEVICE_WHOLE)
		return n;
	for (size_t i = 0; i < rq->members.n && n < PASSED_MAX; i++)
		n += pci_address_parse(rq->members.v[i], &v[n], NULL) == 0;
	return n;
}

static int refuse_group(const struct device_request *rq, const struct iommu_group *group,
			const struct group_member **v, size_t n, struct error *err)
{
	char text[TEXT_SIZE];
	size_t len = 0;
	int r;

	for (size_t i = 0; i < n && i < IN_WAY_MAX && len < sizeof(text); i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s (%s)",
					i > 0 ? ", " : "", v[i]->name, v[i]->driver);
	if (n > IN_WAY_MAX && len < sizeof(text))
		(void)snprintf(text + len, sizeof(text) - len, " and %zu more", n - IN_WAY_MAX);
	r = error_set(err, ENOTSUP,
		      "%s shares IOMMU group %d with what the host's drivers have: %s", rq->address,
		      group->number, text);
	return error_hint(err, r,
			  "a group is given away as a whole: put what the guest may have too into "
			  "\"devices\", or the card into another slot");
}

int device_whole_group(const struct chooser *c, const struct device_request *rq, struct error *err)
{
	struct sysfs sys = device_sysfs(c->host);
	AUTO_IOMMU_GROUP struct iommu_group group = { 0 };
	const struct group_member *in_way[IN_WAY_MAX];
	struct pci_address passed[PASSED_MAX], address;
	struct sysfs_error why = { 0 };
	size_t n_passed = add_members(passed, 0, rq), n;
	int r = pci_address_parse(rq->address, &address, &why);

	if (r == 0)
		r = group_read(&sys, pci_group(&sys, &address), &group, &why);
	if (r < 0)
		return error_prefix(err, device_error(err, r, &why), "%s", rq->address);
	for (size_t i = 0; i < c->choice->n; i++)
		n_passed = add_members(passed, n_passed, &c->choice->v[i]);
	n = group_in_the_way(&group, passed, n_passed, in_way, IN_WAY_MAX);
	return n == 0 ? 0 : refuse_group(rq, &group, in_way, n, err);
}

/* ---- who has it ---- */

static int refuse_users(const struct device *d, struct error *err)
{
	char text[TEXT_SIZE];
	size_t len = 0;
	int r;

	for (size_t i = 0; i < d->users.n && i < LISTED_MAX && len < sizeof(text); i++) {
		const struct device_user *u = &d->users.v[i];
		const char *comma = i > 0 ? ", " : "";

		if (u->pid != 0)
			len += (size_t)snprintf(text + len, sizeof(text) - len,
						"%s%s (process %d) has %.100s", comma, u->name,
						(int)u->pid, u->what);
		else
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%.150s", comma,
						u->what);
	}
	if (d->users.n > LISTED_MAX && len < sizeof(text))
		(void)snprintf(text + len, sizeof(text) - len, ", and %zu more",
			       d->users.n - LISTED_MAX);
	r = error_set(err, EBUSY, "%s is in use: %s", d->address, text);
	return error_hint(err, r, "bmvm gpus --all shows all that use it; end them first");
}

int device_check_idle(const struct device *d, struct error *err)
{
	int r;

	if (d->quarantined) {
		bool own = strcmp(d->quarantine_of, d->address) == 0;

		r = error_set(err, EBUSY, "%s%s%s is quarantined since VM %s: %s", d->address,
			      own ? "" : ": its PF ", own ? "" : d->quarantine_of, d->quarantine.vm,
			      d->quarantine.why);
		return error_hint(err, r, "when it is in order again: bmvm gpus --clear %s",
				  d->quarantine_of);
	}
	if (d->leased) {
		r = error_set(err, EBUSY, "%s is leased by VM %s", d->address, d->holder.vm);
		return error_hint(err, r, "bmvm ps shows it; bmvm destroy %s ends it",
				  d->holder.vm);
	}
	if (d->users.n > 0)
		return refuse_users(d, err);
	/* vfio enables a function while it is open, and no longer */
	if (group_driver_is_vfio(d->f.driver) && d->f.is_vf && d->f.enable > 0)
		return error_set(err, EBUSY, "%s is in use: it is enabled, so a guest has it",
				 d->address);
	return 0;
}

static int member_idle(const struct chooser *c, const char *name, struct error *err)
{
	struct device d = { .n_offers = 0 };
	struct pci_address address;
	int r = pci_address_parse(name, &address, NULL);

	if (r < 0)
		return error_set(err, -r, "%s is no PCI address", name);
	r = device_read(c->host, NULL, &address, &d, err);
	if (r == -ETIMEDOUT)
		r = error_set(err, EBUSY, "%s is stuck in a change the kernel does not finish",
			      name);
	else if (r == 0)
		r = device_check_idle(&d, err);
	device_done(&d);
	return r;
}

int device_whole_idle(const struct chooser *c, const struct device_request *rq, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < rq->members.n && r == 0; i++)
		r = member_idle(c, rq->members.v[i], err);
	return r;
}
