/* SPDX-License-Identifier: MIT */
/* Which GPUs a container gets, how long it may run and what starts its processes. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/strv.h"
#include "workload/gpu_selection.h"
#include "workload/launcher.h"
#include "workload/model.h"
#include "workload/timeout.h"

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

	cr_assert(asprintf(&text, "{\"name\": \"m\", \"args\": \"\"%s}", members) > 0);
	o = parse(text);
	cr_assert(model_init(m, o, "test", NULL) == 0);
}

static const char *text_of(const struct gpu_list *list)
{
	static char text[1024];

	text[0] = '\0';
	for (size_t i = 0; i < list->n; i++)
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%u",
			       i == 0 ? "" : ",", list->v[i]);
	return text;
}

Test(gpu_selection, docker_gpus)
{
	static const struct {
		const char *text, *want;
	} table[] = {
		{ NULL, "0,1,2" },
		{ "", "0,1,2" },
		{ "all", "0,1,2" },
		{ "0", "0" },
		{ "0,2-4,5-5,7", "0,2,3,4,5,7" },
		{ "7,0", "0,7" },
		{ "1,1-2,2", "1,2" },
		{ " 0 , 2 - 3 ", "0,2,3" },
		{ "255", "255" },
		{ "ALL", NULL },
		{ "a", NULL },
		{ "0,", NULL },
		{ ",0", NULL },
		{ "0--1", NULL },
		{ "-1", NULL },
		{ "3-1", NULL },
		{ "0-256", NULL },
		{ "256", NULL },
		{ "99999999999999999999", NULL },
		{ "0;1", NULL },
		{ "0 1", NULL },
		{ " ", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct gpu_list list = { .n = 0 };
		struct error err = ERROR_INIT;
		int r = gpu_selection_parse(table[i].text, 3, &list, &err);

		cr_assert_eq(r, table[i].want == NULL ? -EINVAL : 0, "%s", table[i].text);
		if (r == 0)
			cr_assert_str_eq(text_of(&list), table[i].want);
		else
			cr_assert(strstr(err.msg, table[i].text) != NULL);
	}
	cr_assert_eq(gpu_selection_parse(NULL, GPU_SELECTION_MAX + 1, &(struct gpu_list){ .n = 0 },
					 NULL),
		     -ERANGE);
}

Test(gpu_selection, the_first_of_the_listed)
{
	static const struct {
		size_t system;
		const char *list;
		int count;
		const char *want; /* NULL: the message */
		const char *message;
	} table[] = {
		{ 8, NULL, 1, "0", NULL },
		{ 8, "0,2-4,5-5,7", 6, "0,2,3,4,5,7", NULL },
		{ 8, "0,2-4,5-5,7", -1, "0,2,3,4,5,7", NULL },
		{ 8, "5,3", 1, "3", NULL },
		{ 8, "all", -1, "0,1,2,3,4,5,6,7", NULL },
		{ 4, "0-7", 2, "0,1", NULL },
		{ 4, "0-7", 0, "", NULL },
		{ 2, NULL, 4, NULL,
		  "Too many gpus requested(4). System has 2 gpus. Context has 2 gpus." },
		{ 8, "0,1", 4, NULL,
		  "Too many gpus requested(4). System has 8 gpus. Context has 2 gpus." },
		{ 4, "0-7", -1, NULL,
		  "Too many gpus requested(8). System has 4 gpus. Context has 8 gpus." },
		{ 4, "6,7", 1, NULL, "no GPU 6 in the guest, which has 4" },
		{ 0, NULL, 1, NULL, "Too many gpus requested(1). System has 0 gpus." },
		{ 0, NULL, -1, "", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct gpus gpus = { .vendor = GPU_VENDOR_AMD, .n = table[i].system };
		struct gpu_list list = { .n = 0 };
		struct error err = ERROR_INIT;
		int r = gpu_selection_choose(&gpus, gpus.n, table[i].list, table[i].count, &list,
					     &err);

		cr_assert_eq(r, table[i].want == NULL ? -EINVAL : 0, "%zu: %s", i, err.msg);
		if (r == 0)
			cr_assert_str_eq(text_of(&list), table[i].want, "%zu", i);
		else
			cr_assert(strstr(err.msg, table[i].message) != NULL, "%s", err.msg);
	}
}

/* MAD_SYSTEM_NGPUS */
Test(gpu_selection, of_those_that_the_user_says_there_are)
{
	struct gpus gpus = { .vendor = GPU_VENDOR_AMD, .n = 4 };
	struct gpu_list list = { .n = 0 };
	struct error err = ERROR_INIT;

	cr_assert_eq(gpu_selection_choose(&gpus, 2, NULL, -1, &list, &err), 0, "%s", err.msg);
	cr_expect_str_eq(text_of(&list), "0,1");
	cr_assert_eq(gpu_selection_choose(&gpus, 2, "2,3", -1, &list, &err), 0, "%s", err.msg);
	cr_expect_str_eq(text_of(&list), "2,3");
	cr_expect_eq(gpu_selection_choose(&gpus, 2, "0-3", -1, &list, &err), -EINVAL);
	cr_expect_not_null(strstr(err.msg, "System has 2 gpus. Context has 4 gpus."), "%s",
			   err.msg);
	cr_expect_eq(gpu_selection_choose(&gpus, 8, NULL, -1, &list, &err), -EINVAL);
	cr_expect_not_null(strstr(err.msg, "no GPU 4 in the guest, which has 4"), "%s", err.msg);
}

Test(gpu_selection, without_a_vendor_none_is_asked_for)
{
	struct gpus gpus = { .vendor = GPU_VENDOR_NONE };
	struct gpu_list list = { .n = 3 };
	AUTO_STRV struct strv args = STRV_INIT;

	cr_assert(gpu_selection_choose(&gpus, 0, "0-7", 8, &list, NULL) == 0);
	cr_assert_eq(list.n, 0);
	gpu_selection_options(&gpus, &list, &args);
	cr_assert_eq(args.n, 0);
}

Test(gpu_selection, options_of_vendors)
{
	static const struct {
		enum gpu_vendor vendor;
		bool cdi;
		size_t n;
		const char *want;
	} table[] = {
		{ GPU_VENDOR_AMD, false, 2,
		  "--device=/dev/kfd --device=/dev/dri/renderD136 --device=/dev/dri/renderD144" },
		{ GPU_VENDOR_AMD, false, 0, "--device=/dev/kfd" },
		{ GPU_VENDOR_NVIDIA, false, 2, "--gpus \"device=1,2\"" },
		{ GPU_VENDOR_NVIDIA, false, 0, "" },
		{ GPU_VENDOR_NVIDIA, true, 2,
		  "--device=nvidia.com/gpu=1 --device=nvidia.com/gpu=2" },
		{ GPU_VENDOR_NVIDIA, true, 0, "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct gpus gpus = { .vendor = table[i].vendor,
				     .n = 3,
				     .renders = { 128, 136, 144 },
				     .cdi = table[i].cdi };
		struct gpu_list list = { .v = { 1, 2 }, .n = table[i].n };
		AUTO_STRV struct strv args = STRV_INIT;
		AUTO_FREE char *text = NULL;

		gpu_selection_options(&gpus, &list, &args);
		text = strv_join(&args, " ");
		cr_assert_str_eq(text, table[i].want, "%zu", i);
	}
}

Test(gpu_selection, render_nodes_of_the_context)
{
	static const struct {
		const char *json;
		int r;
		unsigned int second;
	} table[] = {
		{ "[128, 136]", 0, 136 },
		{ "[\"128\", \"200\"]", 0, 200 },
		{ "[128, 129, 130]", 0, 129 },
		{ "[128]", -EINVAL, 0 },
		{ "[128, 5]", -EINVAL, 0 },
		{ "[128, -130]", -EINVAL, 0 },
		{ "[128, null]", -EINVAL, 0 },
		{ "[128, \"renderD129\"]", -EINVAL, 0 },
		{ "[128, 129.5]", -EINVAL, 0 },
		{ "\"128,129\"", -EINVAL, 0 },
		{ "[128, \"99999999999999999999\"]", -EINVAL, 0 },
		{ "[128, [1]]", -EINVAL, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct gpus gpus = { .vendor = GPU_VENDOR_AMD, .n = 2, .renders = { 1, 2 } };
		AUTO_JSON struct json_object *o = parse(table[i].json);

		cr_assert_eq(gpu_selection_renders(&gpus, o, NULL), table[i].r, "%s",
			     table[i].json);
		cr_assert_eq(gpus.renders[1], table[i].r == 0 ? table[i].second : 2);
		cr_assert(gpu_selection_renders(&gpus, NULL, NULL) == 0);
	}
}

Test(gpu_selection, who_says_how_many)
{
	AUTO_JSON struct json_object *context = parse("{\"ngpus\": 2}");
	AUTO_JSON struct json_object *deployment = parse("{\"gpus_per_node\": \"3\"}");
	AUTO_JSON struct json_object *odd = parse("{\"n_gpus\": \"some\"}");
	AUTO_MODEL struct model all = MODEL_INIT, silent = MODEL_INIT;

	make_model(&all, ", \"n_gpus\": \"-1\"");
	make_model(&silent, "");
	cr_assert_eq(gpu_selection_count(context, deployment, &all), 2);
	cr_assert_eq(gpu_selection_count(NULL, deployment, &all), 3);
	cr_assert_eq(gpu_selection_count(odd, NULL, &all), MODEL_GPUS_ALL);
	cr_assert_eq(gpu_selection_count(NULL, NULL, &silent), 1);
}

Test(gpu_selection, vendors_by_name)
{
	cr_assert_eq(gpu_vendor_of("AMD"), GPU_VENDOR_AMD);
	cr_assert_eq(gpu_vendor_of("NVIDIA"), GPU_VENDOR_NVIDIA);
	cr_assert_eq(gpu_vendor_of("INTEL"), GPU_VENDOR_NONE);
	cr_assert_eq(gpu_vendor_of(NULL), GPU_VENDOR_NONE);
	cr_assert_str_eq(gpu_vendor_name(GPU_VENDOR_AMD), "AMD");
	cr_assert_str_eq(gpu_vendor_name(GPU_VENDOR_NVIDIA), "NVIDIA");
	cr_assert_str_eq(gpu_vendor_name(GPU_VENDOR_NONE), "");
}

Test(launcher, runners)
{
	static const struct {
		const char *launcher;
		size_t n;
		const char *want;
	} table[] = {
		{ NULL, 4, "torchrun --standalone --nproc_per_node=4" },
		{ "torchrun", 1, "torchrun --standalone --nproc_per_node=1" },
		{ "megatron-lm", 2, "torchrun --standalone --nproc_per_node=2" },
		{ "docker", 3, "torchrun --standalone --nproc_per_node=3" },
		{ "other", 0, "torchrun --standalone --nproc_per_node=1" },
		{ "deepspeed", 8, "deepspeed --num_gpus=8" },
		{ "vllm", 8, "" },
		{ "sglang", 8, "" },
		{ "sglang-disagg", 8, "" },
		{ "primus", 8, "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		AUTO_FREE char *runner = launcher_runner(table[i].launcher, table[i].n);

		cr_assert_str_eq(runner, table[i].want);
	}
}

Test(timeout, precedence)
{
	static const struct {
		int64_t option, model, want;
	} table[] = {
		{ -1, 0, 7200 }, { -1, 360, 360 }, { 7200, 360, 360 }, { 7200, 0, 7200 },
		{ 0, 360, 0 },   { 0, 0, 0 },      { 120, 360, 120 },  { 120, 0, 120 },
	};
	struct error err = ERROR_INIT;
	int64_t s = 5;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		cr_assert(timeout_resolve(table[i].option, table[i].model, &s, NULL) == 0);
		cr_assert_eq(s, table[i].want, "%zu", i);
	}
	s = 5;
	cr_assert_eq(timeout_resolve(-2, 360, &s, &err), -EINVAL);
	cr_assert(s == 5 && strstr(err.msg, "--timeout -2") != NULL);
}
