/* SPDX-License-Identifier: MIT */
/* Why a call of this folder failed: see error.h. */
#include "sysfs/error.h"

#include <stdarg.h>
#include <stdbool.h>
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

/* Whether the text of @err has room after what was printed; a cut text loses a torn character. */
static bool fits(struct sysfs_error *err, size_t used, int printed)
{
	if (printed < 0) {
		err->text[used] = '\0';
		return false;
	}
	if ((size_t)printed >= sizeof(err->text) - used) {
		trim_torn_character(err->text);
		return false;
	}
	return true;
}

int sysfs_error_set(struct sysfs_error *err, int code, const char *fmt, ...)
{
	if (err != NULL) {
		va_list ap;

		err->code = code;
		err->wedged = 0;
		va_start(ap, fmt);
		(void)fits(err, 0, vsnprintf(err->text, sizeof(err->text), fmt, ap));
		va_end(ap);
	}
	return -code;
}

int sysfs_error_os(struct sysfs_error *err, int code, const char *fmt, ...)
{
	if (err != NULL) {
		va_list ap;

		err->code = code;
		err->wedged = 0;
		va_start(ap, fmt);
		if (fits(err, 0, vsnprintf(err->text, sizeof(err->text), fmt, ap))) {
			size_t used = strlen(err->text);

			(void)fits(err, used,
				   snprintf(err->text + used, sizeof(err->text) - used, ": %s",
					    strerror(code)));
		}
		va_end(ap);
	}
	return -code;
}

int sysfs_error_prefix(struct sysfs_error *err, int r, const char *prefix)
{
	if (err != NULL) {
		char text[sizeof(err->text)];

		memcpy(text, err->text, sizeof(text));
		(void)fits(err, 0, snprintf(err->text, sizeof(err->text), "%s: %s", prefix, text));
	}
	return r;
}
