/* SPDX-License-Identifier: MIT */
/*
 * The checks that need more than the host: the base image, what QEMU can do, the trial boot. Rows
 * for host/check.h, whose ctx.data is a struct readiness.
 */
#ifndef BMVM_RUN_READINESS_H
#define BMVM_RUN_READINESS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "host/check.h"
#include "image/image.h"
#include "run/device_checks.h"
#include "vm/caps.h"

/**
 * struct readiness - What the rows look at
 * @devices: for the rows of run/device_checks.h
 * @image_error, @caps_error: why there is no @image, no @caps; code 0: there is
 */
struct readiness {
	struct image image;
	struct error image_error;
	struct qemu_caps caps;
	struct error caps_error;
	struct device_outlook devices;
};

/**
 * readiness_read() - Resolve the base image and ask QEMU for its abilities
 *
 * And look at the devices. Failures are kept for the rows. Blocks as image_resolve() and
 * qemu_caps_get(); end with readiness_done().
 */
void readiness_read(struct readiness *r, const struct host *host, const struct config *cfg);

/** readiness_done() - Free; accepts a zeroed struct. */
void readiness_done(struct readiness *r);

#define AUTO_READINESS CLEANUP(readiness_done)

/**
 * readiness_checks() - The rows
 * @boot: also the trial boot, which blocks for up to 15 s
 * @n:    how many
 */
const struct check *readiness_checks(bool boot, size_t *n);

#endif
