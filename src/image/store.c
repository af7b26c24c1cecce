/* SPDX-License-Identifier: MIT */
#include "image/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "host/host.h"
#include "image/draft.h"

#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

int store_name_check(const char *name, struct error *err)
{
	size_t n = strlen(name);

	if (n > 0 && n <= STORE_NAME_MAX && strspn(name, NAME_CHARS) == n && name[0] != '.' &&
	    name[0] != '-')
		return 0;
	return error_set(err, EINVAL,
			 "\"%s\" is no name for an image: 1 to %d letters, digits, '.', '_' and "
			 "'-', not first '.' or '-'",
			 name, STORE_NAME_MAX);
}

/* ---- listing ---- */

static void entry_done(struct store_entry *e)
{
	free(e->name);
	free(e->dir);
	free(e->problem);
	manifest_done(&e->manifest);
}

void store_list_done(struct store_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		entry_done(&list->v[i]);
	free(list->v);
	*list = (struct store_list){ .v = NULL };
}

/* A try of the lock that removing takes. */
static bool is_held(const char *dir, const struct manifest *m)
{
	AUTO_FREE char *path = path_join(dir, m->disk.file);
	AUTO_CLOSE int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	return fd >= 0 && file_lock(fd, true, 0) == -EWOULDBLOCK;
}

static const struct store_entry *find_entry(const struct store_list *list, const char *name)
{
	for (size_t i = 0; i < list->n; i++) {
		if (strcmp(list->v[i].name, name) == 0)
			return &list->v[i];
	}
	return NULL;
}

static int list_one(struct store_list *list, const char *images_dir, const char *name)
{
	struct error err = ERROR_INIT;
	struct store_entry e = { .name = strdup(name), .dir = path_join(images_dir, name) };
	struct store_entry *bigger = realloc(list->v, (list->n + 1) * sizeof(*bigger));

	if (bigger != NULL)
		list->v = bigger;
	if (bigger == NULL || e.name == NULL || e.dir == NULL) {
		entry_done(&e);
		return -ENOMEM;
	}
	e.shadowed = find_entry(list, name) != NULL;
	if (manifest_load(e.dir, &e.manifest, &err) < 0)
		e.problem = strdup(err.msg);
	else
		e.in_use = is_held(e.dir, &e.manifest);
	list->v[list->n++] = e;
	return 0;
}

static int list_dir(struct store_list *list, const char *images_dir, struct error *err)
{
	AUTO_CLOSEDIR DIR *dir = opendir(images_dir);
	const struct dirent *entry;

	if (dir == NULL)
		return errno == ENOENT || errno == EACCES ? 0
							  : error_errno(err, "open %s", images_dir);
	while ((entry = readdir(dir)) != NULL) {
		struct stat st;

		/* as store_find() has it */
		if (store_name_check(entry->d_name, NULL) < 0 ||
		    fstatat(dirfd(dir), entry->d_name, &st, 0) < 0 || !S_ISDIR(st.st_mode))
			continue;
		if (list_one(list, images_dir, entry->d_name) < 0)
			return error_set(err, ENOMEM, "images: out of memory");
	}
	return 0;
}

static int compare_entries(const void *a, const void *b)
{
	const struct store_entry *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order != 0 ? order : (int)x->shadowed - (int)y->shadowed;
}

int store_list(const struct host *host, struct store_list *ret, struct error *err)
{
	AUTO_STORE_LIST struct store_list list = { .v = NULL };
	int r = list_dir(&list, host->images_dir, err);

	if (r == 0 && !host->is_root)
		r = list_dir(&list, HOST_SYSTEM_IMAGES, err);
	if (r < 0)
		return r;
	if (list.n > 0)
		qsort(list.v, list.n, sizeof(*list.v), compare_entries);
	*ret = TAKE(list, ((struct store_list){ .v = NULL }));
	return 0;
}

/* ---- finding ---- */

static char *join_names(const struct store_list *list)
{
	AUTO_STRV struct strv names = STRV_INIT;

	for (size_t i = 0; i < list->n; i++) {
		if (!list->v[i].shadowed)
			strv_add(&names, list->v[i].name);
	}
	return names.n == 0 ? NULL : strv_join(&names, ", ");
}

static int no_such_image(const struct host *host, const char *name, struct error *err)
{
	AUTO_STORE_LIST struct store_list list = { .v = NULL };
	AUTO_FREE char *names = NULL;
	int r;

	if (store_list(host, &list, NULL) == 0)
		names = join_names(&list);
	r = error_set(
		err, ENOENT, "there is no image \"%s\"; %s%s", name,
		names == NULL ? "there are none yet" : "there are: ", names == NULL ? "" : names);
	if (access(name, F_OK) == 0)
		return error_hint(err, r, "a file is named with a slash: ./%s", name);
	if (strcmp(name, "default") == 0)
		return error_hint(err, r, "bmvm image build");
	return error_hint(err, r, "bmvm image build --name %s, or bmvm image import FILE --name %s",
			  name, name);
}

/* Return: 0 found; -ENOENT. */
static int look_in(const char *images_dir, const char *name, char **ret_dir, struct error *err)
{
	AUTO_FREE char *dir = path_join(images_dir, name);
	struct stat st;

	if (dir == NULL) {
		(void)error_set(err, ENOMEM, "image %s: out of memory", name);
		return -ENOMEM;
	}
	if (stat(dir, &st) < 0 || !S_ISDIR(st.st_mode))
		return -ENOENT;
	*ret_dir = TAKE_PTR(dir);
	return 0;
}

int store_find(const struct host *host, const char *name, char **ret_dir, struct error *err)
{
	int r = store_name_check(name, err);

	if (r < 0)
		return r;
	r = look_in(host->images_dir, name, ret_dir, err);
	if (r == -ENOENT && !host->is_root)
		r = look_in(HOST_SYSTEM_IMAGES, name, ret_dir, err);
	return r == -ENOENT ? no_such_image(host, name, err) : r;
}

/* ---- removing ---- */

int store_remove(const struct host *host, const char *name, struct error *err)
{
	AUTO_FREE char *dir = NULL;
	int r = store_find(host, name, &dir, err);

	if (r != 0 || dir == NULL)
		return r;
	if (strncmp(dir, host->images_dir, strlen(host->images_dir)) != 0)
		return error_set(err, EPERM, "image %s is in %s, which only root can change", name,
				 HOST_SYSTEM_IMAGES);
	return draft_retire(host, name, err);
}

/* ---- verifying ---- */

/* Return: 0 equal, 1 it differs, negative errno. */
static int verify_file(const char *dir, const struct manifest_file *f, const struct watchset *watch,
		       struct json_object *report, struct error *err)
{
	AUTO_FREE char *path = path_join(dir, f->file);
	AUTO_CLOSE int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct json_object *row = json_new_object();
	char actual[IMAGE_DIGEST_SIZE] = "";
	int r = 0;

	if (fd >= 0)
		r = image_digest_fd(fd, watch, actual, err);
	json_add_str(row, "file", f->file);
	json_add_str(row, "expected", f->sha256);
	json_add_str(row, "actual", fd >= 0 ? actual : NULL);
	json_add_bool(row, "ok", strcmp(actual, f->sha256) == 0);
	(void)json_object_array_add(report, row);
	if (r < 0)
		return r;
	return strcmp(actual, f->sha256) == 0 ? 0 : 1;
}

static int verify_all(const char *dir, const struct manifest *m, const struct watchset *watch,
		      struct json_object *report, struct error *err)
{
	const struct manifest_file *files[] = { &m->disk, &m->kernel, &m->initrd };
	const char *first = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		int r;

		if (files[i]->file == NULL)
			continue;
		r = verify_file(dir, files[i], watch, report, err);
		if (r < 0)
			return r;
		if (r > 0 && first == NULL)
			first = files[i]->file;
	}
	if (first == NULL)
		return 0;
	return error_set(err, EBADMSG, "%s/%s is not what its manifest says", dir, first);
}

int store_verify(const struct host *host, const char *name, const struct watchset *watch,
		 struct json_object **ret_json, struct error *err)
{
	AUTO_MANIFEST struct manifest m = { .created = NULL };
	AUTO_JSON struct json_object *o = json_new_object();
	struct json_object *report = json_new_array();
	AUTO_FREE char *dir = NULL;
	int r = store_find(host, name, &dir, err);

	json_add_str(o, "name", name);
	json_add(o, "files", report);
	if (r == 0)
		r = manifest_load(dir, &m, err);
	if (r == 0)
		r = verify_all(dir, &m, watch, report, err);
	json_add_bool(o, "ok", r == 0);
	if (ret_json != NULL)
		*ret_json = TAKE_PTR(o);
	return r;
}
