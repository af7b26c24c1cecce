/* SPDX-License-Identifier: MIT */
/* What is wrong with a run of models is known before anything is made. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "config/config.h"
#include "run/mad.h"
#include "tests/unit/helper_tree.h"

static char *root;
static struct mad_options options;
static struct config cfg;
static const char *run_receipt;

static void setup(void)
{
	root = tree_new();
	cr_assert_eq(chdir(root), 0);
	tree_file(root, "docker/m.Dockerfile", "# CONTEXT {}\nFROM scratch\n");
	tree_file(root, "scripts/m/run.sh", "true\n");
	options = (struct mad_options)MAD_OPTIONS_INIT;
	strv_add(&options.tags, "all");
	config_init(&cfg);
}

static void teardown(void)
{
	strv_done(&options.tags);
	config_done(&cfg);
	tree_remove(root);
}

TestSuite(mad_plan, .init = setup, .fini = teardown);

static void write_models(const char *members)
{
	tree_file(root, "models.json",
		  "[{\"name\": \"m\", \"dockerfile\": \"docker/m\", \"scripts\": \"scripts/m\", "
		  "\"args\": \"\", \"tags\": []%s}]",
		  members);
}

static int plan(struct mad *m, struct error *err)
{
	*m = (struct mad){ .o = &options,
			   .cfg = &cfg,
			   .dry_run = true,
			   .receipt = run_receipt,
			   .manifest = BUILD_MANIFEST_INIT,
			   .package_fd = -1 };
	return mad_plan(m, err);
}

#define AUTO_RUN CLEANUP(mad_done)

Test(mad_plan, of_a_good_package)
{
	AUTO_RUN struct mad m = { .package_fd = -1 };
	struct error err = ERROR_INIT;

	write_models(", \"multiple_results\": \"./out//t.csv\"");
	cr_assert_eq(plan(&m, &err), 0, "%s", err.msg);
	cr_assert_eq(m.n_items, 1);
	cr_expect_str_eq(m.items[0].results, "out/t.csv");
	cr_expect_eq(m.items[0].build_fd, -1);
	cr_expect_gt(m.items[0].rules.errors.n, 1);
	cr_expect_str_eq(m.items[0].failed.msg, "");
}

/* The search in the log comes after the model; what is wrong with it is known before. */
Test(mad_plan, wrong_rules_are_wrong_arguments)
{
	static const char *const members[] = { ", \"log_error_patterns\": \"x\"",
					       ", \"log_error_patterns\": [\"x\", 5]",
					       ", \"log_error_benign_patterns\": {}" };

	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		AUTO_RUN struct mad m = { .package_fd = -1 };
		struct error err = ERROR_INIT;

		write_models(members[i]);
		cr_expect_eq(plan(&m, &err), -EINVAL);
		cr_expect_eq(m.code, 4);
		cr_expect_not_null(strstr(err.msg, "model \"m\": log_error_"), "%s", err.msg);
	}
}

Test(mad_plan, wrong_rules_of_the_context)
{
	static const char text[] = "{\"log_error_patterns\": 5}";
	AUTO_RUN struct mad m = { .package_fd = -1 };
	struct error err = ERROR_INIT;

	write_models("");
	(void)json_object_put(cfg.context);
	cr_assert_eq(json_parse(text, strlen(text), &cfg.context, NULL), 0);
	cr_expect_eq(plan(&m, &err), -EINVAL);
	cr_expect_eq(m.code, 4);
	cr_expect_not_null(strstr(err.msg, "log_error_patterns: not a list"), "%s", err.msg);
}

/* Nobody is asked for anything: those are wrong arguments. An unknown tag fails as a build does. */
Test(mad_plan, without_a_model_to_run)
{
	static const struct {
		const char *tags;
		const char *manifest;
		int code;
		const char *why;
	} cases[] = {
		{ ",", NULL, 4, "--tags: names no model" },
		{ " , ,", "none.json", 4, "--tags: names no model" },
		{ NULL, "none.json", 4, "--manifest-file none.json: no such file" },
		{ "nobody", NULL, 2, "nobody" },
		{ "nobody", "none.json", 2, "nobody" },
		{ NULL, "bad.json", 3, "bad.json" },
	};

	write_models("");
	tree_file(root, "bad.json", "[");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_RUN struct mad m = { .package_fd = -1 };
		struct error err = ERROR_INIT;

		strv_done(&options.tags);
		if (cases[i].tags != NULL)
			strv_add(&options.tags, cases[i].tags);
		options.manifest = cases[i].manifest;
		cr_expect_lt(plan(&m, &err), 0);
		cr_expect_eq(m.code, cases[i].code, "%zu: %d", i, m.code);
		cr_expect_not_null(strstr(err.msg, cases[i].why), "%s", err.msg);
	}
}

/* After a success, too. */
Test(mad_plan, a_container_is_kept_only_with_its_vm)
{
	static const struct {
		enum cleanup_mode mode;
		int want;
	} cases[] = {
		{ CLEANUP_DESTROY, -EINVAL },
		{ CLEANUP_PRESERVE_ON_FAILURE, -EINVAL },
		{ CLEANUP_PRESERVE, 0 },
	};

	write_models("");
	options.keep_alive = true;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_RUN struct mad m = { .package_fd = -1 };
		struct error err = ERROR_INIT;

		cfg.cleanup.mode = cases[i].mode;
		cr_expect_eq(plan(&m, &err), cases[i].want, "%zu: %s", i, err.msg);
		cr_expect_eq(m.code, cases[i].want == 0 ? 0 : 4);
	}
}

/* The others can run. */
Test(mad_plan, a_table_that_cannot_be_is_its_models_failure)
{
	static const char *const names[] = { "a/../t.csv", "*.csv", "perf.csv", "book.csv" };

	options.output = "./book.csv";
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		AUTO_RUN struct mad m = { .package_fd = -1 };
		AUTO_FREE char *members = NULL;
		struct error err = ERROR_INIT;

		cr_assert(asprintf(&members, ", \"multiple_results\": \"%s\"", names[i]) > 0);
		write_models(members);
		cr_assert_eq(plan(&m, &err), 0, "%s", err.msg);
		cr_expect_not_null(strstr(m.items[0].failed.msg, names[i]), "%s",
				   m.items[0].failed.msg);
	}
}

/* ---- files that options name ---- */

static void expect_wrong(const char *why)
{
	AUTO_RUN struct mad m = { .package_fd = -1 };
	struct error err = ERROR_INIT;

	cr_expect_eq(plan(&m, &err), -EINVAL, "%s", why);
	cr_expect_eq(m.code, 4, "%s", why);
	cr_expect_not_null(strstr(err.msg, why), "%s", err.msg);
}

/* One that has something else in it would be replaced, with the rows of a run. */
Test(mad_plan, no_option_names_a_file_of_ours)
{
	AUTO_FREE char *receipt = path_join(root, "perf_super.json");

	write_models("");
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
	run_receipt = receipt;
	expect_wrong("perf_super.json here");
}

/* Also in a folder that is not there yet. */
Test(mad_plan, no_two_options_name_one_file)
{
	AUTO_FREE char *receipt = path_join(root, "sub/rows.csv");

	write_models("");
	tree_dir(root, "sub");
	cr_assert_eq(symlink("sub", "link"), 0);
	options.output = "sub/rows.csv";
	options.summary = "link//rows.csv";
	expect_wrong("--output sub/rows.csv and --summary-output link//rows.csv are one file");
	options.summary = NULL;
	run_receipt = receipt;
	expect_wrong("are one file");
	run_receipt = NULL;
	options.output = "new/deep/x";
	options.manifest_output = "./new/.//deep/x";
	expect_wrong("--output new/deep/x and --manifest-output ./new/.//deep/x are one file");
	options.output = NULL;
	options.manifest_output = NULL;
	options.summary = "sub/data.json";
	options.data_config = "sub/data.json";
	expect_wrong("--summary-output sub/data.json and --data-config sub/data.json are one");
	options.summary = "m.json";
	options.data_config = NULL;
	options.manifest = "m.json";
	expect_wrong("--summary-output m.json and --manifest-file m.json are one file");
}

Test(mad_plan, options_name_their_own_files)
{
	static const struct mad_options all[] = {
		{ .output = "perf.csv", .manifest_output = "./build_manifest.json" },
		{ .output = "perf_entry.csv" }, /* as with madengine */
		{ .manifest = "build_manifest.json", .manifest_output = "build_manifest.json" },
		{ .manifest = "m.json", .manifest_output = "m.json" },
		{ .output = "sub/perf.csv", .summary = "sub/models.json" },
		{ .output = "new/rows.csv", .summary = "rows.csv" },
	};

	write_models("");
	tree_dir(root, "sub");
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		AUTO_RUN struct mad m = { .package_fd = -1 };
		struct error err = ERROR_INIT;
		struct strv tags = options.tags;

		options = all[i];
		options.tags = tags;
		cr_expect_eq(plan(&m, &err), 0, "%zu: %s", i, err.msg);
	}
}
