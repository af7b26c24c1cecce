/* SPDX-License-Identifier: MIT */
#include "workload/model.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"

#define MINIMAL "\"name\": \"m\", \"args\": \"\""
#define WITH(x) "{" MINIMAL ", " x "}"

static struct json_object *object(const char *text)
{
	struct json_object *o = NULL;

	cr_assert_eq(json_parse(text, strlen(text), &o, NULL), 0, "%s", text);
	return o;
}

static struct model model(const char *text)
{
	AUTO_JSON struct json_object *o = object(text);
	struct model m = MODEL_INIT;
	struct error err = ERROR_INIT;

	cr_assert_eq(model_init(&m, o, "f", &err), 0, "%s: %s", text, err.msg);
	return m;
}

Test(model, keeps_what_it_does_not_know_in_order)
{
	static const char text[] =
		"{\"zeta\":[1,2.50,{\"a\":null}],\"name\":\"a/B\",\"args\":\"-x\","
		"\"tags\":[],\"alpha\":true}";
	AUTO_MODEL struct model m = model(text);

	cr_assert_str_eq(json_compact(m.object), text);
	cr_assert_str_eq(model_name(&m), "a/B");
	cr_assert_str_eq(m.origin, "f");
	cr_assert_eq(model_add_args(&m, " --y 1", NULL), 0);
	cr_assert_str_eq(model_args(&m), "-x --y 1");
	cr_assert_str_eq(json_compact(m.object),
			 "{\"zeta\":[1,2.50,{\"a\":null}],\"name\":\"a/B\",\"args\":\"-x --y 1\","
			 "\"tags\":[],\"alpha\":true}");
}

Test(model, gives_its_members)
{
	AUTO_MODEL struct model m =
		model(WITH("\"dockerfile\": \"docker/m\", \"dockercontext\": \"ctx\", \"scripts\": "
			   "\"scripts/m\", \"url\": \"u\", \"cred\": \"c\", \"data\": \"d,e\", "
			   "\"multiple_results\": \"r.csv\", \"skip_gpu_arch\": \"gfx908\", "
			   "\"additional_docker_run_options\": \"--shm-size 1G\", "
			   "\"training_precision\": \"fp16\", \"nnodes\": 2, "
			   "\"distributed\": {\"launcher\": \"torchrun\"}"));

	cr_assert_str_eq(model_args(&m), "");
	cr_assert_str_eq(model_dockerfile(&m), "docker/m");
	cr_assert_str_eq(model_dockercontext(&m), "ctx");
	cr_assert_str_eq(model_scripts(&m), "scripts/m");
	cr_assert_str_eq(model_url(&m), "u");
	cr_assert_str_eq(model_cred(&m), "c");
	cr_assert_str_eq(model_data(&m), "d,e");
	cr_assert_str_eq(model_multiple_results(&m), "r.csv");
	cr_assert_str_eq(model_skip_gpu_arch(&m), "gfx908");
	cr_assert_str_eq(model_docker_options(&m), "--shm-size 1G");
	cr_assert_str_eq(model_training_precision(&m), "fp16");
	cr_assert_str_eq(model_nnodes(&m), "2");
	cr_assert_str_eq(model_launcher(&m), "torchrun");
}

Test(model, takes_absent_null_and_empty_for_the_same)
{
	static const char *const texts[] = {
		"{" MINIMAL "}",
		WITH("\"url\": null, \"timeout\": null, \"tags\": null, \"distributed\": null"),
		WITH("\"url\": \"\", \"timeout\": 0, \"tags\": \"\", \"distributed\": {}"),
		WITH("\"url\": \"\", \"timeout\": -1, \"tags\": [], \"distributed\": "
		     "{\"launcher\": \"\"}"),
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		AUTO_MODEL struct model m = model(texts[i]);
		AUTO_FREE char *tags = model_tags_text(&m);

		cr_assert_null(model_url(&m), "%s", texts[i]);
		cr_assert_null(model_launcher(&m), "%s", texts[i]);
		cr_assert_eq(model_timeout(&m), 0, "%s", texts[i]);
		cr_assert_eq(model_gpus(&m), 1, "%s", texts[i]);
		cr_assert_not(model_has_tag(&m, "m"), "%s", texts[i]);
		cr_assert_str_empty(tags);
	}
}

static const struct {
	const char *members;
	bool asks;
	int n;
} gpus[] = {
	{ "\"x\": 1", false, 1 },
	{ "\"n_gpus\": \"-1\"", true, MODEL_GPUS_ALL },
	{ "\"n_gpus\": -1", true, MODEL_GPUS_ALL },
	{ "\"n_gpus\": \"8\"", true, 8 },
	{ "\"n_gpus\": \" 8 \"", true, 8 },
	{ "\"n_gpus\": 0", true, 0 },
	{ "\"n_gpus\": \"eight\"", false, 1 },
	{ "\"n_gpus\": \"8x\"", false, 1 },
	{ "\"n_gpus\": \"\"", false, 1 },
	{ "\"ngpus\": 2, \"num_gpus\": 3, \"n_gpus\": 4, \"gpu_count\": 5, \"gpus_per_node\": 6",
	  true, 6 },
	{ "\"ngpus\": 2, \"num_gpus\": 3, \"n_gpus\": 4, \"gpu_count\": 5", true, 5 },
	{ "\"ngpus\": 2, \"num_gpus\": 3, \"n_gpus\": 4", true, 4 },
	{ "\"ngpus\": 2, \"num_gpus\": 3", true, 3 },
	{ "\"ngpus\": 2, \"n_gpus\": null", true, 2 },
	{ "\"ngpus\": 2, \"n_gpus\": \"none\"", false, 1 },
};

Test(model, counts_gpus_under_five_names)
{
	int n = 77;

	for (size_t i = 0; i < ARRAY_SIZE(gpus); i++) {
		AUTO_FREE char *text = NULL;

		cr_assert(asprintf(&text, "{" MINIMAL ", %s}", gpus[i].members) > 0);

		AUTO_MODEL struct model m = model(text);

		cr_assert_eq(model_gpus(&m), gpus[i].n, "%s", text);
		cr_assert_eq(model_gpu_count(m.object, &n), gpus[i].asks, "%s", text);
		cr_assert(!gpus[i].asks || n == gpus[i].n, "%s", text);
	}
	cr_assert_not(model_gpu_count(NULL, &n));
}

static const struct {
	const char *tags;
	const char *text;
	const char *has[4], *has_not[4];
} tag_cases[] = {
	{ "[\"a\", \" b\", \"c,d\"]", "a, b,c,d", { "a", " b", "c,d" }, { "b", "c", "" } },
	{ "\"a, b ,,c d\"", "a, b ,,c d", { "a", "b", "c d" }, { "a,", " b", "c", "" } },
	{ "\" \"", " ", { NULL }, { " ", "" } },
	{ "[\"\"]", "", { "" }, { "a" } },
};

Test(model, has_tags_from_a_list_or_a_string)
{
	for (size_t i = 0; i < ARRAY_SIZE(tag_cases); i++) {
		AUTO_FREE char *json = NULL;

		cr_assert(asprintf(&json, "{" MINIMAL ", \"tags\": %s}", tag_cases[i].tags) > 0);

		AUTO_MODEL struct model m = model(json);
		AUTO_FREE char *text = model_tags_text(&m);

		cr_assert_str_eq(text, tag_cases[i].text);
		for (size_t j = 0; j < 4 && tag_cases[i].has[j] != NULL; j++)
			cr_assert(model_has_tag(&m, tag_cases[i].has[j]), "%s has %s", json,
				  tag_cases[i].has[j]);
		for (size_t j = 0; j < 4 && tag_cases[i].has_not[j] != NULL; j++)
			cr_assert_not(model_has_tag(&m, tag_cases[i].has_not[j]), "%s has \"%s\"",
				      json, tag_cases[i].has_not[j]);
	}
}

static const struct {
	const char *object, *problem;
} bad[] = {
	{ "[]", "at: must be an object" },
	{ "{\"args\": \"\"}", "at.name: is missing" },
	{ "{\"name\": \"m\"}", "at.args: is missing" },
	{ "{\"name\": \"m\", \"args\": null}", "at.args: is missing" },
	{ "{\"name\": \"m\", \"args\": 5}", "at.args: must be a string" },
	{ "{\"name\": 5, \"args\": \"\"}", "at.name: must be a name" },
	{ "{\"name\": \"\", \"args\": \"\"}", "at.name: must be a name" },
	{ "{\"name\": \"..\", \"args\": \"\"}", "at.name: must be a name" },
	{ "{\"name\": \"a\\nb\", \"args\": \"\"}", "at.name: must be a name" },
	{ "{\"name\": \"a\\u007f\", \"args\": \"\"}", "at.name: must be a name" },
	{ "{\"name\": \"a\\u009b\", \"args\": \"\"}", "at.name: must be a name" },
	{ WITH("\"url\": []"), "at.url: must be a string" },
	{ WITH("\"dockerfile\": 1"), "at.dockerfile: must be a string" },
	{ WITH("\"owner\": {}"), "at.owner: must be a string" },
	{ WITH("\"n_gpus\": -2"), "at.n_gpus: must be a number of GPUs" },
	{ WITH("\"num_gpus\": \"-2\""), "at.num_gpus: must be a number of GPUs" },
	{ WITH("\"n_gpus\": 99999999999"), "at.n_gpus: must be a number of GPUs" },
	{ WITH("\"n_gpus\": 2.5"), "at.n_gpus: must be a number of GPUs" },
	{ WITH("\"n_gpus\": true"), "at.n_gpus: must be a number of GPUs" },
	{ WITH("\"timeout\": \"360\""), "at.timeout: must be whole seconds" },
	{ WITH("\"timeout\": 1.5"), "at.timeout: must be whole seconds" },
	{ WITH("\"timeout\": 99999999999"), "at.timeout: must be whole seconds" },
	{ WITH("\"tags\": 5"), "at.tags: must be a list of strings" },
	{ WITH("\"tags\": [\"a\", 5]"), "at.tags[1]: must be a string" },
	{ WITH("\"tags\": [null]"), "at.tags[0]: must be a string" },
	{ WITH("\"distributed\": \"torchrun\""), "at.distributed: must be an object" },
	{ WITH("\"distributed\": {\"launcher\": 1}"), "at.distributed.launcher: must be" },
};

Test(model, names_member_and_rule_of_what_is_wrong)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		AUTO_JSON struct json_object *o = object(bad[i].object);
		AUTO_STRV struct strv problems = STRV_INIT;
		struct model m = MODEL_INIT;
		struct error err = ERROR_INIT;
		const char *rule = strpbrk(bad[i].problem, ".:");

		cr_assert_eq(model_check(o, "at", &problems), 1, "%s", bad[i].object);
		cr_assert_eq(strncmp(problems.v[0], bad[i].problem, strlen(bad[i].problem)), 0,
			     "%s", problems.v[0]);
		cr_assert_eq(model_init(&m, o, "file: x", &err), -EINVAL);
		cr_assert_not_null(strstr(err.msg, rule + strspn(rule, ".: ")), "%s", err.msg);
		cr_assert_eq(strncmp(err.msg, "file: x: ", 9), 0, "%s", err.msg);
	}
}

Test(model, names_all_problems_at_once)
{
	AUTO_JSON struct json_object *o = object("{\"url\": 1, \"tags\": [1, 2], \"name\": 3}");
	AUTO_STRV struct strv problems = STRV_INIT;

	cr_assert_eq(model_check(o, "[0]", &problems), 5); /* args is missing */
	cr_assert_eq(model_check(NULL, "[1]", &problems), 1);
	cr_assert_eq(problems.n, 6);
}

Test(model, refuses_a_name_that_makes_too_long_file_names)
{
	AUTO_JSON struct json_object *o = object("{" MINIMAL "}");
	AUTO_STRV struct strv problems = STRV_INIT;
	char name[300];

	memset(name, 'x', sizeof(name));
	name[200] = '\0';
	json_add_str(o, "name", name);
	cr_assert_eq(model_check(o, "", &problems), 0);
	name[200] = 'x';
	name[201] = '\0';
	json_add_str(o, "name", name);
	cr_assert_eq(model_check(o, "", &problems), 1);
}

static const struct {
	const char *path;
	bool inside;
} paths[] = {
	{ "", true },
	{ "a", true },
	{ "a/b", true },
	{ "./a", true },
	{ "a/..", true },
	{ "a/../b", true },
	{ "..a/b", true },
	{ "a//..//b", true },
	{ "a/..b", true },
	{ "...", true },
	{ "..", false },
	{ "../a", false },
	{ "a/../..", false },
	{ "./../a", false },
	{ "/a", false },
	{ "/", false },
	{ "a/../../a/b", false },
};

Test(model, keeps_paths_inside_of_the_package)
{
	AUTO_MODEL struct model good = model(WITH("\"dockerfile\": \"docker/m\""));
	AUTO_MODEL struct model evil = model(WITH("\"scripts\": \"../../etc\""));
	struct error err = ERROR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		cr_assert_eq(path_in_package(paths[i].path), paths[i].inside, "%s", paths[i].path);
	cr_assert_eq(model_check_paths(&good, &err), 0);
	cr_assert_eq(model_check_paths(&evil, &err), -EINVAL);
	cr_assert_str_eq(err.msg, "f: scripts: must lie inside of the package, not \"../../etc\"");
}

Test(model, copies_are_their_own)
{
	AUTO_MODEL_LIST struct model_list list = MODEL_LIST_INIT;
	AUTO_MODEL struct model m = model("{" MINIMAL "}");

	for (int i = 0; i < 10; i++) {
		struct model copy = MODEL_INIT;

		cr_assert_eq(model_copy(&copy, &m, NULL), 0);
		cr_assert_eq(model_add_args(&copy, " --a", NULL), 0);
		cr_assert_eq(model_list_take(&list, &copy, NULL), 0);
		cr_assert_null(copy.object);
	}
	cr_assert_eq(list.n, 10);
	cr_assert_str_eq(model_args(&list.v[9]), " --a");
	cr_assert_str_eq(list.v[9].origin, "f");
	cr_assert_str_eq(model_args(&m), "");
}
