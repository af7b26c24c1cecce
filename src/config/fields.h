/* SPDX-License-Identifier: MIT */
/*
 * The one table of configuration keys. It drives parsing, defaults, "did you mean", --help and the
 * README's key table; nothing else in the program lists the keys.
 */
#ifndef BMVM_CONFIG_FIELDS_H
#define BMVM_CONFIG_FIELDS_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "config/syntax.h"

enum field_type {
	FIELD_BOOL,    /* bool */
	FIELD_UINT,    /* unsigned int, min..max */
	FIELD_NUMBER,  /* double, min..max */
	FIELD_SIZE,    /* uint64_t bytes, min..max, written as a string */
	FIELD_STRING,  /* char *, owned, checked by @check */
	FIELD_ENUM,    /* an enum, one of @names */
	FIELD_STRINGS, /* struct strv, each checked by @check */
	FIELD_OBJECT,  /* no value of its own: rows "path.key" are below it */
	FIELD_ARRAY,   /* array of structs: rows "path[].key" are its elements' */
	FIELD_SPECIAL, /* set by @special; an object goes to the rows below first */
};

/** struct field_name - A value of an enum */
struct field_name {
	const char *name;
	int value;
};

/**
 * struct field_array - How a FIELD_ARRAY is stored; @done frees what an element owns
 */
struct field_array {
	size_t count_offset;
	size_t element_size;
	size_t max;
	void (*done)(void *element);
};

/**
 * struct field - One key
 * @path:     dotted, within baremetal_vm; "mounts[].host" is a member of an element
 * @offset:   in struct config, or in the element's struct
 * @fallback: default as JSON text; NULL: not given. "null" allows null to be written
 * @required: wherever the object it is in is given
 * @form:     how its value looks, for FIELD_SPECIAL; NULL: told by the type
 * @help:     one line
 */
struct field {
	const char *path;
	size_t offset;
	uint64_t min, max;
	const struct field_name *names;
	size_t n_names;
	syntax_check_fn check;
	const struct field_array *array;
	int (*special)(struct config *cfg, struct json_object *value, struct error *err);
	const char *fallback;
	const char *form;
	const char *help;
	enum field_type type;
	bool required;
};

/** fields_table() - All rows, in the order of the documentation; static. */
const struct field *fields_table(size_t *ret_n);

/** fields_find() - The row of "PREFIX.KEY" (PREFIX "" for the top); NULL when there is none. */
const struct field *fields_find(const char *prefix, const char *key);

/** fields_is_below() - Whether @f is a key directly in the object @prefix. */
bool fields_is_below(const struct field *f, const char *prefix);

/**
 * field_set() - Give one key its value, replacing the former one
 * @cfg:   whole configuration (what a FIELD_SPECIAL writes to)
 * @base:  @cfg, or the element that @f's offset refers to
 * @value: borrowed, may be NULL for null; not for FIELD_OBJECT and FIELD_ARRAY
 *
 * Return: 0; -EINVAL with the rule, without the key, in @err; -ENOMEM.
 */
int field_set(const struct field *f, struct config *cfg, void *base, struct json_object *value,
	      struct error *err);

/** field_append() - Append one element to a FIELD_STRINGS. Return: as field_set(). */
int field_append(const struct field *f, void *base, const char *value, struct error *err);

/** field_clear() - Free what a key owns; harmless for the others. */
void field_clear(const struct field *f, void *base);

#define FIELD_FORM_SIZE 160

/** field_form() - How the value looks ("whole number, 1 to 4096"), into @buf. Return: @buf. */
const char *field_form(const struct field *f, char *buf);

/* The FIELD_SPECIAL ones (config/special.c). */
int special_firmware(struct config *cfg, struct json_object *value, struct error *err);
int special_cpu_pinning(struct config *cfg, struct json_object *value, struct error *err);
int special_hugepages(struct config *cfg, struct json_object *value, struct error *err);
int special_numa_node(struct config *cfg, struct json_object *value, struct error *err);

/** rules_check() - Rules between keys; @ret_path names the key at fault, static. 0 or -EINVAL. */
int rules_check(const struct config *cfg, const char **ret_path, struct error *err);

/* Keys of the context beside baremetal_vm (config/context.c). */

/**
 * context_check() - Check the types of the known top-level keys and read ours
 * @cfg:      gpu_vendor and guest_os are set
 * @context:  the merged context
 * @ret_path: key at fault, borrowed from @context
 *
 * Unknown keys pass; one that is nearly a known one is warned about. Return: 0; -EINVAL; -ENOMEM.
 */
int context_check(struct config *cfg, struct json_object *context, const char **ret_path,
		  struct error *err);

#endif
