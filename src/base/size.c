/* SPDX-License-Identifier: MIT */
#include "base/size.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/error.h"

static const char unit_letters[] = "KMGT";

/* The factor of a unit's text ("", "G", "gib", "GB"); 0 for an unknown one. */
static uint64_t unit_factor(const char *unit)
{
	uint64_t base, factor = 1;
	const char *letter;

	if (*unit == '\0')
		return 1;
	letter = strchr(unit_letters, toupper((unsigned char)*unit));
	if (letter == NULL)
		return 0;
	if (unit[1] == '\0' || strcasecmp(unit + 1, "ib") == 0)
		base = 1024;
	else if (strcasecmp(unit + 1, "b") == 0)
		base = 1000;
	else
		return 0;
	for (const char *p = unit_letters; p <= letter; p++)
		factor *= base;
	return factor;
}

int size_parse(const char *text, uint64_t *ret, struct error *err)
{
	const char *p = text;
	uint64_t n = 0, factor;
	bool overflow = false;

	for (; *p >= '0' && *p <= '9'; p++) {
		overflow |= __builtin_mul_overflow(n, UINT64_C(10), &n);
		overflow |= __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n);
	}
	factor = p == text ? 0 : unit_factor(p);
	if (factor == 0)
		return error_set(
			err, EINVAL,
			"\"%.40s\" is not a size: a whole number and K, M, G, T (powers of "
			"1024) or KB, MB, GB, TB (of 1000)",
			text);
	overflow |= __builtin_mul_overflow(n, factor, &n);
	if (overflow)
		return error_set(err, ERANGE, "\"%.40s\" is too large a size", text);
	*ret = n;
	return 0;
}

const char *size_format(uint64_t bytes, char *buf)
{
	char suffix[2] = "";
	size_t unit = 0;

	while (bytes != 0 && bytes % 1024 == 0 && unit_letters[unit] != '\0') {
		bytes /= 1024;
		unit++;
	}
	if (unit > 0)
		suffix[0] = unit_letters[unit - 1];
	(void)snprintf(buf, SIZE_TEXT_SIZE, "%" PRIu64 "%s", bytes, suffix);
	return buf;
}

const char *size_format_rounded(uint64_t bytes, char *buf)
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB" };
	double n = (double)bytes;
	size_t unit = 0;

	while (n >= 1024 && unit + 1 < ARRAY_SIZE(units)) {
		n /= 1024;
		unit++;
	}
	(void)snprintf(buf, SIZE_TEXT_SIZE, "%.*f %s", unit == 0 ? 0 : 1, n, units[unit]);
	return buf;
}
