/* SPDX-License-Identifier: MIT */
/*
 * Whether an image is for the GPUs of the guest. Pure.
 *
 * madengine runs all images when none of them fits; here one that does not fit is never run.
 */
#ifndef BMVM_WORKLOAD_IMAGE_FILTER_H
#define BMVM_WORKLOAD_IMAGE_FILTER_H

#include <stdbool.h>

#include "workload/gpu_selection.h"

/**
 * image_filter_fits() - Whether an image's vendor and architecture are the guest's
 * @vendor, @architecture: of the guest; without a vendor everything fits. @architecture may be NULL
 * @image_vendor, @image_architecture: as the manifest has them; NULL and "" fit everything
 */
bool image_filter_fits(enum gpu_vendor vendor, const char *architecture, const char *image_vendor,
		       const char *image_architecture);

/**
 * image_filter_skips() - Whether a model's skip_gpu_arch names the architecture
 * @vendor:       of the guest; without one the user can have said an architecture all the same
 * @skip:         names with "," between, blanks around them do not count; NULL: none
 * @architecture: AMD: gfx942; NVIDIA: the product, "NVIDIA A100-SXM4-80GB", of which the word
 *                behind "NVIDIA " up to "-" or a blank counts ("A100"); NULL: none
 */
bool image_filter_skips(const char *skip, enum gpu_vendor vendor, const char *architecture);

#endif
