/* SPDX-License-Identifier: MIT */
#include "vm/accel.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "vm/trial.h"

#define BOOT_DIR "/boot"

static int kvm_opens(const struct host *host, const struct qemu_caps *caps, struct error *err)
{
	AUTO_CLOSE int fd = -1;
	int r;

	if (!caps->kvm)
		return error_set(err, ENOTSUP, "%s is built without KVM", caps->binary);
	fd = openat(host->dev_fd, "kvm", O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		return 0;
	r = error_errno(err, "open /dev/kvm");
	if (r == -EACCES || r == -EPERM)
		return error_hint(err, r,
				  "sudo usermod -aG kvm $USER, then log in again; or "
				  "hypervisor \"tcg\"");
	return error_hint(err, r,
			  "switch virtualization on in the firmware and load kvm_intel or "
			  "kvm_amd; or hypervisor \"tcg\"");
}

static int is_kernel(const struct dirent *e)
{
	return strncmp(e->d_name, "vmlinuz-", 8) == 0;
}

/* The newest kernel of the host by its version; NULL: none we may read. Owned by the caller. */
static char *host_kernel(void)
{
	struct dirent **list = NULL;
	int n = scandir(BOOT_DIR, &list, is_kernel, versionsort);
	char *found = NULL;

	for (int i = n - 1; i >= 0; i--) {
		char *path = NULL;

		if (found == NULL && asprintf(&path, "%s/%s", BOOT_DIR, list[i]->d_name) >= 0) {
			if (access(path, R_OK) == 0)
				found = path;
			else
				free(path);
		}
		free(list[i]);
	}
	free(list);
	return found;
}

static void use_tcg(struct accel_choice *ret, const char *why)
{
	ret->accel = VM_ACCEL_TCG;
	(void)snprintf(ret->reason, sizeof(ret->reason),
		       "software emulation (slow, and no security boundary): %.500s", why);
}

/* auto: whatever speaks against KVM is a reason for emulation, not an error. */
static void decide_auto(const struct host *host, const struct qemu_caps *caps, const char *kernel,
			struct accel_choice *ret)
{
	AUTO_FREE char *fallback = kernel == NULL ? host_kernel() : NULL;
	struct trial_request req = { .caps = caps,
				     .kernel = kernel == NULL ? fallback : kernel,
				     .accel = VM_ACCEL_KVM,
				     .bound_s = TRIAL_SECONDS };
	struct trial_result result = { .works = false };
	struct error why = ERROR_INIT;

	int r = kvm_opens(host, caps, &why);

	if (r == 0 && req.kernel == NULL)
		r = error_set(&why, ENOENT, "no kernel to try KVM with");
	if (r == 0)
		r = trial_run(host, &req, &result, &why);
	if (r < 0) {
		use_tcg(ret, why.msg);
	} else if (!result.works) {
		use_tcg(ret, result.detail);
	} else {
		ret->accel = VM_ACCEL_KVM;
		(void)snprintf(ret->reason, sizeof(ret->reason), "KVM: %s", result.detail);
	}
}

int vm_accel_decide(const struct host *host, const struct qemu_caps *caps, enum hypervisor wanted,
		    const char *kernel, struct accel_choice *ret, struct error *err)
{
	struct accel_choice choice = { .accel = VM_ACCEL_KVM };
	int r = 0;

	switch (wanted) {
	case HYPERVISOR_KVM:
		r = kvm_opens(host, caps, err);
		(void)snprintf(choice.reason, sizeof(choice.reason), "KVM, as configured");
		break;
	case HYPERVISOR_TCG:
		use_tcg(&choice, "as configured");
		break;
	case HYPERVISOR_AUTO:
		decide_auto(host, caps, kernel, &choice);
		break;
	}
	if (choice.accel == VM_ACCEL_TCG && !caps->tcg)
		r = error_set(err, ENOTSUP, "%s is built without software emulation", caps->binary);
	if (r == 0)
		*ret = choice;
	return r;
}
