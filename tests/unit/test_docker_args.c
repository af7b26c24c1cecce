/* SPDX-License-Identifier: MIT */
/* The docker commands of a run. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/strv.h"
#include "workload/docker_args.h"
#include "workload/gpu_selection.h"
#include "workload/model.h"
#include "workload/variables.h"
#include "workload/words.h"

static struct json_object *parse(const char *text)
{
	struct json_object *o = NULL;

	cr_assert(json_parse(text, strlen(text), &o, NULL) == 0, "%s", text);
	return o;
}

static void make_model(struct model *m, const char *members)
{
	AUTO_JSON struct json_object *o = NULL;
	AUTO_FREE char *text = NULL;

	cr_assert(asprintf(&text, "{\"name\": \"d/m\", \"args\": \"\"%s}", members) > 0);
	o = parse(text);
	cr_assert(model_init(m, o, "test", NULL) == 0);
}

static void expect(const struct strv *args, const char *want)
{
	AUTO_FREE char *text = words_text(args->v);

	cr_assert_eq(strv_error(args), 0);
	cr_assert_str_eq(text, want);
}

#define DOCKERFILE "docker/d.ubuntu.amd.Dockerfile"

Test(docker_args, build)
{
	AUTO_VARIABLES struct variables vars = VARIABLES_INIT;
	AUTO_STRV struct strv plain = STRV_INIT, full = STRV_INIT;
	struct docker_build b = { .image = "ci-m_d.ubuntu.amd",
				  .dockerfile = DOCKERFILE,
				  .folder = "./docker" };

	cr_assert(docker_args_build(&b, &plain, NULL) == 0);
	expect(&plain,
	       "docker build --network=host -t ci-m_d.ubuntu.amd -f " DOCKERFILE " ./docker");
	variables_set(&vars, "BASE_DOCKER", "a b");
	variables_set(&vars, "HF_TOKEN", "hidden");
	b.args = &vars;
	b.pull = b.no_cache = b.common = b.masked = true;
	cr_assert(docker_args_build(&b, &full, NULL) == 0);
	expect(&full,
	       "docker build --no-cache --network=host --build-context "
	       "tools=docker/common -t ci-m_d.ubuntu.amd --pull -f " DOCKERFILE
	       " --build-arg 'BASE_DOCKER=a b' --build-arg 'HF_TOKEN=" VARIABLES_MASK "' ./docker");
}

Test(docker_args, bad_builds_are_refused)
{
	static const struct docker_build bad[] = {
		{ .image = "-x", .dockerfile = "a", .folder = "." },
		{ .image = "x", .dockerfile = "../a", .folder = "." },
		{ .image = "x", .dockerfile = "--x", .folder = "." },
		{ .image = "x", .dockerfile = "a", .folder = "/" },
		{ .image = "x", .dockerfile = "a", .folder = "-" },
		{ .image = "x", .dockerfile = "a", .folder = "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		AUTO_STRV struct strv args = STRV_INIT;

		cr_assert_eq(docker_args_build(&bad[i], &args, NULL), -EINVAL, "%zu", i);
	}
}

Test(docker_args, folders_of_builds)
{
	static const char *const table[][2] = {
		{ "", "./docker" },
		{ ", \"dockerfile\": \"docker/x\"", "./docker" },
		{ ", \"dockerfile\": \"docker/Primus_x\"", "." },
		{ ", \"dockerfile\": \"docker/primus\", \"dockercontext\": \"here\"", "here" },
		{ ", \"dockercontext\": \"\"", "./docker" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		AUTO_MODEL struct model m = MODEL_INIT;

		make_model(&m, table[i][0]);
		cr_assert_str_eq(docker_args_folder(&m), table[i][1]);
	}
}

Test(docker_args, build_variables_in_order)
{
	static const char *const env[] = { "MAD_SECRETS_A=1", "X=2", NULL };
	AUTO_JSON struct json_object *given = parse("{\"BASE_DOCKER\": \"b\", \"N\": 3}");
	AUTO_JSON struct json_object *arch = parse("{\"MAD_SYSTEM_GPU_ARCHITECTURE\": \"gfx90a\"}");
	AUTO_JSON struct json_object *list = parse("[]");
	AUTO_JSON struct json_object *shown = NULL;
	AUTO_VARIABLES struct variables cred = VARIABLES_INIT, vars = VARIABLES_INIT,
					other = VARIABLES_INIT;

	variables_set_secret(&cred, "C_USER", "u");
	cr_assert(docker_args_build_variables((char *const *)env, given, "gfx942", &cred, &vars,
					      NULL) == 0);
	shown = variables_object(&vars, true);
	cr_assert_str_eq(json_compact(shown),
			 "{\"MAD_SECRETS_A\":\"" VARIABLES_MASK
			 "\",\"BASE_DOCKER\":\"b\",\"N\":"
			 "\"3\",\"MAD_SYSTEM_GPU_ARCHITECTURE\":\"gfx942\",\"C_USER\":"
			 "\"" VARIABLES_MASK "\"}");
	cr_assert(docker_args_build_variables(NULL, arch, "gfx942", NULL, &other, NULL) == 0);
	cr_assert_str_eq(variables_get(&other, "MAD_SYSTEM_GPU_ARCHITECTURE"), "gfx90a");
	cr_assert_eq(docker_args_build_variables(NULL, list, NULL, NULL, &other, NULL), -EINVAL);
}

#define COMMON                                                                                     \
	"docker run -t -d --network host -u root --cap-add=SYS_PTRACE --cap-add=SYS_ADMIN "        \
	"--security-opt seccomp=unconfined --security-opt apparmor=unconfined "                    \
	"--security-opt label=disable --ipc=host"
#define END " -v /work:/myworkspace/ --workdir /myworkspace/ --name container_i i cat"

Test(docker_args, run_without_gpus)
{
	AUTO_MODEL struct model m = MODEL_INIT;
	AUTO_STRV struct strv args = STRV_INIT;
	struct gpus gpus = { .vendor = GPU_VENDOR_NONE };
	struct gpu_list none = { .n = 0 };
	struct docker_run d = { .model = &m,
				.image = "i",
				.container = "container_i",
				.folder = "/work",
				.gpus = &gpus,
				.chosen = &none };

	make_model(&m, "");
	cr_assert(docker_args_run(&d, &args, NULL) == 0);
	expect(&args, COMMON " --env MAD_MODEL_NAME=d/m --env JENKINS_BUILD_NUMBER=0" END);
}

Test(docker_args, run_with_everything)
{
	AUTO_MODEL struct model m = MODEL_INIT;
	AUTO_JSON struct json_object *docker_mounts = parse("{\"/data\": \"/tmp\"}");
	AUTO_VARIABLES struct variables run_env = VARIABLES_INIT, context_env = VARIABLES_INIT;
	AUTO_STRV struct strv mounts = STRV_INIT, amd = STRV_INIT, groups = STRV_INIT,
			      nvidia = STRV_INIT;
	struct gpus gpus = { .vendor = GPU_VENDOR_AMD, .n = 2, .renders = { 128, 129 } };
	struct gpu_list both = { .v = { 0, 1 }, .n = 2 };
	struct docker_run d = { .model = &m,
				.image = "i",
				.container = "container_i",
				.folder = "/work",
				.build_number = "17",
				.cpus = "0-3, 8",
				.gpus = &gpus,
				.chosen = &both,
				.run_env = &run_env,
				.context_env = &context_env,
				.mounts = &mounts,
				.fuse = true,
				.masked = true };

	make_model(&m,
		   ", \"multiple_results\": \"out.csv\", \"additional_docker_run_options\": "
		   "\"--shm-size=16g -v 'a b:/c'\"");
	variables_set(&run_env, "MAD_DATAHOME", "/data_dlm_0");
	variables_set_secret(&run_env, "C_KEY", "hidden");
	variables_set(&context_env, "X", "it's $x");
	cr_assert(docker_args_mount(&mounts, "/d", "/data_dlm_0", true, NULL) == 0);
	cr_assert(docker_args_mounts(&mounts, docker_mounts, NULL) == 0);
	cr_assert(docker_args_mounts(&mounts, NULL, NULL) == 0);
	cr_assert(docker_args_run(&d, &amd, NULL) == 0);
#define MIDDLE                                                                                     \
	" --cpuset-cpus 0-3,8 --env MAD_DATAHOME=/data_dlm_0 --env 'C_KEY=" VARIABLES_MASK         \
	"' --env 'X=it'\\''s $x' -v /d:/data_dlm_0:ro -v /tmp:/data --shm-size=16g -v 'a b:/c'"
#define NAMES " --env MAD_MODEL_NAME=d/m --env MAD_OUTPUT_CSV=out.csv --env JENKINS_BUILD_NUMBER=17"
	expect(&amd, COMMON " --device=/dev/fuse --group-add video" NAMES
			    " --device=/dev/kfd --device=/dev/dri/renderD128 "
			    "--device=/dev/dri/renderD129" MIDDLE END);
	gpus.n_groups = 2;
	gpus.groups[0] = 109;
	gpus.groups[1] = 44;
	cr_assert(docker_args_run(&d, &groups, NULL) == 0);
	expect(&groups, COMMON " --device=/dev/fuse --group-add 109 --group-add 44" NAMES
			       " --device=/dev/kfd --device=/dev/dri/renderD128 "
			       "--device=/dev/dri/renderD129" MIDDLE END);
	gpus.vendor = GPU_VENDOR_NVIDIA;
	d.fuse = d.masked = false;
	cr_assert(docker_args_run(&d, &nvidia, NULL) == 0);
	cr_assert(strv_contains(&nvidia, "C_KEY=hidden"));
	cr_assert(strv_contains(&nvidia, "--cap-add=SYS_NICE"));
	cr_assert(strv_contains(&nvidia, "\"device=0,1\""));
	cr_assert(!strv_contains(&nvidia, "--device=/dev/fuse"));
	cr_assert(!strv_contains(&nvidia, "--group-add"));
}

Test(docker_args, bad_runs_are_refused)
{
	static const struct {
		const char *members, *cpus, *image, *folder, *env, *want;
	} table[] = {
		{ ", \"additional_docker_run_options\": \"-v ${H:-x}:/x\"", NULL, "i", "/w", "A",
		  "model d/m: additional_docker_run_options: byte 4" },
		{ "", "0;1", "i", "/w", "A", "docker_cpus: 0;1" },
		{ "", "--privileged", "i", "/w", "A", "docker_cpus" },
		{ "", NULL, "--privileged", "/w", "A", "image" },
		{ "", NULL, "i", "work", "A", "folder work" },
		{ "", NULL, "i", "/w:x", "A", "folder /w:x" },
		{ "", NULL, "i", "/w", "A B", "\"A B\" is no name" },
		{ "", NULL, "i", "/w", "", "\"\" is no name" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		AUTO_MODEL struct model m = MODEL_INIT;
		AUTO_STRV struct strv args = STRV_INIT;
		AUTO_VARIABLES struct variables env = VARIABLES_INIT;
		struct gpus gpus = { .vendor = GPU_VENDOR_NONE };
		struct gpu_list none = { .n = 0 };
		struct error err = ERROR_INIT;
		struct docker_run d = { .model = &m,
					.image = table[i].image,
					.container = "c",
					.folder = table[i].folder,
					.cpus = table[i].cpus,
					.run_env = &env,
					.gpus = &gpus,
					.chosen = &none };

		make_model(&m, table[i].members);
		variables_set(&env, table[i].env, "");
		cr_assert_eq(docker_args_run(&d, &args, &err), -EINVAL, "%zu", i);
		cr_assert(strstr(err.msg, table[i].want) != NULL, "%s", err.msg);
	}
}

Test(docker_args, bad_mounts_are_named)
{
	static const char *const bad[][2] = {
		{ "", "/c" },     { "/a:b", "/c" }, { "/a", "c" },  { "/a", "" },
		{ "/a\n", "/c" }, { "/a", "/c\n" }, { "-x", "/c" },
	};
	static const char *const objects[][2] = { { "[]", "must be an object" },
						  { "{\"/c\": 1}", "docker_mounts./c" },
						  { "{\"c\": \"/a\"}", "\"c\" must be absolute" },
						  { "{\"/c\": null}", "must be a string" } };
	AUTO_STRV struct strv mounts = STRV_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		cr_assert_eq(docker_args_mount(&mounts, bad[i][0], bad[i][1], false, NULL), -EINVAL,
			     "%zu", i);
	for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
		AUTO_JSON struct json_object *o = parse(objects[i][0]);
		struct error err = ERROR_INIT;

		cr_assert_eq(docker_args_mounts(&mounts, o, &err), -EINVAL);
		cr_assert(strstr(err.msg, objects[i][1]) != NULL, "%s", err.msg);
	}
	cr_assert_eq(mounts.n, 0);
}

Test(docker_args, life_of_a_container)
{
	AUTO_STRV struct strv exec = STRV_INIT, find = STRV_INIT, stop = STRV_INIT, rm = STRV_INIT;

	docker_args_exec("container_a", "cd x && y", &exec);
	docker_args_find("container_a.b", &find);
	docker_args_stop("c", &stop);
	docker_args_remove("c", &rm);
	expect(&exec, "docker exec container_a bash -c 'cd x && y'");
	expect(&find, "docker container ps -aq --filter 'name=^/container_a\\.b$'");
	expect(&stop, "docker stop -t 1 c");
	expect(&rm, "docker rm -f c");
}

Test(docker_args, users_options_have_the_hosts_variables)
{
	AUTO_MODEL struct model m = MODEL_INIT;
	AUTO_STRV struct strv args = STRV_INIT, shown = STRV_INIT;
	struct gpus gpus = { .vendor = GPU_VENDOR_NONE };
	struct gpu_list none = { .n = 0 };
	char *const env[] = { (char *)"MAD_SECRETS_T=hidden", (char *)"O=--a --b", NULL };
	struct docker_run d = { .model = &m,
				.image = "i",
				.container = "container_i",
				.folder = "/work",
				.environ_v = env,
				.gpus = &gpus,
				.chosen = &none };

	make_model(&m, ", \"additional_docker_run_options\": \"$O -e T=$MAD_SECRETS_T\"");
	cr_assert_eq(docker_args_run(&d, &args, NULL), 0);
	expect(&args, COMMON
	       " --env MAD_MODEL_NAME=d/m --env JENKINS_BUILD_NUMBER=0 --a --b "
	       "-e T=hidden" END);
	d.masked = true;
	cr_assert_eq(docker_args_run(&d, &shown, NULL), 0);
	cr_expect(strv_contains(&shown, "T=" VARIABLES_MASK));
	cr_expect(!strv_contains(&shown, "T=hidden"));
}

Test(docker_args, binds_of_users_options)
{
	static const char *const options[] = {
		"-v",
		"/a:/x:ro",
		"-v=/b:/x",
		"--volume",
		"/c",
		"--volume=name:/x",
		"--mount",
		"type=bind,source=/d,target=/x",
		"--mount=target=/x,src=/e,type=bind",
		"--mount",
		"type=volume,source=/f,target=/x",
		"--mount=type=tmpfs,target=/x",
		"--volumes-from=/g",
		"--volume-driver",
		"/h",
		"-v",
		NULL,
	};
	AUTO_STRV struct strv words = STRV_INIT, paths = STRV_INIT;
	AUTO_FREE char *text = NULL;

	strv_add_all(&words, (char *const *)options);
	docker_args_binds(&words, &paths);
	text = strv_join(&paths, " ");
	cr_expect_str_eq(text, "/a /b /c /d /e");
}
