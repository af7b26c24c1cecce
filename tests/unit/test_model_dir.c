/* SPDX-License-Identifier: MIT */
#include "workload/model_dir.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <signal.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "tests/unit/helper_tree.h"

static char *root, *from, *to;

static void setup(void)
{
	log_set_level(LOG_LEVEL_ERROR);
	root = tree_new();
	tree_dir(root, "from");
	tree_dir(root, "to");
	from = path_join(root, "from");
	to = path_join(root, "to");
}

static void teardown(void)
{
	tree_remove(root);
	free(from);
	free(to);
}

TestSuite(model_dir, .init = setup, .fini = teardown);

static void make_link(const char *target, const char *path)
{
	AUTO_FREE char *full = path_join(root, path);

	cr_assert_eq(symlink(target, full), 0, "%s", path);
}

/* The content of root/@path, "(none)" without one; owned. */
static char *content(const char *path)
{
	AUTO_FREE char *full = path_join(root, path);
	char *text = NULL;

	if (file_read_at(AT_FDCWD, full, 1 << 20, &text, NULL, NULL) < 0)
		return strdup("(none)");
	return text;
}

static void expect(const char *path, const char *want)
{
	AUTO_FREE char *got = content(path);

	cr_assert_str_eq(got, want, "%s: %s", path, got);
}

static size_t merge(void)
{
	struct error err = ERROR_INIT;
	size_t files = 0;

	cr_assert_eq(model_dir_merge(from, to, &files, &err), 0, "%s", err.msg);
	return files;
}

static void refuse(int r, const char *message)
{
	struct error err = ERROR_INIT;

	cr_assert_eq(model_dir_merge(from, to, NULL, &err), r, "%s", err.msg);
	cr_assert_not_null(strstr(err.msg, message), "%s", err.msg);
}

/* Entries of root/@path, among them "." and "..". */
static int entries(const char *path)
{
	AUTO_FREE char *full = path_join(root, path);
	AUTO_CLOSEDIR DIR *dir = file_opendir_at(AT_FDCWD, full, 0);
	int n = 0;

	cr_assert_not_null(dir);
	while (readdir(dir) != NULL)
		n++;
	return n;
}

Test(model_dir, copies_the_items_and_nothing_else)
{
	tree_file(root, "from/models.json", "new models");
	tree_file(root, "from/data.json", "data");
	tree_file(root, "from/credential.json", "secret");
	tree_file(root, "from/docker/a.Dockerfile", "FROM a");
	tree_file(root, "from/scripts/a/b/run.sh", "run");
	tree_dir(root, "from/scripts/empty");
	tree_file(root, "from/README.md", "no item");
	tree_file(root, "to/models.json", "old models, longer than the new ones");
	tree_file(root, "to/scripts/a/mine.sh", "mine");
	cr_assert_eq(merge(), 5);
	expect("to/models.json", "new models");
	expect("to/data.json", "data");
	expect("to/credential.json", "secret");
	expect("to/docker/a.Dockerfile", "FROM a");
	expect("to/scripts/a/b/run.sh", "run");
	expect("to/scripts/a/mine.sh", "mine");
	expect("to/README.md", "(none)");
	cr_assert_eq(entries("to/scripts/empty"), 2);
	cr_assert_eq(entries("to/scripts/a"), 4);
	cr_assert_eq(merge(), 5, "a second time");
}

Test(model_dir, keeps_permissions_and_times_but_no_set_id_bits)
{
	const struct timespec times[2] = { { 1000, 5 }, { 2000, 6 } };
	AUTO_FREE char *file = path_join(root, "from/scripts/run.sh");
	AUTO_FREE char *folder = path_join(root, "from/scripts");
	AUTO_FREE char *copy = path_join(root, "to/scripts/run.sh");
	AUTO_FREE char *copied = path_join(root, "to/scripts");
	struct stat st;

	tree_file(root, "from/scripts/run.sh", "run");
	cr_assert_eq(chmod(file, 06755), 0);
	cr_assert_eq(utimensat(AT_FDCWD, file, times, 0), 0);
	cr_assert_eq(chmod(folder, 0555), 0);
	cr_assert_eq(merge(), 1);
	cr_assert_eq(stat(copy, &st), 0);
	cr_assert_eq(st.st_mode & 07777U, 0755U);
	cr_assert_eq(st.st_mtim.tv_sec, 2000);
	cr_assert_eq(st.st_mtim.tv_nsec, 6);
	cr_assert_eq(stat(copied, &st), 0);
	cr_assert_eq(st.st_mode & 07777U, 0555U);
	cr_assert_eq(chmod(copied, 0755), 0);
	cr_assert_eq(chmod(folder, 0755), 0);
}

Test(model_dir, copies_what_links_lead_to)
{
	struct stat st;
	AUTO_FREE char *copy = path_join(root, "to/scripts");

	tree_file(root, "elsewhere/run.sh", "run");
	tree_file(root, "elsewhere/real.json", "models");
	make_link("../elsewhere", "from/scripts");
	make_link("../elsewhere/real.json", "from/models.json");
	cr_assert_eq(merge(), 3);
	expect("to/scripts/run.sh", "run");
	expect("to/models.json", "models");
	cr_assert_eq(lstat(copy, &st), 0);
	cr_assert(S_ISDIR(st.st_mode));
}

Test(model_dir, leaves_out_what_cannot_be_copied_and_goes_on)
{
	AUTO_FREE char *fifo = path_join(root, "from/scripts/fifo");

	tree_file(root, "from/scripts/a", "a");
	tree_file(root, "from/scripts/z", "z");
	make_link("nowhere", "from/scripts/dangling");
	make_link("..", "from/scripts/up");
	make_link(".", "from/scripts/self");
	make_link("loop", "from/scripts/loop");
	make_link("nowhere", "from/data.json");
	cr_assert_eq(mkfifo(fifo, 0600), 0);
	cr_assert_eq(merge(), 2);
	expect("to/scripts/a", "a");
	expect("to/scripts/z", "z");
	cr_assert_eq(entries("to/scripts"), 4);
	cr_assert_eq(entries("to"), 3);
}

Test(model_dir, does_nothing_with_the_same_folder)
{
	struct error err = ERROR_INIT;
	AUTO_FREE char *dots = path_join(from, "../from/.");
	size_t files = 77;

	tree_file(root, "from/models.json", "models");
	make_link("from", "link");

	AUTO_FREE char *link = path_join(root, "link");

	cr_assert_eq(model_dir_merge(from, dots, &files, &err), 0, "%s", err.msg);
	cr_assert_eq(files, 0);
	cr_assert_eq(model_dir_merge(link, from, &files, &err), 0, "%s", err.msg);
	expect("from/models.json", "models");
}

Test(model_dir, leaves_alone_what_is_the_same_already)
{
	tree_file(root, "from/models.json", "models");
	tree_file(root, "from/scripts/a", "a");
	make_link("../from/models.json", "to/models.json");
	make_link("../from/scripts", "to/scripts");
	cr_assert_eq(merge(), 0);
	expect("from/models.json", "models");
	expect("from/scripts/a", "a");
}

Test(model_dir, writes_through_no_link_to_a_file)
{
	tree_file(root, "from/models.json", "new");
	tree_file(root, "precious", "precious");
	make_link("../precious", "to/models.json");
	refuse(-EEXIST, "from/models.json is not copied: here it is a symbolic link");
	expect("precious", "precious");
}

Test(model_dir, writes_through_no_link_to_a_folder)
{
	tree_file(root, "from/scripts/a", "new");
	tree_file(root, "precious/a", "precious");
	make_link("../precious", "to/scripts");
	refuse(-EEXIST, "from/scripts is not copied: here it is a symbolic link");
	expect("precious/a", "precious");
}

Test(model_dir, writes_through_no_dangling_link)
{
	tree_file(root, "from/scripts/a", "new");
	tree_dir(root, "to/scripts");
	make_link("../../made", "to/scripts/a");
	refuse(-EEXIST, "here it is a symbolic link");
	expect("made", "(none)");
}

Test(model_dir, does_not_change_kinds)
{
	tree_file(root, "from/scripts/a", "file");
	tree_dir(root, "to/scripts/a");
	refuse(-EEXIST, "scripts/a is not copied: here it is no regular file");
	tree_file(root, "from/docker/x", "x");
	tree_file(root, "to/docker", "file");
	refuse(-EEXIST, "docker is not copied: here it is no folder");
	expect("to/docker", "file");
}

Test(model_dir, is_never_copied_into_itself)
{
	struct error err = ERROR_INIT;
	AUTO_FREE char *inside = path_join(root, "from/scripts/work");

	tree_file(root, "from/scripts/a", "a");
	tree_dir(root, "from/scripts/work");
	cr_assert_eq(model_dir_merge(from, inside, NULL, &err), -ELOOP, "%s", err.msg);
	cr_assert_not_null(strstr(err.msg, "the folder that it is copied into"), "%s", err.msg);
}

Test(model_dir, bounds_the_depth)
{
	char path[1024] = "from/scripts";

	for (int i = 0; i < 70; i++)
		(void)strcat(path, "/d");
	tree_dir(root, path);
	refuse(-ELOOP, "more than 64 folders deep");
}

Test(model_dir, names_a_folder_that_is_none)
{
	struct error err = ERROR_INIT;

	tree_file(root, "file", "x");

	AUTO_FREE char *file = path_join(root, "file");
	AUTO_FREE char *missing = path_join(root, "missing");

	cr_assert_eq(model_dir_merge(missing, to, NULL, &err), -ENOENT);
	cr_assert_not_null(strstr(err.msg, "/missing: No such file"), "%s", err.msg);
	cr_assert_eq(model_dir_merge(file, to, NULL, &err), -ENOTDIR);
}

Test(model_dir, keeps_the_old_file_when_the_new_one_does_not_fit)
{
	const struct rlimit limit = { .rlim_cur = 1000, .rlim_max = 1000 };
	char big[5000];

	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	tree_file(root, "from/models.json", "%s", big);
	tree_file(root, "to/models.json", "old");
	cr_assert_neq(signal(SIGXFSZ, SIG_IGN), SIG_ERR);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	refuse(-EFBIG, "copy ");
	expect("to/models.json", "old");
	cr_assert_eq(entries("to"), 3);
}
