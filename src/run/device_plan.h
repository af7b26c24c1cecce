/* SPDX-License-Identifier: MIT */
/*
 * What taking a choice of devices would do, told beforehand: which functions change their driver,
 * what is made, each write in its order, and what the guest gets where. Only reads.
 *
 * It follows run/assignment.c, which does it; a test compares the two. What only exists in a real
 * run has a stand-in in angle brackets: "<VF 0 of 0000:41:00.0>", "<new UUID>". That VFs that are
 * still to be made have a variant of vfio-pci cannot be known.
 */
#ifndef BMVM_RUN_DEVICE_PLAN_H
#define BMVM_RUN_DEVICE_PLAN_H

#include <json-c/json.h>
#include <stdio.h>

#include "run/device_choice.h"
#include "vm/plan.h"

/**
 * struct device_write - One write
 * @in_proc: @path lies below the /proc root instead of the /sys root
 * @path:    relative to that root
 * @value:   as it is written
 */
struct device_write {
	bool in_proc;
	char path[SYSFS_PATH_SIZE];
	char value[SYSFS_NAME_SIZE];
};

/**
 * struct device_plan - All of it; start from zeroes, free with device_plan_done()
 * @actions:  one line for people for each request: "0000:41:00.0 to vfio-pci (from amdgpu)"
 * @modules:  kernel modules that would be loaded, in this order
 * @writes:   @n_writes of them
 * @devices:  what the guest gets, as vm_plan has it; no group nodes
 * @mmio64:   as vm_plan has it, as far as BARs are known
 * @n_unknown: devices whose BARs nothing tells
 */
struct device_plan {
	struct strv actions;
	struct strv modules;
	struct device_write *writes;
	size_t n_writes;
	struct vm_device devices[VM_DEVICES_MAX];
	size_t n_devices;
	uint64_t mmio64;
	size_t n_unknown;
};

/**
 * device_plan_make() - Tell what a choice would do on this host as it is now
 * @ret: free it also on failure
 *
 * Return: 0; -E2BIG more devices than one VM can have; -ENOENT, -EPERM a kernel module cannot be
 * loaded; -ENODEV a function has gone; -ENOMEM; errno of reading.
 */
int device_plan_make(const struct host *host, const struct device_choice *choice,
		     struct device_plan *ret, struct error *err);

/** device_plan_print() - Lines for people, each beginning with a label of twelve columns. */
void device_plan_print(FILE *out, const struct device_plan *plan);

/** device_plan_json() - {"actions":[],"modules":[],"writes":[{"path","value"}]}, owned. */
struct json_object *device_plan_json(const struct device_plan *plan);

/** device_plan_done() - Free; accepts zeroes. */
void device_plan_done(struct device_plan *plan);

#define AUTO_DEVICE_PLAN CLEANUP(device_plan_done)

#endif
