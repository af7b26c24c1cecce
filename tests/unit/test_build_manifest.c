/* SPDX-License-Identifier: MIT */
/* build_manifest.json, and which of its images fit. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "helper_tree.h"
#include "workload/image_filter.h"
#include "workload/build_manifest.h"
#include "workload/variables.h"

static struct json_object *parse(const char *text)
{
	struct json_object *o = NULL;

	cr_assert(json_parse(text, strlen(text), &o, NULL) == 0, "%s", text);
	return o;
}

static void make_model(struct model *m, const char *text)
{
	AUTO_JSON struct json_object *o = parse(text);

	cr_assert(model_init(m, o, "test", NULL) == 0);
}

static void read_text(struct build_manifest *m, const char *text)
{
	struct error err = ERROR_INIT;

	cr_assert(build_manifest_parse("f.json", text, strlen(text), m, &err) == 0, "%s", err.msg);
}

static void expect(struct json_object *o, const char *want)
{
	AUTO_JSON struct json_object *wanted = parse(want);

	cr_assert(json_object_equal(o, wanted), "%s", json_compact(o));
}

#define CONTEXT                                                                                    \
	"{\"baremetal_vm\": {\"vcpus\": 4}, \"docker_env_vars\": {\"A\": \"1\", \"HF_TOKEN\": "    \
	"\"hidden\"}, \"docker_build_arg\": {\"BASE_DOCKER\": \"b\", \"MAD_SECRETS_X\": "          \
	"\"hidden\"}, \"tools\": [{\"name\": \"t\", \"env_vars\": {\"MY_PASSWORD\": "              \
	"\"hidden\"}}], \"env_vars\": {\"MIOPEN_USER_DB_PATH\": \"x\", \"B\": \"2\", "             \
	"\"MAD_SECRETS\": \"hidden\"}, \"distributed\": {\"launcher\": \"torchrun\"}, "            \
	"\"docker_gpus\": \"0-3\", \"docker_cpus\": \"1\", \"model_args\": \"x\"}"

static void build(struct build_manifest *m)
{
	AUTO_JSON struct json_object *context = parse(CONTEXT);
	AUTO_MODEL struct model model = MODEL_INIT;
	struct build_manifest_build b = { .image = "ci-m_d.ubuntu.amd",
					  .model = &model,
					  .dockerfile = "docker/d.ubuntu.amd.Dockerfile",
					  .base_docker = "b",
					  .command = "docker build ...",
					  .log_file = "m_d.ubuntu.amd.build.live.log",
					  .gpu_vendor = "AMD",
					  .gpu_architecture = "gfx942",
					  .seconds = 12.5 };

	make_model(&model,
		   "{\"name\": \"m\", \"args\": \"\", \"cred\": \"C\", \"own\": [1], "
		   "\"env_vars\": {\"API_KEY\": \"hidden\"}}");
	cr_assert(build_manifest_init(m, context, NULL, "AMD", NULL, NULL) == 0);
	build_manifest_add(m, &b);
	b.image = "second";
	b.gpu_architecture = NULL;
	build_manifest_add(m, &b);
	build_manifest_add_failure(m, "x", "gfx90a", "failed\n");
	build_manifest_add_failure(m, "y", NULL, "failed");
}

#define IMAGE(image)                                                                               \
	"{\"model\": \"m\", \"docker_image\": \"" image                                            \
	"\", \"dockerfile\": \"docker/d.ubuntu.amd.Dockerfile\", \"base_docker\": \"b\", "         \
	"\"docker_sha\": \"\", \"build_duration\": 12.5, \"build_command\": \"docker build ...\"," \
	" \"log_file\": \"m_d.ubuntu.amd.build.live.log\", \"gpu_vendor\": \"AMD\""
#define FIRST  IMAGE("ci-m_d.ubuntu.amd") ", \"gpu_architecture\": \"gfx942\"}"
#define SECOND IMAGE("second") "}"
#define MODEL                                                                                      \
	"{\"name\": \"m\", \"args\": \"\", \"cred\": \"C\", \"own\": [1], \"env_vars\": "          \
	"{\"API_KEY\": \"" VARIABLES_MASK "\"}}"

Test(build_manifest, is_written_in_the_known_form_without_secrets)
{
	AUTO_BUILD_MANIFEST struct build_manifest m = BUILD_MANIFEST_INIT,
						  again = BUILD_MANIFEST_INIT;
	AUTO_FREE char *path = NULL, *text = NULL;
	char *root = tree_new();

	build(&m);
	cr_assert(asprintf(&path, "%s/out.json", root) > 0);
	cr_assert(build_manifest_save(&m, AT_FDCWD, path, NULL) == 0);
	cr_assert(file_read_at(AT_FDCWD, path, BUILD_MANIFEST_MAX, &text, NULL, NULL) == 0);
	cr_assert(strstr(text, "hidden") == NULL);
	cr_assert(build_manifest_load(path, &again, NULL) == 0);
	expect(again.object,
	       "{\"built_images\": {\"ci-m_d.ubuntu.amd\": " FIRST ", \"second\": " SECOND
	       "},"
	       "\"built_models\": {\"ci-m_d.ubuntu.amd\": " MODEL ", \"second\": " MODEL
	       "},"
	       "\"context\": {\"docker_env_vars\": {\"A\": \"1\", \"HF_TOKEN\": "
	       "\"" VARIABLES_MASK
	       "\"}, \"docker_mounts\": {}, \"docker_build_arg\": "
	       "{\"BASE_DOCKER\": \"b\", \"MAD_SECRETS_X\": \"" VARIABLES_MASK
	       "\"},"
	       "\"gpu_vendor\": \"AMD\", \"guest_os\": \"UBUNTU\", \"docker_gpus\": \"0-3\","
	       "\"tools\": [{\"name\": \"t\", \"env_vars\": {\"MY_PASSWORD\": "
	       "\"" VARIABLES_MASK
	       "\"}}]},"
	       "\"credentials_required\": [\"C\"],"
	       "\"summary\": {\"successful_builds\": [" FIRST ", " SECOND
	       "],"
	       "\"failed_builds\": [{\"model\": \"x\", \"architecture\": \"gfx90a\", \"error\": "
	       "\"failed\\n\"}, {\"model\": \"y\", \"error\": \"failed\"}],"
	       "\"total_build_time\": 25.0, \"successful_pushes\": [], \"failed_pushes\": []},"
	       "\"deployment_config\": {\"target\": \"local\", \"distributed\": {\"launcher\": "
	       "\"torchrun\"}, \"env_vars\": {\"B\": \"2\", \"MAD_SECRETS\": "
	       "\"" VARIABLES_MASK "\"}, \"debug\": false}}");
	tree_remove(root);
}

/* Images and containers have them; who runs the manifest is told that they are wanted. */
Test(build_manifest, secrets_of_the_environment_are_masked_in_it)
{
	static char *environ_v[] = { (char *)"MAD_SECRETS_HF=hidden", (char *)"OTHER=x",
				     (char *)"MAD_SECRETS_X=not this", NULL };
	AUTO_JSON struct json_object *context = parse(CONTEXT), *masked = NULL;
	AUTO_BUILD_MANIFEST struct build_manifest m = BUILD_MANIFEST_INIT,
						  again = BUILD_MANIFEST_INIT;
	struct error err = ERROR_INIT;
	struct json_object *env;

	cr_assert_eq(build_manifest_init(&m, context, environ_v, NULL, NULL, &err), 0);
	masked = build_manifest_masked(&m);
	env = json_object_object_get(m.object, "context");
	expect(json_object_object_get(env, "docker_build_arg"),
	       "{\"BASE_DOCKER\": \"b\", \"MAD_SECRETS_X\": \"hidden\", \"MAD_SECRETS_HF\": "
	       "\"hidden\"}");
	env = json_object_object_get(json_object_object_get(masked, "context"), "docker_env_vars");
	expect(env, "{\"A\": \"1\", \"HF_TOKEN\": \"" VARIABLES_MASK
		    "\", \"MAD_SECRETS_HF\": \"" VARIABLES_MASK
		    "\", \"MAD_SECRETS_X\": "
		    "\"" VARIABLES_MASK "\"}");
	read_text(&again, json_compact(masked));
	cr_expect_eq(build_manifest_unmask(&again, NULL, NULL, &err), -ENOENT);
	cr_expect_not_null(strstr(err.msg, "HF_TOKEN, MAD_SECRETS_HF, MAD_SECRETS_X"), "%s",
			   err.msg);
}

/* It can be run again: neither the image nor the model is lost. */
Test(build_manifest, of_an_image_that_was_given)
{
	AUTO_BUILD_MANIFEST struct build_manifest m = BUILD_MANIFEST_INIT;
	AUTO_BUILD_MANIFEST_IMAGES struct build_manifest_images images = BUILD_MANIFEST_IMAGES_INIT;
	AUTO_MODEL struct model model = MODEL_INIT;
	struct json_object *entry;

	make_model(&model,
		   "{\"name\": \"d/e/m\", \"args\": \"--x 1\", \"cred\": \"C\", "
		   "\"url\": \"https://h/u\", \"multiple_results\": \"t.csv\"}");
	cr_assert_eq(build_manifest_init(&m, NULL, NULL, NULL, NULL, NULL), 0);
	cr_expect(build_manifest_is_empty(&m));
	entry = build_manifest_add_given(&m, &model, "h:5000/i:1");
	expect(entry,
	       "{\"model\": \"d/e/m\", \"docker_image\": \"h:5000/i:1\", \"dockerfile\": \"\", "
	       "\"base_docker\": \"h:5000/i:1\", \"docker_sha\": \"\", \"build_time\": 0, "
	       "\"local_image\": true}");
	cr_expect_not(build_manifest_is_empty(&m));
	expect(json_object_object_get(m.object, "local_image_mode"), "true");
	expect(json_object_object_get(m.object, "local_image_name"), "\"h:5000/i:1\"");
	expect(json_object_object_get(m.object, "credentials_required"), "[\"C\"]");
	cr_assert_eq(build_manifest_images(&m, &images, NULL), 0);
	cr_assert_eq(images.n, 1);
	cr_expect_str_eq(images.v[0].key, "local-d_e_m");
	cr_expect_str_eq(images.v[0].image, "h:5000/i:1");
	cr_expect(json_object_equal(images.v[0].model.object, model.object));
}

Test(build_manifest, in_memory_it_is_in_clear)
{
	AUTO_BUILD_MANIFEST struct build_manifest m = BUILD_MANIFEST_INIT;
	AUTO_JSON struct json_object *masked = NULL;

	build(&m);
	masked = build_manifest_masked(&m);
	cr_assert(strstr(json_compact(masked), "hidden") == NULL);
	cr_assert(strstr(json_compact(m.object), "hidden") != NULL);
	cr_assert_eq(json_object_array_length(
			     json_object_object_get(build_manifest_summary(&m), "failed_builds")),
		     2);
}

Test(build_manifest, without_a_context_it_has_all_keys)
{
	AUTO_BUILD_MANIFEST struct build_manifest m = BUILD_MANIFEST_INIT;

	cr_assert(build_manifest_init(&m, NULL, NULL, NULL, "CENTOS", NULL) == 0);
	expect(m.object,
	       "{\"built_images\": {}, \"built_models\": {}, \"context\": {\"docker_env_vars\": "
	       "{}, \"docker_mounts\": {}, \"docker_build_arg\": {}, \"gpu_vendor\": \"AMD\", "
	       "\"guest_os\": \"CENTOS\", \"docker_gpus\": \"\"}, \"credentials_required\": [], "
	       "\"summary\": {\"successful_builds\": [], \"failed_builds\": [], "
	       "\"total_build_time\": 0.0, \"successful_pushes\": [], \"failed_pushes\": []}, "
	       "\"deployment_config\": {\"target\": \"local\", \"env_vars\": {}, \"debug\": "
	       "false}}");
}

#define MODELS "\"built_models\": {\"a\": {\"name\": \"m\", \"args\": \"\"}}"

Test(build_manifest, wrong_ones_are_refused_with_their_place)
{
	static const char *const table[][2] = {
		{ "", "f.json:1:1: " },
		{ "{\"built_images\": {},\n}", "f.json:1:20: " },
		{ "{\"built_images\": {}, \"built_images\": {}}", "f.json:1:22: " },
		{ "[]", "f.json: must be an object" },
		{ "null", "f.json: must be an object" },
		{ "{" MODELS "}", "f.json: built_images: is missing" },
		{ "{\"built_images\": {}}", "f.json: built_models: is missing" },
		{ "{\"built_images\": [], " MODELS "}", "built_images: must be an object" },
		{ "{\"built_images\": {\"a\": 1}, " MODELS "}", "built_images.a: must be" },
		{ "{\"built_images\": {\"a\": {}}, \"built_models\": {\"a\": null}}",
		  "built_models.a: must be" },
		{ "{\"built_images\": {\"a\": {}}, \"built_models\": {\"a\": {\"name\": \"m\"}}}",
		  "f.json: built_models.a" },
		{ "{\"built_images\": {\"-v\": {}}, \"built_models\": {\"-v\": {\"name\": \"m\", "
		  "\"args\": \"\"}}}",
		  "f.json: built_images.-v: " },
		{ "{\"built_images\": {\"a\": {\"registry_image\": \"x y\"}}, " MODELS "}",
		  "built_images.a: " },
		{ "{\"built_images\": {}, " MODELS ", \"context\": []}",
		  "context: must be an object" },
		{ "{\"built_images\": {}, " MODELS ", \"context\": {\"docker_env_vars\": []}}",
		  "context.docker_env_vars: must be an object" },
		{ "{\"built_images\": {\"a\": {}}, " MODELS "} x", "f.json:1:" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		AUTO_BUILD_MANIFEST struct build_manifest m = BUILD_MANIFEST_INIT;
		struct error err = ERROR_INIT;

		cr_assert_eq(
			build_manifest_parse("f.json", table[i][0], strlen(table[i][0]), &m, &err),
			-EINVAL, "%s", table[i][0]);
		cr_assert(strstr(err.msg, table[i][1]) != NULL, "%s", err.msg);
		cr_assert_null(m.object);
	}
}

Test(build_manifest, what_it_does_not_need_may_be_anything)
{
	AUTO_BUILD_MANIFEST struct build_manifest m = BUILD_MANIFEST_INIT;
	AUTO_BUILD_MANIFEST_IMAGES struct build_manifest_images images = BUILD_MANIFEST_IMAGES_INIT;
	AUTO_JSON struct json_object *context = NULL;

	read_text(&m,
		  "{\"built_images\": {\"a\": {\"docker_image\": 1, \"gpu_vendor\": []}}, " MODELS
		  ", \"context\": {\"docker_mounts\": 1, \"tools\": {}, \"docker_env_vars\": "
		  "null}, \"summary\": 5, \"deployment_config\": [], \"more\": {}}");
	cr_assert(build_manifest_images(&m, &images, NULL) == 0);
	cr_assert(images.n == 1 && strcmp(images.v[0].image, "a") == 0);
	cr_assert(build_manifest_unmask(&m, NULL, NULL, NULL) == 0);
	context = build_manifest_context(&m, NULL);
	cr_assert_not_null(context);
}

Test(build_manifest, images_in_order)
{
	AUTO_BUILD_MANIFEST struct build_manifest m = BUILD_MANIFEST_INIT;
	AUTO_BUILD_MANIFEST_IMAGES struct build_manifest_images images = BUILD_MANIFEST_IMAGES_INIT;

	read_text(&m,
		  "{\"built_images\": {\"z\": {\"docker_image\": \"img\", \"registry_image\": "
		  "\"r:5000/img\", \"gpu_vendor\": \"AMD\", \"gpu_architecture\": \"gfx942\"}, "
		  "\"lost\": {}, \"a\": {\"gpu_vendor\": \"\", \"registry_image\": \"r/x\", "
		  "\"push_error\": \"no\"}}, \"built_models\": {\"a\": {\"name\": \"m/a\", "
		  "\"args\": \"\"}, \"z\": {\"name\": \"m/z\", \"args\": \"-x\"}, \"more\": {}}}");
	cr_assert(build_manifest_images(&m, &images, NULL) == 0);
	cr_assert_eq(images.n, 2);
	cr_assert_str_eq(images.v[0].key, "z");
	cr_assert_str_eq(images.v[0].image, "img");
	cr_assert_str_eq(images.v[0].pull, "r:5000/img");
	cr_assert_str_eq(images.v[0].gpu_vendor, "AMD");
	cr_assert_str_eq(images.v[0].gpu_architecture, "gfx942");
	cr_assert_str_eq(model_name(&images.v[0].model), "m/z");
	cr_assert_str_eq(images.v[1].image, "a");
	cr_assert_null(images.v[1].pull);
	cr_assert_null(images.v[1].gpu_vendor);
	cr_assert_eq(images.without_model.n, 1);
	cr_assert_str_eq(images.without_model.v[0], "lost");
}

#define MASK "\"" VARIABLES_MASK "\""
#define MASKED                                                                                     \
	"{\"built_images\": {}, \"built_models\": {}, \"context\": {\"docker_env_vars\": "         \
	"{\"HF_TOKEN\": " MASK ", \"A\": \"1\", \"MAD_SECRETS\": " MASK                            \
	"}, \"docker_build_arg\": {\"X_TOKEN\": " MASK ", \"Y_TOKEN\": " MASK                      \
	"}, \"tools\": [{\"name\": \"t\", \"env_vars\": {\"T_PASSWORD\": " MASK "}}]}}"

Test(build_manifest, masked_values_come_from_the_environment)
{
	static const char *const env[] = { "HF_TOKEN=h=1", "X_TOKEN=x",     "A=other",
					   "T_PASSWORD=",  "MAD_SECRETS=m", NULL };
	AUTO_BUILD_MANIFEST struct build_manifest m = BUILD_MANIFEST_INIT;

	read_text(&m, MASKED);
	cr_assert(build_manifest_unmask(&m, NULL, (char *const *)env, NULL) == 0);
	expect(json_object_object_get(m.object, "context"),
	       "{\"docker_env_vars\": {\"HF_TOKEN\": \"h=1\", \"A\": \"1\", \"MAD_SECRETS\": "
	       "\"m\"}, \"docker_build_arg\": {\"X_TOKEN\": \"x\", \"Y_TOKEN\": " MASK
	       "}, "
	       "\"tools\": [{\"name\": \"t\", \"env_vars\": {\"T_PASSWORD\": \"\"}}]}");
}

Test(build_manifest, missing_values_are_named)
{
	static const char *const env[] = { "MAD_SECRETS=m", NULL };
	static const struct {
		const char *context;
		const char *want; /* NULL: nothing is missing */
	} table[] = {
		{ "{}", "f.json: masked there and not in the environment: HF_TOKEN, T_PASSWORD" },
		{ "{\"tools\": []}", "in the environment: HF_TOKEN" },
		{ "{\"docker_env_vars\": {\"HF_TOKEN\": \"own\"}}", "environment: T_PASSWORD" },
		{ "{\"docker_env_vars\": {\"HF_TOKEN\": \"own\"}, \"tools\": []}", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		AUTO_BUILD_MANIFEST struct build_manifest m = BUILD_MANIFEST_INIT;
		AUTO_JSON struct json_object *context = parse(table[i].context);
		struct error err = ERROR_INIT;
		int r;

		read_text(&m, MASKED);
		r = build_manifest_unmask(&m, context, (char *const *)env, &err);
		cr_assert_eq(r, table[i].want == NULL ? 0 : -ENOENT, "%zu", i);
		if (r < 0)
			cr_assert(strstr(err.msg, table[i].want) != NULL, "%s", err.msg);
		cr_assert(strstr(err.msg, "A,") == NULL);
	}
}

#define RECORDED                                                                                   \
	"{\"built_images\": {}, \"built_models\": {}, \"context\": {\"docker_env_vars\": {\"A\": " \
	"\"1\", \"B\": \"2\"}, \"docker_mounts\": {\"/c\": \"/h\"}, \"docker_gpus\": \"0\", "      \
	"\"docker_build_arg\": {\"X\": \"1\"}, \"gpu_vendor\": \"NVIDIA\", \"guest_os\": "         \
	"\"UBUNTU\", \"tools\": [{\"name\": \"t\"}], \"pre_scripts\": [], "                        \
	"\"encapsulate_script\": "                                                                 \
	"\"e\"}, \"deployment_config\": {\"n_gpus\": 2, \"distributed\": {\"launcher\": \"d\"}}}"

Test(build_manifest, the_context_of_a_run)
{
	static const char *const table[][2] = {
		{ "null",
		  "{\"docker_env_vars\": {\"A\": \"1\", \"B\": \"2\"}, \"gpu_vendor\": \"NVIDIA\", "
		  "\"guest_os\": \"UBUNTU\", \"tools\": [{\"name\": \"t\"}], \"pre_scripts\": [], "
		  "\"encapsulate_script\": \"e\", \"deployment_config\": {\"n_gpus\": 2, "
		  "\"distributed\": {\"launcher\": \"d\"}}, \"distributed\": {\"launcher\": "
		  "\"d\"}}" },
		{ "{\"docker_env_vars\": {\"B\": \"own\", \"C\": \"3\"}, \"gpu_vendor\": \"AMD\", "
		  "\"tools\": [], \"encapsulate_script\": \"\", \"docker_gpus\": \"1\", "
		  "\"distributed\": {}, \"deployment_config\": {}, \"own\": 1}",
		  "{\"docker_env_vars\": {\"A\": \"1\", \"B\": \"own\", \"C\": \"3\"}, "
		  "\"gpu_vendor\": \"AMD\", \"guest_os\": \"UBUNTU\", \"tools\": [], "
		  "\"pre_scripts\": [], \"encapsulate_script\": \"\", \"docker_gpus\": \"1\", "
		  "\"distributed\": {}, \"deployment_config\": {}, \"own\": 1}" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		AUTO_BUILD_MANIFEST struct build_manifest m = BUILD_MANIFEST_INIT;
		AUTO_JSON struct json_object *context = parse(table[i][0]);
		AUTO_JSON struct json_object *merged = NULL;

		read_text(&m, RECORDED);
		merged = build_manifest_context(&m, context);
		expect(merged, table[i][1]);
	}
}

Test(build_manifest, deep_and_large_ones_are_refused)
{
	AUTO_BUILD_MANIFEST struct build_manifest m = BUILD_MANIFEST_INIT;
	AUTO_FREE char *deep = malloc(100001), *path = NULL;
	char *root = tree_new();
	struct error err = ERROR_INIT;

	memset(deep, '[', 100000);
	deep[100000] = '\0';
	cr_assert_eq(build_manifest_parse("f.json", deep, 100000, &m, NULL), -EINVAL);
	cr_assert_eq(build_manifest_parse("f.json", "{\0}", 3, &m, &err), -EINVAL);
	cr_assert(strstr(err.msg, "NUL") != NULL);
	cr_assert(asprintf(&path, "%s/none.json", root) > 0);
	cr_assert_eq(build_manifest_load(path, &m, &err), -ENOENT);
	cr_assert(strstr(err.msg, "none.json") != NULL);
	tree_file(root, "none.json", "{\"built_images\": {}, \"built_models\": {}}");
	cr_assert(truncate(path, (off_t)BUILD_MANIFEST_MAX + 1) == 0);
	cr_assert_eq(build_manifest_load(path, &m, &err), -EFBIG);
	tree_remove(root);
}

Test(image_filter, vendor_and_architecture)
{
	static const struct {
		enum gpu_vendor vendor;
		const char *architecture, *image_vendor, *image_architecture;
		bool fits;
	} table[] = {
		{ GPU_VENDOR_AMD, "gfx942", NULL, NULL, true },
		{ GPU_VENDOR_AMD, "gfx942", "", "gfx90a", true },
		{ GPU_VENDOR_AMD, "gfx942", "AMD", NULL, true },
		{ GPU_VENDOR_AMD, "gfx942", "AMD", "gfx942", true },
		{ GPU_VENDOR_AMD, "gfx942", "AMD", "gfx90a", false },
		{ GPU_VENDOR_AMD, NULL, "AMD", "gfx90a", true },
		{ GPU_VENDOR_AMD, "gfx942", "NVIDIA", NULL, false },
		{ GPU_VENDOR_NVIDIA, "NVIDIA H100", "AMD", NULL, false },
		{ GPU_VENDOR_NONE, NULL, "AMD", "gfx90a", true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		cr_assert_eq(image_filter_fits(table[i].vendor, table[i].architecture,
					       table[i].image_vendor, table[i].image_architecture),
			     table[i].fits, "%zu", i);
}

Test(image_filter, skipped_architectures)
{
	static const struct {
		const char *skip;
		enum gpu_vendor vendor;
		const char *architecture;
		bool skips;
	} table[] = {
		{ NULL, GPU_VENDOR_AMD, "gfx942", false },
		{ "", GPU_VENDOR_AMD, "gfx942", false },
		{ "gfx908, gfx942,A100", GPU_VENDOR_AMD, "gfx942", true },
		{ "gfx942", GPU_VENDOR_AMD, "gfx94", false },
		{ "gfx94", GPU_VENDOR_AMD, "gfx942", false },
		{ "gfx942", GPU_VENDOR_AMD, NULL, false },
		{ "A100,H100", GPU_VENDOR_NVIDIA, "NVIDIA A100-SXM4-80GB", true },
		{ "A100,H100", GPU_VENDOR_NVIDIA, "NVIDIA H100 PCIe", true },
		{ "A100,H100", GPU_VENDOR_NVIDIA, "NVIDIA H200", false },
		{ "A100", GPU_VENDOR_NVIDIA, "A100", true },
		{ "gfx942", GPU_VENDOR_NONE, "gfx942", true },
		{ "gfx942", GPU_VENDOR_NONE, "", false },
		{ "A100,H100", GPU_VENDOR_NONE, "NVIDIA A100-SXM4-80GB", true },
		{ " , ,", GPU_VENDOR_AMD, "gfx942", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		cr_assert_eq(
			image_filter_skips(table[i].skip, table[i].vendor, table[i].architecture),
			table[i].skips, "%zu", i);
}
