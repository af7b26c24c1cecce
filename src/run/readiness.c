/* SPDX-License-Identifier: MIT */
#include "run/readiness.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "base/size.h"
#include "config/config.h"
#include "host/facts.h"
#include "host/host.h"
#include "image/seed.h"
#include "run/firmware.h"
#include "vm/accel.h"
#include "vm/trial.h"
#include "vm/virtiofsd.h"

void readiness_read(struct readiness *r, const struct host *host, const struct config *cfg)
{
	*r = (struct readiness){ 0 };
	if (image_resolve(host, cfg, &r->image, &r->image_error) == 0)
		r->image_error.code = 0;
	if (qemu_caps_get(cfg->qemu_binary, host->run_fd, &r->caps, &r->caps_error) == 0)
		r->caps_error.code = 0;
	device_outlook_read(&r->devices, host, cfg);
}

void readiness_done(struct readiness *r)
{
	image_done(&r->image);
	qemu_caps_done(&r->caps);
	device_outlook_done(&r->devices);
	*r = (struct readiness){ 0 };
}

static const char *sudo(const struct check_ctx *ctx)
{
	return ctx->host->is_root ? "" : "sudo ";
}

static void check_image(const struct check_ctx *ctx, struct check_result *result)
{
	const struct readiness *r = ctx->data;
	char size[SIZE_TEXT_SIZE];

	if (r->image_error.code != 0) {
		check_error(result, &r->image_error);
		return;
	}
	check_found(result, CHECK_OK, "%s, a disk of %s, %s", r->image.name,
		    size_format_rounded(r->image.virtual_size, size),
		    r->image.kernel.path != NULL ? "booted by its kernel" : "boots by itself");
}

static void check_emulator(const struct check_ctx *ctx, struct check_result *result)
{
	const struct readiness *r = ctx->data;
	const struct qemu_caps *caps = &r->caps;
	bool kvm = ctx->cfg->hypervisor == HYPERVISOR_KVM;

	if (r->caps_error.code != 0) {
		check_error(result, &r->caps_error);
		return;
	}
	check_found(result, CHECK_OK, "QEMU %s with%s%s", caps->version, caps->kvm ? " kvm" : "",
		    caps->tcg ? " tcg" : "");
	if (kvm ? caps->kvm : caps->tcg)
		return;
	check_found(result, CHECK_FAILED, "QEMU %s is built without %s", caps->version,
		    kvm ? "kvm" : "tcg");
	check_fix(result, "another QEMU: qemu_binary in the configuration");
}

static void check_seed(const struct check_ctx *ctx, struct check_result *result)
{
	const struct readiness *r = ctx->data;
	AUTO_FREE char *iso = seed_iso_program();

	if (r->caps_error.code == 0 && r->caps.vvfat)
		check_found(result, CHECK_OK, "by QEMU's vvfat");
	else if (iso != NULL)
		check_found(result, CHECK_OK, "by %s", iso);
	else
		check_found(result, CHECK_FAILED,
			    "QEMU has no vvfat, and no ISO tool is installed");
	if (result->status == CHECK_FAILED)
		check_fix(result, "%sapt-get install genisoimage", sudo(ctx));
}

static bool needs_firmware(const struct config *cfg)
{
	return cfg->firmware != FIRMWARE_BIOS;
}

static void check_firmware(const struct check_ctx *ctx, struct check_result *result)
{
	struct error err = ERROR_INIT;

	if (!needs_firmware(ctx->cfg))
		check_found(result, CHECK_INFO, "QEMU's own BIOS");
	else if (firmware_check(ctx->cfg, &err) < 0)
		check_error(result, &err);
	else
		check_found(result, CHECK_OK, "UEFI");
}

static bool needs_mounts(const struct config *cfg)
{
	return cfg->n_mounts > 0;
}

static void check_mount_server(const struct check_ctx *ctx, struct check_result *result)
{
	const struct readiness *r = ctx->data;
	struct virtiofsd_program program = { .path = NULL };
	struct error err = ERROR_INIT;

	if (ctx->host->is_root && r->caps.vhost_user_fs && virtiofsd_find(&program, &err) == 0) {
		check_found(result, CHECK_OK, "virtiofs by %s", program.path);
		virtiofsd_program_done(&program);
		return;
	}
	if (!r->caps.virtio_9p) {
		check_found(result, CHECK_FAILED, "neither virtiofs nor 9p can be used");
		check_fix(result, "%sapt-get install qemu-system-common", sudo(ctx));
	} else if (ctx->host->is_root) {
		check_found(result, CHECK_WARNING, "9p, slower than virtiofs: no virtiofsd");
		if (err.hint[0] != '\0')
			check_fix(result, "%s", err.hint);
	} else {
		check_found(result, CHECK_OK, "9p (virtiofs needs root)");
	}
}

/* ---- the trial boot ---- */

static enum check_status without_boot(const struct config *cfg)
{
	return cfg->hypervisor == HYPERVISOR_AUTO ? CHECK_WARNING : CHECK_FAILED;
}

static void found_trial(const struct check_ctx *ctx, const struct trial_result *trial,
			struct check_result *result)
{
	check_found(result, trial->works ? CHECK_OK : without_boot(ctx->cfg), "%s", trial->detail);
	if (trial->works || ctx->cfg->hypervisor == HYPERVISOR_TCG)
		return;
	check_fix(result, "run on software emulation where KVM does not work: --hypervisor auto");
}

/* Without an image the layer below takes the host's own kernel; it only knows the choice "auto". */
static void try_host_kernel(const struct check_ctx *ctx, const struct readiness *r,
			    struct check_result *result)
{
	struct accel_choice choice = { .accel = VM_ACCEL_TCG };
	struct trial_result trial = { .works = false };
	struct error err = ERROR_INIT;

	if (ctx->cfg->hypervisor == HYPERVISOR_TCG) {
		check_found(result, CHECK_INFO, "no kernel to try it with");
		check_fix(result, "bmvm image build");
		return;
	}
	if (vm_accel_decide(ctx->host, &r->caps, HYPERVISOR_AUTO, NULL, &choice, &err) < 0) {
		check_error(result, &err);
		return;
	}
	trial.works = choice.accel == VM_ACCEL_KVM;
	(void)snprintf(trial.detail, sizeof(trial.detail), "%.500s", choice.reason);
	found_trial(ctx, &trial, result);
}

static void check_boot(const struct check_ctx *ctx, struct check_result *result)
{
	const struct readiness *r = ctx->data;
	bool tcg = ctx->cfg->hypervisor == HYPERVISOR_TCG;
	struct trial_request req = { .caps = &r->caps,
				     .kernel = r->image.kernel.path,
				     .accel = tcg ? VM_ACCEL_TCG : VM_ACCEL_KVM,
				     .bound_s = TRIAL_SECONDS,
				     .fresh = true };
	struct trial_result trial = { .works = false };
	struct error err = ERROR_INIT;

	if (r->caps_error.code != 0) {
		check_found(result, CHECK_FAILED, "not tried without a working QEMU");
		return;
	}
	if (!tcg && ctx->facts->kvm != KVM_NODE_OPENS) {
		check_found(result, without_boot(ctx->cfg), "not tried, /dev/kvm does not open");
		return;
	}
	if (req.kernel == NULL) {
		try_host_kernel(ctx, r, result);
		return;
	}
	if (trial_run(ctx->host, &req, &trial, &err) < 0) {
		check_error(result, &err);
		result->status = without_boot(ctx->cfg);
		return;
	}
	found_trial(ctx, &trial, result);
}

/* The trial boot is last, it is left out unless asked for. */
static const struct check rows[] = {
	{ "image", "base image", "the VM's disk is laid over it", NULL, check_image },
	{ "emulator", "QEMU's parts", "QEMU is built in many ways", NULL, check_emulator },
	{ "seed", "guest's identity", "name and keys reach the guest on a small read-only disk",
	  NULL, check_seed },
	{ "firmware", "firmware", "it starts the guest", needs_firmware, check_firmware },
	{ "mount-server", "mount server", "it shows host folders to the guest", needs_mounts,
	  check_mount_server },
	{ "boot", "trial boot", "/dev/kvm may open and still not run a guest", NULL, check_boot },
};

const struct check *readiness_checks(bool boot, size_t *n)
{
	*n = ARRAY_SIZE(rows) - (boot ? 0 : 1);
	return rows;
}
