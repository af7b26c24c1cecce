/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "results/performance.h"

static const struct {
	const char *log;
	const char *value; /* "" nothing is found */
	const char *metric;
} cases[] = {
	{ "performance: 14164 samples_per_second\n", "14164", "samples_per_second" },
	{ "x performance: 1.5e3/s, tok\n", "1.5e3", "tok" },
	{ "performance: -.5 x", "-.5", "x" },
	{ "performance: +5. x", "+5.", "x" },
	{ "performance: 1E+2 x", "1E+2", "x" },
	{ "performance: 7 a,b", "7", "a" },
	{ "performance:\t\n 7 \r\n a b", "7", "a" },
	{ "performance: 5\nTest Duration: 3 seconds", "5", "Test" },
	{ "performance: 5, tok", "5", "tok" },
	{ "performance: 5, /s tok", "5", "tok" },
	{ "performance: 5 /s , tok", "5", "tok" },
	{ "performance: 5 /s\n\n tok", "5", "tok" },
	{ "performance: 5 /s", "5", "/s" },
	{ "performance: 5 /s\n", "5", "/s" },
	{ "performance: 5 /s,tok", "5", "/s" },
	{ "performance: 5 /s , , tok", "5", "/s" },
	{ "performance: 5, /s,", "5", "/s" },
	{ "performance: 5 /s2 tok", "5", "/s2" },
	{ "performance: 5 / tok", "5", "/" },
	{ "performance: 5 /", "5", "/" },
	{ "myperformance: 5 x", "5", "x" },
	{ "performance: 5 \xff\x1b[0m", "5", "\xff\x1b[0m" },
	{ "", "", "" },
	{ "performance", "", "" },
	{ "performance:", "", "" },
	{ "performance: ", "", "" },
	{ "performance: 5", "", "" },
	{ "performance: 5 ", "", "" },
	{ "performance:5 x", "", "" },
	{ "Performance: 5 x", "", "" },
	{ "performance: 1,234 x", "", "" },
	{ "performance: 12 , x", "", "" },
	{ "performance: 5x/s", "", "" },
	{ "performance: 5/s", "", "" },
	{ "performance: 5/s,tok", "", "" },
	{ "performance: 5,, x", "", "" },
	{ "performance: . x", "", "" },
	{ "performance: 1e x", "", "" },
	{ "performance: 1e+ x", "", "" },
	{ "performance: 5-3 x", "", "" },
	{ "performance: 1.2.3 x", "", "" },
	{ "performance: nan x", "", "" },
	/* the first one that matches */
	{ "performance: 1 a\nperformance: 2 b\n", "1", "a" },
	{ "performance: n/a\nperformance: 2 b\n", "2", "b" },
	{ "performance: performance: 2 b", "2", "b" },
	{ "performance: 5/performance: 2 b", "2", "b" },
	{ "performance: 5 /performance: 2 b", "5", "/performance:" },
	{ "performanperformance: 2 b", "2", "b" },
	/* the second form */
	{ "{'train_samples_per_second': 12.5, 'x': 1}", "12.5", "samples_per_second" },
	{ "train_samples_per_second = 3.25e+1\n", "3.25e+1", "samples_per_second" },
	{ "\"train_samples_per_second\": 7", "7", "samples_per_second" },
	{ "train_samples_per_second7", "", "" },
	{ "train_samples_per_second: .5", "", "" },
	{ "train_samples_per_second: -5", "", "" },
	{ "train_samples_per_second: x train_samples_per_second: 5", "5", "samples_per_second" },
	{ "train_samples_per_second: 3 performance: 2 b", "2", "b" },
	{ "train_samples_per_second: 3 performance: 2", "3", "samples_per_second" },
};

static struct performance found(const char *log, size_t len, size_t piece)
{
	struct performance_scan scan = { .keyword = 0 };
	struct performance ret;
	bool is_found;

	for (size_t i = 0; i < len; i += piece)
		performance_feed(&scan, log + i, i + piece <= len ? piece : len - i);
	is_found = performance_end(&scan, &ret);
	cr_assert_eq(is_found, ret.value[0] != '\0');
	return ret;
}

Test(performance, is_found_in_a_log)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (size_t piece = 1; piece < 64; piece++) {
			size_t len = strlen(cases[i].log);
			struct performance got = found(cases[i].log, len, piece);

			cr_assert_str_eq(got.value, cases[i].value, "%s", cases[i].log);
			cr_assert_str_eq(got.metric, cases[i].metric, "%s", cases[i].log);
		}
	}
}

Test(performance, has_no_nul_in_its_metric)
{
	static const char log[] = "performance: 5 a\0b c";
	struct performance got = found(log, sizeof(log) - 1, 64);

	cr_assert_str_eq(got.metric, "a?b");
}

/* @n times @c between two texts */
static struct performance found_long(const char *before, char c, size_t n, const char *after)
{
	AUTO_FREE char *many = malloc(n + 1);
	AUTO_FREE char *log = NULL;

	memset(many, c, n);
	many[n] = '\0';
	cr_assert(asprintf(&log, "%s%s%s", before, many, after) > 0);
	return found(log, strlen(log), 4096);
}

Test(performance, is_bounded)
{
	size_t megabyte = (size_t)1 << 20;

	cr_assert_eq(strlen(found_long("performance: 5 ", 'm', 255, " ").metric), 255);
	cr_assert_str_eq(found_long("performance: 5 ", 'm', 256, " ").metric, "");
	cr_assert_str_eq(found_long("performance: 5 ", 'm', megabyte, " performance: 6 x").value,
			 "6");
	cr_assert_eq(strlen(found_long("performance: ", '1', 255, " x").value), 255);
	cr_assert_str_eq(found_long("performance: ", '1', megabyte, " x").value, "");
	cr_assert_str_eq(found_long("performance: 5 ", ' ', megabyte, " x").metric, "x");
	cr_assert_str_eq(found_long("performance: 5/", 's', megabyte, " x").metric, "x");
	cr_assert_str_eq(found_long("train_samples_per_second ", '1', megabyte, "").value, "");
}
