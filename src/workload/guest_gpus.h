/* SPDX-License-Identifier: MIT */
/*
 * What GPUs a guest has, as its kernel and its driver say. For AMD no program of ROCm is needed:
 * the topology of /dev/kfd (sysfs, amdgpu's KFD) has render node and architecture of each.
 */
#ifndef BMVM_WORKLOAD_GUEST_GPUS_H
#define BMVM_WORKLOAD_GUEST_GPUS_H

#include <stdbool.h>

#include "workload/gpu_selection.h"

/**
 * struct guest_gpus - What was found; "" is unknown
 * @gpus:         vendor is set by the caller; the GPUs are in the kernel's order
 * @architecture: of the first, "gfx942"; NVIDIA: as @product
 * @product:      its name
 * @runtime:      version of ROCm or CUDA, major and minor
 * @fuse:         there is a /dev/fuse
 */
struct guest_gpus {
	struct gpus gpus;
	char architecture[128];
	char product[128];
	char runtime[64];
	bool fuse;
};

/**
 * guest_gpus_script() - The shell script that looks
 *
 * For sh(1) in the guest; its argument is put before the paths of the system ("" or nothing in a
 * guest). Return: a constant.
 */
const char *guest_gpus_script(enum gpu_vendor vendor);

/**
 * guest_gpus_parse() - Read what the script printed
 * @text: modified; lines that are unknown are left out, as are GPUs above GPU_SELECTION_MAX
 * @g:    @g->gpus.vendor is set, the rest empty
 */
void guest_gpus_parse(char *text, struct guest_gpus *g);

#endif
