/* SPDX-License-Identifier: MIT */
/* Pre- and post-scripts, encapsulation and tools. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "helper_tree.h"
#include "workload/tools.h"

static struct json_object *parse(const char *text)
{
	struct json_object *o = NULL;

	cr_assert(json_parse(text, strlen(text), &o, NULL) == 0, "%s", text);
	return o;
}

#define CONFIG                                                                                     \
	"{\"tools\": {"                                                                            \
	"\"A\": {\"pre_scripts\": [{\"path\": \"s/a_pre.sh\", \"args\": \"1 2\"}], \"cmd\": "      \
	"\"echo cmd_A && \", \"env_vars\": {\"X\": \"a\", \"Y\": \"a\"}, \"post_scripts\": "       \
	"[{\"path\": \"s/a_post.sh\"}]},"                                                          \
	"\"B\": {\"cmd\": \"echo cmd_B && \", \"pre_scripts\": [{\"path\": \"s/b1.sh\"}, "         \
	"{\"path\": \"s/b2.sh\"}], \"env_vars\": {\"Y\": \"b\"}, \"post_scripts\": [{\"path\": "   \
	"\"s/b_post.sh\"}]},"                                                                      \
	"\"same\": {\"cmd\": \"echo cmd_A && \"}, \"plain\": {}, \"wrong\": [], \"out\": "         \
	"{\"pre_scripts\": [{\"path\": \"../x\"}]}, \"number\": {\"cmd\": 1}}}"

static void describe(FILE *out, const char *what, const struct tools_scripts *scripts)
{
	(void)fprintf(out, "%s:", what);
	for (size_t i = 0; i < scripts->n; i++)
		(void)fprintf(out, " %s(%s)", scripts->v[i].path, scripts->v[i].args);
	(void)fprintf(out, "\n");
}

static int resolve(const char *context, bool rocenv, char **ret, struct error *err)
{
	AUTO_JSON struct json_object *config = parse(CONFIG);
	AUTO_JSON struct json_object *o = context == NULL ? NULL : parse(context);
	AUTO_TOOLS struct tools tools = TOOLS_INIT;
	AUTO_JSON struct json_object *env = NULL;
	struct tools_query query = {
		.context = o, .config = config, .rocenv = rocenv, .environment = "m_env"
	};
	size_t size;
	FILE *out;
	int r = tools_resolve(&query, &tools, err);

	if (r < 0)
		return r;
	out = open_memstream(ret, &size);
	describe(out, "pre", &tools.pre);
	describe(out, "post", &tools.post);
	env = variables_object(&tools.env, false);
	(void)fprintf(out, "encapsulate:%s\nenv:%s\n", tools.encapsulate, json_compact(env));
	(void)fclose(out);
	return 0;
}

#define USER                                                                                       \
	"\"pre_scripts\": [{\"path\": \"u_pre.sh\", \"args\": \"v\"}], \"post_scripts\": "         \
	"[{\"path\": \"u_post.sh\"}]"

static const struct {
	const char *context;
	bool rocenv;
	const char *want;
} good[] = {
	{ NULL, false, "pre:\npost:\nencapsulate:\nenv:{}\n" },
	{ "{}", false, "pre:\npost:\nencapsulate:\nenv:{}\n" },
	{ "{\"pre_scripts\": null, \"tools\": null}", false,
	  "pre:\npost:\nencapsulate:\nenv:{}\n" },
	{ "{" USER "}", false, "pre: u_pre.sh(v)\npost: u_post.sh()\nencapsulate:\nenv:{}\n" },
	{ "{" USER ", \"encapsulate_script\": \"timeout 100\", \"tools\": [{\"name\": \"A\"}, "
	  "{\"name\": \"B\"}]}",
	  true,
	  "pre: s/b1.sh() s/b2.sh() s/a_pre.sh(1 2) u_pre.sh(v) " TOOLS_ROCENV
	  "(m_env lite UBUNTU)\npost: u_post.sh() s/a_post.sh() s/b_post.sh()\n"
	  "encapsulate:echo cmd_B &&  echo cmd_A &&  timeout 100\n"
	  "env:{\"X\":\"a\",\"Y\":\"b\"}\n" },
	{ "{\"tools\": [{\"name\": \"A\", \"cmd\": \"own\", \"env_vars\": {\"Y\": \"c\", \"Z\": "
	  "1}}]}",
	  false,
	  "pre: s/a_pre.sh(1 2)\npost: s/a_post.sh()\nencapsulate:own \n"
	  "env:{\"X\":\"a\",\"Y\":\"c\",\"Z\":\"1\"}\n" },
	{ "{\"tools\": [{\"name\": \"A\"}, {\"name\": \"same\"}, {\"name\": \"plain\"}]}", false,
	  "pre: s/a_pre.sh(1 2)\npost: s/a_post.sh()\nencapsulate:echo cmd_A &&  \n"
	  "env:{\"X\":\"a\",\"Y\":\"a\"}\n" },
	{ "{\"gen_sys_env_details\": false}", true, "pre:\npost:\nencapsulate:\nenv:{}\n" },
	{ "{\"rocenv_mode\": \"full\"}", true,
	  "pre: " TOOLS_ROCENV "(m_env full UBUNTU)\npost:\nencapsulate:\nenv:{}\n" },
};

Test(tools, order)
{
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		AUTO_FREE char *got = NULL;
		struct error err = ERROR_INIT;

		cr_assert(resolve(good[i].context, good[i].rocenv, &got, &err) == 0, "%s", err.msg);
		cr_assert_str_eq(got, good[i].want, "%zu: %s", i, got);
	}
}

Test(tools, wrong_members_are_named)
{
	static const struct {
		const char *context;
		int r;
		const char *want;
	} table[] = {
		{ "{\"pre_scripts\": {}}", -EINVAL, "pre_scripts: must be a list" },
		{ "{\"pre_scripts\": [1]}", -EINVAL, "pre_scripts[0]: must be an object" },
		{ "{\"post_scripts\": [{\"path\": \"a\"}, {}]}", -EINVAL,
		  "post_scripts[1]: path: is missing" },
		{ "{\"post_scripts\": [{\"path\": \"/etc/x\"}]}", -EINVAL,
		  "post_scripts[0]: path" },
		{ "{\"post_scripts\": [{\"path\": 1}]}", -EINVAL, "post_scripts[0]" },
		{ "{\"post_scripts\": [{\"path\": \"a\", \"args\": [1]}]}", -EINVAL,
		  "post_scripts[0]" },
		{ "{\"encapsulate_script\": 1}", -EINVAL, "encapsulate_script" },
		{ "{\"tools\": {}}", -EINVAL, "tools: must be a list" },
		{ "{\"tools\": [\"A\"]}", -EINVAL, "tools[0]: must be an object" },
		{ "{\"tools\": [{}]}", -EINVAL, "tools[0]: name: is missing" },
		{ "{\"tools\": [{\"name\": \"C\"}]}", -ENOENT, "tools[0]: there is no tool \"C\"" },
		{ "{\"tools\": [{\"name\": \"wrong\"}]}", -EINVAL, "tools.wrong: must be" },
		{ "{\"tools\": [{\"name\": \"out\"}]}", -EINVAL,
		  "tools[0]: pre_scripts[0]: path: ../x leads out" },
		{ "{\"tools\": [{\"name\": \"number\"}]}", -EINVAL, "tools[0]: member \"cmd\"" },
		{ "{\"tools\": [{\"name\": \"A\", \"env_vars\": {\"a b\": 1}}]}", -EINVAL,
		  "tools[0]: env_vars: \"a b\"" },
		{ "{\"rocenv_mode\": \"a; b\"}", -EINVAL, "rocenv_mode" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		AUTO_FREE char *got = NULL;
		struct error err = ERROR_INIT;

		cr_assert_eq(resolve(table[i].context, true, &got, &err), table[i].r, "%s: %s",
			     table[i].context, err.msg);
		cr_assert(strstr(err.msg, table[i].want) != NULL, "%s", err.msg);
	}
}

Test(tools, scripts_without_end_are_refused)
{
	AUTO_JSON struct json_object *o = parse("{\"pre_scripts\": []}");
	AUTO_TOOLS struct tools tools = TOOLS_INIT;
	struct tools_query query = { .context = o };
	struct json_object *list = NULL;
	struct error err = ERROR_INIT;

	cr_assert(json_get_array(o, "pre_scripts", &list, NULL) == 0);
	for (int i = 0; i <= TOOLS_SCRIPTS; i++)
		(void)json_object_array_add(list, parse("{\"path\": \"a\"}"));
	cr_assert_eq(tools_resolve(&query, &tools, &err), -EINVAL);
	cr_assert(strstr(err.msg, "pre_scripts[256]: more than") != NULL, "%s", err.msg);
}

Test(tools, the_file_of_the_package)
{
	AUTO_JSON struct json_object *none = NULL, *some = NULL, *bad = NULL;
	char *root = tree_new();
	AUTO_CLOSE int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct error err = ERROR_INIT;

	cr_assert(tools_load(fd, NULL, &none, NULL) == 0);
	cr_assert_null(none);
	tree_file(root, TOOLS_CONFIG, "{\"tools\": {}}");
	cr_assert(tools_load(fd, NULL, &some, NULL) == 0);
	cr_assert_str_eq(json_compact(some), "{\"tools\":{}}");
	tree_file(root, TOOLS_CONFIG, "{\n,}");
	cr_assert_eq(tools_load(fd, NULL, &bad, &err), -EINVAL);
	cr_assert(strstr(err.msg, TOOLS_CONFIG ":2:1: ") != NULL, "%s", err.msg);
	tree_remove(root);
}

/* It is a part of a command line, and a model may have any name. */
Test(tools, the_report_of_a_model_with_a_strange_name)
{
	AUTO_TOOLS struct tools tools = TOOLS_INIT;
	struct tools_query query = { .rocenv = true, .environment = "it's \"m\"_env" };
	struct error err = ERROR_INIT;

	cr_assert_eq(tools_resolve(&query, &tools, &err), 0, "%s", err.msg);
	cr_assert_eq(tools.pre.n, 1);
	cr_expect_str_eq(tools.pre.v[0].args, "'it'\\''s \"m\"_env' lite UBUNTU");
}
