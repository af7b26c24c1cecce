/* SPDX-License-Identifier: MIT */
/* What images, containers and logs are called. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "workload/names.h"

#define DUMMY "docker/dummy.ubuntu.amd.Dockerfile"

static const char *const names[][6] = {
	/* model, Dockerfile, image, build log, run log, full log */
	{ "dummy", DUMMY, "ci-dummy_dummy.ubuntu.amd", "dummy_dummy.ubuntu.amd.build.live.log",
	  "dummy_dummy.ubuntu.amd.run.live.log", "dummy_dummy.ubuntu.amd.live.log" },
	{ "dummy2/model1", DUMMY, "ci-dummy2_model1_dummy.ubuntu.amd",
	  "dummy2_model1_dummy.ubuntu.amd.build.live.log",
	  "dummy2_model1_dummy.ubuntu.amd.run.live.log",
	  "dummy2_model1_dummy.ubuntu.amd.live.log" },
	{ "Big/Model", "x.Dockerfile", "ci-big_model_x", "Big_Model_x.build.live.log",
	  "Big_Model_x.run.live.log", "Big_Model_x.live.log" },
	{ "m", "a/b/c.ubuntu", "ci-m_c.ubuntu", "m_c.ubuntu.build.live.log",
	  "m_c.ubuntu.run.live.log", "m_c.ubuntu.live.log" },
	{ "m", "x.Dockerfile.old", "ci-m_x.old", "m_x.old.build.live.log", "m_x.old.run.live.log",
	  "m_x.old.live.log" },
};

Test(names, of_a_model_and_its_dockerfile)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		AUTO_FREE char *image = NULL, *build = NULL, *run = NULL, *full = NULL;
		const char *model = names[i][0], *dockerfile = names[i][1];

		cr_assert(names_image(model, dockerfile, NULL, &image, NULL) == 0, "%s", model);
		cr_assert(names_build_log(model, dockerfile, &build, NULL) == 0);
		cr_assert(names_run_log(model, image, &run, NULL) == 0);
		cr_assert(names_full_log(model, dockerfile, &full, NULL) == 0);
		cr_assert_str_eq(image, names[i][2]);
		cr_assert_str_eq(build, names[i][3]);
		cr_assert_str_eq(run, names[i][4]);
		cr_assert_str_eq(full, names[i][5]);
	}
}

Test(names, an_architecture_is_a_suffix)
{
	AUTO_FREE char *image = NULL, *run = NULL;

	cr_assert(names_image("dummy", DUMMY, "gfx942", &image, NULL) == 0);
	cr_assert_str_eq(image, "ci-dummy_dummy.ubuntu.amd_gfx942");
	cr_assert(names_run_log("dummy", image, &run, NULL) == 0);
	cr_assert_str_eq(run, "dummy_dummy.ubuntu.amd_gfx942.run.live.log");
}

Test(names, run_log_of_any_image)
{
	static const char *const table[][3] = {
		{ "dummy", "ubuntu:24.04", "dummy_ubuntu_24.04.run.live.log" },
		{ "dummy", "host:5000/ci-dummy_x", "dummy_host_5000_dummy_x.run.live.log" },
		{ "dummy", "me/repo:ci-dummy_x", "dummy_x.run.live.log" },
		{ "dummy", "me/repo:v1", "dummy_me_repo_v1.run.live.log" },
		{ "dummy", "host:5000/a/b", "dummy_host_5000_a_b.run.live.log" },
		{ "dummy", "a/b@sha256:0123", "dummy_a_b.run.live.log" },
		{ "dummy", "a/b:ci-ci-x@sha256:0123", "dummy_x.run.live.log" },
		{ "dummy", "dummy", "dummy_dummy.run.live.log" },
		{ "A/b", "ci-a_b_c", "A_b_c.run.live.log" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		AUTO_FREE char *name = NULL;

		cr_assert(names_run_log(table[i][0], table[i][1], &name, NULL) == 0);
		cr_assert_str_eq(name, table[i][2]);
	}
}

Test(names, containers)
{
	static const char *const table[][2] = {
		{ "ci-dummy_dummy.ubuntu.amd", "container_ci-dummy_dummy.ubuntu.amd" },
		{ "host:5000/a/b:c", "container_host_5000_a_b_c" },
		{ "a@sha256:0", "container_a_sha256_0" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		AUTO_FREE char *name = NULL;

		cr_assert(names_container(table[i][0], &name, NULL) == 0);
		cr_assert_str_eq(name, table[i][1]);
	}
}

Test(names, the_environment_report)
{
	AUTO_FREE char *name = NULL;

	cr_assert(names_environment("dummy2/model1", &name, NULL) == 0);
	cr_assert_str_eq(name, "dummy2_model1_env");
}

Test(names, what_docker_would_refuse_is_refused_by_name)
{
	static const char *const bad[][2] = {
		{ "a b", "x.Dockerfile" },  { "a", "X.Dockerfile" },
		{ "a_", "_x.Dockerfile" },  { "a-", "x.Dockerfile" },
		{ "a..b", "x.Dockerfile" }, { "a", "x..Dockerfile" },
		{ "\xc3\xa4", "x" },        { "a:b", "x" },
		{ "a$(b)", "x" },           { "a___b", "x.Dockerfile" }
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct error err = ERROR_INIT;
		char *name = NULL;

		cr_assert_eq(names_image(bad[i][0], bad[i][1], NULL, &name, &err), -EINVAL, "%s",
			     bad[i][0]);
		cr_assert(strstr(err.msg, bad[i][0]) != NULL && name == NULL);
	}
}

Test(names, what_no_file_may_be_called_is_refused)
{
	static const char *const bad[] = { "", "a\nb", "a\033[2J", "\xff", "a\x7f" };
	char longest[NAMES_FILE_MAX + 2];
	AUTO_FREE char *name = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		cr_assert_eq(names_build_log(bad[i], "x", &name, NULL), -EINVAL, "%zu", i);
		cr_assert_eq(names_build_log("x", bad[i], &name, NULL), -EINVAL, "%zu", i);
		cr_assert_eq(names_run_log(bad[i], "x", &name, NULL), -EINVAL, "%zu", i);
		cr_assert_eq(names_environment(bad[i], &name, NULL), -EINVAL, "%zu", i);
	}
	memset(longest, 'a', sizeof(longest));
	longest[NAMES_FILE_MAX + 1] = '\0';
	cr_assert_eq(names_build_log(longest, "x", &name, NULL), -EINVAL);
	longest[NAMES_FILE_MAX - 1] = '\0';
	cr_assert_eq(names_build_log(longest, "x", &name, NULL), -EINVAL);
	cr_assert_eq(names_run_log(longest, "x", &name, NULL), -EINVAL);
	cr_assert_null(name);
}

Test(names, bad_images_are_refused)
{
	static const char *const bad[] = { "",         "-v",   "a b", "--privileged",
					   "a;b",      "a\nb", "/a",  "$(a)",
					   "\xc3\xa4", ".",    ":tag" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		AUTO_FREE char *name = NULL;

		cr_assert_eq(names_check_image(bad[i], NULL), -EINVAL, "%s", bad[i]);
		cr_assert_eq(names_container(bad[i], &name, NULL), -EINVAL);
		cr_assert_eq(names_run_log("m", bad[i], &name, NULL), -EINVAL);
	}
	cr_assert_eq(names_check_image("reg.io:5000/a/b_c-d:v1.2@sha256:00ff", NULL), 0);
}

/* Docker's own words come only when the VM is up. */
Test(names, images_as_docker_takes_them)
{
	static const char *const good[] = {
		"ubuntu",
		"ubuntu:24.04",
		"rocm/pytorch:rocm6.2_ubuntu22.04_py3.10",
		"localhost/a",
		"localhost:5000/a/b:V1",
		"Reg/a", /* capitals make a registry of it */
		"REG.io/a__b---c.d",
		"a@sha256:0123456789abcdef0123456789abcdef",
		"a:_x@sha256:0123456789abcdef0123456789abcdef",
		"ci-m_m.ubuntu.amd",
	};
	static const char *const bad[] = { "My",        "a/My",         "a//b",         "a/",
					   "a:",        "a:b:c",        "a@b",          "a@",
					   "a@sha256:", "a@sha256:xyz", "reg.io:5000/", "a..b",
					   "a_-b",      "a___b",        "-a",           "a:-b",
					   "a:.b",      "a+b" };

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		cr_expect_eq(names_check_image(good[i], NULL), 0, "%s", good[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct error err = ERROR_INIT;

		cr_expect_eq(names_check_image(bad[i], &err), -EINVAL, "%s", bad[i]);
		cr_expect_not_null(strstr(err.msg, bad[i]), "%s: %s", bad[i], err.msg);
	}
}

Test(names, folder_of_a_model)
{
	static const char *const good[][2] = {
		{ NULL, "run_directory" },
		{ "", "run_directory" },
		{ "https://host/a/repo", "repo" },
		{ "https://host/a/repo//", "repo" },
		{ "https://host/a/repo.git", "repo" },
		{ "https://host/a/repo.git/", "repo" },
		{ "git@host:repo_1.x", "repo_1.x" },
	};
	static const char *const bad[] = { "https://host/..",   "https://host/.",
					   "https://host/-rf",  "https://host/a b",
					   "https://host/$(x)", "https://host/.git",
					   "https://host/a;b",  "https://host/.hidden",
					   "https://host/a\nb", "https://host/x:" };

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		AUTO_FREE char *name = NULL;

		cr_assert(names_model_folder(good[i][0], &name, NULL) == 0, "%zu", i);
		cr_assert_str_eq(name, good[i][1]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct error err = ERROR_INIT;
		char *name = NULL;

		cr_assert_eq(names_model_folder(bad[i], &name, &err), -EINVAL, "%s", bad[i]);
		cr_assert(strstr(err.msg, bad[i]) != NULL);
	}
}
