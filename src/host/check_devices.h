/* SPDX-License-Identifier: MIT */
/*
 * The rows of host/check.h about passing devices, as far as the host alone decides them
 * (check_rows.c names them in its table; nobody else). What the devices themselves say is in
 * run/device_checks.h.
 */
#ifndef BMVM_HOST_CHECK_DEVICES_H
#define BMVM_HOST_CHECK_DEVICES_H

struct check_ctx;
struct check_result;

/* Each is a struct check's run(). */
void check_device_root(const struct check_ctx *ctx, struct check_result *result);
void check_iommu(const struct check_ctx *ctx, struct check_result *result);
void check_iommu_pt(const struct check_ctx *ctx, struct check_result *result);
void check_interrupts(const struct check_ctx *ctx, struct check_result *result);
void check_vfio(const struct check_ctx *ctx, struct check_result *result);
void check_memlock(const struct check_ctx *ctx, struct check_result *result);

#endif
