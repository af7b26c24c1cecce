/* SPDX-License-Identifier: MIT */
/* Options of a run of models name files of their own. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "run/mad.h"
#include "tests/unit/helper_tree.h"

static char *root;
static struct mad_options options;
static const char *receipt_path;

static void setup(void)
{
	root = tree_new();
	cr_assert_eq(chdir(root), 0);
	options = (struct mad_options)MAD_OPTIONS_INIT;
}

static void teardown(void)
{
	tree_remove(root);
}

TestSuite(mad_outputs, .init = setup, .fini = teardown);

static int check(struct error *err)
{
	AUTO_CLOSE int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct mad m = { .o = &options, .receipt = receipt_path, .package_fd = fd };

	return mad_outputs_check(&m, err);
}

static void expect_wrong(const char *why)
{
	struct error err = ERROR_INIT;

	cr_expect_eq(check(&err), -EINVAL, "%s", why);
	cr_expect_not_null(strstr(err.msg, why), "%s", err.msg);
}

/* One that has something else in it would be replaced, with the rows of a run. */
Test(mad_outputs, no_option_names_a_file_of_ours)
{
	AUTO_FREE char *receipt = path_join(root, "perf_super.json");

	tree_dir(root, "sub");
	cr_assert_eq(symlink("perf_entry.json", "link"), 0);
	options.output = "perf_super.csv";
	expect_wrong("--output perf_super.csv: perf_super.csv here is for something else");
	options.output = "link";
	expect_wrong("--output link: perf_entry.json here");
	options.output = NULL;
	options.summary = "perf.csv";
	expect_wrong("--summary-output perf.csv");
	options.summary = "sub/../m.run.live.log";
	expect_wrong("--summary-output sub/../m.run.live.log: m.run.live.log here");
	options.summary = NULL;
	options.manifest_output = "./models.json";
	expect_wrong("--manifest-output ./models.json: models.json here");
	options.manifest_output = NULL;
	receipt_path = receipt;
	expect_wrong("perf_super.json here");
}

/* Also in a folder that is not there yet. */
Test(mad_outputs, no_two_options_name_one_file)
{
	AUTO_FREE char *receipt = path_join(root, "sub/rows.csv");

	tree_dir(root, "sub");
	cr_assert_eq(symlink("sub", "link"), 0);
	options.output = "sub/rows.csv";
	options.summary = "link//rows.csv";
	expect_wrong("--output sub/rows.csv and --summary-output link//rows.csv are one file");
	options.summary = NULL;
	receipt_path = receipt;
	expect_wrong("are one file");
	receipt_path = NULL;
	options.output = "new/deep/x";
	options.manifest_output = "./new/.//deep/x";
	expect_wrong("--output new/deep/x and --manifest-output ./new/.//deep/x are one file");
	options.output = NULL;
	options.manifest_output = NULL;
	options.summary = "sub/data.json";
	options.data_config = "sub/data.json";
	expect_wrong("--summary-output sub/data.json and --data-config sub/data.json are one");
	options.data_config = NULL;
	tree_file(root, "sub/vm.json", "{}");
	options.summary = "./link/vm.json";
	options.context = "sub/vm.json";
	expect_wrong("--summary-output ./link/vm.json and --additional-context-file sub/vm.json");
	options.context = NULL;
	options.summary = "m.json";
	options.manifest = "m.json";
	expect_wrong("--summary-output m.json and --manifest-file m.json are one file");
}

/* A run would find it at its end, and a device is no less than the host's. */
Test(mad_outputs, what_is_no_file_is_not_replaced)
{
	AUTO_FREE char *receipt = path_join(root, "sub");

	tree_dir(root, "sub");
	cr_assert_eq(mkfifo("fifo", 0600), 0);
	cr_assert_eq(symlink("fifo", "link"), 0);
	options.output = "link";
	expect_wrong("--output: link is not a regular file");
	options.output = "";
	expect_wrong("--output: the name of the file is empty");
	options.output = NULL;
	options.summary = ".";
	expect_wrong("--summary-output: . is not a regular file");
	options.summary = "new/";
	expect_wrong("--summary-output: new/ is the name of a folder");
	options.summary = "";
	expect_wrong("--summary-output: the name of the file is empty");
	options.summary = NULL;
	options.manifest_output = "fifo";
	expect_wrong("--manifest-output: fifo is not a regular file");
	options.manifest_output = NULL;
	receipt_path = receipt;
	expect_wrong("--receipt: ");
	receipt_path = NULL;
	options.manifest = "fifo"; /* is read */
	cr_expect_eq(check(NULL), 0);
}

Test(mad_outputs, options_name_their_own_files)
{
	static const struct mad_options all[] = {
		{ .output = "perf.csv", .manifest_output = "./build_manifest.json" },
		{ .output = "perf_entry.csv" }, /* as with madengine */
		{ .manifest = "build_manifest.json", .manifest_output = "build_manifest.json" },
		{ .manifest = "m.json", .manifest_output = "m.json" },
		{ .output = "sub/perf.csv", .summary = "sub/models.json" },
		{ .output = "new/rows.csv", .summary = "rows.csv" },
	};

	tree_dir(root, "sub");
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		struct error err = ERROR_INIT;

		options = all[i];
		cr_expect_eq(check(&err), 0, "%zu: %s", i, err.msg);
	}
}
