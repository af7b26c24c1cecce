/* SPDX-License-Identifier: MIT */
#include "host/check_devices.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "config/config.h"
#include "host/check.h"
#include "host/facts.h"
#include "host/fit.h"
#include "host/host.h"

static const char *sudo(const struct check_ctx *ctx)
{
	return ctx->host->is_root ? "" : "sudo ";
}

void check_device_root(const struct check_ctx *ctx, struct check_result *result)
{
	if (ctx->host->is_root) {
		check_found(result, CHECK_OK, "root");
		return;
	}
	check_found(result, CHECK_FAILED, "user %u", (unsigned int)ctx->host->uid);
	check_fix(result, "sudo bmvm ...");
}

/* ---- the IOMMU ---- */

/* AMD's is used without being asked for. */
static void fix_kernel_command_line(const struct check_ctx *ctx, struct check_result *result)
{
	const char *on = ctx->facts->vendor == CPU_VENDOR_AMD ? "" : "intel_iommu=on ";

	check_fix(result, "in /etc/default/grub: GRUB_CMDLINE_LINUX=\"%siommu=pt\"", on);
	check_fix(result, "%supdate-grub && %sreboot", sudo(ctx), sudo(ctx));
}

static void fix_iommu(const struct check_ctx *ctx, struct check_result *result)
{
	const struct host_facts *f = ctx->facts;

	if (f->iommu.arg_off[0] != '\0') {
		check_fix(result, "in /etc/default/grub: take %s out of GRUB_CMDLINE_LINUX",
			  f->iommu.arg_off);
		check_fix(result, "%supdate-grub && %sreboot", sudo(ctx), sudo(ctx));
		return;
	}
	check_fix(result, "switch on %s in the firmware setup",
		  f->vendor == CPU_VENDOR_AMD ? "AMD-Vi (IOMMU)" : "VT-d");
	if (f->vendor != CPU_VENDOR_AMD && !f->iommu.arg_on)
		fix_kernel_command_line(ctx, result);
}

void check_iommu(const struct check_ctx *ctx, struct check_result *result)
{
	const struct iommu_facts *f = &ctx->facts->iommu;

	if (f->units > 0 && f->groups > 0) {
		check_found(result, CHECK_OK, "%zu unit%s, %zu groups", f->units,
			    f->units == 1 ? "" : "s", f->groups);
		return;
	}
	if (f->units > 0)
		check_found(result, CHECK_FAILED, "%zu units but no groups", f->units);
	else if (f->arg_off[0] != '\0')
		check_found(result, CHECK_FAILED, "off, as %s tells the kernel", f->arg_off);
	else
		check_found(result, CHECK_FAILED, "off%s",
			    f->arg_on ? " although the kernel was told to use it" : "");
	fix_iommu(ctx, result);
}

void check_iommu_pt(const struct check_ctx *ctx, struct check_result *result)
{
	const struct iommu_facts *f = &ctx->facts->iommu;

	if (f->arg_pt[0] != '\0') {
		check_found(result, CHECK_OK, "%son the kernel command line",
			    strcmp(f->arg_pt, "iommu=pt") == 0 ? "" : "iommu.passthrough=1 ");
		return;
	}
	/* a kernel may be built to do so */
	if (2 * f->identity > f->groups) {
		check_found(result, CHECK_OK,
			    "%zu of %zu groups reach all memory as it is (type identity)",
			    f->identity, f->groups);
		return;
	}
	check_found(result, CHECK_WARNING, "not on the kernel command line");
	fix_kernel_command_line(ctx, result);
}

void check_interrupts(const struct check_ctx *ctx, struct check_result *result)
{
	const struct iommu_facts *f = &ctx->facts->iommu;

	if (f->interrupts == IOMMU_INTERRUPTS_REMAPPED) {
		check_found(result, CHECK_OK, "on");
		return;
	}
	if (f->units == 0) {
		check_found(result, CHECK_FAILED, "off, as the IOMMU is");
		check_fix(result, "first the IOMMU, see there");
		return;
	}
	if (f->interrupts == IOMMU_INTERRUPTS_UNKNOWN) {
		check_found(result, CHECK_INFO, "/proc/interrupts does not tell");
		return;
	}
	if (f->unsafe_interrupts) {
		check_found(result, CHECK_WARNING,
			    "off, and VFIO is told to do without (allow_unsafe_interrupts)");
		check_fix(result, "only guests that you trust");
	} else {
		check_found(result, CHECK_FAILED, "off, so VFIO passes nothing");
	}
	check_fix(result, "switch on interrupt remapping and x2APIC in the firmware setup");
	check_fix(result, "dmesg | grep -i remap   # why the kernel does not use it");
}

/* ---- VFIO ---- */

void check_vfio(const struct check_ctx *ctx, struct check_result *result)
{
	const struct host_facts *f = ctx->facts;

	if (f->has_vfio_pci && f->has_vfio_iommu) {
		check_found(result, CHECK_OK, "vfio-pci and vfio_iommu_type1 are loaded");
		return;
	}
	if (f->vfio_errno == 0) {
		check_found(result, CHECK_OK,
			    "%s not loaded; a run loads them and unloads them again",
			    f->has_vfio_pci     ? "vfio_iommu_type1 is"
			    : f->has_vfio_iommu ? "vfio-pci is"
						: "vfio-pci and vfio_iommu_type1 are");
		return;
	}
	check_found(result, CHECK_FAILED, "%s", f->vfio_why);
	if (f->vfio_errno == EPERM)
		check_fix(result,
			  "grep -rE '(vfio-pci|vfio_pci|vfio_iommu_type1)' /etc/modprobe.d "
			  "/run/modprobe.d   # take that out");
	else
		check_fix(result,
			  "install the modules of the running kernel (uname -r), or boot "
			  "one that has them");
	check_fix(result, "%smodprobe -a vfio-pci vfio_iommu_type1", sudo(ctx));
}

/* ---- locked memory ---- */

/* What is missing is the business of the row "memory". */
static void found_memory(const struct check_ctx *ctx, uint64_t need, bool fits,
			 struct check_result *result)
{
	char want[SIZE_TEXT_SIZE], have[SIZE_TEXT_SIZE];

	(void)size_format_rounded(need, want);
	(void)size_format_rounded(ctx->facts->mem_available, have);
	if (!fits)
		check_found(result, CHECK_OK, "no limit of ours is in the way; see memory");
	else if (ctx->cfg->hugepages != 0)
		check_found(result, CHECK_OK, "%s, of huge pages, for this VM", want);
	else
		check_found(result, CHECK_OK, "%s for this VM, %s available", want, have);
}

void check_memlock(const struct check_ctx *ctx, struct check_result *result)
{
	uint64_t limit = ctx->facts->memlock;
	uint64_t memory = ctx->cfg->memory, need;
	char have[SIZE_TEXT_SIZE], want[SIZE_TEXT_SIZE];
	bool fits = host_fit_memory(ctx->host, ctx->facts, ctx->cfg, &memory, NULL, NULL) == 0;

	need = memory + SIZE_GIB;
	/* root raises the limit of each VM */
	if (ctx->host->is_root || limit >= need) {
		found_memory(ctx, need, fits, result);
		return;
	}
	check_found(result, CHECK_FAILED, "%s, this VM needs %s", size_format_rounded(limit, have),
		    size_format_rounded(need, want));
	check_fix(result,
		  "echo \"$USER - memlock unlimited\" | sudo tee "
		  "/etc/security/limits.d/bmvm.conf   # then log in again");
}
