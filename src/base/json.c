/* SPDX-License-Identifier: MIT */
#include "base/json.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/utf8.h"

#define FILE_CAP ((size_t)16 << 20)

static int lookup(struct json_object *o, const char *key, enum json_type type,
		  struct json_object **ret, struct error *err)
{
	struct json_object *v = NULL;

	if (o == NULL || !json_object_is_type(o, json_type_object) ||
	    !json_object_object_get_ex(o, key, &v) || v == NULL)
		return error_set(err, ENOENT, "member \"%s\" is missing", key);
	if (!json_object_is_type(v, type))
		return error_set(err, EINVAL, "member \"%s\" is not a %s", key,
				 json_type_to_name(type));
	*ret = v;
	return 0;
}

int json_get_str(struct json_object *o, const char *key, const char **ret, struct error *err)
{
	struct json_object *v = NULL;
	int r = lookup(o, key, json_type_string, &v, err);

	if (r < 0)
		return r;
	*ret = json_object_get_string(v);
	return 0;
}

int json_get_i64(struct json_object *o, const char *key, int64_t *ret, struct error *err)
{
	struct json_object *v = NULL;
	int r = lookup(o, key, json_type_int, &v, err);

	if (r < 0)
		return r;
	/* json-c clamps a larger number here, and a negative one there */
	if (json_object_get_uint64(v) > INT64_MAX)
		return error_set(err, ERANGE, "member \"%s\" is too large", key);
	*ret = json_object_get_int64(v);
	return 0;
}

int json_get_u64(struct json_object *o, const char *key, uint64_t *ret, struct error *err)
{
	struct json_object *v = NULL;
	int r = lookup(o, key, json_type_int, &v, err);

	if (r < 0)
		return r;
	/* json-c clamps a negative number to 0 here, so look at the sign first */
	if (json_object_get_int64(v) < 0)
		return error_set(err, ERANGE, "member \"%s\" is negative", key);
	*ret = json_object_get_uint64(v);
	return 0;
}

int json_get_bool(struct json_object *o, const char *key, bool *ret, struct error *err)
{
	struct json_object *v = NULL;
	int r = lookup(o, key, json_type_boolean, &v, err);

	if (r < 0)
		return r;
	*ret = json_object_get_boolean(v) != 0;
	return 0;
}

int json_get_object(struct json_object *o, const char *key, struct json_object **ret,
		    struct error *err)
{
	return lookup(o, key, json_type_object, ret, err);
}

int json_get_array(struct json_object *o, const char *key, struct json_object **ret,
		   struct error *err)
{
	return lookup(o, key, json_type_array, ret, err);
}

const char *json_str_or(struct json_object *o, const char *key, const char *fallback)
{
	const char *s = NULL;

	return json_get_str(o, key, &s, NULL) < 0 ? fallback : s;
}

uint64_t json_u64_or(struct json_object *o, const char *key, uint64_t fallback)
{
	uint64_t v = 0;

	return json_get_u64(o, key, &v, NULL) < 0 ? fallback : v;
}

bool json_bool_or(struct json_object *o, const char *key, bool fallback)
{
	bool v = false;

	return json_get_bool(o, key, &v, NULL) < 0 ? fallback : v;
}

void json_add(struct json_object *o, const char *key, struct json_object *value)
{
	if (o == NULL) {
		(void)json_object_put(value);
		return;
	}
	int r = json_object_object_add(o, key, value);

	assert(r == 0);
	(void)r;
}

void json_add_str(struct json_object *o, const char *key, const char *value)
{
	json_add(o, key, value == NULL ? NULL : json_new_string(value));
}

void json_add_u64(struct json_object *o, const char *key, uint64_t value)
{
	json_add(o, key, json_object_new_uint64(value));
}

void json_add_i64(struct json_object *o, const char *key, int64_t value)
{
	json_add(o, key, json_object_new_int64(value));
}

void json_add_bool(struct json_object *o, const char *key, bool value)
{
	json_add(o, key, json_object_new_boolean(value));
}

void json_add_seconds(struct json_object *o, const char *key, double seconds)
{
	char text[40];

	(void)snprintf(text, sizeof(text), "%.3f", seconds);
	json_add(o, key, json_object_new_double_s(seconds, text));
}

/* @text with every byte that is no UTF-8 replaced; owned by the caller. */
static char *replace_foreign(const char *text, size_t len)
{
	static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */
	char *copy = malloc(3 * len + 1);
	char *end = copy;

	assert(copy != NULL);
	while (len > 0) {
		size_t good = utf8_valid_length(text, len);

		end = mempcpy(end, text, good);
		text += good;
		len -= good;
		if (len > 0) {
			end = mempcpy(end, replacement, 3);
			text++;
			len--;
		}
	}
	*end = '\0';
	return copy;
}

struct json_object *json_new_string(const char *text)
{
	size_t len = strlen(text);
	bool good = utf8_valid_length(text, len) == len;
	AUTO_FREE char *copy = good ? NULL : replace_foreign(text, len);
	struct json_object *o = json_object_new_string(good ? text : copy);

	assert(o != NULL);
	return o;
}

struct json_object *json_new_object(void)
{
	struct json_object *o = json_object_new_object();

	assert(o != NULL);
	return o;
}

struct json_object *json_new_array(void)
{
	struct json_object *o = json_object_new_array();

	assert(o != NULL);
	return o;
}

/*
 * The same JSON with \u escapes for what is not ASCII, which can only stand in strings: the strict
 * json-c 0.18 takes every such byte for a control character. Return: owned; NULL without memory.
 */
static char *ascii_copy(const char *text, size_t len, size_t *ret_len)
{
	/* two bytes or four become six or twelve */
	char *copy = malloc(len * 3 + 1), *out = copy;
	uint32_t code;

	for (size_t i = 0; copy != NULL && i < len;) {
		i += utf8_decode(text + i, &code);
		if (code < 0x80)
			*out++ = (char)code;
		else if (code < 0x10000)
			out += sprintf(out, "\\u%04x", code);
		else
			out += sprintf(out, "\\u%04x\\u%04x", 0xd800 + ((code - 0x10000) >> 10),
				       0xdc00 + (code & 0x3ff));
	}
	if (copy != NULL)
		*ret_len = (size_t)(out - copy);
	return copy;
}

/* Where the byte @at of ascii_copy() stands in the text itself. */
static size_t original_offset(const char *text, size_t len, size_t at)
{
	size_t i = 0;
	uint32_t code;

	for (size_t out = 0; i < len && out < at;) {
		i += utf8_decode(text + i, &code);
		out += code < 0x80 ? 1 : code < 0x10000 ? 6 : 12;
	}
	return i;
}

int json_parse(const char *text, size_t len, struct json_object **ret, struct error *err)
{
	/* json-c would stop at a NUL, content, and takes overlong UTF-8 */
	size_t end = utf8_valid_length(text, strnlen(text, len));
	AUTO_FREE char *ascii = NULL;
	size_t ascii_len = 0;
	enum json_tokener_error why;
	struct json_tokener *tok;
	struct json_object *o;

	if (end < len)
		return error_set(err, EINVAL, "not JSON: no UTF-8 text at byte %zu", end);
	ascii = len < INT32_MAX / 3 ? ascii_copy(text, len, &ascii_len) : NULL;
	tok = ascii != NULL ? json_tokener_new() : NULL;
	if (tok == NULL)
		return error_set(err, ENOMEM, "JSON text too large");
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
	o = json_tokener_parse_ex(tok, ascii, (int)ascii_len);
	why = json_tokener_get_error(tok);
	end = original_offset(text, len, json_tokener_get_parse_end(tok));
	if (why == json_tokener_continue) { /* a bare number ends only with the text */
		o = json_tokener_parse_ex(tok, "", 1);
		why = json_tokener_get_error(tok);
	}
	json_tokener_free(tok);
	if (why != json_tokener_success) {
		(void)json_object_put(o);
		return error_set(err, EINVAL, "not JSON: %s at byte %zu",
				 json_tokener_error_desc(why), end);
	}
	*ret = o;
	return 0;
}

int json_load_at(int dir_fd, const char *path, struct json_object **ret, struct error *err)
{
	AUTO_FREE char *text = NULL;
	size_t len = 0;
	int r = file_read_at(dir_fd, path, FILE_CAP, &text, &len, err);

	if (r < 0)
		return r;
	r = json_parse(text, len, ret, err);
	return r < 0 ? error_prefix(err, r, "%s", path) : 0;
}

/* @ret: owned. Return: its length or -ENOMEM. */
static int file_text(struct json_object *o, const char *path, char **ret, struct error *err)
{
	int flags = JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE;
	int n = asprintf(ret, "%s\n", json_object_to_json_string_ext(o, flags));

	if (n >= 0)
		return n;
	*ret = NULL;
	return error_set(err, ENOMEM, "write %s: out of memory", path);
}

int json_save_at(int dir_fd, const char *path, struct json_object *o, mode_t mode,
		 struct error *err)
{
	AUTO_FREE char *text = NULL;
	int n = file_text(o, path, &text, err);

	return n < 0 ? n : file_write_atomic_at(dir_fd, path, text, (size_t)n, mode, err);
}

int json_save_for_user_at(int dir_fd, const char *path, struct json_object *o, mode_t mode,
			  struct error *err)
{
	AUTO_FREE char *text = NULL;
	int n = file_text(o, path, &text, err);

	return n < 0 ? n : file_write_for_user_at(dir_fd, path, text, (size_t)n, mode, err);
}

int json_resave_at(int dir_fd, const char *path, struct json_object *o, struct error *err)
{
	AUTO_FREE char *text = NULL;
	int n = file_text(o, path, &text, err);

	return n < 0 ? n : file_rewrite_at(dir_fd, path, text, (size_t)n, err);
}

const char *json_compact(struct json_object *o)
{
	return json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
							 JSON_C_TO_STRING_NOSLASHESCAPE);
}
