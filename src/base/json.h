/* SPDX-License-Identifier: MIT */
/*
 * json-c with the traps closed: its raw getters convert silently ("12" is 12, 5e9 is INT32_MAX,
 * NULL is 0), these check type and range and name the member in their error.
 */
#ifndef BMVM_BASE_JSON_H
#define BMVM_BASE_JSON_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"

struct error;

static inline void json_putp(struct json_object **o)
{
	(void)json_object_put(*o);
	*o = NULL;
}

#define AUTO_JSON CLEANUP(json_putp)

/*
 * Getters. @o: borrowed, may be NULL (nothing is there). Return: 0; -ENOENT member absent or null;
 * -EINVAL wrong type; -ERANGE number out of range. @ret is written only on success; strings and
 * objects are borrowed from @o.
 */
int json_get_str(struct json_object *o, const char *key, const char **ret, struct error *err);
int json_get_u64(struct json_object *o, const char *key, uint64_t *ret, struct error *err);
int json_get_i64(struct json_object *o, const char *key, int64_t *ret, struct error *err);
int json_get_bool(struct json_object *o, const char *key, bool *ret, struct error *err);
int json_get_object(struct json_object *o, const char *key, struct json_object **ret,
		    struct error *err);
int json_get_array(struct json_object *o, const char *key, struct json_object **ret,
		   struct error *err);

/* Getters with a default instead of an error. */
const char *json_str_or(struct json_object *o, const char *key, const char *fallback);
uint64_t json_u64_or(struct json_object *o, const char *key, uint64_t fallback);
bool json_bool_or(struct json_object *o, const char *key, bool fallback);

/*
 * Adders: NULL @o is ignored; a NULL string becomes null, bytes that are no UTF-8 become U+FFFD;
 * json_add takes @value. Out of memory ends the program's assertion, as json-c itself cannot go on
 * then.
 */
void json_add(struct json_object *o, const char *key, struct json_object *value);
void json_add_str(struct json_object *o, const char *key, const char *value);
void json_add_u64(struct json_object *o, const char *key, uint64_t value);
void json_add_i64(struct json_object *o, const char *key, int64_t value);
void json_add_bool(struct json_object *o, const char *key, bool value);
/** json_add_seconds() - A duration, printed with three decimals. */
void json_add_seconds(struct json_object *o, const char *key, double seconds);

/**
 * json_new_string() - A string of any bytes: what is no UTF-8 becomes U+FFFD
 *
 * Use it, or json_add_str(), for all foreign text: json-c itself would write the bytes as they are,
 * and no strict reader takes that. Return: owned by the caller, never NULL.
 */
struct json_object *json_new_string(const char *text);

/** json_new_object(), json_new_array() - Empty, owned by the caller, never NULL. */
struct json_object *json_new_object(void);
struct json_object *json_new_array(void);

/**
 * json_parse() - Strictly parse one JSON text
 * @len: bytes; nothing but white space may follow the value
 * @ret: owned by the caller; NULL for the text "null"
 *
 * Return: 0; -EINVAL with the offset in @err.
 */
int json_parse(const char *text, size_t len, struct json_object **ret, struct error *err);

/** json_load_at() - Read and parse a file of at most 16 MiB. */
int json_load_at(int dir_fd, const char *path, struct json_object **ret, struct error *err);

/** json_save_at() - Write pretty-printed with file_write_atomic_at(). */
int json_save_at(int dir_fd, const char *path, struct json_object *o, mode_t mode,
		 struct error *err);

/** json_save_for_user_at() - The same with file_write_for_user_at(). */
int json_save_for_user_at(int dir_fd, const char *path, struct json_object *o, mode_t mode,
			  struct error *err);

/** json_resave_at() - As json_save_at(), but in place with file_rewrite_at(). */
int json_resave_at(int dir_fd, const char *path, struct json_object *o, struct error *err);

/** json_compact() - One line without spaces; borrowed from @o until it changes. */
const char *json_compact(struct json_object *o);

#endif
