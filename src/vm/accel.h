/* SPDX-License-Identifier: MIT */
/*
 * The choice of an accelerator: KVM, or software emulation, which runs everywhere but is slow and,
 * by QEMU's own word, no security boundary.
 */
#ifndef BMVM_VM_ACCEL_H
#define BMVM_VM_ACCEL_H

#include "config/config.h"
#include "host/host.h"
#include "vm/caps.h"
#include "vm/plan.h"

struct error;

/**
 * struct accel_choice - The accelerator of a run
 * @reason: one line for people: why this one
 */
struct accel_choice {
	enum vm_accel accel;
	char reason[640];
};

/**
 * vm_accel_decide() - From the configured hypervisor to an accelerator
 * @wanted: kvm is taken at its word if QEMU has it and /dev/kvm opens; auto tries it first
 * @kernel: for the trial; NULL with auto: the newest of /boot, and without any, software emulation
 *
 * Blocks as trial_run() with auto. Return: 0; -ENOTSUP QEMU lacks it; -ENOENT, -EACCES /dev/kvm is
 * missing or closed to us (with a hint).
 */
int vm_accel_decide(const struct host *host, const struct qemu_caps *caps, enum hypervisor wanted,
		    const char *kernel, struct accel_choice *ret, struct error *err);

#endif
