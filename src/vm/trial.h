/* SPDX-License-Identifier: MIT */
/*
 * Does KVM really run a guest kernel here? On some machines /dev/kvm opens, QEMU starts, and the
 * guest never executes an instruction of its own. The trial boots a kernel with 256 MB and no
 * disk, and waits, bounded, for its first words on the serial port.
 */
#ifndef BMVM_VM_TRIAL_H
#define BMVM_VM_TRIAL_H

#include <stdbool.h>

#include "host/host.h"
#include "vm/accel.h"
#include "vm/caps.h"
#include "vm/plan.h"

struct error;

#define TRIAL_SECONDS 10

/**
 * struct trial_request - What to try
 * @caps:   the QEMU
 * @kernel: path of a bzImage that is readable for us
 * @accel:  VM_ACCEL_KVM (tests use TCG)
 * @sign:   text on the serial port that proves it; NULL: what Linux says first of all in its own
 *          protected-mode code ("Linux version"), as its real-mode code runs even where the rest
 *          then hangs
 * @bound_s: give up after this many seconds
 * @fresh:  do not believe the cache
 */
struct trial_request {
	const struct qemu_caps *caps;
	const char *kernel;
	enum vm_accel accel;
	const char *sign;
	unsigned int bound_s;
	bool fresh;
};

/**
 * struct trial_result - What came of it
 * @works:  the kernel spoke
 * @cached: answered from run_dir/kvm-trial.json, which holds answers of this boot for one kernel
 *          and one QEMU
 * @seconds: how long it took until then
 * @detail: one line: what was seen, or why not
 */
struct trial_result {
	bool works;
	bool cached;
	double seconds;
	char detail[512];
};

/**
 * trial_run() - Boot and see
 * @host: for its run folder and boot id
 *
 * Blocks up to @req->bound_s and 5 s more; leaves no process behind. A kernel that does not speak
 * is not an error but @works false. Return: 0; -ENOENT no such kernel; errno of what kept it from
 * starting.
 */
int trial_run(const struct host *host, const struct trial_request *req, struct trial_result *ret,
	      struct error *err);

#endif
