/* SPDX-License-Identifier: MIT */
/* What is to be built and run, decided from package, manifest and context: see mad.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "run/mad.h"
#include "workload/credentials.h"
#include "workload/dockerfile.h"
#include "workload/model_dir.h"
#include "workload/package.h"
#include "workload/results_path.h"
#include "workload/tools.h"

#define CODE_BUILD     2
#define CODE_RUN       3
#define CODE_ARGUMENTS 4

void mad_done(struct mad *m)
{
	for (size_t i = 0; i < m->n_items; i++)
		mad_item_done(&m->items[i]);
	free(m->items);
	build_manifest_done(&m->manifest);
	(void)json_object_put(m->context);
	(void)json_object_put(m->docker_mounts);
	(void)json_object_put(m->tools);
	(void)json_object_put(m->credentials);
	(void)json_object_put(m->summary);
	close_fd(&m->package_fd);
}

/* Where it was not given. */
static int fall_back(char **value, const char *text, struct error *err)
{
	if (*value != NULL || text == NULL)
		return 0;
	*value = strdup(text);
	return *value == NULL ? error_set(err, ENOMEM, "out of memory") : 0;
}

/* ---- the package ---- */

static bool is_here(const struct mad *m, const char *dir)
{
	struct stat here, there;

	return fstat(m->package_fd, &here) == 0 && stat(dir, &there) == 0 &&
	       here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

static int merge_model_dir(const struct mad *m, struct error *err)
{
	const char *dir = getenv("MODEL_DIR");
	int r;

	if (dir == NULL || *dir == '\0')
		return 0;
	if (!m->dry_run || is_here(m, dir) || access(dir, F_OK) < 0) {
		model_dir_take(dir, m->from_manifest);
		return 0;
	}
	r = error_set(err, EINVAL, "--dry-run: MODEL_DIR %s would have to be copied here", dir);
	return error_hint(err, r, "unset MODEL_DIR and run it in that folder");
}

static int select_models(const struct mad *m, struct model_list *ret, struct error *err)
{
	AUTO_PACKAGE struct package package = PACKAGE_INIT;
	AUTO_TAG_LIST struct tag_list tags = TAG_LIST_INIT;
	int r = tag_list_parse(&m->o->tags, &tags, err);

	if (r == 0)
		r = package_load(".", &package, err);
	return r < 0 ? r : package_select(&package, &tags, ret, err);
}

/* As madengine finds it out, and says it. */
static const char *host_os(void)
{
	static const char *const all[][2] = {
		{ "/usr/bin/apt", "HOST_UBUNTU" },
		{ "/usr/bin/yum", "HOST_CENTOS" },
		{ "/usr/bin/zypper", "HOST_SLES" },
		{ "/usr/bin/tdnf", "HOST_AZURE" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		if (access(all[i][0], X_OK) == 0)
			return all[i][1];
	}
	return "Unable to detect Host OS";
}

/*
 * Those that cannot be built are told now, and have their rows when it is their turn. When there
 * are no others, nothing is begun.
 */
static int check_unbuildable(const struct mad *m, struct error *err)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n_items; i++)
		n += m->items[i].unbuildable;
	for (size_t i = 0; i < m->n_items; i++) {
		struct error why = ERROR_INIT;

		if (!m->items[i].unbuildable)
			continue;
		if (n == m->n_items)
			return mad_item_why(&m->items[i], err);
		(void)mad_item_why(&m->items[i], &why);
		log_failure(&why);
	}
	return 0;
}

static bool has_item_of(const struct mad *m, const char *origin)
{
	for (size_t i = 0; i < m->n_items; i++) {
		if (strcmp(m->items[i].model.origin, origin) == 0)
			return true;
	}
	return false;
}

static const struct model *last_of_name(const struct mad *m, const char *name)
{
	for (size_t i = m->n_items; i > 0; i--) {
		if (strcmp(model_name(&m->items[i - 1].model), name) == 0)
			return &m->items[i - 1].model;
	}
	return NULL;
}

/* Two models of one name and image: as with madengine, the last is run. */
static void tell_replaced(const struct mad *m, const struct model_list *models)
{
	AUTO_STRV struct strv told = STRV_INIT;

	for (size_t i = 0; i < models->n; i++) {
		const char *name = model_name(&models->v[i]), *origin = models->v[i].origin;
		const struct model *other = last_of_name(m, name);

		if (other == NULL || has_item_of(m, origin) || strv_contains(&told, origin))
			continue;
		strv_add(&told, origin);
		log_warning("model \"%s\" is there more than once: %s is run, %s is not", name,
			    other->origin, origin);
	}
}

static int plan_package(struct mad *m, struct config *cfg, struct error *err)
{
	AUTO_MODEL_LIST struct model_list models = MODEL_LIST_INIT;
	AUTO_JSON struct json_object *context = NULL;
	AUTO_FREE char *ctx_test = NULL;
	int r = merge_model_dir(m, err);

	m->code = CODE_BUILD;
	if (r == 0)
		r = select_models(m, &models, err);
	if (r == 0)
		r = package_ctx_test(".", &ctx_test, err);
	/* the vendor of what is passed is that of the images, too */
	if (r == 0)
		r = fall_back(&cfg->gpu_vendor, cfg->gpu.gpu_vendor, err);
	if (r < 0)
		return r;
	context =
		dockerfile_context(m->context, cfg->gpu_vendor, cfg->guest_os, host_os(), ctx_test);
	for (size_t i = 0; i < models.n && r == 0; i++)
		r = mad_items_add_model(m, &models.v[i], context, err);
	if (r == 0)
		tell_replaced(m, &models);
	if (r == 0)
		r = check_unbuildable(m, err);
	if (r == 0)
		r = build_manifest_init(&m->manifest, m->context, environ, cfg->gpu_vendor,
					cfg->guest_os, err);
	return r;
}

/* ---- a manifest ---- */

static int add_manifest_images(struct mad *m, struct error *err)
{
	AUTO_BUILD_MANIFEST_IMAGES struct build_manifest_images images = BUILD_MANIFEST_IMAGES_INIT;
	int r = build_manifest_images(&m->manifest, &images, err);

	for (size_t i = 0; i < images.without_model.n; i++)
		log_warning("%s: image \"%s\" has no model and is left out", m->o->manifest,
			    images.without_model.v[i]);
	for (size_t i = 0; i < images.n && r == 0; i++)
		r = mad_items_add_image(m, &images.v[i], err);
	if (r == 0 && images.n == 0)
		r = error_set(err, EINVAL, "%s: there is no image with a model in it to run",
			      m->o->manifest);
	return r;
}

static int plan_manifest(struct mad *m, struct error *err)
{
	struct json_object *merged;
	int r = build_manifest_load(m->o->manifest, &m->manifest, err);

	m->code = CODE_RUN;
	if (r == 0)
		r = build_manifest_unmask(&m->manifest, m->context, environ, err);
	if (r == 0)
		r = add_manifest_images(m, err);
	if (r == 0)
		r = merge_model_dir(m, err);
	if (r < 0)
		return r;
	merged = build_manifest_context(&m->manifest, m->context);
	if (merged == NULL)
		return error_set(err, ENOMEM, "out of memory");
	(void)json_object_put(m->context);
	m->context = merged;
	return 0;
}

/* ---- all ---- */

static int load_files(struct mad *m, struct error *err)
{
	int r = tools_load(m->package_fd, m->o->tools_config, &m->tools, err);

	if (r == 0)
		r = credentials_load(m->package_fd, environ, &m->credentials, err);
	return r;
}

/* madengine: a manifest that is not there means the full workflow. */
static bool uses_manifest(const struct mad *m)
{
	if (m->o->manifest == NULL)
		return false;
	if (access(m->o->manifest, F_OK) == 0)
		return true;
	if (m->o->tags.n > 0)
		log_warning(
			"--manifest-file %s: no such file; building the models of --tags "
			"instead",
			m->o->manifest);
	return false;
}

/* The full workflow wants tags; what is wrong with one is told when models are selected. */
static int check_tags(const struct mad *m, struct error *err)
{
	AUTO_TAG_LIST struct tag_list tags = TAG_LIST_INIT;

	if (m->from_manifest || tag_list_parse(&m->o->tags, &tags, NULL) < 0 || tags.n > 0)
		return 0;
	if (m->o->manifest == NULL || m->o->tags.n > 0)
		return error_set(err, EINVAL, "--tags: names no model");
	return error_hint(
		err, error_set(err, ENOENT, "--manifest-file %s: no such file", m->o->manifest),
		"--tags selects models to be built");
}

/* Options that contradict the configuration. */
static int check_options(const struct mad *m, struct error *err)
{
	int r;

	if (!m->o->keep_alive || m->cfg->cleanup.mode == CLEANUP_PRESERVE)
		return 0;
	r = error_set(
		err, EINVAL, "--keep-alive keeps a container, but its VM would be destroyed%s",
		m->cfg->cleanup.mode == CLEANUP_PRESERVE_ON_FAILURE ? " after a success" : "");
	return error_hint(err, r, "--preserve, or cleanup.mode \"preserve\"");
}

/* What was given and is without effect. */
static void say_unused(const struct mad *m)
{
	const struct {
		bool given;
		const char *text;
	} all[] = {
		{ m->o->registry != NULL && !m->from_manifest,
		  "--registry does nothing here: what is built stays in the VM" },
		{ m->o->tags.n > 0 && m->from_manifest,
		  "--tags does nothing beside --manifest-file" },
		{ m->o->manifest_output != NULL && m->from_manifest,
		  "--manifest-output does nothing beside --manifest-file" },
		{ m->o->clean_docker_cache && m->from_manifest,
		  "--clean-docker-cache does nothing beside --manifest-file" },
		{ m->o->sys_env_details,
		  "--sys-env-details does nothing: see the key gen_sys_env_details" },
		{ m->o->ignore_deprecated,
		  "--ignore-deprecated does nothing: deprecated models are run anyway" },
		{ json_str_or(m->context, "MAD_ROCM_PATH", NULL) != NULL,
		  "MAD_ROCM_PATH does nothing here: no ROCm of the host is used" },
		{ json_object_object_get(m->context, "skip_perf_collection") != NULL,
		  "skip_perf_collection does nothing here: see MAD_COLLECT_METRICS" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		if (all[i].given)
			log_warning("%s", all[i].text);
	}
}

/* madengine takes a GPU of AMD unless it is told otherwise; a manifest may tell, too. */
static int choose_vendor(struct mad *m, struct error *err)
{
	struct config *cfg = m->cfg;
	int r = fall_back(&cfg->gpu_vendor, json_str_or(m->context, "gpu_vendor", NULL), err);

	if (r == 0)
		r = fall_back(&cfg->guest_os, json_str_or(m->context, "guest_os", NULL), err);
	if (r == 0 && cfg->gpu.mode != GPU_MODE_NONE && cfg->gpu.gpu_ids.n == 0)
		r = fall_back(&cfg->gpu.gpu_vendor,
			      cfg->gpu_vendor != NULL ? cfg->gpu_vendor : "AMD", err);
	return r;
}

/* Those behind the model may be made by it. */
static int check_scripts(const struct mad *m, const struct tools *tools, struct error *err)
{
	for (size_t i = 0; i < tools->pre.n; i++) {
		if (faccessat(m->package_fd, tools->pre.v[i].path, F_OK, 0) < 0)
			return error_errno(err, "pre-script %s", tools->pre.v[i].path);
	}
	for (size_t i = 0; i < tools->post.n; i++) {
		if (faccessat(m->package_fd, tools->post.v[i].path, F_OK, 0) < 0)
			log_warning("post-script %s: the package has no such file",
				    tools->post.v[i].path);
	}
	return 0;
}

/* A tool that is not there is a mistake of the command line; better told now than after the VM is
 * up. */
static int check_tools(const struct mad *m, struct error *err)
{
	struct tools_query query = { .context = m->context, .config = m->tools, .environment = "" };
	struct tools tools = TOOLS_INIT;
	int r = tools_resolve(&query, &tools, err);

	if (r == 0)
		r = check_scripts(m, &tools, err);
	tools_done(&tools);
	if (r == -ENOENT)
		return error_hint(err, r,
				  "what madengine brings itself has to be in the package: "
				  "copy its scripts/common there");
	return r;
}

/* Told before anything is made, as it would be known only after the model has run. */
static int plan_rules(struct mad *m, struct error *err)
{
	for (size_t i = 0; i < m->n_items; i++) {
		struct mad_item *item = &m->items[i];
		int r = log_rules_make(item->model.object, m->context, &item->rules, err);

		if (r < 0)
			return error_prefix(err, r, "model \"%s\"", model_name(&item->model));
	}
	return 0;
}

/* A table that cannot be had is its model's failed setup; the others run. */
static void plan_results(struct mad *m)
{
	AUTO_STRV struct strv own = STRV_INIT;

	mad_books_own(m, &own);
	for (size_t i = 0; i < m->n_items; i++) {
		struct mad_item *item = &m->items[i];
		const char *given = model_multiple_results(&item->model);

		if (given == NULL || item->failed.msg[0] != '\0' ||
		    results_path(given, &item->results, &item->failed) < 0)
			continue;
		if (strv_contains(&own, item->results))
			(void)error_set(&item->failed, EINVAL,
					"multiple_results: %s: an option has given that name to "
					"another file",
					given);
	}
}

static int plan_all(struct mad *m, struct error *err)
{
	int r = check_tags(m, err);

	if (r == 0)
		r = check_options(m, err);
	if (r == 0)
		r = mad_values_check(m, err);
	if (r == 0)
		r = mad_outputs_check(m, err);
	if (r == 0)
		r = m->from_manifest ? plan_manifest(m, err) : plan_package(m, m->cfg, err);
	if (r == 0)
		r = choose_vendor(m, err);
	if (r < 0)
		return r;
	say_unused(m);
	m->code = CODE_ARGUMENTS;
	r = plan_rules(m, err);
	if (r == 0)
		r = load_files(m, err);
	if (r == 0)
		r = check_tools(m, err);
	if (r == 0)
		r = mad_folders_plan(m, err);
	if (r < 0)
		return r;
	m->code = CODE_RUN;
	r = mad_values_check_models(m, err);
	if (r == 0)
		r = mad_books_open(m, err);
	if (r == 0)
		plan_results(m);
	return r;
}

int mad_plan(struct mad *m, struct error *err)
{
	int r;

	m->code = CODE_ARGUMENTS;
	if (gethostname(m->machine, sizeof(m->machine) - 1) < 0)
		return error_errno(err, "the host's name");
	m->package_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (m->package_fd < 0)
		return error_errno(err, "open the current folder");
	m->context = m->cfg->context != NULL ? json_object_get(m->cfg->context) : json_new_object();
	m->from_manifest = uses_manifest(m);
	r = plan_all(m, err);
	if (r == 0)
		m->code = 0;
	(void)json_get_object(m->context, "deployment_config", &m->deployment, NULL);
	return r;
}
