/* SPDX-License-Identifier: MIT */
/* What a model left: the script is run by a real shell in a folder that changes between. */
#include "workload/left_files.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "tests/unit/helper_tree.h"

static char *root;

static void setup(void)
{
	root = tree_new();
}

static void teardown(void)
{
	tree_remove(root);
}

TestSuite(left_files, .init = setup, .fini = teardown);

/* @path: where the shell finds programs. Return: the list, owned. */
static char *list_with(const char *path)
{
	struct process_output out = { .out = NULL };
	struct error err = ERROR_INIT;
	char env[] = "/usr/bin/env", sh[] = "/bin/sh", c[] = "-c";
	char *script = strdup(left_files_script()), *variable = NULL, *text;
	char *argv[] = { env, NULL, sh, c, script, sh, root, NULL };

	cr_assert(asprintf(&variable, "PATH=%s", path) > 0);
	argv[1] = variable;
	cr_assert(process_run(argv, deadline_in_s(30), 1 << 20, &out, &err) == 0, "%s", err.msg);
	cr_assert_str_eq(out.err_tail, "");
	text = strdup(out.out);
	process_output_done(&out);
	free(script);
	free(variable);
	return text;
}

static char *list(void)
{
	return list_with("/usr/bin:/bin");
}

static void expect_new(const char *before, const char *after, const char *names)
{
	AUTO_STRV struct strv found = STRV_INIT;
	AUTO_FREE char *joined = NULL;

	left_files_new(before, after, &found);
	cr_assert_eq(strv_error(&found), 0);
	joined = strv_join(&found, " ");
	cr_expect_str_eq(joined, names);
}

Test(left_files, are_those_a_model_made)
{
	AUTO_FREE char *before = NULL, *after = NULL;

	tree_file(root, "input_output.csv", "the package's\n");
	tree_file(root, "last_trace.csv", "of the model before\n");
	tree_file(root, "same_output.csv", "1\n");
	tree_file(root, "other.csv", "no such name\n");
	before = list();
	expect_new(before, before, "");
	expect_new("", before, "input_output.csv same_output.csv last_trace.csv");
	tree_file(root, "demo_env.csv", "new\n");
	tree_file(root, "rocprof_profiler_output.csv", "new\n");
	tree_file(root, "library_trace.csv", "new\n");
	tree_file(root, "sub/x_output.csv", "not at the top\n");
	/* as long as before, and as old */
	tree_file(root, "same_output.csv", "2\n");
	after = list();
	expect_new(before, after,
		   "demo_env.csv rocprof_profiler_output.csv same_output.csv library_trace.csv");
}

Test(left_files, are_found_whatever_their_times_say)
{
	const struct timespec old[2] = { { .tv_sec = 1000000000 }, { .tv_sec = 1000000000 } };
	AUTO_FREE char *path = path_join(root, "a_trace.csv");
	AUTO_FREE char *before = NULL, *after = NULL;

	tree_file(root, "a_trace.csv", "1\n");
	cr_assert_eq(utimensat(AT_FDCWD, path, old, 0), 0);
	before = list();
	(void)usleep(20000);
	tree_file(root, "a_trace.csv", "2\n");
	cr_assert_eq(utimensat(AT_FDCWD, path, old, 0), 0);
	after = list();
	expect_new(before, after, "a_trace.csv");
}

Test(left_files, are_no_links_and_no_folders)
{
	AUTO_FREE char *link = path_join(root, "l_output.csv"), *after = NULL;

	cr_assert_eq(symlink("/etc/passwd", link), 0);
	tree_dir(root, "d_output.csv");
	after = list();
	cr_expect_str_eq(after, "");
}

/* A small guest may have no stat(1). */
Test(left_files, are_found_without_stat)
{
	AUTO_FREE char *bin = path_join(root, "bin"), *cksum = path_join(root, "bin/cksum");
	AUTO_FREE char *before = NULL, *after = NULL;

	tree_dir(root, "bin");
	cr_assert_eq(symlink("/usr/bin/cksum", cksum), 0);
	tree_file(root, "a_output.csv", "1\n");
	tree_file(root, "b_output.csv", "1\n");
	before = list_with(bin);
	tree_file(root, "b_output.csv", "2\n");
	after = list_with(bin);
	expect_new(before, after, "b_output.csv");
}

Test(left_files, have_any_name)
{
	AUTO_FREE char *after = NULL;

	tree_file(root, "-rf x_output.csv", "1\n");
	tree_file(root, "two\nlines_output.csv", "1\n");
	tree_file(root, "[a]*_trace.csv", "1\n");
	after = list();
	/* lines_output.csv would be no file of this folder, and so is not asked for */
	expect_new("", after, "-rf x_output.csv [a]*_trace.csv");
	expect_new("", "no slash_output.csv\n/etc/passwd\n//\n/x_env.csv", "x_env.csv");
}

Test(left_files, are_matched_by_their_own_pattern_only)
{
	static const char *const names[] = { "a_output.csv", "[a]*_trace.csv", "**?[]_env.csv",
					     "-x y_env.csv" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		AUTO_FREE char *pattern = left_files_pattern(names[i]);

		for (size_t k = 0; k < ARRAY_SIZE(names); k++)
			cr_expect_eq(fnmatch(pattern, names[k], FNM_PATHNAME | FNM_PERIOD) == 0,
				     i == k, "%s %s", pattern, names[k]);
		cr_expect_null(strstr(pattern, "**"));
	}
	cr_expect_null(left_files_pattern("a\\b_env.csv"));
}
