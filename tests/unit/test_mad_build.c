/* SPDX-License-Identifier: MIT */
/* What a run of models does about images, as far as it needs no guest. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
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

#define MODEL                                                                                      \
	"{\"name\": \"m\", \"args\": \"\", \"scripts\": \"scripts/m.sh\", \"n_gpus\": \"-1\", "    \
	"\"skip_gpu_arch\": \"gfx908, A100\"}"

static void make_item(struct mad_item *item)
{
	static const char text[] = MODEL;
	AUTO_JSON struct json_object *o = NULL;

	*item = (struct mad_item)MAD_ITEM_INIT;
	cr_assert_eq(json_parse(text, strlen(text), &o, NULL), 0);
	cr_assert_eq(model_init(&item->model, o, "test", NULL), 0);
	item->image = strdup("i");
	item->build_log = strdup("m.build.live.log");
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
	cr_assert_eq(build_manifest_init(&m.manifest, m.context, NULL, NULL, NULL, NULL), 0);
	return m;
}

#define AUTO_RUN CLEANUP(mad_done)

static void expect_file(const char *path, const char *want)
{
	AUTO_FREE char *text = NULL;

	cr_assert_eq(file_read_at(AT_FDCWD, path, 1000000, &text, NULL, NULL), 0);
	cr_expect_str_eq(text, want, "%s", path);
}

static void expect_column(const char *column, const char *want)
{
	AUTO_CSV struct csv csv = CSV_INIT;

	cr_assert_eq(csv_read_at(AT_FDCWD, "perf.csv", &csv, NULL), 0);
	cr_assert_eq(csv.n_rows, 1);
	cr_expect_str_eq(csv_get(&csv, 0, column), want, "%s", column);
}

/* The image did not come; the manifest of an earlier run is still good. */
Test(mad_build, no_empty_manifest_takes_the_place_of_a_good_one)
{
	AUTO_RUN struct mad m = make_run("{\"MAD_CONTAINER_IMAGE\": \"i\"}");
	struct run run = { .extra = &m, .front.fd = -1 };
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
	struct run run = { .extra = &m, .front.fd = -1 };
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
	expect_column("model", "m");
	expect_column("status", "FAILURE");
	expect_column("docker_image", "");
}

/* Detection never overrides what the user says. */
Test(mad_build, architecture_is_what_the_user_says)
{
	AUTO_RUN struct mad said = make_run(
		"{\"docker_env_vars\": {\"MAD_SYSTEM_GPU_ARCHITECTURE\": \"gfx908\"}, "
		"\"docker_build_arg\": {\"MAD_SYSTEM_GPU_ARCHITECTURE\": \"gfx90a\"}}");
	AUTO_RUN struct mad found = make_run("{}");
	struct mad_item *item = &found.items[0];

	(void)snprintf(said.guest.architecture, sizeof(said.guest.architecture), "gfx942");
	cr_expect_str_eq(mad_architecture(&said), "gfx908");
	cr_expect_str_eq(mad_build_architecture(&said, item), "gfx90a");
	json_object_object_del(said.context, "docker_build_arg");
	cr_expect_str_eq(mad_build_architecture(&said, item), "gfx908");

	item->architecture = strdup("gfx1100");
	cr_expect_str_eq(mad_architecture(&found), "");
	cr_expect_str_eq(mad_build_architecture(&found, item), "gfx1100");
	(void)snprintf(found.guest.architecture, sizeof(found.guest.architecture), "gfx942");
	cr_expect_str_eq(mad_architecture(&found), "gfx942");
	cr_expect_str_eq(mad_build_architecture(&found, item), "gfx942");
}

/* Also on a host without GPUs, where it is the only one there is. */
Test(mad_build, a_model_is_skipped_on_the_architecture_that_the_user_says)
{
	AUTO_RUN struct mad m =
		make_run("{\"docker_env_vars\": {\"MAD_SYSTEM_GPU_ARCHITECTURE\": \"gfx908\"}}");
	struct run run = { .extra = &m, .front.fd = -1 };
	struct error err = ERROR_INIT;

	m.run = &run;
	cr_assert_eq(stage_mad_models(&run, &err), 0, "%s", err.msg);
	expect_column("status", "SKIPPED");
	expect_column("gpu_architecture", "gfx908");
}

Test(mad_build, there_are_as_many_gpus_as_the_user_says)
{
	static const struct {
		const char *number;
		int r;
		int64_t gpus;
	} table[] = {
		{ "\"8\"", 0, 8 },
		{ "8", 0, 8 },
		{ "0", 0, 0 },
		{ "\"\"", -EINVAL, -1 },
		{ "\"eight\"", -EINVAL, -1 },
		{ "-1", -EINVAL, -1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct run_options run_options = { .workdir = NULL };
		struct run run = { .o = &run_options };
		struct mad_outcome outcome = { .gpus = -1 };
		AUTO_FREE char *context = NULL;
		struct error err = ERROR_INIT;
		struct mad m;
		struct mad_job job;

		cr_assert(asprintf(&context, "{\"docker_env_vars\": {\"MAD_SYSTEM_NGPUS\": %s}}",
				   table[i].number) > 0);
		m = make_run(context);
		m.run = &run;
		m.items[0].ready = true;
		job = (struct mad_job){ .m = &m,
					.item = &m.items[0],
					.outcome = &outcome,
					.log = LIVE_LOG_INIT,
					.tools = TOOLS_INIT,
					.steps = EXEC_STEPS_INIT };
		cr_expect_eq(mad_job_prepare(&job, &err), table[i].r, "%s: %s", context, err.msg);
		cr_expect_eq(outcome.gpus, table[i].gpus, "%s", context);
		mad_job_done(&job);
		mad_done(&m);
	}
}

/* There is no guest here: to build would fail otherwise. */
Test(mad_build, no_image_is_built_for_other_gpus)
{
	AUTO_RUN struct mad m = make_run("{}");
	struct run run = { .extra = &m, .front.fd = -1 };
	struct error err = ERROR_INIT;

	m.guest.gpus.vendor = GPU_VENDOR_AMD;
	m.items[0].dockerfile = strdup("docker/m.nvidia.Dockerfile");
	m.items[0].gpu_vendor = strdup("NVIDIA");
	m.run = &run;
	cr_assert_eq(stage_mad_build(&run, &err), 0, "%s", err.msg);
	cr_expect_str_eq(m.items[0].failed.msg, "i is for GPUs of NVIDIA, the guest has AMD");
	cr_expect_eq(access("m.build.live.log", F_OK), -1);
	cr_assert_eq(stage_mad_models(&run, &err), 0, "%s", err.msg);
	expect_column("status", "FAILURE");
	cr_expect_eq(mad_verdict(&m), 3);
}

/* As is said of the option, it does nothing without a manifest. */
Test(mad_build, the_registry_is_for_images_of_a_manifest)
{
	static const struct {
		const char *registry, *pull, *want;
		bool from_manifest;
	} table[] = {
		{ NULL, NULL, "i", true },  { NULL, "h/i", "h/i", true },
		{ "r", NULL, "r/i", true }, { "r", "h/i", "h/i", true },
		{ "r", NULL, "i", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		AUTO_RUN struct mad m = make_run("{\"MAD_CONTAINER_IMAGE\": \"i\"}");
		AUTO_FREE char *name = NULL;

		options.registry = table[i].registry;
		m.from_manifest = table[i].from_manifest;
		m.items[0].pull = table[i].pull == NULL ? NULL : strdup(table[i].pull);
		name = mad_pull_name(&m, &m.items[0]);
		cr_expect_str_eq(name, table[i].want, "%zu", i);
	}
}
