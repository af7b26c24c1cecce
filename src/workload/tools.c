/* SPDX-License-Identifier: MIT */
#include "workload/tools.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/literal.h"
#include "base/strv.h"
#include "workload/inside.h"
#include "workload/words.h"

#define CONFIG_MAX ((size_t)1 << 20)

static int no_memory(struct error *err)
{
	return error_set(err, ENOMEM, "out of memory");
}

static void scripts_done(struct tools_scripts *scripts)
{
	for (size_t i = 0; i < scripts->n; i++) {
		free(scripts->v[i].path);
		free(scripts->v[i].args);
	}
	free(scripts->v);
	*scripts = (struct tools_scripts){ .v = NULL };
}

void tools_done(struct tools *tools)
{
	scripts_done(&tools->pre);
	scripts_done(&tools->post);
	free(tools->encapsulate);
	variables_done(&tools->env);
	*tools = (struct tools)TOOLS_INIT;
}

/* --- scripts ---------------------------------------------------------------------------------- */

static int insert(struct tools_scripts *list, size_t at, const char *path, const char *args,
		  struct error *err)
{
	struct tools_script s = { .path = strdup(path), .args = strdup(args) };
	struct tools_script *v = realloc(list->v, (list->n + 1) * sizeof(*v));

	if (v != NULL)
		list->v = v;
	if (v == NULL || s.path == NULL || s.args == NULL) {
		free(s.path);
		free(s.args);
		return no_memory(err);
	}
	memmove(v + at + 1, v + at, (list->n - at) * sizeof(*v));
	v[at] = s;
	list->n++;
	return 0;
}

static int get_text(struct json_object *o, const char *key, const char **ret, struct error *err)
{
	int r = json_get_str(o, key, ret, err);

	return r == -ENOENT ? 0 : r;
}

/* One {"path": ..., "args": ...}. */
static int read_script(struct json_object *item, size_t at, struct tools_scripts *list,
		       struct error *err)
{
	const char *path = NULL, *args = "";
	int r;

	if (!json_object_is_type(item, json_type_object))
		return error_set(err, EINVAL, "must be an object: {\"path\": ..., \"args\": ...}");
	r = json_get_str(item, "path", &path, err);
	if (r < 0)
		return r == -ENOENT ? error_set(err, EINVAL, "path: is missing") : r;
	r = inside_check("path", path, err);
	if (r == 0)
		r = get_text(item, "args", &args, err);
	return r < 0 ? r : insert(list, at, path, args, err);
}

/* Puts the scripts of @o.@key into @list, the first at @at. */
static int read_scripts(struct json_object *o, const char *key, size_t at,
			struct tools_scripts *list, struct error *err)
{
	struct json_object *array = NULL;

	if (o == NULL || !json_object_object_get_ex(o, key, &array) || array == NULL)
		return 0;
	if (!json_object_is_type(array, json_type_array))
		return error_set(err, EINVAL, "%s: must be a list", key);
	for (size_t i = 0; i < json_object_array_length(array); i++) {
		int r = list->n >= TOOLS_SCRIPTS
				? error_set(err, EINVAL, "more than %d scripts", TOOLS_SCRIPTS)
				: read_script(json_object_array_get_idx(array, i), at + i, list,
					      err);

		if (r < 0)
			return error_prefix(err, r, "%s[%zu]", key, i);
	}
	return 0;
}

/* --- tools ------------------------------------------------------------------------------------ */

static int find_tool(struct json_object *config, const char *name, struct json_object **ret,
		     struct error *err)
{
	struct json_object *tools = NULL, *tool = NULL;
	bool known = config != NULL && json_object_object_get_ex(config, "tools", &tools) &&
		     json_object_is_type(tools, json_type_object) &&
		     json_object_object_get_ex(tools, name, &tool);

	if (!known)
		return error_set(err, ENOENT, "there is no tool \"%.80s\" in %s", name,
				 TOOLS_CONFIG);
	if (!json_object_is_type(tool, json_type_object))
		return error_set(err, EINVAL, "%s: tools.%.80s: must be an object", TOOLS_CONFIG,
				 name);
	*ret = tool;
	return 0;
}

/* "CMD " in front of what is there, unless that command was added before. */
static int prepend_command(struct tools *tools, const char *cmd, struct strv *seen,
			   struct error *err)
{
	char *text = NULL;

	if (cmd == NULL || cmd[0] == '\0' || strv_contains(seen, cmd))
		return 0;
	strv_add(seen, cmd);
	if (strv_error(seen) < 0 || asprintf(&text, "%s %s", cmd, tools->encapsulate) < 0)
		return no_memory(err);
	free(tools->encapsulate);
	tools->encapsulate = text;
	return 0;
}

static int add_environment(struct json_object *o, struct tools *tools, struct error *err)
{
	struct json_object *env = NULL;

	if (!json_object_object_get_ex(o, "env_vars", &env))
		return 0;
	return variables_set_object(&tools->env, "env_vars", env, err);
}

static int add_tool(struct json_object *item, struct json_object *config, struct tools *tools,
		    struct strv *seen, struct error *err)
{
	const char *name = NULL, *cmd = NULL;
	struct json_object *tool = NULL;
	int r;

	if (!json_object_is_type(item, json_type_object))
		return error_set(err, EINVAL, "must be an object: {\"name\": ...}");
	r = json_get_str(item, "name", &name, err);
	if (r < 0)
		return r == -ENOENT ? error_set(err, EINVAL, "name: is missing") : r;
	r = find_tool(config, name, &tool, err);
	if (r == 0)
		r = get_text(tool, "cmd", &cmd, err);
	if (r == 0)
		r = get_text(item, "cmd", &cmd, err);
	if (r == 0)
		r = prepend_command(tools, cmd, seen, err);
	if (r == 0)
		r = read_scripts(tool, "pre_scripts", 0, &tools->pre, err);
	if (r == 0)
		r = read_scripts(tool, "post_scripts", tools->post.n, &tools->post, err);
	if (r == 0)
		r = add_environment(tool, tools, err);
	if (r == 0)
		r = add_environment(item, tools, err);
	return r;
}

static int add_tools(const struct tools_query *query, struct tools *tools, struct error *err)
{
	AUTO_STRV struct strv seen = STRV_INIT;
	struct json_object *list = NULL;

	if (query->context == NULL || !json_object_object_get_ex(query->context, "tools", &list) ||
	    list == NULL)
		return 0;
	if (!json_object_is_type(list, json_type_array))
		return error_set(err, EINVAL, "tools: must be a list");
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		int r = add_tool(json_object_array_get_idx(list, i), query->config, tools, &seen,
				 err);

		if (r < 0)
			return error_prefix(err, r, "tools[%zu]", i);
	}
	return 0;
}

/* false, also as Python and people write it in a string. */
static bool is_off(struct json_object *context, const char *key)
{
	static const char *const words[] = { "", "0", "false", "False", "no", "off" };
	struct json_object *value = json_object_object_get(context, key);

	if (json_object_is_type(value, json_type_string)) {
		for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
			if (strcmp(words[i], json_object_get_string(value)) == 0)
				return true;
		}
		return false;
	}
	return value != NULL && !json_object_get_boolean(value);
}

static int add_report(const struct tools_query *query, struct tools *tools, struct error *err)
{
	const char *mode = json_str_or(query->context, "rocenv_mode", "lite");
	AUTO_FREE char *args = NULL, *quoted = NULL;

	if (!query->rocenv || is_off(query->context, "gen_sys_env_details"))
		return 0;
	if (mode[0] == '\0' || mode[strspn(mode, "abcdefghijklmnopqrstuvwxyz_")] != '\0')
		return error_set(err, EINVAL, "rocenv_mode: must be \"lite\" or \"full\"");
	quoted = words_quoted(query->environment);
	if (quoted == NULL || asprintf(&args, "%s %s %s", quoted, mode,
				       query->guest_os == NULL ? "UBUNTU" : query->guest_os) < 0) {
		args = NULL;
		return no_memory(err);
	}
	return insert(&tools->pre, tools->pre.n, TOOLS_ROCENV, args, err);
}

int tools_resolve(const struct tools_query *query, struct tools *ret, struct error *err)
{
	AUTO_TOOLS struct tools tools = TOOLS_INIT;
	const char *encapsulate = "";
	int r = query->context == NULL
			? 0
			: get_text(query->context, "encapsulate_script", &encapsulate, err);

	if (r < 0)
		return r;
	tools.encapsulate = strdup(encapsulate);
	if (tools.encapsulate == NULL)
		return no_memory(err);
	r = read_scripts(query->context, "pre_scripts", 0, &tools.pre, err);
	if (r == 0)
		r = read_scripts(query->context, "post_scripts", 0, &tools.post, err);
	if (r == 0)
		r = add_tools(query, &tools, err);
	if (r == 0)
		r = add_report(query, &tools, err);
	if (r < 0)
		return r;
	*ret = tools;
	tools = (struct tools)TOOLS_INIT;
	return 0;
}

int tools_load(int package_fd, const char *path, struct json_object **ret, struct error *err)
{
	AUTO_FREE char *text = NULL;
	struct literal_text in = { .name = path != NULL ? path : TOOLS_CONFIG,
				   .syntax = LITERAL_JSON };
	int r = file_read_at(package_fd, in.name, CONFIG_MAX, &text, &in.len, err);

	*ret = NULL;
	if (path == NULL && (r == -ENOENT || r == -ENOTDIR))
		return 0;
	if (r < 0)
		return r;
	in.text = text;
	return literal_parse(&in, ret, err);
}
