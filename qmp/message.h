/* SPDX-License-Identifier: MIT */
/*
 * One line of QMP text <-> one JSON object, and typed access to members of such objects.
 *
 * json-c's own getters convert silently (the string "12" is the integer 12, a missing member is
 * 0), so members of whatever came from the peer are read through the functions here, which check
 * presence, type and range. Unknown members are ignored, as QMP asks of clients.
 */
#ifndef QMP_MESSAGE_H
#define QMP_MESSAGE_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "qmp/error.h"

static inline void qmp_json_putp(struct json_object **json)
{
	json_object_put(*json);
	*json = NULL;
}

/* Drop this reference to a json_object when the variable goes out of scope. */
#define QMP_AUTO_JSON __attribute__((cleanup(qmp_json_putp)))

/**
 * enum qmp_message_kind - What a parsed object is
 * @QMP_MESSAGE_GREETING: has "QMP"
 * @QMP_MESSAGE_EVENT:    has a string "event"
 * @QMP_MESSAGE_REPLY:    has either "return" or "error"
 * @QMP_MESSAGE_OTHER:    none of them, or a mixture: the peer does not speak QMP
 */
enum qmp_message_kind {
	QMP_MESSAGE_GREETING,
	QMP_MESSAGE_EVENT,
	QMP_MESSAGE_REPLY,
	QMP_MESSAGE_OTHER,
};

/**
 * qmp_message_parse() - Parse one line strictly
 * @tokener: of json_tokener_new(); reset and given its flags here, so it may be reused
 * @line:    text, not NUL-terminated
 * @len:     its length
 * @ret:     a JSON object, owned by the caller
 * @err:
 *
 * Return: 0; -EPROTO not exactly one JSON object, an embedded NUL, or invalid UTF-8.
 */
int qmp_message_parse(struct json_tokener *tokener, const char *line, size_t len,
		      struct json_object **ret, struct qmp_error *err);

/**
 * qmp_message_kind() - Tell what a message is by its members
 * @msg: borrowed
 *
 * Return: the kind.
 */
enum qmp_message_kind qmp_message_kind(struct json_object *msg);

/**
 * qmp_message_encode() - Write a command as one line
 * @command: name
 * @args:    JSON object, borrowed; NULL for none
 * @id:      echoed by the peer in its reply
 * @ret:     malloc'ed text with a final newline, NUL-terminated
 * @ret_len: its length, newline included
 * @err:
 *
 * Return: 0; -EINVAL @args is no object, or some text is not UTF-8 (QEMU would answer that with an
 * error that carries no id); -ENOMEM.
 */
int qmp_message_encode(const char *command, struct json_object *args, uint64_t id, char **ret,
		       size_t *ret_len, struct qmp_error *err);

/**
 * qmp_utf8_valid() - Is this well-formed UTF-8?
 * @s:   bytes
 * @len: their number
 *
 * Return: false for stray, missing or overlong bytes, surrogates and values above U+10FFFF.
 */
bool qmp_utf8_valid(const char *s, size_t len);

/**
 * qmp_member() - Find a member of a given type
 * @obj:  borrowed; NULL or a non-object has no members
 * @key:  its name
 * @type: the JSON type it must have
 *
 * Return: the member, borrowed from @obj; NULL when absent or of another type.
 */
struct json_object *qmp_member(struct json_object *obj, const char *key, enum json_type type);

/**
 * qmp_member_str() - Find a string member
 * @obj: borrowed, may be NULL
 * @key:
 *
 * Return: its text, borrowed from @obj; NULL when absent, no string, or with an embedded NUL.
 */
const char *qmp_member_str(struct json_object *obj, const char *key);

/**
 * qmp_member_u64() - Read an integer member
 * @obj: borrowed, may be NULL
 * @key:
 * @ret: written on success only
 *
 * Return: true; false when absent, not an integer, or negative.
 */
bool qmp_member_u64(struct json_object *obj, const char *key, uint64_t *ret);

/**
 * qmp_member_bool() - Read a boolean member
 * @obj: borrowed, may be NULL
 * @key:
 * @ret: written on success only
 *
 * Return: true; false when absent or not a boolean.
 */
bool qmp_member_bool(struct json_object *obj, const char *key, bool *ret);

#endif
