/* SPDX-License-Identifier: MIT */
/* Devices for people and for programs: what `bmvm gpus` prints. */
#ifndef BMVM_CLI_DEVICE_REPORT_H
#define BMVM_CLI_DEVICE_REPORT_H

#include <json-c/json.h>
#include <stdio.h>

#include "host/device.h"

/**
 * device_state() - In one word or two whether it can be passed, for people
 *
 * "free", "in use", "leased", "quarantined", "console", "no IOMMU", "gone", "stuck"; "not known":
 * if a VM of root's has it not. Return: static text.
 */
const char *device_state(const struct device *d);

/** device_print() - One device, a line and what is to be said about it below. */
void device_print(FILE *out, const struct device *d);

/** device_to_json() - Everything known about it. Return: owned. */
struct json_object *device_to_json(const struct device *d);

#endif
