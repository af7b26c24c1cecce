/* SPDX-License-Identifier: MIT */
#include "run/device_checks.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "config/config.h"
#include "host/check.h"
#include "host/facts.h"
#include "host/fit.h"
#include "host/host.h"
#include "run/device_choice_private.h"
#include "run/readiness.h"

#define TEXT_SIZE  400
#define FOUND_SIZE sizeof(((struct check_result *)NULL)->found)

/* ---- what they look at ---- */

void device_outlook_read(struct device_outlook *o, const struct host *host,
			 const struct config *cfg)
{
	*o = (struct device_outlook){ .choice = DEVICE_CHOICE_INIT };
	if (device_list_read(host, false, &o->gpus, &o->gpus_error) == 0)
		o->gpus_error.code = 0;
	if (!device_choice_wanted(cfg))
		return;
	if (device_choice_make(host, cfg, &o->choice, &o->choice_error) < 0)
		return;
	if (device_plan_make(host, &o->choice, &o->plan, &o->choice_error) == 0)
		o->choice_error.code = 0;
}

void device_outlook_done(struct device_outlook *o)
{
	device_list_done(&o->gpus);
	device_choice_done(&o->choice);
	device_plan_done(&o->plan);
}

static const struct device_outlook *outlook(const struct check_ctx *ctx)
{
	return &((const struct readiness *)ctx->data)->devices;
}

static const char *sudo(const struct check_ctx *ctx)
{
	return ctx->host->is_root ? "" : "sudo ";
}

static bool asks_for_gpus(const struct config *cfg)
{
	return cfg->gpu.mode != GPU_MODE_ABSENT && cfg->gpu.mode != GPU_MODE_NONE;
}

static bool asks_for_whole_gpus(const struct config *cfg)
{
	return cfg->gpu.mode == GPU_MODE_VFIO;
}

static bool asks_for_vfs(const struct config *cfg)
{
	return cfg->gpu.mode == GPU_MODE_SRIOV || cfg->gpu.mode == GPU_MODE_VGPU;
}

/* Whether the configuration may mean this GPU. One that asks for none means all. */
static bool is_meant(const struct config *cfg, const struct device *d)
{
	uint16_t vendor = device_vendor_id(cfg->gpu.gpu_vendor);

	if (!asks_for_gpus(cfg))
		return true;
	if (vendor != 0 && d->f.vendor != vendor)
		return false;
	for (size_t i = 0; i < cfg->gpu.gpu_ids.n; i++) {
		struct pci_address a;

		if (pci_address_parse(cfg->gpu.gpu_ids.v[i], &a, NULL) == 0 &&
		    (pci_address_compare(&a, &d->f.address) == 0 ||
		     pci_address_compare(&a, &d->f.physfn) == 0))
			return true;
	}
	return cfg->gpu.gpu_ids.n == 0;
}

/* ---- one text for several devices ---- */

/**
 * struct verdict - What a row says of one device
 * @text: "" nothing
 */
struct verdict {
	enum check_status status;
	char text[TEXT_SIZE];
	char fix[TEXT_SIZE];
};

typedef void judge_fn(const struct check_ctx *ctx, const struct device *d, struct verdict *v);

static void judge(const struct check_ctx *ctx, judge_fn *fn, const struct device *d,
		  struct verdict *v)
{
	*v = (struct verdict){ .status = CHECK_OK };
	if (is_meant(ctx->cfg, d))
		fn(ctx, d, v);
}

/* Whether an earlier GPU got the same text. */
static bool is_said(const struct check_ctx *ctx, judge_fn *fn, size_t at, const char *text)
{
	const struct device_list *gpus = &outlook(ctx)->gpus;

	for (size_t i = 0; i < at; i++) {
		struct verdict v;

		judge(ctx, fn, &gpus->v[i], &v);
		if (strcmp(v.text, text) == 0)
			return true;
	}
	return false;
}

/* "ADDRESS, ADDRESS: TEXT" for all that get the text of the one at @at. */
static size_t put_verdict(const struct check_ctx *ctx, judge_fn *fn, size_t at, const char *text,
			  char *to, size_t size)
{
	const struct device_list *gpus = &outlook(ctx)->gpus;
	size_t len = 0;

	for (size_t i = at; i < gpus->n && len < size; i++) {
		struct verdict v;

		judge(ctx, fn, &gpus->v[i], &v);
		if (strcmp(v.text, text) == 0)
			len += (size_t)snprintf(to + len, size - len, "%s%s", len > 0 ? ", " : "",
						gpus->v[i].address);
	}
	if (len < size)
		len += (size_t)snprintf(to + len, size - len, ": %s", text);
	return len < size ? len : size - 1;
}

/*
 * Say of each GPU that is meant what @fn finds, those with the same text together. @none: what is
 * said when there is nothing to say.
 */
static void say_of_each(const struct check_ctx *ctx, judge_fn *fn, const char *none,
			struct check_result *result)
{
	const struct device_list *gpus = &outlook(ctx)->gpus;
	enum check_status worst = CHECK_OK;
	char text[FOUND_SIZE] = "";
	size_t len = 0;

	for (size_t i = 0; i < gpus->n; i++) {
		struct verdict v;

		judge(ctx, fn, &gpus->v[i], &v);
		if (v.text[0] == '\0' || is_said(ctx, fn, i, v.text))
			continue;
		if (v.status > worst)
			worst = v.status;
		if (v.fix[0] != '\0')
			check_fix(result, "%s", v.fix);
		if (len > 0 && len + 2 < sizeof(text))
			len += (size_t)snprintf(text + len, sizeof(text) - len, "; ");
		len += put_verdict(ctx, fn, i, v.text, text + len, sizeof(text) - len);
	}
	/* what a run can do without is no trouble */
	if (outlook(ctx)->choice.n > 0 && outlook(ctx)->choice_error.code == 0 &&
	    worst > CHECK_INFO)
		worst = CHECK_INFO;
	check_found(result, worst, "%s", len > 0 ? text : none);
}

/* ---- the GPUs ---- */

static const char *vendor_name(const struct device *d)
{
	if (d->f.vendor == PCI_VENDOR_AMD)
		return "AMD";
	return d->f.vendor == PCI_VENDOR_NVIDIA ? "NVIDIA" : "Intel";
}

static void judge_driver(const struct check_ctx *ctx, const struct device *d, struct verdict *v)
{
	const struct device_user *u = d->users.n > 0 ? &d->users.v[0] : NULL;
	const char *driver = d->f.driver[0] != '\0' ? d->f.driver : "no driver";

	(void)ctx;
	if (d->f.is_gone) {
		(void)snprintf(v->text, sizeof(v->text),
			       "%s, %s, does not answer: its configuration space reads all ones",
			       vendor_name(d), driver);
		(void)snprintf(v->fix, sizeof(v->fix), "reboot, or better a power cycle");
		v->status = CHECK_WARNING;
	} else if (u == NULL) {
		(void)snprintf(v->text, sizeof(v->text), "%s, %s", vendor_name(d), driver);
	} else if (u->pid != 0) {
		(void)snprintf(v->text, sizeof(v->text), "%s, %s, used by %s (process %d): %.80s",
			       vendor_name(d), driver, u->name, (int)u->pid, u->what);
		(void)snprintf(v->fix, sizeof(v->fix),
			       "bmvm gpus   # shows all that use it; end them: kill %d",
			       (int)u->pid);
		v->status = CHECK_INFO;
	} else {
		(void)snprintf(v->text, sizeof(v->text), "%s, %s, in use: %.80s", vendor_name(d),
			       driver, u->what);
		v->status = CHECK_INFO;
	}
}

static void check_gpus(const struct check_ctx *ctx, struct check_result *result)
{
	if (outlook(ctx)->gpus_error.code != 0)
		check_error(result, &outlook(ctx)->gpus_error);
	else
		say_of_each(ctx, judge_driver,
			    outlook(ctx)->gpus.n == 0 ? "none of AMD, NVIDIA or Intel here"
						      : "none of those asked for here",
			    result);
}

/* ---- its group ---- */

static bool is_other_endpoint(const struct device *d, const struct group_member *m)
{
	return !m->is_bridge && strcmp(m->name, d->address) != 0;
}

static bool is_same_card(const struct device *d, const struct group_member *m)
{
	const struct pci_address *a = &m->address, *b = &d->f.address;

	return m->is_pci && a->domain == b->domain && a->bus == b->bus && a->device == b->device;
}

/* What shares its group: parts of the same card may go with it, others had better not be there. */
static void judge_group(const struct device *d, struct verdict *v)
{
	size_t len = 0;

	for (size_t i = 0; i < d->group.n_members && len < sizeof(v->text); i++) {
		const struct group_member *m = &d->group.members[i];

		if (!is_other_endpoint(d, m))
			continue;
		if (len == 0)
			len = (size_t)snprintf(v->text, sizeof(v->text), "shares group %d with ",
					       d->f.iommu_group);
		else
			len += (size_t)snprintf(v->text + len, sizeof(v->text) - len, ", ");
		if (len < sizeof(v->text))
			len += (size_t)snprintf(v->text + len, sizeof(v->text) - len, "%s (%s%s)",
						m->name,
						m->driver[0] != '\0' ? m->driver : "no driver",
						is_same_card(d, m) ? ", same card" : "");
		if (is_same_card(d, m) || m->driver[0] == '\0')
			continue;
		v->status = CHECK_WARNING;
		(void)snprintf(
			v->fix, sizeof(v->fix),
			"put %s into another slot, or what shares its group into \"devices\"",
			d->address);
	}
	if (len == 0)
		(void)snprintf(v->text, sizeof(v->text), "alone in its group");
}

static void judge_isolation(const struct check_ctx *ctx, const struct device *d, struct verdict *v)
{
	(void)ctx;
	if (d->f.iommu_group < 0 || d->group.is_noiommu) {
		(void)snprintf(v->text, sizeof(v->text), "in no group of an IOMMU");
		(void)snprintf(v->fix, sizeof(v->fix), "first the IOMMU, see there");
		v->status = CHECK_WARNING;
	} else if (d->group.has_direct_regions) {
		(void)snprintf(
			v->text, sizeof(v->text),
			"the firmware claims memory for it (RMRR), the kernel does not pass it");
		(void)snprintf(
			v->fix, sizeof(v->fix),
			"look in the firmware setup for shared memory, or for an update of it");
		v->status = CHECK_WARNING;
	} else {
		judge_group(d, v);
	}
}

static void check_isolation(const struct check_ctx *ctx, struct check_result *result)
{
	say_of_each(ctx, judge_isolation, "no GPU", result);
}

/* ---- VFs ---- */

static void no_sriov(struct verdict *v)
{
	(void)snprintf(v->text, sizeof(v->text), "the kernel sees no SR-IOV");
	(void)snprintf(v->fix, sizeof(v->fix),
		       "if its data sheet has it: switch on SR-IOV in the firmware setup");
	v->status = CHECK_WARNING;
}

static void judge_amd_vfs(const struct check_ctx *ctx, const struct device *d, struct verdict *v)
{
	unsigned int n = asks_for_vfs(ctx->cfg) ? ctx->cfg->gpu.num_vfs : 1;

	v->status = CHECK_WARNING;
	if (strcmp(d->f.driver, "gim") == 0) {
		(void)snprintf(v->text, sizeof(v->text),
			       "no VFs though it is on gim, which leaves it out or failed");
		(void)snprintf(v->fix, sizeof(v->fix), "%sdmesg | grep gim", sudo(ctx));
		return;
	}
	(void)snprintf(v->text, sizeof(v->text),
		       "no VFs; %s makes none, AMD's driver gim does when it is loaded instead",
		       d->f.driver[0] != '\0' ? d->f.driver : "no driver");
	(void)snprintf(v->fix, sizeof(v->fix),
		       "with gim installed: %smodprobe -r amdgpu && %smodprobe gim vf_num=%u",
		       sudo(ctx), sudo(ctx), n);
}

static void judge_no_maker(const struct check_ctx *ctx, const struct device *d, struct verdict *v)
{
	const char *driver = d->f.driver;
	int len = 0;

	(void)snprintf(v->text, sizeof(v->text), "%d VFs possible, but %s%s makes none",
		       d->f.sriov_totalvfs, driver[0] != '\0' ? "the driver " : "no driver",
		       driver);
	if (driver[0] != '\0')
		len = snprintf(v->fix, sizeof(v->fix),
			       "echo %s | %stee /sys/bus/pci/drivers/%s/unbind; ", d->address,
			       sudo(ctx), driver);
	(void)snprintf(v->fix + len, sizeof(v->fix) - (size_t)len,
		       "echo %s | %stee /sys/bus/pci/drivers_probe", d->address, sudo(ctx));
	v->status = CHECK_WARNING;
}

static void judge_nvidia_vfs(const struct check_ctx *ctx, const struct device *d, struct verdict *v)
{
	(void)snprintf(v->text, sizeof(v->text),
		       "%d VFs possible, made by NVIDIA's vGPU host driver for mode vgpu",
		       d->f.sriov_totalvfs);
	(void)snprintf(v->fix, sizeof(v->fix), "%s/usr/lib/nvidia/sriov-manage -e %s", sudo(ctx),
		       d->address);
	v->status = CHECK_WARNING;
}

static void judge_vfs(const struct check_ctx *ctx, const struct device *d, struct verdict *v)
{
	const struct pci_function *f = &d->f;

	if (f->n_vfs > 0)
		(void)snprintf(v->text, sizeof(v->text), "%zu VF%s there, %d possible%s", f->n_vfs,
			       f->n_vfs == 1 ? "" : "s", f->sriov_totalvfs,
			       d->n_offers > 0 ? ", to be vGPUs" : "");
	else if (d->n_offers > 0)
		(void)snprintf(v->text, sizeof(v->text), "vGPUs of %zu types without VFs",
			       d->n_offers);
	else if (f->sriov_totalvfs <= 0)
		no_sriov(v);
	else if (f->vendor == PCI_VENDOR_AMD)
		judge_amd_vfs(ctx, d, v);
	else if (f->vendor == PCI_VENDOR_NVIDIA)
		judge_nvidia_vfs(ctx, d, v);
	else if (f->driver[0] == '\0' || group_driver_is_placeholder(f->driver))
		judge_no_maker(ctx, d, v);
	else
		(void)snprintf(v->text, sizeof(v->text), "%d VFs can be made by %s",
			       f->sriov_totalvfs, f->driver);
}

static void check_vfs(const struct check_ctx *ctx, struct check_result *result)
{
	say_of_each(ctx, judge_vfs, "no GPU", result);
}

/* ---- whose it is ---- */

static void judge_console(const struct check_ctx *ctx, const struct device *d, struct verdict *v)
{
	(void)ctx;
	if (d->console) {
		(void)snprintf(v->text, sizeof(v->text), "shows the machine's console: %s",
			       d->console_by);
		(void)snprintf(v->fix, sizeof(v->fix),
			       "let the firmware show the console elsewhere, on the processor's "
			       "graphics or the management controller");
		v->status = CHECK_WARNING;
	} else if (d->f.boot_vga) {
		(void)snprintf(v->text, sizeof(v->text),
			       "the firmware's display device, with nothing of the console on it");
	}
}

static void check_console(const struct check_ctx *ctx, struct check_result *result)
{
	say_of_each(ctx, judge_console, "on no GPU", result);
}

static void judge_lease(const struct check_ctx *ctx, const struct device *d, struct verdict *v)
{
	(void)ctx;
	if (!d->leased)
		return;
	(void)snprintf(v->text, sizeof(v->text), "VM %s has it", d->holder.vm);
	(void)snprintf(v->fix, sizeof(v->fix), "bmvm ps shows it, bmvm destroy %s ends it",
		       d->holder.vm);
	v->status = CHECK_WARNING;
}

static void check_leases(const struct check_ctx *ctx, struct check_result *result)
{
	if (!host_sees_vms(ctx->host)) {
		check_found(result, CHECK_INFO, "only root can tell");
		return;
	}
	say_of_each(ctx, judge_lease, "no GPU is leased", result);
}

/* Of any device, as what is in quarantine waits for somebody to look. */
static void check_quarantine(const struct check_ctx *ctx, struct check_result *result)
{
	AUTO_STRV struct strv list = STRV_INIT;
	char text[FOUND_SIZE] = "";
	size_t len = 0;

	if (!host_sees_vms(ctx->host)) {
		check_found(result, CHECK_INFO, "only root can tell");
		return;
	}
	(void)quarantine_list(ctx->host, &list, NULL);
	for (size_t i = 0; i < list.n && len < sizeof(text); i++) {
		struct quarantine q;

		if (quarantine_get(ctx->host, list.v[i], &q) <= 0)
			continue;
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s since VM %s: %.120s",
					len > 0 ? "; " : "", list.v[i], q.vm, q.why);
		check_fix(result, "%sbmvm gpus --clear %s", sudo(ctx), list.v[i]);
	}
	check_found(result, len > 0 ? CHECK_WARNING : CHECK_OK, "%s", len > 0 ? text : "empty");
}

/* ---- what a run would take ---- */

static void check_choice(const struct check_ctx *ctx, struct check_result *result)
{
	const struct device_outlook *o = outlook(ctx);
	AUTO_FREE char *actions = strv_join(&o->plan.actions, "; ");
	AUTO_FREE char *warnings = strv_join(&o->choice.warnings, "; ");

	if (!device_choice_wanted(ctx->cfg))
		check_found(result, CHECK_INFO, "none asked for");
	else if (o->choice_error.code != 0)
		check_error(result, &o->choice_error);
	else if (o->choice.warnings.n > 0)
		check_found(result, CHECK_WARNING, "%s; but: %s", actions != NULL ? actions : "",
			    warnings != NULL ? warnings : "");
	else
		check_found(result, CHECK_OK, "%s", actions != NULL ? actions : "");
}

static void check_room(const struct check_ctx *ctx, struct check_result *result)
{
	const struct device_outlook *o = outlook(ctx);
	bool tcg = ctx->cfg->hypervisor == HYPERVISOR_TCG;
	struct vm_plan guest = VM_PLAN_INIT;
	struct error err = ERROR_INIT;
	char bars[SIZE_TEXT_SIZE], place[SIZE_TEXT_SIZE], ram[SIZE_TEXT_SIZE];
	uint64_t window = 0;

	if (o->plan.n_devices == 0) {
		check_found(result, CHECK_INFO, "nothing to find room for");
		return;
	}
	guest.accel = tcg ? VM_ACCEL_TCG : VM_ACCEL_KVM;
	guest.memory = ctx->cfg->memory;
	(void)host_fit_memory(ctx->host, ctx->facts, ctx->cfg, &guest.memory, NULL, NULL);
	guest.phys_bits = ctx->facts->phys_bits;
	guest.mmio64 = o->plan.mmio64;
	if (vm_window(&guest, &window, &err) < 0) {
		check_error(result, &err);
		check_fix(result, "fewer devices, or less with --memory");
		return;
	}
	if (window == 0 && o->plan.n_unknown > 0)
		check_found(result, CHECK_INFO, "the kernel does not tell the size of the BARs");
	else if (window == 0)
		check_found(result, CHECK_OK, "the devices have no large BARs");
	else
		check_found(result, CHECK_OK,
			    "%s of large BARs%s: a window of %s beside %s of RAM, %u address bits",
			    size_format_rounded(guest.mmio64, bars),
			    o->plan.n_unknown > 0 ? " and some not told" : "",
			    size_format_rounded(window, place),
			    size_format_rounded(guest.memory, ram), vm_address_bits(&guest));
}

static const struct check rows[] = {
	{ "gpus", "GPUs", "a driver that has users does not let go of its device", asks_for_gpus,
	  check_gpus },
	{ "isolation", "GPU isolation", "a group is given to a guest as a whole",
	  asks_for_whole_gpus, check_isolation },
	{ "sriov", "SR-IOV", "the driver of a GPU makes its VFs, or none does", asks_for_vfs,
	  check_vfs },
	{ "console", "console", "the GPU that shows it is never taken", asks_for_gpus,
	  check_console },
	{ "leases", "leases", "a device belongs to one VM at a time", asks_for_gpus, check_leases },
	{ "quarantine", "quarantine", "these devices could not be given back, no run takes them",
	  host_pins_memory, check_quarantine },
	{ "devices", "devices", "they are what this configuration asks for", host_pins_memory,
	  check_choice },
	{ "bars", "BAR space", "the guest's addresses must have room for RAM and BARs",
	  host_pins_memory, check_room },
};

const struct check *device_checks(size_t *n)
{
	*n = ARRAY_SIZE(rows);
	return rows;
}
