/* SPDX-License-Identifier: MIT */
#include "vm/args_builder.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/utf8.h"

void args_fail(struct args_builder *b, int code, const char *fmt, ...)
{
	char msg[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	if (b->r == 0)
		b->r = error_set(b->err, code, "QEMU arguments: %s", msg);
}

void args_need(struct args_builder *b, bool there, const char *what)
{
	if (!there)
		args_fail(b, ENOTSUP, "this QEMU (%s) has no %s", b->caps->binary, what);
}

const char *args_checked(struct args_builder *b, const char *what, const char *value)
{
	if (value == NULL || value[0] == '\0') {
		args_fail(b, EINVAL, "%s is empty", what);
		return "";
	}
	for (const char *p = value; *p != '\0'; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f) {
			args_fail(b, EINVAL, "%s contains a control character", what);
			return "";
		}
	}
	return value;
}

int args_checked_fd(struct args_builder *b, const char *what, int fd)
{
	if (fd < 3)
		args_fail(b, EINVAL, "%s has no descriptor", what);
	return fd;
}

void args_add(struct args_builder *b, const char *flag, const char *value)
{
	strv_add(&b->args, flag);
	strv_add(&b->args, value);
}

void args_addf(struct args_builder *b, const char *flag, const char *fmt, ...)
{
	char *value = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&value, fmt, ap);
	va_end(ap);
	strv_add(&b->args, flag);
	strv_take(&b->args, n < 0 ? NULL : value);
}

void args_add_json(struct args_builder *b, const char *flag, struct json_object *o)
{
	args_add(b, flag, json_compact(o));
	(void)json_object_put(o);
}

void args_json_text(struct args_builder *b, struct json_object *o, const char *key,
		    const char *value)
{
	const char *text = args_checked(b, key, value);

	if (utf8_valid_length(text, strlen(text)) != strlen(text))
		args_fail(b, EINVAL, "%s is not UTF-8", key);
	json_add_str(o, key, text);
}

struct json_object *args_device(const char *driver, const char *id)
{
	struct json_object *o = json_new_object();

	json_add_str(o, "driver", driver);
	if (id != NULL)
		json_add_str(o, "id", id);
	return o;
}

char *args_option(struct args_builder *b, const char *key, const char *value)
{
	const char *text = args_checked(b, key, value);
	char *out = malloc(strlen(key) + 2 * strlen(text) + 2);
	char *p;

	if (out == NULL)
		return NULL;
	p = stpcpy(stpcpy(out, key), "=");
	for (; *text != '\0'; text++) {
		*p++ = *text;
		if (*text == ',')
			*p++ = ',';
	}
	*p = '\0';
	return out;
}

void args_add_joined(struct args_builder *b, const char *flag, const struct strv *options)
{
	strv_add(&b->args, flag);
	strv_take(&b->args, strv_error(options) < 0 ? NULL : strv_join(options, ","));
}
