/* SPDX-License-Identifier: MIT */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Formatted aside first: an argument may well be the old message. */
__attribute__((format(printf, 3, 0))) static void record(struct error *err, int code,
							 const char *fmt, va_list ap)
{
	char msg[sizeof(err->msg)] = "";

	(void)vsnprintf(msg, sizeof(msg), fmt, ap);
	memcpy(err->msg, msg, sizeof(msg));
	err->code = code;
	err->hint[0] = '\0';
}

int error_set(struct error *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (err != NULL) {
		va_start(ap, fmt);
		record(err, code, fmt, ap);
		va_end(ap);
	}
	return -code;
}

int error_errno(struct error *err, const char *fmt, ...)
{
	int code = errno != 0 ? errno : EIO;
	char what[768];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return error_set(err, code, "%s: %s", what, strerror(code));
}

int error_prefix(struct error *err, int r, const char *fmt, ...)
{
	char all[2 * sizeof(err->msg) + 2] = "";
	va_list ap;
	size_t len;

	if (err == NULL)
		return r;
	va_start(ap, fmt);
	(void)vsnprintf(all, sizeof(err->msg), fmt, ap);
	va_end(ap);
	len = strlen(all);
	(void)snprintf(all + len, sizeof(all) - len, ": %s", err->msg);
	memcpy(err->msg, all, sizeof(err->msg) - 1);
	err->msg[sizeof(err->msg) - 1] = '\0';
	return r;
}

int error_hint(struct error *err, int r, const char *fmt, ...)
{
	char hint[sizeof(err->hint)] = "";
	va_list ap;

	if (err == NULL)
		return r;
	va_start(ap, fmt);
	(void)vsnprintf(hint, sizeof(hint), fmt, ap);
	va_end(ap);
	memcpy(err->hint, hint, sizeof(hint));
	return r;
}
