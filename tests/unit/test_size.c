/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <inttypes.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/size.h"

static const struct {
	const char *text;
	uint64_t bytes;
} good[] = {
	{ "0", 0 },
	{ "1", 1 },
	{ "1073741824", SIZE_GIB },
	{ "512K", 512 * SIZE_KIB },
	{ "131072M", 128 * SIZE_GIB },
	{ "128G", 128 * SIZE_GIB },
	{ "128GiB", 128 * SIZE_GIB },
	{ "128gib", 128 * SIZE_GIB },
	{ "2t", 2 * SIZE_TIB },
	{ "1KB", 1000 },
	{ "1000MB", UINT64_C(1000000000) },
	{ "3GB", UINT64_C(3000000000) },
	{ "2TB", UINT64_C(2000000000000) },
	{ "16777215T", UINT64_C(16777215) * SIZE_TIB },
	{ "18446744073709551615", UINT64_MAX },
};

Test(size, reads_units_of_1024_and_of_1000)
{
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct error err = ERROR_INIT;
		uint64_t bytes = 42;

		cr_assert_eq(size_parse(good[i].text, &bytes, &err), 0, "%s: %s", good[i].text,
			     err.msg);
		cr_assert_eq(bytes, good[i].bytes, "%s is %" PRIu64, good[i].text, bytes);
	}
}

Test(size, refuses_what_is_not_exact)
{
	static const char *const bad[] = {
		"",   "G",  "1.5G", "-1G",   "+1G",  " 1G", "1G ",  "1 G",  "1GG", "1iB",
		"1B", "1P", "0x10", "1Gibs", "1GBx", "1e3", "many", "1,5G", "1\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct error err = ERROR_INIT;
		uint64_t bytes = 42;

		cr_assert_eq(size_parse(bad[i], &bytes, &err), -EINVAL, "\"%s\" passed", bad[i]);
		cr_assert_eq(bytes, 42, "\"%s\" was written", bad[i]);
		cr_assert(strstr(err.msg, "is not a size") != NULL, "%s", err.msg);
	}
}

Test(size, refuses_what_does_not_fit)
{
	static const char *const bad[] = { "18446744073709551616", "16777216T",
					   "99999999999999999999G", "18446744073709552KB" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		uint64_t bytes = 42;

		cr_assert_eq(size_parse(bad[i], &bytes, NULL), -ERANGE, "\"%s\"", bad[i]);
		cr_assert_eq(bytes, 42);
	}
}

Test(size, formats_so_that_it_reads_back)
{
	static const uint64_t values[] = {
		0,    1,        1023,         1024,       1000000000,
		1536, SIZE_GIB, 3 * SIZE_TIB, UINT64_MAX, 5000 * SIZE_TIB
	};
	char buf[SIZE_TEXT_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		uint64_t bytes = 0;

		cr_assert_eq(size_parse(size_format(values[i], buf), &bytes, NULL), 0, "%s", buf);
		cr_assert_eq(bytes, values[i], "%s", buf);
	}
	cr_assert_str_eq(size_format(128 * SIZE_GIB, buf), "128G");
	cr_assert_str_eq(size_format(1000, buf), "1000");
}

Test(size, rounds_for_people)
{
	char buf[SIZE_TEXT_SIZE];

	cr_assert_str_eq(size_format_rounded(0, buf), "0 bytes");
	cr_assert_str_eq(size_format_rounded(1000000000, buf), "953.7 MiB");
	cr_assert_str_eq(size_format_rounded(UINT64_MAX, buf), "16777216.0 TiB");
}
