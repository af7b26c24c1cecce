/* SPDX-License-Identifier: MIT */
/*
 * Folders of the host that containers are given: local data, and docker_mounts. They are mounts of
 * the VM, in the guest below DATA_GUEST_ROOT. The models' own options for Docker, which can give
 * only the guest's. See mad.h.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "host/host.h"
#include "host/mount_check.h"
#include "run/mad.h"
#include "vm/plan.h"
#include "workload/docker_args.h"

/* ---- mounts of the VM ---- */

/* Whoever wants to write decides for all that want the same folder. */
static int add_mount(struct mad *m, const char *path, bool readonly, struct error *err)
{
	struct config *cfg = m->cfg;
	AUTO_FREE char *guest = NULL;
	struct config_mount *v;

	if (asprintf(&guest, "%s%s", DATA_GUEST_ROOT, path) < 0)
		return error_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < cfg->n_mounts; i++) {
		if (strcmp(cfg->mounts[i].guest, guest) != 0)
			continue;
		cfg->mounts[i].readonly = cfg->mounts[i].readonly && readonly;
		return 0;
	}
	if (cfg->n_mounts >= VM_MOUNTS_MAX)
		return error_set(err, EINVAL, "%s: a VM has at most %d folders of the host", path,
				 VM_MOUNTS_MAX);
	v = reallocarray(cfg->mounts, cfg->n_mounts + 1, sizeof(*v));
	if (v == NULL)
		return error_set(err, ENOMEM, "out of memory");
	cfg->mounts = v;
	v[cfg->n_mounts] = (struct config_mount){ .host = strdup(path),
						  .guest = TAKE_PTR(guest),
						  .readonly = readonly,
						  .unmade = m->dry_run && access(path, F_OK) < 0 };
	cfg->n_mounts++;
	return v[cfg->n_mounts - 1].host == NULL ? error_set(err, ENOMEM, "out of memory") : 0;
}

/* ---- data ---- */

static bool data_exists(void *arg, enum data_provider provider, const char *path)
{
	const struct mad *m = arg;

	return faccessat(provider == DATA_CUSTOM ? m->package_fd : AT_FDCWD, path, F_OK, 0) == 0;
}

static int refuse_file(const char *what, const char *path, struct error *err)
{
	return error_set(err, ENOTDIR,
			 "%s: %s is not a folder; only folders of the host can be "
			 "in the guest",
			 what, path);
}

static int mount_folder(struct mad *m, const char *what, const char *path, bool readonly,
			struct error *err)
{
	struct stat st;

	if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode))
		return refuse_file(what, path, err);
	return add_mount(m, path, readonly, err);
}

/* The real path of what is there already, and the rest behind it. NULL: errno of the lookup. */
static char *absolute(const char *path)
{
	AUTO_FREE char *there = strdup(path);
	AUTO_FREE char *real = there == NULL ? NULL : realpath(there, NULL);
	size_t end = strlen(path);

	while (there != NULL && real == NULL && errno == ENOENT && strcmp(there, ".") != 0) {
		while (end > 0 && path[end - 1] == '/')
			end--;
		while (end > 0 && path[end - 1] != '/')
			end--;
		there[end] = '\0';
		if (end == 0)
			memcpy(there, ".", sizeof("."));
		real = realpath(there, NULL);
	}
	if (real == NULL || path[end] == '\0')
		return TAKE_PTR(real);
	return path_join(strcmp(real, "/") == 0 ? "" : real, path + end);
}

/* Made where it is missing. The guardian, which opens it, has another current folder. */
static int mount_mirror(struct mad *m, const char *what, struct data_source *source,
			struct error *err)
{
	int r = m->dry_run ? 0 : file_mkdirs(source->mirror, 0755, err);
	char *path;

	if (r < 0)
		return error_prefix(err, r, "%s", what);
	path = absolute(source->mirror);
	if (path == NULL)
		return error_errno(err, "%s: %s", what, source->mirror);
	free(source->mirror);
	source->mirror = path;
	if (strchr(path, ':') != NULL)
		return error_set(err, EINVAL, "%s: its mirror %s has a \":\" in it", what, path);
	return mount_folder(m, what, path, false, err);
}

static int mount_data(struct mad *m, struct data_plan *plan, struct error *err)
{
	char what[256];
	int r = 0;

	for (size_t i = 0; i < plan->n && r == 0; i++) {
		struct data_source *source = &plan->v[i];

		(void)snprintf(what, sizeof(what), "data \"%.200s\"", source->name);
		if (source->provider == DATA_LOCAL)
			r = mount_folder(m, what, source->path, !source->readwrite, err);
		else if (source->mirror != NULL)
			r = mount_mirror(m, what, source, err);
	}
	return r;
}

static void tell_refused(const struct mad_item *item)
{
	struct error why = ERROR_INIT;

	(void)mad_item_why(item, &why);
	log_failure(&why);
}

/* Data that cannot be in the guest end the run only when no model is left. @item: the last such. */
static int check_refused(const struct mad *m, const struct mad_item *item, struct error *err)
{
	size_t n_failed = 0;

	for (size_t i = 0; i < m->n_items; i++)
		n_failed += m->items[i].failed.msg[0] != '\0';
	if (n_failed == m->n_items)
		return mad_item_why(item, err);
	tell_refused(item);
	return 0;
}

/* What a model lacks is its own failure, later; the others run. */
static int plan_data(struct mad *m, struct error *err)
{
	AUTO_JSON struct json_object *config = NULL;
	unsigned int index = 0;
	struct data_query query = {
		.exists = data_exists, .arg = m, .mirror = m->o->mirror, .index = &index
	};
	const struct mad_item *refused = NULL;
	int r = data_load(m->package_fd, m->o->data_config, m->context, &config, err);

	query.config = config;
	for (size_t i = 0; i < m->n_items && r == 0; i++) {
		struct mad_item *item = &m->items[i];

		if (item->unbuildable ||
		    data_plan_make(&item->model, &query, &item->data, &item->failed) < 0)
			continue;
		for (size_t n = 0; n < item->data.missing.n; n++)
			log_warning("model \"%s\": data \"%s\" are not there; it runs without them",
				    model_name(&item->model), item->data.missing.v[n]);
		r = mount_data(m, &item->data, &item->failed);
		if (r == -ENOMEM)
			return mad_item_why(item, err);
		if (r < 0 && refused != NULL)
			tell_refused(refused);
		if (r < 0)
			refused = item;
		r = 0;
	}
	return r < 0 || refused == NULL ? r : check_refused(m, refused, err);
}

/* ---- docker_mounts ---- */

/* Whether the first name in a path is one of @n. @ret: what is behind it in the path. */
static bool begins_with(const char *path, const char *const *names, size_t n, const char **ret)
{
	size_t len;

	path += strspn(path, "/");
	len = strcspn(path, "/");
	*ret = path + len + strspn(path + len, "/");
	for (size_t i = 0; i < n; i++) {
		if (strlen(names[i]) == len && strncmp(path, names[i], len) == 0)
			return true;
	}
	return false;
}

/* There, nobody means this host's. */
static bool is_of_the_kernel(const char *path)
{
	static const char *const folders[] = { "dev", "proc", "run", "sys" };
	const char *rest;

	return begins_with(path, folders, ARRAY_SIZE(folders), &rest);
}

/* Of /opt the drivers' part alone, in all its versions: people keep their data there, too. */
static bool is_of_a_driver(const char *in_opt)
{
	return *in_opt == '\0' || strncmp(in_opt, "rocm", 4) == 0 ||
	       strncmp(in_opt, "amdgpu", 6) == 0 || strncmp(in_opt, "nvidia", 6) == 0;
}

/* What such a path means is a matter of the system that the container runs on: the guest. */
static bool is_of_the_system(const char *path)
{
	static const char *const folders[] = { "bin",   "boot", "etc", "lib", "lib32",
					       "lib64", "sbin", "tmp", "usr" };
	static const char *const opt[] = { "opt" };
	const char *rest;

	return path[strspn(path, "/")] == '\0' || is_of_the_kernel(path) ||
	       begins_with(path, folders, ARRAY_SIZE(folders), &rest) ||
	       (begins_with(path, opt, 1, &rest) && is_of_a_driver(rest));
}

/* A model that finds it empty would measure the wrong thing. */
static void warn_of_guests(const char *path)
{
	AUTO_CLOSEDIR DIR *dir = is_of_the_kernel(path) ? NULL : opendir(path);
	const struct dirent *entry = NULL;

	do {
		entry = dir != NULL ? readdir(dir) : NULL;
	} while (entry != NULL &&
		 (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
	if (entry != NULL)
		log_warning(
			"docker_mounts: %s is the guest's own folder, not this host's; to give "
			"this host's, let mounts of baremetal_vm put it elsewhere, as in "
			"/mnt, and name that here",
			path);
}

enum place {
	PLACE_GUEST,
	PLACE_HOST,
	PLACE_FILE, /* of the host, which cannot be given */
};

static enum place place_of(const char *container, const char *path)
{
	struct stat st;

	if (path[0] != '/')
		return PLACE_GUEST;
	if (is_of_the_system(path)) {
		warn_of_guests(path);
		return PLACE_GUEST;
	}
	if (stat(path, &st) < 0) {
		log_warning("docker_mounts: this host has no %s; %s is what the guest has there",
			    path, container);
		return PLACE_GUEST;
	}
	return S_ISDIR(st.st_mode) ? PLACE_HOST : PLACE_FILE;
}

/* Validate would say so of mounts[], which nobody wrote; without our folders it says why. */
static int check_own_folders(const char *path, struct error *err)
{
	AUTO_HOST struct host host = HOST_INIT;
	int r = host_open(&host, "", NULL) < 0 ? 0 : host_mount_check_writable(&host, path, err);

	if (r == 0)
		return 0;
	error_prefix(err, r, "docker_mounts");
	return error_hint(err, r, "name another folder");
}

/* Whether a path is this one, with however many "/". */
static bool is_same_path(const char *path, const char *want)
{
	while (*path != '\0' && *path == *want) {
		path += strspn(path, "/") > 0 ? strspn(path, "/") : 1;
		want++;
	}
	return *want == '\0' && path[strspn(path, "/")] == '\0';
}

/* What docker run would refuse, and what would take the package away from the model. */
static int check_docker_mount(const char *container, const char *path, struct error *err)
{
	AUTO_STRV struct strv mounts = STRV_INIT;
	int r = docker_args_mount(&mounts, path, container, false, err);

	if (r < 0)
		return error_prefix(err, r, "docker_mounts");
	if (is_same_path(container, "/") || is_same_path(container, DOCKER_PACKAGE))
		return error_set(err, EINVAL,
				 "docker_mounts: nothing can be mounted at %s of a container",
				 container);
	return 0;
}

static int plan_docker_mount(struct mad *m, const char *container, const char *path,
			     struct error *err)
{
	AUTO_FREE char *guest = NULL;
	int r = check_docker_mount(container, path, err);
	enum place place;

	if (r < 0)
		return r;
	place = place_of(container, path);
	if (place == PLACE_FILE)
		return refuse_file("docker_mounts", path, err);
	if (place == PLACE_GUEST) {
		json_add_str(m->docker_mounts, container, path);
		return 0;
	}
	r = check_own_folders(path, err);
	if (r < 0)
		return r;
	if (asprintf(&guest, "%s%s", DATA_GUEST_ROOT, path) < 0) {
		guest = NULL;
		return error_set(err, ENOMEM, "out of memory");
	}
	log_info("docker_mounts: models can write to %s of this host, as %s", path, container);
	json_add_str(m->docker_mounts, container, guest);
	return add_mount(m, path, false, err);
}

/* {CONTAINER: PATH}: where PATH is a folder of data here, its place in the guest instead. */
static int plan_docker_mounts(struct mad *m, struct error *err)
{
	struct json_object *given = NULL;
	int r = 0;

	m->docker_mounts = json_new_object();
	if (json_get_object(m->context, "docker_mounts", &given, NULL) < 0)
		return 0;
	json_object_object_foreach(given, container, value)
	{
		if (r == 0 && json_object_is_type(value, json_type_string))
			r = plan_docker_mount(m, container, json_object_get_string(value), err);
	}
	return r;
}

/* ---- options of the models' own ---- */

static void warn_of_binds(const struct model *model, const struct strv *options)
{
	AUTO_STRV struct strv paths = STRV_INIT;

	docker_args_binds(options, &paths);
	for (size_t i = 0; i < paths.n; i++) {
		if (!is_of_the_system(paths.v[i]) && access(paths.v[i], F_OK) == 0)
			log_warning(
				"model \"%s\": additional_docker_run_options: %s is the guest's, "
				"not this host's; for a folder of this host use docker_mounts",
				model_name(model), paths.v[i]);
	}
}

/* As they would fail only after the image was built. */
static int plan_options(const struct model *model, struct error *err)
{
	AUTO_STRV struct strv options = STRV_INIT, unset = STRV_INIT;
	int r = docker_args_options(model, environ, true, &unset, &options, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < unset.n; i++)
		log_warning(
			"model \"%s\": additional_docker_run_options: $%s is not set, and "
			"becomes nothing",
			model_name(model), unset.v[i]);
	warn_of_binds(model, &options);
	return 0;
}

int mad_folders_plan(struct mad *m, struct error *err)
{
	int r = plan_data(m, err);

	if (r == 0)
		r = plan_docker_mounts(m, err);
	for (size_t i = 0; i < m->n_items && r == 0; i++) {
		const struct model *model = &m->items[i].model;

		/* one model of several Dockerfiles is said once */
		if (i == 0 || strcmp(model_name(model), model_name(&m->items[i - 1].model)) != 0)
			r = plan_options(model, err);
	}
	return r;
}
