/* SPDX-License-Identifier: MIT */
/*
 * Changes of devices as journal records: what the sysfs library needs to undo them, in JSON.
 */
#ifndef BMVM_RUN_DEVICE_RECORD_H
#define BMVM_RUN_DEVICE_RECORD_H

#include <json-c/json.h>

#include "sysfs/driver.h"
#include "sysfs/sriov.h"

struct error;

/** device_record_binding() - A change of driver. Return: owned, for journal_intend(). */
struct json_object *device_record_binding(const struct driver_binding *b);

/** device_read_binding() - Back again. Return: 0; -EINVAL the record is no such thing. */
int device_read_binding(struct json_object *record, struct driver_binding *ret, struct error *err);

/** device_record_sriov() - The making of VFs. Return: owned. */
struct json_object *device_record_sriov(const struct sriov_change *c);

/** device_read_sriov() - Back again. Return: 0; -EINVAL. */
int device_read_sriov(struct json_object *record, struct sriov_change *ret, struct error *err);

/** device_read_address() - Member "address" of a record. Return: 0; -EINVAL. */
int device_read_address(struct json_object *record, struct pci_address *ret, struct error *err);

#endif
