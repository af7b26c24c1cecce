/* SPDX-License-Identifier: MIT */
#include "workload/build_manifest.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/literal.h"
#include "workload/names.h"
#include "workload/variables.h"

/* Objects whose members are variables. */
static const char *const variable_objects[] = { "docker_env_vars", "docker_build_arg", "env_vars" };

static int no_memory(struct error *err)
{
	return error_set(err, ENOMEM, "out of memory");
}

void build_manifest_done(struct build_manifest *m)
{
	(void)json_object_put(m->object);
	free(m->name);
	*m = (struct build_manifest)BUILD_MANIFEST_INIT;
}

/* A member, or NULL; @o may be NULL or no object. */
static struct json_object *member(struct json_object *o, const char *key)
{
	struct json_object *value = NULL;

	if (o == NULL || !json_object_is_type(o, json_type_object))
		return NULL;
	return json_object_object_get_ex(o, key, &value) ? value : NULL;
}

/* A copy of its own; what cannot be copied is no JSON, so only memory can fail. */
static struct json_object *copy_of(struct json_object *o)
{
	struct json_object *copy = NULL;

	return json_object_deep_copy(o, &copy, NULL) == 0 ? copy : NULL;
}

/* A text that says something; else NULL. */
static const char *text_of(struct json_object *o, const char *key)
{
	const char *text = json_str_or(o, key, NULL);

	return text == NULL || text[0] == '\0' ? NULL : text;
}

/* --- a new one -------------------------------------------------------------------------------- */

/* Copies @key of @from, or adds @fallback, which may be NULL for nothing; takes @fallback. */
static void add_copy(struct json_object *to, struct json_object *from, const char *key,
		     struct json_object *fallback)
{
	struct json_object *value = member(from, key);

	if (value == NULL) {
		if (fallback != NULL)
			json_add(to, key, fallback);
		return;
	}
	(void)json_object_put(fallback);
	json_add(to, key, copy_of(value));
}

static struct json_object *new_context(struct json_object *from, const char *gpu_vendor,
				       const char *guest_os)
{
	static const char *const if_given[] = { "tools", "pre_scripts", "post_scripts",
						"encapsulate_script" };
	struct json_object *context = json_new_object();

	add_copy(context, from, "docker_env_vars", json_new_object());
	add_copy(context, from, "docker_mounts", json_new_object());
	add_copy(context, from, "docker_build_arg", json_new_object());
	json_add_str(context, "gpu_vendor", gpu_vendor == NULL ? "AMD" : gpu_vendor);
	json_add_str(context, "guest_os", guest_os == NULL ? "UBUNTU" : guest_os);
	add_copy(context, from, "docker_gpus", json_new_string(""));
	for (size_t i = 0; i < ARRAY_SIZE(if_given); i++)
		add_copy(context, from, if_given[i], NULL);
	return context;
}

/* The machine of another run is no business of this one's: its kernels' cache stays out. */
static struct json_object *new_deployment(struct json_object *from)
{
	static const char *const if_given[] = { "slurm",       "k8s",  "kubernetes",
						"distributed", "vllm", "env_vars" };
	struct json_object *deployment = json_new_object();
	struct json_object *env;

	json_add_str(deployment, "target", "local");
	for (size_t i = 0; i < ARRAY_SIZE(if_given); i++)
		add_copy(deployment, from, if_given[i], NULL);
	env = member(deployment, "env_vars");
	if (env == NULL)
		json_add(deployment, "env_vars", json_new_object());
	else if (json_object_is_type(env, json_type_object))
		json_object_object_del(env, "MIOPEN_USER_DB_PATH");
	add_copy(deployment, from, "debug", json_object_new_boolean(0));
	return deployment;
}

/* What is given stays. */
static void add_absent(struct json_object *to, const struct variables *vars)
{
	for (size_t i = 0; json_object_is_type(to, json_type_object) && i < vars->n; i++) {
		if (!json_object_object_get_ex(to, vars->v[i].name, NULL))
			json_add_str(to, vars->v[i].name, vars->v[i].value);
	}
}

static int add_secrets(struct json_object *context, char *const *environ_v)
{
	AUTO_VARIABLES struct variables secrets = VARIABLES_INIT;

	variables_set_secrets(&secrets, environ_v);
	add_absent(member(context, "docker_env_vars"), &secrets);
	add_absent(member(context, "docker_build_arg"), &secrets);
	return secrets.r;
}

int build_manifest_init(struct build_manifest *ret, struct json_object *context,
			char *const *environ_v, const char *gpu_vendor, const char *guest_os,
			struct error *err)
{
	struct json_object *o = json_new_object(), *summary = json_new_object();

	json_add(o, "built_images", json_new_object());
	json_add(o, "built_models", json_new_object());
	json_add(o, "context", new_context(context, gpu_vendor, guest_os));
	json_add(o, "credentials_required", json_new_array());
	json_add(summary, "successful_builds", json_new_array());
	json_add(summary, "failed_builds", json_new_array());
	json_add_seconds(summary, "total_build_time", 0);
	json_add(summary, "successful_pushes", json_new_array());
	json_add(summary, "failed_pushes", json_new_array());
	json_add(o, "summary", summary);
	json_add(o, "deployment_config", new_deployment(context));
	ret->object = o;
	ret->name = strdup(BUILD_MANIFEST_FILE);
	if (ret->name == NULL || add_secrets(member(o, "context"), environ_v) < 0)
		return no_memory(err);
	return 0;
}

static struct json_object *new_image(const struct build_manifest_build *b)
{
	struct json_object *o = json_new_object();

	json_add_str(o, "model", model_name(b->model));
	json_add_str(o, "docker_image", b->image);
	json_add_str(o, "dockerfile", b->dockerfile);
	json_add_str(o, "base_docker", b->base_docker == NULL ? "" : b->base_docker);
	json_add_str(o, "docker_sha", b->docker_sha == NULL ? "" : b->docker_sha);
	json_add_seconds(o, "build_duration", b->seconds);
	json_add_str(o, "build_command", b->command);
	json_add_str(o, "log_file", b->log_file);
	json_add_str(o, "gpu_vendor", b->gpu_vendor == NULL ? "" : b->gpu_vendor);
	if (b->gpu_architecture != NULL && b->gpu_architecture[0] != '\0')
		json_add_str(o, "gpu_architecture", b->gpu_architecture);
	return o;
}

static void add_credential(struct build_manifest *m, const char *cred)
{
	struct json_object *list = member(m->object, "credentials_required");

	if (cred == NULL)
		return;
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		if (strcmp(json_object_get_string(json_object_array_get_idx(list, i)), cred) == 0)
			return;
	}
	(void)json_object_array_add(list, json_new_string(cred));
}

void build_manifest_add(struct build_manifest *m, const struct build_manifest_build *build)
{
	struct json_object *summary = member(m->object, "summary");
	struct json_object *image = new_image(build);
	double total = json_object_get_double(member(summary, "total_build_time"));

	json_add(member(m->object, "built_images"), build->image, json_object_get(image));
	json_add(member(m->object, "built_models"), build->image,
		 json_object_get(build->model->object));
	(void)json_object_array_add(member(summary, "successful_builds"), image);
	json_add_seconds(summary, "total_build_time", total + build->seconds);
	add_credential(m, model_cred(build->model));
}

static char *given_key(const struct model *model)
{
	char *key = NULL;

	if (asprintf(&key, "local-%s", model_name(model)) < 0)
		return NULL;
	for (char *c = strchr(key, '/'); c != NULL; c = strchr(c, '/'))
		*c = '_';
	return key;
}

struct json_object *build_manifest_add_given(struct build_manifest *m, const struct model *model,
					     const char *image)
{
	AUTO_FREE char *key = given_key(model);
	struct json_object *o;

	if (key == NULL)
		return NULL;
	o = json_new_object();
	json_add_str(o, "model", model_name(model));
	json_add_str(o, "docker_image", image);
	json_add_str(o, "dockerfile", "");
	json_add_str(o, "base_docker", image);
	json_add_str(o, "docker_sha", "");
	json_add_u64(o, "build_time", 0);
	json_add_bool(o, "local_image", true);
	json_add(member(m->object, "built_images"), key, o);
	json_add(member(m->object, "built_models"), key, json_object_get(model->object));
	json_add_bool(m->object, "local_image_mode", true);
	json_add_str(m->object, "local_image_name", image);
	add_credential(m, model_cred(model));
	return o;
}

bool build_manifest_is_empty(const struct build_manifest *m)
{
	struct json_object *list = member(m->object, "built_images");

	return list == NULL || json_object_object_length(list) == 0;
}

void build_manifest_add_failure(struct build_manifest *m, const char *model,
				const char *architecture, const char *error)
{
	struct json_object *o = json_new_object();

	json_add_str(o, "model", model);
	if (architecture != NULL && architecture[0] != '\0')
		json_add_str(o, "architecture", architecture);
	json_add_str(o, "error", error);
	(void)json_object_array_add(member(member(m->object, "summary"), "failed_builds"), o);
}

struct json_object *build_manifest_summary(const struct build_manifest *m)
{
	return member(m->object, "summary");
}

/* --- masks ------------------------------------------------------------------------------------ */

static bool has_variables(const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(variable_objects); i++) {
		if (strcmp(key, variable_objects[i]) == 0)
			return true;
	}
	return false;
}

static void mask_members(struct json_object *o)
{
	json_object_object_foreach(o, name, value)
	{
		if (value != NULL && variables_is_secret(name))
			json_add_str(o, name, VARIABLES_MASK);
	}
}

/* Masks in @o and below; its depth is bounded by what was parsed. */
static void mask(struct json_object *o)
{
	if (json_object_is_type(o, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(o); i++)
			mask(json_object_array_get_idx(o, i));
		return;
	}
	if (!json_object_is_type(o, json_type_object))
		return;
	json_object_object_foreach(o, key, value)
	{
		if (has_variables(key) && json_object_is_type(value, json_type_object))
			mask_members(value);
		else
			mask(value);
	}
}

struct json_object *build_manifest_masked(const struct build_manifest *m)
{
	struct json_object *copy = copy_of(m->object);

	if (copy != NULL)
		mask(copy);
	return copy;
}

int build_manifest_save(const struct build_manifest *m, int dir_fd, const char *path,
			struct error *err)
{
	AUTO_JSON struct json_object *masked = build_manifest_masked(m);

	return masked == NULL ? no_memory(err)
			      : json_save_for_user_at(dir_fd, path, masked, 0644, err);
}

static bool is_masked(struct json_object *value)
{
	return json_object_is_type(value, json_type_string) &&
	       strcmp(json_object_get_string(value), VARIABLES_MASK) == 0;
}

/* @own: members of it need no value; @missing: NULL where none is needed. */
static void unmask_members(struct json_object *o, struct json_object *own, char *const *environ_v,
			   struct strv *missing)
{
	if (!json_object_is_type(o, json_type_object))
		return;
	json_object_object_foreach(o, name, value)
	{
		const char *known = variables_environ(environ_v, name);

		if (!is_masked(value) || member(own, name) != NULL)
			continue;
		if (known != NULL)
			json_add_str(o, name, known);
		else if (missing != NULL && !strv_contains(missing, name))
			strv_add(missing, name);
	}
}

int build_manifest_unmask(struct build_manifest *m, struct json_object *context,
			  char *const *environ_v, struct error *err)
{
	struct json_object *mine = member(m->object, "context");
	struct json_object *tools = member(mine, "tools");
	AUTO_STRV struct strv missing = STRV_INIT;
	AUTO_FREE char *names = NULL;
	int r;

	unmask_members(member(mine, "docker_build_arg"), NULL, environ_v, NULL);
	unmask_members(member(mine, "docker_env_vars"), member(context, "docker_env_vars"),
		       environ_v, &missing);
	if (member(context, "tools") == NULL && json_object_is_type(tools, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(tools); i++)
			unmask_members(member(json_object_array_get_idx(tools, i), "env_vars"),
				       NULL, environ_v, &missing);
	}
	if (missing.n == 0 && strv_error(&missing) == 0)
		return 0;
	names = strv_error(&missing) < 0 ? NULL : strv_join(&missing, ", ");
	if (names == NULL)
		return no_memory(err);
	r = error_set(err, ENOENT, "%s: masked there and not in the environment: %s", m->name,
		      names);
	return error_hint(err, r,
			  "export each, or give it as docker_env_vars in the additional context");
}

/* --- reading ---------------------------------------------------------------------------------- */

static int check_objects(const char *name, struct json_object *o, const char *key,
			 struct error *err)
{
	struct json_object *list = member(o, key);

	if (!json_object_is_type(list, json_type_object))
		return error_set(err, EINVAL, "%s: %s: %s", name, key,
				 list == NULL ? "is missing" : "must be an object");
	json_object_object_foreach(list, image, value)
	{
		if (!json_object_is_type(value, json_type_object))
			return error_set(err, EINVAL, "%s: %s.%.200s: must be an object", name, key,
					 image);
	}
	return 0;
}

static int check_context(const char *name, struct json_object *o, struct error *err)
{
	struct json_object *context = member(o, "context");

	if (context != NULL && !json_object_is_type(context, json_type_object))
		return error_set(err, EINVAL, "%s: context: must be an object", name);
	for (size_t i = 0; i < ARRAY_SIZE(variable_objects); i++) {
		struct json_object *value = member(context, variable_objects[i]);

		if (value != NULL && !json_object_is_type(value, json_type_object))
			return error_set(err, EINVAL, "%s: context.%s: must be an object", name,
					 variable_objects[i]);
	}
	return 0;
}

static int check(const struct build_manifest *m, struct error *err)
{
	AUTO_BUILD_MANIFEST_IMAGES struct build_manifest_images images = BUILD_MANIFEST_IMAGES_INIT;
	int r;

	if (!json_object_is_type(m->object, json_type_object))
		return error_set(err, EINVAL, "%s: must be an object", m->name);
	r = check_objects(m->name, m->object, "built_images", err);
	if (r == 0)
		r = check_objects(m->name, m->object, "built_models", err);
	if (r == 0)
		r = check_context(m->name, m->object, err);
	return r < 0 ? r : build_manifest_images(m, &images, err);
}

int build_manifest_parse(const char *name, const char *text, size_t len, struct build_manifest *ret,
			 struct error *err)
{
	AUTO_BUILD_MANIFEST struct build_manifest m = { .name = strdup(name) };
	struct literal_text in = { .name = name, .text = text, .len = len, .syntax = LITERAL_JSON };
	int r = m.name == NULL ? no_memory(err) : literal_parse(&in, &m.object, err);

	if (r == 0)
		r = check(&m, err);
	if (r < 0)
		return r;
	*ret = m;
	m = (struct build_manifest)BUILD_MANIFEST_INIT;
	return 0;
}

int build_manifest_load(const char *path, struct build_manifest *ret, struct error *err)
{
	AUTO_FREE char *text = NULL;
	size_t len = 0;
	int r = file_read_input(path, BUILD_MANIFEST_MAX, &text, &len, err);

	return r < 0 ? r : build_manifest_parse(path, text, len, ret, err);
}

/* Variables of the manifest with those of the run set over them. */
static void merge_variables(struct json_object *to, struct json_object *mine)
{
	struct json_object *theirs = member(to, "docker_env_vars");
	struct json_object *merged = copy_of(mine);

	if (merged == NULL)
		return;
	if (json_object_is_type(theirs, json_type_object)) {
		json_object_object_foreach(theirs, name, value)
		{
			json_add(merged, name, json_object_get(value));
		}
	}
	json_add(to, "docker_env_vars", merged);
}

struct json_object *build_manifest_context(const struct build_manifest *m,
					   struct json_object *context)
{
	static const char *const if_absent[] = {
		"gpu_vendor",  "guest_os",     "tools",
		"pre_scripts", "post_scripts", "encapsulate_script"
	};
	struct json_object *mine = member(m->object, "context");
	struct json_object *deployment = member(m->object, "deployment_config");
	struct json_object *merged = context == NULL ? json_new_object() : copy_of(context);

	if (merged == NULL)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(if_absent); i++) {
		if (member(merged, if_absent[i]) == NULL)
			add_copy(merged, mine, if_absent[i], NULL);
	}
	if (member(mine, "docker_env_vars") != NULL)
		merge_variables(merged, member(mine, "docker_env_vars"));
	if (member(merged, "deployment_config") == NULL && deployment != NULL)
		json_add(merged, "deployment_config", copy_of(deployment));
	if (member(merged, "distributed") == NULL)
		add_copy(merged, deployment, "distributed", NULL);
	return merged;
}

/* --- images ----------------------------------------------------------------------------------- */

void build_manifest_images_done(struct build_manifest_images *images)
{
	for (size_t i = 0; i < images->n; i++)
		model_done(&images->v[i].model);
	free(images->v);
	strv_done(&images->without_model);
	*images = (struct build_manifest_images)BUILD_MANIFEST_IMAGES_INIT;
}

static int init_model(const struct build_manifest *m, const char *key, struct json_object *object,
		      struct model *ret, struct error *err)
{
	AUTO_FREE char *origin = NULL;

	if (asprintf(&origin, "%s: built_models.%s", m->name, key) < 0) {
		origin = NULL;
		return no_memory(err);
	}
	return model_init(ret, object, origin, err);
}

static int read_image(const struct build_manifest *m, const char *key, struct json_object *object,
		      struct build_manifest_image *ret, struct error *err)
{
	struct build_manifest_image image = { .key = key, .object = object };
	int r;

	image.image = text_of(object, "docker_image");
	if (image.image == NULL)
		image.image = key;
	image.pull =
		text_of(object, "push_error") == NULL ? text_of(object, "registry_image") : NULL;
	image.gpu_vendor = text_of(object, "gpu_vendor");
	image.gpu_architecture = text_of(object, "gpu_architecture");
	r = names_check_image(image.image, err);
	if (r == 0 && image.pull != NULL)
		r = names_check_image(image.pull, err);
	if (r < 0)
		return error_prefix(err, r, "%s: built_images.%.200s", m->name, key);
	*ret = image;
	return 0;
}

static int append_image(const struct build_manifest *m, const char *key, struct json_object *object,
			struct build_manifest_images *images, struct error *err)
{
	struct json_object *model = member(member(m->object, "built_models"), key);
	struct build_manifest_image *v, image;
	int r;

	if (model == NULL) {
		strv_add(&images->without_model, key);
		return strv_error(&images->without_model) < 0 ? no_memory(err) : 0;
	}
	r = read_image(m, key, object, &image, err);
	if (r == 0)
		r = init_model(m, key, model, &image.model, err);
	if (r < 0)
		return r;
	v = realloc(images->v, (images->n + 1) * sizeof(*v));
	if (v == NULL) {
		model_done(&image.model);
		return no_memory(err);
	}
	images->v = v;
	v[images->n++] = image;
	return 0;
}

int build_manifest_images(const struct build_manifest *m, struct build_manifest_images *ret,
			  struct error *err)
{
	AUTO_BUILD_MANIFEST_IMAGES struct build_manifest_images images = BUILD_MANIFEST_IMAGES_INIT;
	struct json_object *list = member(m->object, "built_images");

	if (!json_object_is_type(list, json_type_object))
		return error_set(err, EINVAL, "%s: built_images: must be an object", m->name);
	json_object_object_foreach(list, key, object)
	{
		int r = append_image(m, key, object, &images, err);

		if (r < 0)
			return r;
	}
	*ret = images;
	images = (struct build_manifest_images)BUILD_MANIFEST_IMAGES_INIT;
	return 0;
}
