/* SPDX-License-Identifier: MIT */
/* Shared by the files of the package: package.c, which finds models, and package_select.c. */
#ifndef BMVM_WORKLOAD_PACKAGE_PRIVATE_H
#define BMVM_WORKLOAD_PACKAGE_PRIVATE_H

#include <json-c/json.h>

#include "workload/model.h"

/**
 * package_place() - Make dockerfile and scripts of a model of scripts/@folder relative to the
 * package, in place; absent ones become the folder itself. Return: 0 or -ENOMEM.
 */
int package_place(struct json_object *o, const char *folder);

/** package_add() - Append a model of @file; a reference of @o is taken. As model_init(). */
int package_add(struct model_list *list, struct json_object *o, const char *file,
		struct error *err);

#endif
