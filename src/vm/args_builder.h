/* SPDX-License-Identifier: MIT */
/*
 * QEMU's argument list while it is being built (args.c, args_devices.c and nobody else).
 *
 * The first failure is kept and later ones are ignored, as strv does with memory: the functions
 * that build add without checking, and vm_args_build() looks once.
 */
#ifndef BMVM_VM_ARGS_BUILDER_H
#define BMVM_VM_ARGS_BUILDER_H

#include <json-c/json.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/strv.h"
#include "vm/caps.h"
#include "vm/plan.h"

/** struct args_builder - @r: 0, or the first failure, which is described in @err */
struct args_builder {
	const struct vm_plan *plan;
	const struct qemu_caps *caps;
	struct strv args;
	int r;
	struct error *err;
};

/** args_fail() - Record a failure unless there is one; @code: errno value. */
void args_fail(struct args_builder *b, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/** args_need() - Fail with ENOTSUP unless @there: "this QEMU has no @what". */
void args_need(struct args_builder *b, bool there, const char *what);

/**
 * args_checked() - A value, taken as it is or refused, never repaired
 * Return: @value; "" and a failure when it is NULL, empty or has a control character.
 */
const char *args_checked(struct args_builder *b, const char *what, const char *value);

/** args_checked_fd() - @fd, and a failure when it is no inherited descriptor (below 3). */
int args_checked_fd(struct args_builder *b, const char *what, int fd);

/** args_add() - Append "-flag" and "value". */
void args_add(struct args_builder *b, const char *flag, const char *value);

/** args_addf() - The same, formatted; only numbers and constants may go into @fmt. */
void args_addf(struct args_builder *b, const char *flag, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/** args_add_json() - The same with @o as one line of JSON; releases @o. */
void args_add_json(struct args_builder *b, const char *flag, struct json_object *o);

/** args_json_text() - Add a foreign string to @o, which must be UTF-8 and pass args_checked(). */
void args_json_text(struct args_builder *b, struct json_object *o, const char *key,
		    const char *value);

/** args_device() - {"driver":..., "id":...}, owned by the caller; @id NULL: none. */
struct json_object *args_device(const char *driver, const char *id);

/**
 * args_option() - "key=value" of an option string, commas doubled
 * Return: owned string; NULL without memory.
 */
char *args_option(struct args_builder *b, const char *key, const char *value);

/** args_add_joined() - Append "-flag" and the options with commas between them. */
void args_add_joined(struct args_builder *b, const char *flag, const struct strv *options);

#endif
