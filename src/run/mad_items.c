/* SPDX-License-Identifier: MIT */
/* The images of a model, each with what it is run with: see mad.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/json.h"
#include "run/mad.h"
#include "workload/docker_args.h"
#include "workload/dockerfile.h"
#include "workload/names.h"

void mad_item_done(struct mad_item *item)
{
	model_done(&item->model);
	free(item->image);
	free(item->container);
	free(item->build_log);
	free(item->run_log);
	free(item->full_log);
	free(item->dockerfile);
	free(item->base);
	free(item->gpu_vendor);
	free(item->architecture);
	free(item->pull);
	free(item->results);
	log_rules_done(&item->rules);
	close_fd(&item->build_fd);
	(void)json_object_put(item->record);
	data_plan_done(&item->data);
}

int mad_item_why(const struct mad_item *item, struct error *err)
{
	*err = item->failed;
	return error_prefix(err, -item->failed.code, "model \"%s\"", model_name(&item->model));
}

static int copy_text(char **ret, const char *text, struct error *err)
{
	*ret = text == NULL ? NULL : strdup(text);
	return text != NULL && *ret == NULL ? error_set(err, ENOMEM, "out of memory") : 0;
}

/* Takes @item, also on failure. */
static int add_item(struct mad *m, struct mad_item *item, struct error *err)
{
	struct mad_item *v = reallocarray(m->items, m->n_items + 1, sizeof(*v));

	if (v == NULL) {
		mad_item_done(item);
		return error_set(err, ENOMEM, "out of memory");
	}
	m->items = v;
	v[m->n_items++] = *item;
	return 0;
}

static bool is_same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool is_same_model(const struct mad_item *a, const struct mad_item *b)
{
	return strcmp(model_name(&a->model), model_name(&b->model)) == 0;
}

/* By the image, or by the Dockerfile where there can be none. */
static bool is_same_item(const struct mad_item *a, const struct mad_item *b)
{
	return is_same_model(a, b) && is_same_text(a->image, b->image) &&
	       (a->image != NULL || is_same_text(a->dockerfile, b->dockerfile));
}

/*
 * Two tags may select one model: it is run once, with the arguments of the last. Takes @item, also
 * on failure.
 */
static int add_once(struct mad *m, struct mad_item *item, struct error *err)
{
	for (size_t i = 0; i < m->n_items; i++) {
		struct mad_item *before = &m->items[i];
		struct model model = before->model;

		if (!is_same_item(before, item))
			continue;
		before->model = item->model;
		item->model = model;
		mad_item_done(item);
		return 0;
	}
	return add_item(m, item, err);
}

static int name_item(struct mad_item *item, struct error *err)
{
	int r = names_run_log(model_name(&item->model), item->image, &item->run_log, err);

	return r < 0 ? r : names_container(item->image, &item->container, err);
}

/* @file: NULL when there is none for it. */
static int describe_item(struct mad_item *item, const struct model *model,
			 const struct dockerfile *file, struct error *err)
{
	int r = model_copy(&item->model, model, err);

	if (r < 0 || file == NULL)
		return r;
	r = copy_text(&item->dockerfile, file->path, err);
	if (r == 0)
		r = copy_text(&item->base, file->base, err);
	if (r == 0)
		r = copy_text(&item->gpu_vendor, file->gpu_vendor, err);
	return r < 0 ? r : copy_text(&item->architecture, file->architecture, err);
}

static int name_built_item(const struct mad *m, struct mad_item *item, struct error *err)
{
	const char *name = model_name(&item->model);
	int r = names_image(name, item->dockerfile, NULL, &item->image, err);

	for (size_t i = 0; i < m->n_items && r == 0; i++) {
		if (is_same_text(m->items[i].image, item->image) &&
		    !is_same_model(&m->items[i], item))
			r = error_set(err, EEXIST,
				      "its image %s would be that of model \"%s\", too",
				      item->image, model_name(&m->items[i].model));
	}
	if (r == 0)
		r = names_build_log(name, item->dockerfile, &item->build_log, err);
	if (r == 0)
		r = names_full_log(name, item->dockerfile, &item->full_log, err);
	return r == 0 ? name_item(item, err) : r;
}

/* What is wrong with this model or this Dockerfile alone is its failed build; the others run. */
static bool is_failed_build(int r)
{
	return r == -EINVAL || r == -ENOENT || r == -ENOTDIR;
}

/* docker build would say so when the VM is up. */
static int check_docker_context(const struct mad *m, const struct model *model, struct error *err)
{
	const char *folder = docker_args_folder(model);
	struct stat st;

	if (fstatat(m->package_fd, folder, &st, 0) < 0)
		return error_errno(err, "dockercontext %s", folder);
	return S_ISDIR(st.st_mode) ? 0
				   : error_set(err, ENOTDIR, "dockercontext %s: no folder", folder);
}

/* @why: NULL, or why there is no @file, which is NULL then. */
static int add_built_item(struct mad *m, const struct model *model, const struct dockerfile *file,
			  const struct error *why, struct error *err)
{
	struct mad_item item = MAD_ITEM_INIT;
	int r = describe_item(&item, model, file, err);

	if (r == 0 && why != NULL) {
		item.failed = *why;
		item.unbuildable = true;
	} else if (r == 0) {
		r = check_docker_context(m, model, &item.failed);
		if (r == 0)
			r = name_built_item(m, &item, &item.failed);
		item.unbuildable = is_failed_build(r);
	}
	if (item.unbuildable)
		free(TAKE_PTR(item.image));
	if (r == 0 || item.unbuildable)
		return add_once(m, &item, err);
	if (item.failed.code != 0)
		*err = item.failed;
	mad_item_done(&item);
	return r;
}

/* One image for each Dockerfile that fits. */
static int add_images(struct mad *m, const struct model *model, struct json_object *context,
		      struct error *err)
{
	AUTO_DOCKERFILE_LIST struct dockerfile_list files = { .v = NULL };
	const char *prefix = model_dockerfile(model);
	struct error why = ERROR_INIT;
	int r;

	if (prefix == NULL)
		r = error_set(&why, EINVAL, "%s: it has no dockerfile", model->origin);
	else
		r = dockerfile_select(m->package_fd, prefix, context, &files, &why);
	if (is_failed_build(r))
		return add_built_item(m, model, NULL, &why, err);
	if (r < 0)
		*err = why;
	for (size_t i = 0; i < files.n && r == 0; i++)
		r = add_built_item(m, model, &files.v[i], NULL, err);
	return r;
}

/* MAD_CONTAINER_IMAGE: nothing is built, all models run in that image. */
static int add_given_image(struct mad *m, const struct model *model, const char *image,
			   struct error *err)
{
	struct mad_item item = MAD_ITEM_INIT;
	int r = model_copy(&item.model, model, err);

	if (r == 0)
		r = copy_text(&item.image, image, err);
	if (r == 0)
		r = copy_text(&item.base, image, err);
	if (r == 0)
		r = name_item(&item, err);
	if (r == 0)
		return add_once(m, &item, err);
	mad_item_done(&item);
	return r;
}

const char *mad_given_image(const struct mad *m)
{
	return m->from_manifest ? NULL : json_str_or(m->context, "MAD_CONTAINER_IMAGE", NULL);
}

int mad_items_add_model(struct mad *m, const struct model *model, struct json_object *context,
			struct error *err)
{
	const char *image = mad_given_image(m);
	int r = image != NULL ? add_given_image(m, model, image, err)
			      : add_images(m, model, context, err);

	return r < 0 ? error_prefix(err, r, "model \"%s\"", model_name(model)) : 0;
}

int mad_items_add_image(struct mad *m, struct build_manifest_image *image, struct error *err)
{
	struct mad_item item = MAD_ITEM_INIT;
	int r = model_copy(&item.model, &image->model, err);

	if (r == 0)
		r = copy_text(&item.image, image->image, err);
	if (r == 0)
		r = copy_text(&item.pull, image->pull, err);
	if (r == 0)
		r = copy_text(&item.gpu_vendor, image->gpu_vendor, err);
	if (r == 0)
		r = copy_text(&item.architecture, image->gpu_architecture, err);
	if (r == 0)
		r = name_item(&item, err);
	item.record = json_object_get(image->object);
	if (r == 0)
		return add_item(m, &item, err);
	mad_item_done(&item);
	return r;
}
