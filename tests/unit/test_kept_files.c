/* SPDX-License-Identifier: MIT */
/* Which names of which folders are those of a run's own files. */
#include "run/kept_files.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "tests/unit/helper_tree.h"

static char *root;
static struct kept_files kept = KEPT_FILES_INIT;

/* The present folder is the package's: @root/package. */
static void setup(void)
{
	AUTO_CLOSE int fd = -1;
	struct error err = ERROR_INIT;

	root = tree_new();
	tree_dir(root, "package/books");
	tree_dir(root, "elsewhere");
	cr_assert_eq(chdir(root), 0);
	cr_assert_eq(chdir("package"), 0);
	fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_eq(kept_files_begin(&kept, fd, &err), 0, "%s", err.msg);
}

static void teardown(void)
{
	kept_files_done(&kept);
	tree_remove(root);
}

TestSuite(kept_files, .init = setup, .fini = teardown);

static bool is_kept(const char *folder, const char *name)
{
	AUTO_CLOSE int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	cr_assert(fd >= 0, "%s", folder);
	return kept_files_has(&kept, fd, name);
}

Test(kept_files, of_every_package)
{
	tree_dir(root, "package/sub");
	cr_assert_eq(symlink("package", "../link"), 0);
	cr_expect(is_kept(".", "perf.csv"));
	cr_expect(is_kept(".", "models.json"));
	cr_expect(is_kept("../link", "data.json"));
	cr_expect(is_kept("sub/..", "m.2.run.live.log"));
	cr_expect(is_kept(".", ".bmvm-0123456789abcdef"));
	cr_expect(!is_kept(".", "results.csv"));
	cr_expect(!is_kept("sub", "perf.csv"));
	cr_expect(!is_kept("..", "perf.csv"));
	cr_expect_eq(kept_files_error(&kept), 0);
}

/* They need not be there yet. */
Test(kept_files, that_options_name)
{
	AUTO_FREE char *receipt = path_join(root, "elsewhere/receipt.json");

	kept_files_add(&kept, NULL);
	kept_files_add(&kept, "summary.json");
	kept_files_add(&kept, "books/../books//rows.csv");
	kept_files_add(&kept, receipt);
	kept_files_add(&kept, "none/x.csv");
	tree_dir(root, "package/none");
	cr_assert_eq(symlink("../elsewhere", "link"), 0);
	cr_expect(is_kept(".", "summary.json"));
	cr_expect(is_kept("books", "rows.csv"));
	cr_expect(is_kept("link", "receipt.json"));
	cr_expect(!is_kept("books", "summary.json"));
	cr_expect(!is_kept(".", "rows.csv"));
	cr_expect(!is_kept(".", "receipt.json"));
	cr_expect(!is_kept("none", "x.csv"));
	cr_expect_eq(kept_files_error(&kept), 0);
}

/* A book may be a link, to another and on to a file that its first row makes. */
Test(kept_files, that_links_lead_to)
{
	AUTO_FREE char *second = path_join(root, "elsewhere/second.csv");

	cr_assert_eq(symlink(second, "books/first.csv"), 0);
	cr_assert_eq(symlink("../package/rows.csv", second), 0);
	cr_assert_eq(symlink("loop.csv", "loop.csv"), 0);
	kept_files_add(&kept, "books/first.csv");
	kept_files_add(&kept, "loop.csv");
	cr_expect(is_kept("books", "first.csv"));
	cr_expect(is_kept("../elsewhere", "second.csv"));
	cr_expect(is_kept(".", "rows.csv"));
	cr_expect(is_kept(".", "loop.csv"));
	cr_expect(!is_kept("books", "rows.csv"));
	cr_expect_eq(kept_files_error(&kept), 0);
}

Test(kept_files, where_nothing_can_be_told)
{
	cr_expect(kept_files_has(&kept, -1, "results.csv"));
}
