/* SPDX-License-Identifier: MIT */
/* --dry-run: what a run would do, told without touching anything. */
#ifndef BMVM_RUN_DRY_RUN_H
#define BMVM_RUN_DRY_RUN_H

#include <json-c/json.h>

struct error;
struct run;

/**
 * dry_run() - Validate, then print plan and QEMU's arguments on stdout
 * @models: array of what would be run with Docker: "model", "image", "dockerfile"; NULL: nothing
 *
 * Return: 0; as stage_validate(), device_plan_make(), vm_args_build().
 */
int dry_run(struct run *r, struct json_object *models, struct error *err);

#endif
