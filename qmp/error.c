/* SPDX-License-Identifier: MIT */
/* Why a QMP call failed: see error.h. */
#include "qmp/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Drop what a cut left of the last UTF-8 character of @s, given that @s was cut at its end. */
static void trim_torn_character(char *s)
{
	size_t n = strlen(s);
	size_t start = n;

	while (start > 0 && ((unsigned char)s[start - 1] & 0xc0) == 0x80)
		start--;
	if (start == 0)
		return;
	start--;

	unsigned char lead = (unsigned char)s[start];
	size_t want = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;

	if (n - start < want)
		s[start] = '\0';
}

/* snprintf() with its result judged: cut texts lose a torn last character. */
static void finish_text(char *s, size_t size, int printed)
{
	if (printed < 0)
		s[0] = '\0';
	else if ((size_t)printed >= size)
		trim_torn_character(s);
}

int qmp_error_set(struct qmp_error *err, int code, const char *fmt, ...)
{
	if (err != NULL) {
		va_list ap;

		err->code = code;
		err->class_[0] = '\0';
		va_start(ap, fmt);
		int printed = vsnprintf(err->desc, sizeof(err->desc), fmt, ap);
		va_end(ap);
		finish_text(err->desc, sizeof(err->desc), printed);
	}
	return -code;
}

int qmp_error_reply(struct qmp_error *err, const char *class, const char *desc)
{
	if (err != NULL) {
		err->code = EIO;
		finish_text(err->class_, sizeof(err->class_),
			    snprintf(err->class_, sizeof(err->class_), "%s", class));
		finish_text(err->desc, sizeof(err->desc),
			    snprintf(err->desc, sizeof(err->desc), "%s", desc));
	}
	return -EIO;
}
