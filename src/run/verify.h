/* SPDX-License-Identifier: MIT */
/*
 * The proof after a run: is anything of this VM left on the host?
 *
 * Asked of the kernel, not of our own records: processes (by identity, and by the VM's uid), its
 * folder, its listening port, locks on its image, mounts below its folders, and the base image
 * itself, devices, the network interface and its bridge, and the kernel modules it loaded.
 */
#ifndef BMVM_RUN_VERIFY_H
#define BMVM_RUN_VERIFY_H

#include <json-c/json.h>

#include "run/machine.h"

/**
 * verify_machine() - Compare the host with how it must be once the VM is undone
 *
 * Return: array of {"what","expected","found"}, empty when clean; owned by the caller.
 */
struct json_object *verify_machine(const struct machine *m);

#endif
