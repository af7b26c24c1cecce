/* SPDX-License-Identifier: MIT */
/*
 * A plan turned into QEMU's argument list. Pure: no I/O, no clock, no environment; the same plan
 * and abilities give the same list, so tests compare it with recorded ones.
 *
 * -blockdev, -device, -netdev and -object are given as JSON, which QEMU type-checks; the options
 * that QEMU does not take as JSON are built with doubled commas. NUL cannot occur in a C string,
 * a newline or other control byte in any value is refused.
 *
 * A guest panic, and a guest that resets, end QEMU (after the GUEST_PANICKED or SHUTDOWN event); a
 * failed disk access pauses the guest and sends BLOCK_IO_ERROR instead of corrupting it quietly.
 */
#ifndef BMVM_VM_ARGS_H
#define BMVM_VM_ARGS_H

#include "base/strv.h"
#include "vm/caps.h"
#include "vm/plan.h"

struct error;

/**
 * vm_args_build() - The argument list of a plan
 * @plan: borrowed
 * @caps: of the QEMU to be started
 * @ret:  the list, argv[0] included; owned by the caller, untouched on failure
 *
 * Return: 0; -EINVAL a value cannot be expressed, or the plan contradicts itself; -ENOTSUP this
 * QEMU lacks something the plan needs (named in @err), or the guest's address space has no room for
 * the passed devices' memory; -ENOMEM.
 */
int vm_args_build(const struct vm_plan *plan, const struct qemu_caps *caps, struct strv *ret,
		  struct error *err);

#endif
