/* SPDX-License-Identifier: MIT */
/*
 * The keys of madengine's context beside baremetal_vm. Their meaning is elsewhere; here are their
 * types, as madengine checks them. Any other key is allowed, as Dockerfile contexts name keys
 * freely.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/suggest.h"
#include "config/fields.h"

/* Who has more unknown keys than this has no slip of the pen, and looking for one takes time. */
#define SUGGESTIONS_MAX 20

enum context_type {
	CONTEXT_ANY,
	CONTEXT_STRING,
	CONTEXT_BOOL,
	CONTEXT_NUMBER,
	CONTEXT_ARRAY,
	CONTEXT_OBJECT,
	CONTEXT_VARIABLES, /* object: names of environment variables to scalars */
	CONTEXT_STRINGS,   /* object: anything to strings */
	CONTEXT_OTHER,     /* object for deployments this program does not do */
};

static const struct context_key {
	const char *name;
	enum context_type type;
} keys[] = {
	{ "baremetal_vm", CONTEXT_OBJECT },
	{ "gpu_vendor", CONTEXT_STRING },
	{ "guest_os", CONTEXT_STRING },
	{ "host_os", CONTEXT_STRING },
	{ "ctx_test", CONTEXT_ANY },
	{ "docker_build_arg", CONTEXT_VARIABLES },
	{ "docker_env_vars", CONTEXT_VARIABLES },
	{ "docker_mounts", CONTEXT_STRINGS },
	{ "docker_gpus", CONTEXT_STRING },
	{ "docker_cpus", CONTEXT_ANY },
	{ "gpu_renderDs", CONTEXT_ANY },
	{ "env_vars", CONTEXT_VARIABLES },
	{ "tools", CONTEXT_ARRAY },
	{ "pre_scripts", CONTEXT_ARRAY },
	{ "post_scripts", CONTEXT_ARRAY },
	{ "encapsulate_script", CONTEXT_STRING },
	{ "model_args", CONTEXT_STRING },
	{ "data", CONTEXT_ANY },
	{ "timeout", CONTEXT_NUMBER },
	{ "debug", CONTEXT_BOOL },
	{ "distributed", CONTEXT_OBJECT },
	{ "vllm", CONTEXT_OBJECT },
	{ "deployment_config", CONTEXT_OBJECT },
	{ "deploy", CONTEXT_OBJECT },
	{ "k8s", CONTEXT_OTHER },
	{ "kubernetes", CONTEXT_OTHER },
	{ "slurm", CONTEXT_OTHER },
	{ "gpus_per_node", CONTEXT_ANY },
	{ "gpu_count", CONTEXT_ANY },
	{ "n_gpus", CONTEXT_ANY },
	{ "num_gpus", CONTEXT_ANY },
	{ "ngpus", CONTEXT_ANY },
	{ "gen_sys_env_details", CONTEXT_ANY },
	{ "rocenv_mode", CONTEXT_ANY },
	{ "log_error_pattern_scan", CONTEXT_ANY },
	{ "log_error_benign_patterns", CONTEXT_ANY },
	{ "log_error_patterns", CONTEXT_ANY },
	{ "skip_perf_collection", CONTEXT_ANY },
	{ "MAD_CONTAINER_IMAGE", CONTEXT_STRING },
	{ "MAD_ROCM_PATH", CONTEXT_STRING },
};

static int check_members(enum context_type type, struct json_object *object, struct error *err)
{
	json_object_object_foreach(object, name, value)
	{
		if (type == CONTEXT_VARIABLES && !syntax_is_env_name(name, strlen(name)))
			return error_set(err, EINVAL,
					 "\"%.80s\" is not a variable's name (letters, "
					 "digits and '_', no digit first)",
					 name);
		if (json_object_is_type(value, json_type_object) ||
		    json_object_is_type(value, json_type_array))
			return error_set(err, EINVAL, "\"%.80s\" must be a single value", name);
		if (type == CONTEXT_STRINGS && !json_object_is_type(value, json_type_string))
			return error_set(err, EINVAL, "\"%.80s\" must be a string", name);
	}
	return 0;
}

static int wrong_type(const char *what, struct json_object *value, struct error *err)
{
	return error_set(err, EINVAL, "must be %s, not %.80s", what,
			 value == NULL ? "null" : json_compact(value));
}

static int check_object(enum context_type type, struct json_object *value, struct error *err)
{
	if (!json_object_is_type(value, json_type_object))
		return wrong_type("an object", value, err);
	if (type == CONTEXT_OTHER && json_object_object_length(value) > 0)
		return error_set(
			err, EINVAL,
			"this program only runs VMs on this host; that deployment is madengine's");
	return type == CONTEXT_VARIABLES || type == CONTEXT_STRINGS
		       ? check_members(type, value, err)
		       : 0;
}

static int check_type(enum context_type type, struct json_object *value, struct error *err)
{
	switch (type) {
	case CONTEXT_ANY:
		return 0;
	case CONTEXT_STRING:
		return json_object_is_type(value, json_type_string)
			       ? 0
			       : wrong_type("a string", value, err);
	case CONTEXT_BOOL:
		return json_object_is_type(value, json_type_boolean)
			       ? 0
			       : wrong_type("true or false", value, err);
	case CONTEXT_NUMBER:
		return json_object_is_type(value, json_type_int) ||
				       json_object_is_type(value, json_type_double)
			       ? 0
			       : wrong_type("a number", value, err);
	case CONTEXT_ARRAY:
		return json_object_is_type(value, json_type_array)
			       ? 0
			       : wrong_type("a list", value, err);
	case CONTEXT_OBJECT:
	case CONTEXT_VARIABLES:
	case CONTEXT_STRINGS:
	case CONTEXT_OTHER:
		break;
	}
	return check_object(type, value, err);
}

static const struct context_key *find_key(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	}
	return NULL;
}

static void warn_unknown(const char *name, bool suggest)
{
	struct suggest near = SUGGEST_INIT(name);

	if (fields_find("", name) != NULL) {
		log_warning("key \"%s\" has no effect here: it belongs into \"baremetal_vm\"",
			    name);
		return;
	}
	for (size_t i = 0; suggest && i < ARRAY_SIZE(keys); i++)
		suggest_try(&near, keys[i].name);
	if (near.best != NULL)
		log_warning("unknown key \"%s\" is kept; did you mean \"%s\"?", name, near.best);
}

static int read_string(struct json_object *context, const char *name, syntax_check_fn check,
		       char **ret, struct error *err)
{
	const char *text = json_str_or(context, name, NULL);
	AUTO_FREE char *copy = text == NULL ? NULL : strdup(text);
	int r;

	if (text == NULL)
		return 0;
	if (copy == NULL)
		return error_set(err, ENOMEM, "out of memory");
	r = check(&copy, err);
	if (r < 0)
		return r;
	free(*ret);
	*ret = TAKE_PTR(copy);
	return 0;
}

/* madengine goes by which of them is there, whatever is in it. */
static int check_deployments(struct json_object *context, const char **ret_path, struct error *err)
{
	static const char *const names[] = { "k8s", "kubernetes", "slurm", "baremetal_vm" };
	const char *first = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		bool alias = first != NULL && strcmp(names[i], "kubernetes") == 0;

		if (alias || !json_object_object_get_ex(context, names[i], NULL))
			continue;
		*ret_path = names[i];
		if (first != NULL)
			return error_set(err, EINVAL, "\"%s\" and \"%s\" exclude each other", first,
					 names[i]);
		first = names[i];
	}
	return 0;
}

int context_check(struct config *cfg, struct json_object *context, const char **ret_path,
		  struct error *err)
{
	size_t n_unknown = 0;
	int r = check_deployments(context, ret_path, err);

	if (r < 0)
		return r;
	json_object_object_foreach(context, name, value)
	{
		const struct context_key *key = find_key(name);

		*ret_path = name;
		if (key == NULL) {
			warn_unknown(name, n_unknown++ < SUGGESTIONS_MAX);
			continue;
		}
		r = check_type(key->type, value, err);
		if (r < 0)
			return r;
	}
	*ret_path = "gpu_vendor";
	r = read_string(context, "gpu_vendor", syntax_gpu_vendor, &cfg->gpu_vendor, err);
	if (r < 0)
		return r;
	*ret_path = "guest_os";
	return read_string(context, "guest_os", syntax_guest_os, &cfg->guest_os, err);
}
