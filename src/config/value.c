/* SPDX-License-Identifier: MIT */
/*
 * Giving a key its value by the type in its row: the checks of type and range are here, once.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/size.h"
#include "base/suggest.h"
#include "config/fields.h"

/* What was written, for messages: its JSON text, cut. */
static const char *written(struct json_object *value)
{
	return value == NULL ? "null" : json_compact(value);
}

static int wrong_type(const struct field *f, struct json_object *value, struct error *err)
{
	char form[FIELD_FORM_SIZE];

	return error_set(err, EINVAL, "must be %s, not %.80s", field_form(f, form), written(value));
}

static int set_bool(const struct field *f, bool *at, struct json_object *value, struct error *err)
{
	if (!json_object_is_type(value, json_type_boolean))
		return wrong_type(f, value, err);
	*at = json_object_get_boolean(value) != 0;
	return 0;
}

static int set_uint(const struct field *f, unsigned int *at, struct json_object *value,
		    struct error *err)
{
	int64_t n;

	if (!json_object_is_type(value, json_type_int))
		return wrong_type(f, value, err);
	n = json_object_get_int64(value);
	if (n < 0 || (uint64_t)n < f->min || (uint64_t)n > f->max)
		return wrong_type(f, value, err);
	*at = (unsigned int)n;
	return 0;
}

static int set_number(const struct field *f, double *at, struct json_object *value,
		      struct error *err)
{
	double d;

	if (!json_object_is_type(value, json_type_int) &&
	    !json_object_is_type(value, json_type_double))
		return wrong_type(f, value, err);
	d = json_object_get_double(value);
	if (d < (double)f->min || d > (double)f->max)
		return wrong_type(f, value, err);
	*at = d;
	return 0;
}

static int set_size(const struct field *f, uint64_t *at, struct json_object *value,
		    struct error *err)
{
	char min[SIZE_TEXT_SIZE], max[SIZE_TEXT_SIZE];
	uint64_t bytes = 0;
	int r;

	if (!json_object_is_type(value, json_type_string))
		return error_set(err, EINVAL, "must be a string such as \"128G\", not %.80s",
				 written(value));
	r = size_parse(json_object_get_string(value), &bytes, err);
	if (r < 0)
		return -EINVAL;
	if (bytes < f->min || bytes > f->max)
		return error_set(err, EINVAL, "must be from %s to %s, not %.80s",
				 size_format(f->min, min), size_format(f->max, max),
				 written(value));
	*at = bytes;
	return 0;
}

static int checked_copy(const struct field *f, const char *text, char **ret, struct error *err)
{
	AUTO_FREE char *copy = strdup(text);
	int r;

	if (copy == NULL)
		return error_set(err, ENOMEM, "out of memory");
	r = f->check(&copy, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(copy);
	return 0;
}

static bool is_nullable(const struct field *f)
{
	return f->fallback != NULL && strcmp(f->fallback, "null") == 0;
}

static int set_string(const struct field *f, char **at, struct json_object *value,
		      struct error *err)
{
	char *copy = NULL;
	int r;

	if (value == NULL && is_nullable(f)) {
		field_clear(f, (char *)at - f->offset);
		return 0;
	}
	if (!json_object_is_type(value, json_type_string))
		return wrong_type(f, value, err);
	r = checked_copy(f, json_object_get_string(value), &copy, err);
	if (r < 0)
		return r;
	free(*at);
	*at = copy;
	return 0;
}

static int set_enum(const struct field *f, void *at, struct json_object *value, struct error *err)
{
	struct suggest near = SUGGEST_INIT("");
	char hint[SUGGEST_TEXT_SIZE];
	const char *text;

	if (!json_object_is_type(value, json_type_string))
		return wrong_type(f, value, err);
	text = json_object_get_string(value);
	near.word = text;
	for (size_t i = 0; i < f->n_names; i++) {
		if (strcmp(f->names[i].name, text) == 0) {
			/* all enums of struct config are as wide as an int */
			memcpy(at, &f->names[i].value, sizeof(int));
			return 0;
		}
		suggest_try(&near, f->names[i].name);
	}
	(void)wrong_type(f, value, err);
	if (near.best != NULL && err != NULL) {
		size_t n = strlen(err->msg);

		(void)snprintf(err->msg + n, sizeof(err->msg) - n, "%s", suggest_text(&near, hint));
	}
	return -EINVAL;
}

static int append_to(const struct field *f, struct strv *list, const char *text, struct error *err)
{
	char *copy = NULL;
	int r = checked_copy(f, text, &copy, err);

	if (r < 0)
		return r;
	if ((f->check == syntax_pci_address || f->check == syntax_gpu_id) &&
	    strv_contains(list, copy)) {
		r = error_set(err, EINVAL, "%s is there twice", copy);
		free(copy);
		return r;
	}
	if (list->n >= f->max) {
		free(copy);
		return error_set(err, EINVAL, "must have at most %" PRIu64 " elements", f->max);
	}
	strv_take(list, copy);
	return strv_error(list);
}

int field_append(const struct field *f, void *base, const char *value, struct error *err)
{
	return append_to(f, (struct strv *)(void *)((char *)base + f->offset), value, err);
}

int field_set(const struct field *f, struct config *cfg, void *base, struct json_object *value,
	      struct error *err)
{
	void *at = (char *)base + f->offset;

	switch (f->type) {
	case FIELD_BOOL:
		return set_bool(f, at, value, err);
	case FIELD_UINT:
		return set_uint(f, at, value, err);
	case FIELD_NUMBER:
		return set_number(f, at, value, err);
	case FIELD_SIZE:
		return set_size(f, at, value, err);
	case FIELD_STRING:
		return set_string(f, at, value, err);
	case FIELD_ENUM:
		return set_enum(f, at, value, err);
	case FIELD_SPECIAL:
		return f->special(cfg, value, err);
	case FIELD_STRINGS:
	case FIELD_OBJECT:
	case FIELD_ARRAY:
		break;
	}
	return wrong_type(f, value, err);
}

static void clear_array(const struct field *f, void *base)
{
	char **elements = (char **)(void *)((char *)base + f->offset);
	size_t *n = (size_t *)(void *)((char *)base + f->array->count_offset);

	for (size_t i = 0; i < *n; i++)
		f->array->done(*elements + i * f->array->element_size);
	free(*elements);
	*elements = NULL;
	*n = 0;
}

void field_clear(const struct field *f, void *base)
{
	void *at = (char *)base + f->offset;

	if (f->type == FIELD_STRING) {
		free(*(char **)at);
		*(char **)at = NULL;
	} else if (f->type == FIELD_STRINGS) {
		strv_done(at);
	} else if (f->type == FIELD_ARRAY) {
		clear_array(f, base);
	}
}

static void enum_form(const struct field *f, char *buf)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n_names && n < FIELD_FORM_SIZE; i++) {
		const char *between = i == 0 ? "" : i + 1 == f->n_names ? " or " : ", ";

		n += (size_t)snprintf(buf + n, FIELD_FORM_SIZE - n, "%s\"%s\"", between,
				      f->names[i].name);
	}
}

static void plain_form(const struct field *f, char *buf)
{
	static const char *const forms[] = {
		[FIELD_BOOL] = "true or false",        [FIELD_STRING] = "a string",
		[FIELD_STRINGS] = "a list of strings", [FIELD_OBJECT] = "an object",
		[FIELD_ARRAY] = "a list of objects",
	};

	(void)snprintf(buf, FIELD_FORM_SIZE, "%s", forms[f->type]);
}

const char *field_form(const struct field *f, char *buf)
{
	char min[SIZE_TEXT_SIZE], max[SIZE_TEXT_SIZE];

	if (f->form != NULL) {
		(void)snprintf(buf, FIELD_FORM_SIZE, "%s", f->form);
		return buf;
	}
	switch (f->type) {
	case FIELD_UINT:
		(void)snprintf(buf, FIELD_FORM_SIZE, "a whole number from %" PRIu64 " to %" PRIu64,
			       f->min, f->max);
		break;
	case FIELD_NUMBER:
		(void)snprintf(buf, FIELD_FORM_SIZE, "a number from %" PRIu64 " to %" PRIu64,
			       f->min, f->max);
		break;
	case FIELD_SIZE:
		(void)snprintf(buf, FIELD_FORM_SIZE, "a size from \"%s\" to \"%s\"",
			       size_format(f->min, min), size_format(f->max, max));
		break;
	case FIELD_ENUM:
		enum_form(f, buf);
		break;
	case FIELD_BOOL:
	case FIELD_STRING:
	case FIELD_STRINGS:
	case FIELD_OBJECT:
	case FIELD_ARRAY:
	case FIELD_SPECIAL:
		plain_form(f, buf);
		break;
	}
	return buf;
}
