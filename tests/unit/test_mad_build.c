/* SPDX-License-Identifier: MIT */
/* What a run of models does about images, as far as it needs no guest. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "results/summary.h"
#include "run/mad.h"
#include "tests/unit/helper_tree.h"

static char *root;
static struct mad_options options;

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

TestSuite(mad_build, .init = setup, .fini = teardown);

static void make_item(struct mad_item *item)
{
	static const char text[] = "{\"name\": \"m\", \"args\": \"\"}";
	AUTO_JSON struct json_object *o = NULL;

	*item = (struct mad_item)MAD_ITEM_INIT;
	cr_assert_eq(json_parse(text, strlen(text), &o, NULL), 0);
	cr_assert_eq(model_init(&item->model, o, "test", NULL), 0);
	item->image = strdup("i");
}

/* A run of the model "m". */
static struct mad make_run(const char *context)
{
	struct mad m = { .o = &options, .manifest = BUILD_MANIFEST_INIT, .n_items = 1 };

	m.package_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_eq(json_parse(context, strlen(context), &m.context, NULL), 0);
	m.items = calloc(m.n_items, sizeof(*m.items));
	cr_assert(m.package_fd >= 0 && m.items != NULL);
	make_item(&m.items[0]);
	m.summary = summary_new(0);
	cr_assert_eq(build_manifest_init(&m.manifest, m.context, NULL, NULL, NULL), 0);
	return m;
}

#define AUTO_RUN CLEANUP(mad_done)

static void expect_file(const char *path, const char *want)
{
	AUTO_FREE char *text = NULL;

	cr_assert_eq(file_read_at(AT_FDCWD, path, 1000000, &text, NULL, NULL), 0);
	cr_expect_str_eq(text, want, "%s", path);
}

/* The image did not come; the manifest of an earlier run is still good. */
Test(mad_build, no_empty_manifest_takes_the_place_of_a_good_one)
{
	AUTO_RUN struct mad m = make_run("{\"MAD_CONTAINER_IMAGE\": \"i\"}");
	struct run run = { .extra = &m };
	AUTO_BUILD_MANIFEST struct build_manifest read = BUILD_MANIFEST_INIT;
	struct error err = ERROR_INIT;

	(void)error_set(&m.items[0].failed, EIO, "not there");
	tree_file(root, BUILD_MANIFEST_FILE, "good");
	cr_assert_eq(stage_mad_build(&run, &err), 0, "%s", err.msg);
	expect_file(BUILD_MANIFEST_FILE, "good");
	cr_assert_not_null(build_manifest_add_given(&m.manifest, &m.items[0].model, "i"));
	cr_assert_eq(stage_mad_build(&run, &err), 0, "%s", err.msg);
	cr_expect_eq(build_manifest_load(BUILD_MANIFEST_FILE, &read, &err), 0, "%s", err.msg);
}

/* madengine builds on when one fails; here it also has its row. */
Test(mad_build, what_cannot_be_built_is_a_failed_build)
{
	AUTO_RUN struct mad m = make_run("{}");
	AUTO_CSV struct csv csv = CSV_INIT;
	struct run run = { .extra = &m };
	struct error err = ERROR_INIT;
	struct json_object *summary = build_manifest_summary(&m.manifest);

	free(TAKE_PTR(m.items[0].image));
	m.items[0].unbuildable = true;
	(void)error_set(&m.items[0].failed, ENOENT, "no Dockerfile");
	cr_assert_eq(stage_mad_build(&run, &err), 0, "%s", err.msg);
	cr_expect(m.items[0].told);
	cr_expect_eq(mad_verdict(&m), 2);
	cr_expect_str_eq(json_compact(json_object_object_get(summary, "failed_builds")),
			 "[{\"model\":\"m\",\"error\":\"no Dockerfile\"}]");
	cr_assert_eq(csv_read_at(AT_FDCWD, "perf.csv", &csv, &err), 0, "%s", err.msg);
	cr_assert_eq(csv.n_rows, 1);
	cr_expect_str_eq(csv_get(&csv, 0, "model"), "m");
	cr_expect_str_eq(csv_get(&csv, 0, "status"), "FAILURE");
	cr_expect_str_eq(csv_get(&csv, 0, "docker_image"), "");
}
