/* SPDX-License-Identifier: MIT */
/* What a model may call its own table of results. */
#include "workload/results_path.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "results/own_files.h"

Test(results_path, becomes_plain)
{
	static const char *const table[][2] = {
		{ "perf_dummy.csv", "perf_dummy.csv" },
		{ "my out.csv", "my out.csv" },
		{ "./perf_1.csv", "perf_1.csv" },
		{ "out/perf.csv", "out/perf.csv" },
		{ "a//./b/c.csv", "a/b/c.csv" },
		{ "x/models.json", "x/models.json" },
		{ "...", "..." },
		{ "a]b", "a]b" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		AUTO_FREE char *got = NULL;
		struct error err = ERROR_INIT;

		cr_assert_eq(results_path(table[i][0], &got, &err), 0, "%s", err.msg);
		cr_expect_str_eq(got, table[i][1]);
	}
}

Test(results_path, stays_in_its_place)
{
	static const char *const table[][2] = {
		{ "", "the path is empty" },
		{ "/a.csv", "must be relative" },
		{ "-a.csv", "must be relative" },
		{ "../a.csv", "leads out" },
		{ "a/../b.csv", "must have no \"..\"" },
		{ "a/..", "must have no \"..\"" },
		{ ".", "must be a file's name" },
		{ "./", "must be a file's name" },
		{ "a/", "must be a file's name" },
		{ "a\nb.csv", "control character" },
		{ "*.csv", "not a pattern" },
		{ "a?.csv", "not a pattern" },
		{ "[a].csv", "not a pattern" },
		{ "a\\b.csv", "not a pattern" },
		{ "perf.csv", "another file" },
		{ "./perf_super.json", "another file" },
		{ "perf_entry.csv", "another file" },
		{ "models.json", "another file" },
		{ "build_manifest.json", "another file" },
		{ "m.run.live.log", "another file" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		AUTO_FREE char *got = NULL;
		struct error err = ERROR_INIT;

		cr_assert_eq(results_path(table[i][0], &got, &err), -EINVAL, "%s", table[i][0]);
		cr_expect_not_null(strstr(err.msg, table[i][1]), "%s", err.msg);
		cr_expect_eq(strncmp(err.msg, "multiple_results: ", 18), 0, "%s", err.msg);
		cr_expect_null(got);
	}
}

Test(own_files, are_those_of_the_top)
{
	cr_expect(own_files_has("perf.csv") && own_files_has("demo.live.log"));
	cr_expect(!own_files_has("perf_demo.csv") && !own_files_has("out/perf.csv"));
	cr_expect(!own_files_has("out/demo.live.log") && !own_files_has(".live.log"));
}
