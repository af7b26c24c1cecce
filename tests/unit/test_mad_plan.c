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

static int plan(struct mad *m, struct error *err)
{
	*m = (struct mad){ .o = &options,
			   .cfg = &cfg,
			   .dry_run = true,
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
