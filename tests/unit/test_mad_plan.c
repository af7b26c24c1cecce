/* SPDX-License-Identifier: MIT */
/* What is wrong with a run of models is known before anything is made. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
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

static bool dry_run = true;

static int plan(struct mad *m, struct error *err)
{
	*m = (struct mad){ .o = &options,
			   .cfg = &cfg,
			   .dry_run = dry_run,
			   .manifest = BUILD_MANIFEST_INIT,
			   .package_fd = -1 };
	return mad_plan(m, err);
}

static void expect_file(const char *path, const char *want)
{
	AUTO_FREE char *text = NULL;

	cr_assert_eq(file_read_at(AT_FDCWD, path, 1000000, &text, NULL, NULL), 0);
	cr_expect_str_eq(text, want, "%s", path);
}

static void set_context(const char *text)
{
	(void)json_object_put(cfg.context);
	cfg.context = NULL;
	cr_assert_eq(json_parse(text, strlen(text), &cfg.context, NULL), 0, "%s", text);
}

/* The models "a" and "b", the latter with more members; Dockerfiles are docker/a.* and docker/b.*
 */
static void write_two(const char *members)
{
	tree_file(root, "docker/a.Dockerfile", "# CONTEXT {}\nFROM scratch\n");
	tree_file(
		root, "models.json",
		"[{\"name\": \"a\", \"dockerfile\": \"docker/a\", \"args\": \"\", \"tags\": \"x\","
		"\"scripts\": \"scripts/m\"}, {\"name\": \"b\", \"args\": \"\", \"tags\": [\"x\"],"
		"\"scripts\": \"scripts/m\"%s}]",
		members);
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

/* Which files options may name: test_mad_outputs.c. */
Test(mad_plan, a_file_of_ours_as_output_is_wrong_arguments)
{
	AUTO_RUN struct mad m = { .package_fd = -1 };
	struct error err = ERROR_INIT;

	write_models("");
	options.output = "perf_super.csv";
	cr_expect_eq(plan(&m, &err), -EINVAL);
	cr_expect_eq(m.code, 4);
	cr_expect_not_null(strstr(err.msg, "--output perf_super.csv"), "%s", err.msg);
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

/* Of two models one cannot be built: the other one runs. Alone it is refused, in the same words. */
Test(mad_plan, a_model_without_an_image_stops_no_other)
{
	static const struct {
		const char *members, *file, *dockerfile, *why;
	} table[] = {
		{ "", NULL, NULL, "models.json: model \"b\": it has no dockerfile" },
		{ ", \"dockerfile\": \"docker/b\"", NULL, NULL,
		  "there is no Dockerfile docker/b.*" },
		{ ", \"dockerfile\": \"none/b\"", NULL, NULL, "dockerfile none/b: folder none: " },
		{ ", \"dockerfile\": \"docker/b\"", "docker/b.x", NULL,
		  "no Dockerfile docker/b.* fits the context: docker/b.x wants gpu_vendor "
		  "\"NVIDIA\", not \"AMD\"" },
		{ ", \"dockerfile\": \"docker/B\"", "docker/B.Big", "docker/B.Big",
		  "model b with docker/B.Big would make image ci-b_B.Big, which is no name" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		AUTO_RUN struct mad m = { .package_fd = -1 }, alone = { .package_fd = -1 };
		struct error err = ERROR_INIT;

		write_two(table[i].members);
		if (table[i].file != NULL)
			tree_file(root, table[i].file, "# CONTEXT {%s}\n",
				  i == 3 ? "'gpu_vendor': 'NVIDIA'" : "");
		strv_done(&options.tags);
		strv_add(&options.tags, "b,a,x,b");
		cr_assert_eq(plan(&m, &err), 0, "%s", err.msg);
		cr_assert_eq(m.n_items, 2);
		cr_expect(m.items[0].unbuildable);
		cr_expect_null(m.items[0].image);
		cr_expect_eq(m.items[0].dockerfile == NULL, table[i].dockerfile == NULL);
		cr_expect_not_null(strstr(m.items[0].failed.msg, table[i].why), "%s",
				   m.items[0].failed.msg);
		cr_expect_not(m.items[1].unbuildable);
		cr_expect_str_eq(m.items[1].image, "ci-a_a");
		strv_done(&options.tags);
		strv_add(&options.tags, "b,b");
		cr_expect_lt(plan(&alone, &err), 0);
		cr_expect_eq(alone.code, 2);
		cr_expect_eq(strncmp(err.msg, "model \"b\": ", 11), 0, "%s", err.msg);
		cr_expect_not_null(strstr(err.msg, table[i].why), "%s", err.msg);
		(void)unlink(table[i].file != NULL ? table[i].file : "none");
	}
}

/* madengine's order and pick; only what Docker cannot take fails. */
Test(mad_plan, an_editors_backup_is_an_image_that_fails)
{
	AUTO_RUN struct mad m = { .package_fd = -1 };
	struct error err = ERROR_INIT;

	write_models("");
	tree_file(root, "docker/m.Dockerfile~", "# CONTEXT {}\nARG BASE_DOCKER=b\n");
	tree_file(root, "docker/m.Dockerfile.orig", "# CONTEXT {}\n");
	cr_assert_eq(plan(&m, &err), 0, "%s", err.msg);
	cr_assert_eq(m.n_items, 3);
	cr_expect_str_eq(m.items[0].image, "ci-m_m");
	cr_expect_str_eq(m.items[1].image, "ci-m_m.orig");
	cr_expect(m.items[2].unbuildable);
	cr_expect_str_eq(m.items[2].dockerfile, "docker/m.Dockerfile~");
	cr_expect_str_eq(m.items[2].base, "b");
}

/* Whoever is meant by that file, it is a mistake in the package. */
Test(mad_plan, a_bad_header_is_an_error_of_all)
{
	AUTO_RUN struct mad m = { .package_fd = -1 };
	struct error err = ERROR_INIT;

	write_two(", \"dockerfile\": \"docker/b\"");
	tree_file(root, "docker/b.x", "FROM scratch\n");
	cr_expect_eq(plan(&m, &err), -EBADMSG);
	cr_expect_eq(m.code, 2);
	cr_expect_not_null(strstr(err.msg, "model \"b\": docker/b.x:1: no line"), "%s", err.msg);
}

/* Likewise: which of them is meant is not to be guessed. */
Test(mad_plan, two_models_of_one_image_are_an_error_of_all)
{
	AUTO_RUN struct mad m = { .package_fd = -1 };
	struct error err = ERROR_INIT;

	tree_file(root, "docker/b_x.Dockerfile", "# CONTEXT {}\n");
	tree_file(root, "docker/x.Dockerfile", "# CONTEXT {}\n");
	tree_file(root, "models.json",
		  "[{\"name\": \"a\", \"dockerfile\": \"docker/b_x\", \"args\": \"\"},"
		  "{\"name\": \"a_b\", \"dockerfile\": \"docker/x\", \"args\": \"\"}]");
	cr_expect_eq(plan(&m, &err), -EEXIST);
	cr_expect_eq(m.code, 2);
	cr_expect_str_eq(err.msg,
			 "model \"a_b\": its image ci-a_b_x would be that of model \"a\", "
			 "too");
}

/* Only a folder of the host can be in the guest; docker could mount the file. */
Test(mad_plan, data_that_are_a_file_are_their_models_failure)
{
	AUTO_RUN struct mad m = { .package_fd = -1 }, alone = { .package_fd = -1 };
	AUTO_FREE char *want = NULL;
	struct error err = ERROR_INIT;

	write_two(", \"dockerfile\": \"docker/b\", \"data\": \"d\"");
	tree_file(root, "docker/b.x", "# CONTEXT {}\n");
	tree_file(root, "f", "x");
	tree_file(root, "data.json", "{\"d\": {\"local\": {\"path\": \"%s/f\"}}}", root);
	cr_assert(asprintf(&want, "data \"d\": %s/f is not a folder; only folders", root) > 0);
	cr_assert_eq(plan(&m, &err), 0, "%s", err.msg);
	cr_assert_eq(m.n_items, 2);
	cr_expect_str_eq(m.items[0].failed.msg, "");
	cr_expect_eq(strncmp(m.items[1].failed.msg, want, strlen(want)), 0, "%s",
		     m.items[1].failed.msg);
	cr_expect_not(m.items[1].unbuildable);
	strv_done(&options.tags);
	strv_add(&options.tags, "b");
	cr_expect_eq(plan(&alone, &err), -ENOTDIR);
	cr_expect_eq(alone.code, 4);
	cr_expect_not_null(strstr(err.msg, want), "%s", err.msg);
}

/* Two tags select it; a second run would remove the log of the first. */
Test(mad_plan, a_model_is_run_once_in_an_image_that_was_given)
{
	AUTO_RUN struct mad m = { .package_fd = -1 };
	struct error err = ERROR_INIT;

	set_context("{\"MAD_CONTAINER_IMAGE\": \"i:1\"}");
	write_two("");
	strv_add(&options.tags, "a:n=2,x");
	strv_add(&options.tags, "b:n=3");
	cr_assert_eq(plan(&m, &err), 0, "%s", err.msg);
	cr_assert_eq(m.n_items, 2);
	cr_expect_str_eq(model_name(&m.items[0].model), "a");
	cr_expect_str_eq(model_args(&m.items[0].model), "");
	cr_expect_str_eq(m.items[1].image, "i:1");
	cr_expect_str_eq(model_args(&m.items[1].model), " --n 3");
}

/* docker and scripts of MODEL_DIR, also where a manifest is run. */
Test(mad_plan, model_dir_and_a_manifest)
{
	AUTO_RUN struct mad m = { .package_fd = -1 }, dry = { .package_fd = -1 };
	AUTO_FREE char *dir = NULL;
	struct error err = ERROR_INIT;

	cr_assert(asprintf(&dir, "%s/dir", root) > 0);
	tree_file(dir, "scripts/m/run.sh", "new\n");
	tree_file(dir, "data.json", "{}");
	tree_file(root, "f.json",
		  "{\"built_images\": {\"i\": {}}, \"built_models\": {\"i\": {\"name\": \"m\", "
		  "\"args\": \"\", \"scripts\": \"scripts/m\"}}}");
	cr_assert_eq(setenv("MODEL_DIR", dir, 1), 0);
	options.manifest = "f.json";
	cr_expect_eq(plan(&dry, &err), -EINVAL);
	cr_expect_not_null(strstr(err.msg, "--dry-run: MODEL_DIR"), "%s", err.msg);
	cr_expect_eq(access("scripts/m/run.sh", F_OK), 0);
	dry_run = false;
	cr_assert_eq(plan(&m, &err), 0, "%s", err.msg);
	expect_file("scripts/m/run.sh", "new\n");
	cr_expect_eq(access("data.json", F_OK), -1);
}

/* madengine warns only. */
Test(mad_plan, a_bad_model_dir_stops_nothing)
{
	static const char *const dirs[] = { "/nonexistent", "models.json" };

	write_models("");
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		AUTO_RUN struct mad m = { .package_fd = -1 };
		struct error err = ERROR_INIT;

		dry_run = i == 0;
		cr_assert_eq(setenv("MODEL_DIR", dirs[i], 1), 0);
		cr_expect_eq(plan(&m, &err), 0, "%s", err.msg);
	}
}

/* The vendor of the GPUs that are passed, unless the context says another. */
Test(mad_plan, the_vendor_that_is_passed_chooses_the_dockerfile)
{
	static const struct {
		const char *top, *passed, *want;
	} table[] = {
		{ NULL, NULL, "ci-m_m.ubuntu.amd" },
		{ NULL, "NVIDIA", "ci-m_m.ubuntu.nvidia" },
		{ NULL, "AMD", "ci-m_m.ubuntu.amd" },
		{ "AMD", "NVIDIA", "ci-m_m.ubuntu.amd" },
		{ "NVIDIA", NULL, "ci-m_m.ubuntu.nvidia" },
	};

	write_models("");
	cr_assert_eq(unlink("docker/m.Dockerfile"), 0);
	tree_file(root, "docker/m.ubuntu.amd.Dockerfile", "# CONTEXT {'gpu_vendor': 'AMD'}\n");
	tree_file(root, "docker/m.ubuntu.nvidia.Dockerfile",
		  "# CONTEXT {'gpu_vendor': 'NVIDIA'}\n");
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		AUTO_RUN struct mad m = { .package_fd = -1 };
		struct json_object *context = NULL;
		struct error err = ERROR_INIT;

		config_done(&cfg);
		config_init(&cfg);
		cfg.gpu.mode = GPU_MODE_VFIO;
		cfg.gpu_vendor = table[i].top == NULL ? NULL : strdup(table[i].top);
		cfg.gpu.gpu_vendor = table[i].passed == NULL ? NULL : strdup(table[i].passed);
		cr_assert_eq(plan(&m, &err), 0, "%s", err.msg);
		cr_assert_eq(m.n_items, 1);
		cr_expect_str_eq(m.items[0].image, table[i].want);
		cr_assert_eq(json_get_object(m.manifest.object, "context", &context, NULL), 0);
		cr_expect_not_null(
			strcasestr(table[i].want, json_str_or(context, "gpu_vendor", "?")));
	}
}

static void mirror_data(const char *folder)
{
	write_models(", \"data\": \"d\"");
	tree_file(root, "data.json", "{\"d\": {\"custom\": {\"path\": \"fetch.sh\"}}}");
	tree_file(root, "fetch.sh", "true\n");
	options.mirror = folder;
}

/* It is opened by the guardian, which has another current folder. */
Test(mad_plan, a_relative_mirror_becomes_absolute)
{
	AUTO_RUN struct mad m = { .package_fd = -1 };
	AUTO_FREE char *here = realpath(root, NULL);
	AUTO_FREE char *want = NULL;
	struct error err = ERROR_INIT;

	mirror_data("./mirror/a/");
	m = (struct mad){ .o = &options, .cfg = &cfg, .package_fd = -1 };
	cr_assert_eq(mad_plan(&m, &err), 0, "%s", err.msg);
	cr_assert(asprintf(&want, "%s/mirror/a/d", here) > 0);
	cr_assert_eq(cfg.n_mounts, 1);
	cr_expect_str_eq(cfg.mounts[0].host, want);
	cr_expect_str_eq(cfg.mounts[0].guest + strlen(DATA_GUEST_ROOT), want);
	cr_expect_not(cfg.mounts[0].unmade);
	cr_expect_str_eq(m.items[0].data.v[0].mirror, want);
	cr_expect_eq(access("mirror/a/d", F_OK), 0);
}

/* A dry run makes nothing, and accepts what a real one would have made. */
Test(mad_plan, a_dry_run_makes_no_mirror)
{
	AUTO_FREE char *here = realpath(root, NULL);
	const char *const folders[] = { "mirror", "mirror/a//b", ".", "/nowhere/a" };
	char *wants[4] = { NULL };
	struct error err = ERROR_INIT;

	cr_assert(asprintf(&wants[0], "%s/mirror/d", here) > 0);
	cr_assert(asprintf(&wants[1], "%s/mirror/a//b/d", here) > 0);
	cr_assert(asprintf(&wants[2], "%s/d", here) > 0);
	cr_assert(asprintf(&wants[3], "/nowhere/a/d") > 0);
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		AUTO_RUN struct mad m = { .package_fd = -1 };

		mirror_data(folders[i]);
		cr_assert_eq(plan(&m, &err), 0, "%s", err.msg);
		cr_assert_eq(cfg.n_mounts, i + 1);
		cr_expect_str_eq(cfg.mounts[i].host, wants[i]);
		cr_expect(cfg.mounts[i].unmade);
		cr_expect_lt(access(wants[i], F_OK), 0);
		free(wants[i]);
	}
}

Test(mad_plan, a_mirror_that_cannot_be_a_mount)
{
	AUTO_RUN struct mad m = { .package_fd = -1 };
	struct error err = ERROR_INIT;

	mirror_data("a:b");
	cr_expect_eq(plan(&m, &err), -EINVAL);
	cr_expect_eq(m.code, 4);
	cr_expect_not_null(strstr(err.msg, "data \"d\": its mirror "), "%s", err.msg);
}

/* They would be wrong only once the VM is up and the image is built. */
/* Root's own folders are below /var; the user has written docker_mounts, not mounts. */
Test(mad_plan, docker_mounts_of_our_own_folders_are_wrong_arguments)
{
	AUTO_RUN struct mad m = { .package_fd = -1 };
	struct error err = ERROR_INIT;

	if (geteuid() != 0)
		cr_skip_test("other users' folders are not in one that every host has");
	write_models("");
	set_context("{\"docker_mounts\": {\"/data\": \"/var\"}}");
	cr_expect_eq(plan(&m, &err), -EPERM);
	cr_expect_eq(m.code, 4);
	cr_expect_str_eq(err.msg, "docker_mounts: /var would let the guest write to /var/lib/bmvm");
}

Test(mad_plan, wrong_options_for_docker_are_wrong_arguments)
{
	static const char *const wanted[] = { "model m: additional_docker_run_options: byte 4",
					      "only $NAME and ${NAME} are; write the value" };
	AUTO_RUN struct mad m = { .package_fd = -1 };
	struct error err = ERROR_INIT;

	write_models(", \"additional_docker_run_options\": \"-v $(pwd):/x\"");
	cr_expect_eq(plan(&m, &err), -EINVAL);
	cr_expect_eq(m.code, 4);
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		cr_expect_not_null(strstr(err.msg, wanted[i]), "%s", err.msg);
}

static size_t count(const char *text, const char *what)
{
	size_t n = 0;

	while ((text = strstr(text, what)) != NULL) {
		text += strlen(what);
		n++;
	}
	return n;
}

/* Docker in the guest would make an empty folder of that name without a word. */
Test(mad_plan, options_for_docker_with_folders_of_this_host)
{
	AUTO_RUN struct mad m = { .package_fd = -1 };
	AUTO_FREE char *members = NULL, *told = NULL;
	struct error err = ERROR_INIT;
	AUTO_CLOSE int fd = open("told", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	AUTO_CLOSE int before = dup(STDERR_FILENO);

	tree_file(root, "docker/m.b.Dockerfile", "# CONTEXT {}\nFROM scratch\n");
	cr_assert_eq(setenv("HERE", "/var", 1), 0);
	cr_assert(asprintf(&members,
			   ", \"additional_docker_run_options\": \"-v $HERE:/x -v /usr:/u "
			   "-v /nowhere:/n $NOT_SET\"") > 0);
	write_models(members);
	cr_assert_geq(dup2(fd, STDERR_FILENO), 0);
	cr_assert_eq(plan(&m, &err), 0, "%s", err.msg);
	cr_assert_geq(dup2(before, STDERR_FILENO), 0);
	cr_assert_eq(lseek(fd, 0, SEEK_SET), 0);
	cr_assert_eq(fd_read_all(fd, 4096, &told, NULL), 0);
	cr_expect_eq(m.n_items, 2);
	cr_expect_eq(count(told, "additional_docker_run_options: "), 2, "%s", told);
	cr_expect_not_null(strstr(told, ": /var is the guest's, not this host's"), "%s", told);
	cr_expect_not_null(strstr(told, ": $NOT_SET is not set"), "%s", told);
}
