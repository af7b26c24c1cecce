/* SPDX-License-Identifier: MIT */
/*
 * Values of the context and of models that would be found wrong only when a container is made or
 * runs: see mad.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "run/mad.h"
#include "workload/docker_args.h"
#include "workload/exec_steps.h"
#include "workload/gpu_selection.h"
#include "workload/names.h"

static int check_gpus(const struct mad *m, struct error *err)
{
	struct gpu_list listed;

	return gpu_selection_parse(json_str_or(m->context, "docker_gpus", NULL), 0, &listed, err);
}

static int check_cpus(const struct mad *m, struct error *err)
{
	struct json_object *cpus = json_object_object_get(m->context, "docker_cpus");

	if (cpus == NULL)
		return 0;
	if (!json_object_is_type(cpus, json_type_string) &&
	    !json_object_is_type(cpus, json_type_int))
		return error_set(err, EINVAL, "docker_cpus: must be a text like \"0-3,7\"");
	return docker_args_check_cpus(json_object_get_string(cpus), err);
}

/* A text that is no number counts for nothing, as with madengine, but is told. */
static int check_count(const struct mad *m, struct error *err)
{
	const char *ignored = NULL;
	int r = model_check_gpu_count(m->context, &ignored, err);

	if (r == 0 && ignored != NULL)
		log_warning("%s: \"%.80s\" is no number of GPUs, and counts for nothing", ignored,
			    json_str_or(m->context, ignored, ""));
	return r;
}

static int check_launcher(const struct mad *m, struct error *err)
{
	struct json_object *distributed = NULL, *launcher;

	if (json_get_object(m->context, "distributed", &distributed, NULL) < 0)
		return 0;
	launcher = json_object_object_get(distributed, "launcher");
	if (launcher == NULL || json_object_is_type(launcher, json_type_string))
		return 0;
	return error_set(err, EINVAL, "distributed.launcher: must be a string, as \"torchrun\"");
}

static int check_image(const struct mad *m, struct error *err)
{
	const char *image = mad_given_image(m);
	int r = image == NULL ? 0 : names_check_image(image, err);

	return r < 0 ? error_prefix(err, r, "MAD_CONTAINER_IMAGE") : 0;
}

int mad_values_check(const struct mad *m, struct error *err)
{
	static int (*const checks[])(const struct mad *, struct error *) = {
		check_gpus, check_cpus, check_count, check_launcher, check_image,
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(checks) && r == 0; i++)
		r = checks[i](m, err);
	return r;
}

/* ---- models ---- */

static bool has_list(struct json_object *context, const char *key)
{
	struct json_object *list = json_object_object_get(context, key);

	return json_object_is_type(list, json_type_array) && json_object_array_length(list) > 0;
}

/* What is cloned, and what runs before the model, may bring the file that is run. */
static bool may_get_files(const struct mad *m, const struct model *model)
{
	return model_url(model) != NULL || has_list(m->context, "pre_scripts") ||
	       has_list(m->context, "tools");
}

static int check_scripts(const struct mad *m, const struct model *model, struct error *err)
{
	AUTO_FREE char *folder = NULL, *start = NULL, *path = NULL;
	struct stat st;
	int r = exec_steps_scripts(model, &folder, &start, err);

	if (r < 0)
		return r;
	if (fstatat(m->package_fd, folder, &st, 0) < 0 || !S_ISDIR(st.st_mode))
		return error_set(err, ENOENT, "scripts: the package has no folder %s", folder);
	path = path_join(folder, start);
	if (path == NULL)
		return error_set(err, ENOMEM, "out of memory");
	if (!may_get_files(m, model) && faccessat(m->package_fd, path, F_OK, 0) < 0)
		return error_set(err, ENOENT, "scripts: the package has no %s", path);
	return 0;
}

static void tell(const struct mad_item *item)
{
	struct error why = ERROR_INIT;

	(void)mad_item_why(item, &why);
	log_failure(&why);
}

static bool are_all_failed(const struct mad *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n_items; i++)
		n += m->items[i].failed.msg[0] != '\0';
	return n == m->n_items;
}

int mad_values_check_models(struct mad *m, struct error *err)
{
	const struct mad_item *last = NULL;

	for (size_t i = 0; i < m->n_items; i++) {
		struct mad_item *item = &m->items[i];

		if (item->failed.msg[0] != '\0' ||
		    check_scripts(m, &item->model, &item->failed) == 0)
			continue;
		/* one model of several Dockerfiles is told once */
		if (last != NULL && strcmp(last->model.origin, item->model.origin) != 0)
			tell(last);
		last = item;
	}
	if (last == NULL)
		return 0;
	if (are_all_failed(m))
		return mad_item_why(last, err);
	tell(last);
	return 0;
}
