/* SPDX-License-Identifier: MIT */
/* What is wrong with a run of models is known before anything is made. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/json.h"
#include "config/config.h"
#include "run/mad.h"
#include "tests/unit/helper_tree.h"

static char *root;
static struct mad_options options;
static struct config cfg;

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
			   .manifest = BUILD_MANIFEST_INIT,
			   .package_fd = -1 };
	return mad_plan(m, err);
}

static void set_context(const char *text)
{
	(void)json_object_put(cfg.context);
	cfg.context = NULL;
	cr_assert_eq(json_parse(text, strlen(text), &cfg.context, NULL), 0, "%s", text);
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
	AUTO_RUN struct mad m = { .package_fd = -1 };
	struct error err = ERROR_INIT;

	write_models("");
	set_context("{\"log_error_patterns\": 5}");
	cr_expect_eq(plan(&m, &err), -EINVAL);
	cr_expect_eq(m.code, 4);
	cr_expect_not_null(strstr(err.msg, "log_error_patterns: not a list"), "%s", err.msg);
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

/* To run nothing and say that all went well would hide that something is wrong with it. */
Test(mad_plan, a_manifest_without_models_is_an_error)
{
	static const char *const texts[] = {
		"{\"built_images\": {}, \"built_models\": {}}",
		"{\"built_images\": {\"i\": {}}, \"built_models\": {\"j\": {}}}",
	};

	options.manifest = "f.json";
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		AUTO_RUN struct mad m = { .package_fd = -1 };
		struct error err = ERROR_INIT;

		tree_file(root, "f.json", "%s", texts[i]);
		cr_expect_eq(plan(&m, &err), -EINVAL);
		cr_expect_eq(m.code, 3);
		cr_expect_str_eq(err.msg, "f.json: there is no image with a model in it to run");
	}
}
