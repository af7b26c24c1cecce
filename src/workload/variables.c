/* SPDX-License-Identifier: MIT */
#include "workload/variables.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/json.h"

#define SECRETS "MAD_SECRETS"

static struct variable *find(const struct variables *vars, const char *name)
{
	for (size_t i = 0; i < vars->n; i++) {
		if (strcmp(vars->v[i].name, name) == 0)
			return &vars->v[i];
	}
	return NULL;
}

static void append(struct variables *vars, const char *name, const char *value, bool secret)
{
	struct variable *v = realloc(vars->v, (vars->n + 1) * sizeof(*v));
	struct variable var = { .name = strdup(name), .value = strdup(value), .secret = secret };

	if (v != NULL)
		vars->v = v;
	if (v == NULL || var.name == NULL || var.value == NULL) {
		free(var.name);
		free(var.value);
		vars->r = -ENOMEM;
		return;
	}
	v[vars->n++] = var;
}

static void set(struct variables *vars, const char *name, const char *value, bool secret)
{
	struct variable *old = find(vars, name);
	char *copy;

	if (vars->r < 0)
		return;
	if (old == NULL) {
		append(vars, name, value, secret);
		return;
	}
	copy = strdup(value);
	if (copy == NULL) {
		vars->r = -ENOMEM;
		return;
	}
	free(old->value);
	old->value = copy;
	old->secret = secret;
}

void variables_set(struct variables *vars, const char *name, const char *value)
{
	set(vars, name, value, variables_is_secret(name));
}

void variables_set_secret(struct variables *vars, const char *name, const char *value)
{
	set(vars, name, value, true);
}

void variables_merge(struct variables *vars, const struct variables *from)
{
	for (size_t i = 0; i < from->n; i++)
		set(vars, from->v[i].name, from->v[i].value, from->v[i].secret);
	if (from->r < 0)
		vars->r = from->r;
}

/* As Python's str() has it; borrowed. */
static const char *scalar_text(struct json_object *value)
{
	if (value == NULL)
		return "None";
	if (json_object_is_type(value, json_type_boolean))
		return json_object_get_boolean(value) ? "True" : "False";
	return json_object_get_string(value);
}

int variables_set_object(struct variables *vars, const char *what, struct json_object *object,
			 struct error *err)
{
	if (object == NULL)
		return 0;
	if (!json_object_is_type(object, json_type_object))
		return error_set(err, EINVAL, "%s: must be an object", what);
	json_object_object_foreach(object, name, value)
	{
		if (!variables_is_name(name))
			return error_set(err, EINVAL,
					 "%s: \"%.80s\" is not a variable's name (letters, digits "
					 "and '_', no digit first)",
					 what, name);
		if (json_object_is_type(value, json_type_object) ||
		    json_object_is_type(value, json_type_array))
			return error_set(err, EINVAL, "%s.%.80s: must be a single value", what,
					 name);
		variables_set(vars, name, scalar_text(value));
	}
	return vars->r < 0 ? error_set(err, ENOMEM, "out of memory") : 0;
}

void variables_set_secrets(struct variables *vars, char *const *environ_v)
{
	for (; environ_v != NULL && *environ_v != NULL; environ_v++) {
		size_t len = strcspn(*environ_v, "=");
		AUTO_FREE char *name = strndup(*environ_v, len);

		if (name == NULL) {
			vars->r = -ENOMEM;
			return;
		}
		if ((*environ_v)[len] == '=' && strstr(name, SECRETS) != NULL &&
		    find(vars, name) == NULL)
			variables_set_secret(vars, name, *environ_v + len + 1);
	}
}

const char *variables_environ(char *const *environ_v, const char *name)
{
	size_t len = strlen(name);

	for (; environ_v != NULL && *environ_v != NULL; environ_v++) {
		if (strncmp(*environ_v, name, len) == 0 && (*environ_v)[len] == '=')
			return *environ_v + len + 1;
	}
	return NULL;
}

void variables_inherit(struct variables *vars, char *const *environ_v)
{
	static const char *const inherited[] = {
		"MASTER_ADDR",
		"MASTER_PORT",
		"WORLD_SIZE",
		"RANK",
		"NODE_RANK",
		"NNODES",
		"NPROC_PER_NODE",
		"MAD_MULTI_NODE_RUNNER",
		"MAD_COLLECT_METRICS",
		"NCCL_DEBUG",
		"NCCL_IB_DISABLE",
		"NCCL_NET_GDR_LEVEL",
		"PRIMUS_CONFIG_PATH",
		"PRIMUS_CLI_EXTRA",
		"TORCH_ELASTIC_RDZV_TIMEOUT",
		"MIOPEN_USER_DB_PATH",
	};
	static const char ray[] = "RAY_EXPERIMENTAL_NOSET_HIP_VISIBLE_DEVICES";

	for (size_t i = 0; i < ARRAY_SIZE(inherited); i++) {
		const char *value = variables_environ(environ_v, inherited[i]);

		if (value != NULL && find(vars, inherited[i]) == NULL)
			variables_set(vars, inherited[i], value);
	}
	if (find(vars, "HIP_VISIBLE_DEVICES") != NULL && find(vars, ray) == NULL)
		variables_set(vars, ray, "");
}

const char *variables_get(const struct variables *vars, const char *name)
{
	const struct variable *var = find(vars, name);

	return var == NULL ? NULL : var->value;
}

const char *variables_shown(const struct variable *var, bool masked)
{
	return masked && var->secret ? VARIABLES_MASK : var->value;
}

struct json_object *variables_object(const struct variables *vars, bool masked)
{
	struct json_object *o = json_new_object();

	for (size_t i = 0; i < vars->n; i++)
		json_add_str(o, vars->v[i].name, variables_shown(&vars->v[i], masked));
	return o;
}

void variables_done(struct variables *vars)
{
	for (size_t i = 0; i < vars->n; i++) {
		free(vars->v[i].name);
		free(vars->v[i].value);
	}
	free(vars->v);
	*vars = (struct variables)VARIABLES_INIT;
}

bool variables_is_name(const char *name)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
		"0123456789";

	return name[0] != '\0' && !(name[0] >= '0' && name[0] <= '9') &&
	       name[strspn(name, letters)] == '\0';
}

/* Whether the part of @len bytes is one of the words of a list. */
static bool is_one_of(const char *part, size_t len, const char *const *words)
{
	for (; *words != NULL; words++) {
		if (strlen(*words) == len && strncasecmp(part, *words, len) == 0)
			return true;
	}
	return false;
}

bool variables_is_secret(const char *name)
{
	static const char *const anywhere[] = { "SECRET", "SECRETS",     "PASSWORD",
						"PASSWD", "CREDENTIALS", NULL };
	static const char *const last[] = { "TOKEN", "PASS", "APIKEY", NULL };
	static const char *const before_key[] = { "API", "ACCESS", "PRIVATE", "SECRET", NULL };
	static const char *const key[] = { "KEY", NULL };
	bool key_follows = false;

	if (strstr(name, SECRETS) != NULL)
		return true;
	while (*name != '\0') {
		size_t len = strcspn(name, "_");
		bool is_last = name[len] == '\0';

		if (is_one_of(name, len, anywhere) || (is_last && is_one_of(name, len, last)) ||
		    (is_last && key_follows && is_one_of(name, len, key)))
			return true;
		key_follows = is_one_of(name, len, before_key);
		name += len + (is_last ? 0 : 1);
	}
	return false;
}
