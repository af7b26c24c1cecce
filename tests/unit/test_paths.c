/* SPDX-License-Identifier: MIT */
#include "run/paths.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "run/options.h"
#include "tests/unit/helper_tree.h"

static char *root;

static void setup(void)
{
	root = tree_new();
	cr_assert_eq(chdir(root), 0);
	tree_file(root, "file", "x");
	tree_dir(root, "folder");
	cr_assert_eq(mkfifo("fifo", 0600), 0);
	cr_assert_eq(symlink("loop", "loop"), 0);
	cr_assert_eq(symlink("folder", "link"), 0);
}

static void teardown(void)
{
	tree_remove(root);
}

TestSuite(paths, .init = setup, .fini = teardown);

static const struct {
	const char *path;
	int source, destination;
} cases[] = {
	{ "file", 0, -ENOTDIR },
	{ "folder", 0, 0 },
	{ "link", 0, 0 },
	{ "missing", -ENOENT, -ENOENT },
	{ "file/below", -ENOTDIR, -ENOTDIR },
	{ "fifo", -EINVAL, -ENOTDIR },
	{ "/dev/zero", -EINVAL, -ENOTDIR },
	{ "loop", -ELOOP, -ELOOP },
	{ "/proc", 0, 0 },
};

Test(paths, what_is_copied_in_must_be_a_file_or_a_folder)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct copy_in c = { .host = strdup(cases[i].path), .guest = strdup("dst") };
		struct run_options o = { .copy_in = &c, .n_copy_in = 1 };
		struct error err = ERROR_INIT;

		cr_expect_eq(paths_check(&o, &err), cases[i].source, "%s: %s", c.host, err.msg);
		if (cases[i].source < 0)
			cr_expect_not_null(strstr(err.msg, "--copy-in "), "%s", err.msg);
		free(c.host);
		free(c.guest);
	}
}

Test(paths, results_go_into_a_folder)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct run_options o = { .timeout_s = 0 };
		struct error err = ERROR_INIT;

		o.cfg.results.to = strdup(cases[i].path);
		cr_expect_eq(paths_check(&o, &err), 0, "nothing is collected: %s", err.msg);
		strv_add(&o.cfg.results.collect, "*");
		cr_expect_eq(paths_check(&o, &err), cases[i].destination, "%s: %s", cases[i].path,
			     err.msg);
		if (cases[i].destination < 0)
			cr_expect_not_null(strstr(err.msg, "results.to: "), "%s", err.msg);
		strv_done(&o.cfg.results.collect);
		free(o.cfg.results.to);
	}
}

Test(paths, a_folder_that_may_not_be_written_to_takes_no_results)
{
	struct run_options o = { .timeout_s = 0 };
	struct error err = ERROR_INIT;

	cr_assert_eq(chmod(root, 0555), 0);
	strv_add(&o.cfg.results.collect, "*");
	cr_assert(geteuid() != 0 || seteuid(65534) == 0);
	cr_expect_eq(paths_check(&o, &err), -EACCES);
	cr_expect_not_null(strstr(err.msg, "current folder"), "%s", err.msg);
	cr_assert(getuid() != 0 || seteuid(0) == 0);
	cr_assert_eq(chmod(root, 0755), 0);
	strv_done(&o.cfg.results.collect);
}
