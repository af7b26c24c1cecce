/* SPDX-License-Identifier: MIT */
/*
 * The rows of host/check.h about the devices themselves: which GPUs there are, what stands in their
 * way, and what a run with this configuration would take. ctx.data is a struct readiness.
 *
 * One row alone is fatal, the choice that a run makes. The others say what it is made from, of the
 * GPUs the configuration asks for, or of all when it asks for none.
 */
#ifndef BMVM_RUN_DEVICE_CHECKS_H
#define BMVM_RUN_DEVICE_CHECKS_H

#include <stddef.h>

#include "base/error.h"
#include "host/device.h"
#include "run/device_choice.h"
#include "run/device_plan.h"

struct check;
struct config;
struct host;

/**
 * struct device_outlook - What the rows look at
 * @gpus:        of this host
 * @gpus_error:  why there are none; code 0: could be read
 * @choice, @plan: what a run would take and do
 * @choice_error: why there is none, or no plan; code 0: there is, or nothing is asked for
 */
struct device_outlook {
	struct device_list gpus;
	struct error gpus_error;
	struct device_choice choice;
	struct device_plan plan;
	struct error choice_error;
};

/** device_outlook_read() - Fill @o; failures are kept for the rows. Only reads. */
void device_outlook_read(struct device_outlook *o, const struct host *host,
			 const struct config *cfg);

/** device_outlook_done() - Free; accepts zeroes. */
void device_outlook_done(struct device_outlook *o);

/** device_checks() - The rows; @n: how many. */
const struct check *device_checks(size_t *n);

#endif
