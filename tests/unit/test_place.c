/* SPDX-License-Identifier: MIT */
/* Files of a guest, from the folder they arrive in to the user's. */
#include "run/place.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "tests/unit/helper_tree.h"

static char *root;
static struct beneath to = BENEATH_INIT;
static int from_fd = -1;

static void setup(void)
{
	AUTO_FREE char *user = NULL, *private = NULL;

	root = tree_new();
	tree_dir(root, "user");
	tree_dir(root, "private");
	user = path_join(root, "user");
	private = path_join(root, "private");
	cr_assert_eq(beneath_open(&to, user, NULL), 0);
	from_fd = open(private, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(from_fd, 0);
}

static void teardown(void)
{
	beneath_close(&to);
	close_fd(&from_fd);
	tree_remove(root);
}

TestSuite(place, .init = setup, .fini = teardown);

static void expect(const char *path, const char *want)
{
	AUTO_FREE char *full = path_join(root, path);
	AUTO_FREE char *text = NULL;

	if (file_read_at(AT_FDCWD, full, 1 << 20, &text, NULL, NULL) < 0)
		text = strdup("(none)");
	cr_expect_str_eq(text, want, "%s", path);
}

Test(place, a_file_replaces_a_file)
{
	tree_file(root, "user/t.csv", "old\n");
	tree_file(root, "private/t.csv", "new\n");
	tree_file(root, "private/a/b/t.csv", "deep\n");
	cr_expect_null(place_file(&to, from_fd, "t.csv"));
	cr_expect_null(place_file(&to, from_fd, "a/b/t.csv"));
	expect("user/t.csv", "new\n");
	expect("user/a/b/t.csv", "deep\n");
	expect("private/t.csv", "(none)");
	cr_expect_str_eq(place_file(&to, from_fd, "none.csv"), "No such file or directory");
}

/* As a package has it that wants to write beside itself. */
Test(place, nothing_goes_through_a_link)
{
	tree_dir(root, "victims");
	tree_file(root, "victims/keys", "old\n");
	tree_file(root, "private/link/keys", "new\n");
	tree_file(root, "private/keys", "new\n");
	cr_assert_eq(symlinkat("../victims", to.fd, "link"), 0);
	cr_assert_eq(symlinkat("../victims/keys", to.fd, "keys"), 0);
	cr_expect_str_eq(place_file(&to, from_fd, "link/keys"),
			 "something that is no folder is in the way");
	cr_expect_str_eq(place_file(&to, from_fd, "keys"),
			 "something that is no file is in the way");
	cr_expect_str_eq(place_folder(&to, from_fd, "link"),
			 "something that is no folder is in the way");
	expect("victims/keys", "old\n");
	expect("private/keys", "new\n");
}

Test(place, a_folder_replaces_a_folder)
{
	tree_file(root, "user/run_directory/old", "old\n");
	tree_file(root, "private/run_directory/new", "new\n");
	tree_file(root, "private/r/new", "new\n");
	cr_expect_null(place_folder(&to, from_fd, "run_directory"));
	cr_expect_null(place_folder(&to, from_fd, "r"));
	expect("user/run_directory/new", "new\n");
	expect("user/run_directory/old", "(none)");
	expect("user/r/new", "new\n");
	expect("private/.old/old", "old\n");
}

Test(place, a_folder_that_does_not_come_replaces_none)
{
	tree_file(root, "user/run_directory/old", "old\n");
	tree_file(root, "user/r", "a file\n");
	tree_file(root, "private/r/new", "new\n");
	cr_expect_str_eq(place_folder(&to, from_fd, "run_directory"), "No such file or directory");
	cr_expect_str_eq(place_folder(&to, from_fd, "r"),
			 "something that is no folder is in the way");
	expect("user/run_directory/old", "old\n");
	expect("user/r", "a file\n");
}

static bool is_ours(const void *data, int folder_fd, const char *name)
{
	(void)folder_fd;
	return strcmp(data, name) == 0;
}

Test(place, nothing_takes_a_name_that_is_kept)
{
	const struct beneath_keep keep = { .has = is_ours, .data = "ours" };

	to.keep = &keep;
	tree_file(root, "private/ours", "new\n");
	tree_file(root, "private/sub/ours/x", "new\n");
	cr_expect_str_eq(place_file(&to, from_fd, "ours"), "a file of this run has that name");
	cr_expect_str_eq(place_file(&to, from_fd, "sub/ours/x"),
			 "a file of this run has that name");
	cr_expect_str_eq(place_folder(&to, from_fd, "ours"), "a file of this run has that name");
	expect("user/ours", "(none)");
	expect("private/ours", "new\n");
}
