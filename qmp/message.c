/* SPDX-License-Identifier: MIT */
/* One line of QMP text <-> one JSON object: see message.h. */
#include "qmp/message.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define PRINT_FLAGS (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

int qmp_message_parse(struct json_tokener *tokener, const char *line, size_t len,
		      struct json_object **ret, struct qmp_error *err)
{
	/* The tokener takes a NUL for the end of the text, and its length as an int. */
	if (memchr(line, '\0', len) != NULL)
		return qmp_error_set(err, EPROTO, "the peer sent a line with an embedded NUL");
	if (len > INT_MAX)
		return qmp_error_set(err, EPROTO, "the peer sent a line of %zu bytes", len);

	json_tokener_reset(tokener);
	/* not STRICT: json-c 0.18 then refuses all text that is not ASCII */
	json_tokener_set_flags(tokener, JSON_TOKENER_VALIDATE_UTF8);

	QMP_AUTO_JSON struct json_object *json = json_tokener_parse_ex(tokener, line, (int)len);
	enum json_tokener_error error = json_tokener_get_error(tokener);

	if (error == json_tokener_continue)
		return qmp_error_set(err, EPROTO, "the peer sent incomplete JSON");
	if (error != json_tokener_success || json_tokener_get_parse_end(tokener) != len)
		return qmp_error_set(err, EPROTO, "the peer sent invalid JSON: %s",
				     json_tokener_error_desc(error));
	if (!json_object_is_type(json, json_type_object))
		return qmp_error_set(err, EPROTO, "the peer sent JSON that is not an object");
	*ret = json_object_get(json);
	return 0;
}

enum qmp_message_kind qmp_message_kind(struct json_object *msg)
{
	bool has_return = json_object_object_get_ex(msg, "return", NULL);
	bool has_error = json_object_object_get_ex(msg, "error", NULL);
	bool has_event = json_object_object_get_ex(msg, "event", NULL);
	bool has_greeting = json_object_object_get_ex(msg, "QMP", NULL);

	if (has_return + has_error + has_event + has_greeting != 1)
		return QMP_MESSAGE_OTHER;
	if (has_greeting)
		return QMP_MESSAGE_GREETING;
	if (!has_event)
		return QMP_MESSAGE_REPLY;
	return qmp_member_str(msg, "event") != NULL ? QMP_MESSAGE_EVENT : QMP_MESSAGE_OTHER;
}

/* Add a member, taking @value over even on failure. Return: whether it worked. */
static bool add_consume(struct json_object *obj, const char *key, struct json_object *value)
{
	if (value != NULL && json_object_object_add(obj, key, value) == 0)
		return true;
	json_object_put(value);
	return false;
}

int qmp_message_encode(const char *command, struct json_object *args, uint64_t id, char **ret,
		       size_t *ret_len, struct qmp_error *err)
{
	if (args != NULL && !json_object_is_type(args, json_type_object))
		return qmp_error_set(err, EINVAL, "%s: arguments are not a JSON object", command);

	QMP_AUTO_JSON struct json_object *msg = json_object_new_object();

	if (msg == NULL || !add_consume(msg, "execute", json_object_new_string(command)) ||
	    (args != NULL && !add_consume(msg, "arguments", json_object_get(args))) ||
	    !add_consume(msg, "id", json_object_new_uint64(id)))
		return qmp_error_set(err, ENOMEM, "%s: out of memory", command);

	size_t len = 0;
	const char *text = json_object_to_json_string_length(msg, PRINT_FLAGS, &len);

	if (text != NULL && !qmp_utf8_valid(text, len))
		return qmp_error_set(err, EINVAL, "%s: the arguments are not UTF-8", command);

	char *line = text != NULL ? malloc(len + 2) : NULL;

	if (line == NULL)
		return qmp_error_set(err, ENOMEM, "%s: out of memory", command);
	memcpy(line, text, len);
	memcpy(line + len, "\n", 2);
	*ret = line;
	*ret_len = len + 1;
	return 0;
}

/* Number of continuation bytes after @lead, and the smallest code point that needs them. */
static int continuation_bytes(unsigned char lead, uint32_t *ret_least)
{
	if (lead < 0x80) {
		*ret_least = 0;
		return 0;
	}
	if (lead >= 0xc0 && lead < 0xe0) {
		*ret_least = 0x80;
		return 1;
	}
	if (lead >= 0xe0 && lead < 0xf0) {
		*ret_least = 0x800;
		return 2;
	}
	if (lead >= 0xf0 && lead < 0xf8) {
		*ret_least = 0x10000;
		return 3;
	}
	return -1;
}

bool qmp_utf8_valid(const char *s, size_t len)
{
	const unsigned char *p = (const unsigned char *)s;
	const unsigned char *end = p + len;

	while (p < end) {
		uint32_t least = 0;
		int more = continuation_bytes(*p, &least);

		if (more < 0 || end - p <= more)
			return false;

		uint32_t code = more == 0 ? *p : *p & (0x3fU >> more);

		for (int i = 1; i <= more; i++) {
			if ((p[i] & 0xc0) != 0x80)
				return false;
			code = code << 6 | (p[i] & 0x3fU);
		}
		if (code < least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
			return false;
		p += more + 1;
	}
	return true;
}

struct json_object *qmp_member(struct json_object *obj, const char *key, enum json_type type)
{
	struct json_object *value = NULL;

	if (!json_object_is_type(obj, json_type_object) ||
	    !json_object_object_get_ex(obj, key, &value) || !json_object_is_type(value, type))
		return NULL;
	return value;
}

const char *qmp_member_str(struct json_object *obj, const char *key)
{
	struct json_object *value = qmp_member(obj, key, json_type_string);

	if (value == NULL)
		return NULL;

	const char *text = json_object_get_string(value);

	return strlen(text) == (size_t)json_object_get_string_len(value) ? text : NULL;
}

bool qmp_member_u64(struct json_object *obj, const char *key, uint64_t *ret)
{
	struct json_object *value = qmp_member(obj, key, json_type_int);

	/* A negative integer reads as 0 through get_uint64(), one above INT64_MAX as INT64_MAX
	 * through get_int64(). */
	if (value == NULL || json_object_get_int64(value) < 0)
		return false;
	*ret = json_object_get_uint64(value);
	return true;
}

bool qmp_member_bool(struct json_object *obj, const char *key, bool *ret)
{
	struct json_object *value = qmp_member(obj, key, json_type_boolean);

	if (value == NULL)
		return false;
	*ret = json_object_get_boolean(value) != 0;
	return true;
}
