/* SPDX-License-Identifier: MIT */
#include "workload/data.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/literal.h"
#include "base/strv.h"
#include "workload/docker_args.h"
#include "workload/inside.h"
#include "workload/model.h"
#include "workload/variables.h"

#define FILE_NAME "data.json"
#define FILE_MAX  ((size_t)4 << 20)
#define HOME      "/data_dlm"

static const char *const provider_names[] = { [DATA_CUSTOM] = "custom", [DATA_LOCAL] = "local" };

static int no_memory(struct error *err)
{
	return error_set(err, ENOMEM, "out of memory");
}

/* --- the file --------------------------------------------------------------------------------- */

static int read_file(int dir_fd, const char *path, struct json_object **ret, struct error *err)
{
	AUTO_FREE char *text = NULL;
	AUTO_JSON struct json_object *o = NULL;
	const char *name = path == NULL ? FILE_NAME : path;
	struct literal_text in = { .name = name, .syntax = LITERAL_JSON };
	int r = file_read_at(dir_fd, name, FILE_MAX, &text, &in.len, err);

	if (r == -ENOENT && path == NULL) {
		*ret = json_new_object();
		return 0;
	}
	if (r < 0)
		return r;
	in.text = text;
	r = literal_parse(&in, &o, err);
	if (r < 0)
		return r;
	if (!json_object_is_type(o, json_type_object))
		return error_set(err, EINVAL, "%s: must be an object: {\"NAME\": {...}}", name);
	*ret = TAKE_PTR(o);
	return 0;
}

int data_load(int dir_fd, const char *path, struct json_object *context, struct json_object **ret,
	      struct error *err)
{
	AUTO_JSON struct json_object *o = NULL;
	struct json_object *given = NULL;
	int r = read_file(dir_fd, path, &o, err);

	if (r < 0)
		return r;
	if (context != NULL && json_object_object_get_ex(context, "data", &given) &&
	    given != NULL) {
		if (!json_object_is_type(given, json_type_object))
			return error_set(err, EINVAL, "data: must be an object: {\"NAME\": {...}}");
		json_object_object_foreach(given, name, value)
		{
			if (!json_object_is_type(value, json_type_object))
				return error_set(err, EINVAL,
						 "data.%.80s: must be an object: "
						 "{\"PROVIDER\": {...}}",
						 name);
			json_add(o, name, json_object_get(value));
		}
	}
	*ret = TAKE_PTR(o);
	return 0;
}

/* --- one source ------------------------------------------------------------------------------- */

static void source_done(struct data_source *s)
{
	free(s->name);
	free(s->path);
	free(s->place);
	free(s->home);
	free(s->mirror);
	free(s->args);
	*s = (struct data_source){ .name = NULL };
}

#define AUTO_SOURCE CLEANUP(source_done)

/* A member that is a text, or is not there. */
static int get_text(struct json_object *o, const char *key, const char **ret, struct error *err)
{
	int r = json_get_str(o, key, ret, err);

	return r == -ENOENT ? 0 : r;
}

/* madengine asks for the text "true"; a boolean says the same. */
static bool is_true(struct json_object *o, const char *key)
{
	struct json_object *value = NULL;

	if (!json_object_object_get_ex(o, key, &value))
		return false;
	if (json_object_is_type(value, json_type_boolean))
		return json_object_get_boolean(value);
	return json_object_is_type(value, json_type_string) &&
	       strcmp(json_object_get_string(value), "true") == 0;
}

static int check_home(const char *home, struct error *err)
{
	if (home == NULL || (home[0] == '/' && strpbrk(home, ":,\n\r\t") == NULL))
		return 0;
	return error_set(err, EINVAL, "home: %.200s: must be absolute and have no \":\" nor \",\"",
			 home);
}

static int check_path(enum data_provider provider, const char *path, struct error *err)
{
	if (path == NULL)
		return error_set(err, EINVAL, "path: is missing");
	if (provider == DATA_CUSTOM)
		return inside_check("path", path, err);
	if (path[0] != '/' || strchr(path, ':') != NULL)
		return error_set(err, EINVAL, "path: %.200s: must be absolute and have no \":\"",
				 path);
	return 0;
}

static char *copy(const char *text)
{
	return text == NULL ? NULL : strdup(text);
}

/* The name becomes that of a folder below the mirror's, which it must not leave. */
static int fill_mirror(struct data_source *s, const char *mirror, struct error *err)
{
	if (mirror == NULL || mirror[0] == '\0' || s->provider != DATA_CUSTOM)
		return 0;
	if (strchr(s->name, '/') != NULL || strcmp(s->name, ".") == 0 || strcmp(s->name, "..") == 0)
		return error_set(err, EINVAL,
				 "its mirror is a folder of that name: no \"/\", nor \"..\"");
	s->mirror = path_join(mirror, s->name);
	return s->mirror == NULL ? no_memory(err) : 0;
}

/* Fills the owned strings of a source whose name and provider are set. */
static int fill(struct data_source *s, struct json_object *o, const struct data_query *query,
		struct error *err)
{
	const char *path = NULL, *home = NULL, *args = NULL, *mirror = query->mirror;
	int r = get_text(o, "path", &path, err);

	if (r == 0)
		r = check_path(s->provider, path, err);
	if (r == 0)
		r = get_text(o, "home", &home, err);
	if (r == 0)
		r = check_home(home, err);
	if (r == 0)
		r = get_text(o, "args", &args, err);
	if (r == 0 && mirror == NULL)
		r = get_text(o, "mirrorlocal", &mirror, err);
	if (r < 0)
		return r;
	s->readwrite = is_true(o, "readwrite");
	s->path = strdup(path);
	s->args = strdup(args == NULL ? "" : args);
	s->home = copy(s->provider == DATA_LOCAL ? home : NULL);
	if (asprintf(&s->place, "%s_%u", home == NULL ? HOME : home, (*query->index)++) < 0)
		s->place = NULL;
	if (s->path == NULL || s->args == NULL || s->place == NULL ||
	    (s->home == NULL && s->provider == DATA_LOCAL && home != NULL))
		return no_memory(err);
	return fill_mirror(s, mirror, err);
}

static int append(struct data_plan *plan, struct data_source *s, struct error *err)
{
	struct data_source *v = realloc(plan->v, (plan->n + 1) * sizeof(*v));

	if (v == NULL)
		return no_memory(err);
	plan->v = v;
	v[plan->n++] = *s;
	*s = (struct data_source){ .name = NULL };
	return 0;
}

/* Tries one provider. Return: 1 taken; 0 it is not there; negative errno. */
static int try_provider(const char *name, enum data_provider provider, struct json_object *entry,
			const struct data_query *query, struct data_plan *plan, struct error *err)
{
	AUTO_SOURCE struct data_source s = { .name = strdup(name), .provider = provider };
	struct json_object *o = NULL;
	int r;

	if (s.name == NULL)
		return no_memory(err);
	if (!json_object_object_get_ex(entry, provider_names[provider], &o))
		return 0;
	if (!json_object_is_type(o, json_type_object))
		return error_set(err, EINVAL, "%s: must be an object", provider_names[provider]);
	r = fill(&s, o, query, err);
	if (r < 0)
		return error_prefix(err, r, "%s", provider_names[provider]);
	if (!query->exists(query->arg, provider, s.path))
		return 0;
	r = append(plan, &s, err);
	return r < 0 ? r : 1;
}

/* --- the plan --------------------------------------------------------------------------------- */

static int nothing_there(const char *name, struct json_object *entry, struct data_plan *plan,
			 struct error *err)
{
	static const char *const network[] = { "minio", "nas", "aws" };

	for (size_t i = 0; i < ARRAY_SIZE(network); i++) {
		if (json_object_object_get_ex(entry, network[i], NULL)) {
			int r = error_set(err, ENOTSUP, "provider \"%s\" is not done here",
					  network[i]);

			return error_hint(err, r,
					  "fetch the data yourself and give them a "
					  "provider \"local\" with their path");
		}
	}
	strv_add(&plan->missing, name);
	return strv_error(&plan->missing) < 0 ? no_memory(err) : 0;
}

static int add_name(const char *name, const struct data_query *query, struct data_plan *plan,
		    struct error *err)
{
	struct json_object *entry = NULL;
	int r = 0;

	if (query->config == NULL || !json_object_object_get_ex(query->config, name, &entry))
		return error_set(err, ENOENT, "no such name in %s", FILE_NAME);
	if (!json_object_is_type(entry, json_type_object))
		return error_set(err, EINVAL, "must be an object: {\"PROVIDER\": {...}}");
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(provider_names); i++)
		r = try_provider(name, (enum data_provider)i, entry, query, plan, err);
	if (r == 0)
		r = nothing_there(name, entry, plan, err);
	return r < 0 ? r : 0;
}

/* The next name of a list with commas; NULL behind the last. Cuts the list up. */
static char *next_name(char **list)
{
	char *name;

	while ((name = strsep(list, ",")) != NULL) {
		char *end = name + strlen(name);

		name += strspn(name, " \t");
		while (end > name && strchr(" \t", end[-1]) != NULL)
			*--end = '\0';
		if (*name != '\0')
			return name;
	}
	return NULL;
}

int data_plan_make(const struct model *model, const struct data_query *query, struct data_plan *ret,
		   struct error *err)
{
	AUTO_DATA_PLAN struct data_plan plan = DATA_PLAN_INIT;
	const char *data = model_data(model);
	AUTO_FREE char *list = strdup(data == NULL ? "" : data);
	char *rest = list;
	const char *name;

	if (list == NULL)
		return no_memory(err);
	while ((name = next_name(&rest)) != NULL) {
		int r = add_name(name, query, &plan, err);

		if (r < 0)
			return error_prefix(err, r, "model %s: data \"%.80s\"", model_name(model),
					    name);
	}
	*ret = plan;
	plan = (struct data_plan)DATA_PLAN_INIT;
	return 0;
}

static char *join(const struct data_plan *plan, const char *(*text)(const struct data_source *s))
{
	AUTO_STRV struct strv parts = STRV_INIT;

	for (size_t i = 0; i < plan->n; i++)
		strv_add(&parts, text(&plan->v[i]));
	return strv_error(&parts) < 0 ? NULL : strv_join(&parts, ",");
}

static const char *name_of(const struct data_source *s)
{
	return s->name;
}

static const char *provider_of(const struct data_source *s)
{
	return provider_names[s->provider];
}

static const char *place_of(const struct data_source *s)
{
	return s->place;
}

char *data_plan_names(const struct data_plan *plan)
{
	return join(plan, name_of);
}

char *data_plan_providers(const struct data_plan *plan)
{
	return join(plan, provider_of);
}

void data_plan_variables(const struct data_plan *plan, struct variables *vars)
{
	AUTO_FREE char *places = join(plan, place_of);
	AUTO_FREE char *names = join(plan, name_of);

	if (places == NULL || names == NULL) {
		vars->r = -ENOMEM;
		return;
	}
	if (plan->n == 0)
		return;
	variables_set(vars, "MAD_DATAHOME", places);
	variables_set(vars, "MAD_DATANAME", names);
}

static int add_mount(struct strv *mounts, const char *host, const char *place, bool readonly,
		     struct error *err)
{
	AUTO_FREE char *guest = NULL;

	if (asprintf(&guest, "%s%s", DATA_GUEST_ROOT, host) < 0)
		return error_set(err, ENOMEM, "out of memory");
	return docker_args_mount(mounts, guest, place, readonly, err);
}

int data_plan_mounts(const struct data_plan *plan, struct strv *mounts, struct error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < plan->n; i++) {
		const struct data_source *s = &plan->v[i];

		if (s->provider == DATA_LOCAL)
			r = add_mount(mounts, s->path, s->place, !s->readwrite, err);
		if (r == 0 && s->home != NULL)
			r = add_mount(mounts, s->path, s->home, !s->readwrite, err);
		if (r == 0 && s->mirror != NULL)
			r = add_mount(mounts, s->mirror, s->place, false, err);
	}
	return r;
}

void data_plan_done(struct data_plan *plan)
{
	for (size_t i = 0; i < plan->n; i++)
		source_done(&plan->v[i]);
	free(plan->v);
	strv_done(&plan->missing);
	*plan = (struct data_plan)DATA_PLAN_INIT;
}
