/* SPDX-License-Identifier: MIT */
#include "run/kept_files.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "results/own_files.h"
#include "run/private_folder.h"

#define LINKS_MAX 40 /* as the kernel */

int kept_files_begin(struct kept_files *k, int package_fd, struct error *err)
{
	struct stat st;

	if (fstat(package_fd, &st) < 0)
		return error_errno(err, "the package's folder");
	k->dev = st.st_dev;
	k->ino = st.st_ino;
	return 0;
}

/* "A/" of "A/b", "./" of "b"; owned by the caller, NULL without memory. */
static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? strdup("./") : strndup(path, (size_t)(slash - path) + 1);
}

/* Takes @file's name, also on failure. */
static void append(struct kept_files *k, const struct kept_file *file)
{
	struct kept_file *v =
		k->r < 0 || file->name == NULL ? NULL : reallocarray(k->v, k->n + 1, sizeof(*v));

	if (v == NULL) {
		k->r = -ENOMEM;
		free(file->name);
		return;
	}
	k->v = v;
	v[k->n++] = *file;
}

/* Moves the last part of @folder to @last, leaving "a/" of "a/b/". Return: there was one. */
static bool cut_last(char *folder, char *last, size_t size)
{
	size_t n = strlen(folder);
	size_t begin;

	while (n > 0 && folder[n - 1] == '/')
		n--;
	for (begin = n; begin > 0 && folder[begin - 1] != '/';)
		begin--;
	if (begin == n)
		return false;
	(void)snprintf(last, size, "%.*s", (int)(n - begin), folder + begin);
	folder[begin] = '\0';
	return true;
}

/* A folder that is not there yet becomes part of the name in one that is. */
static void add_entry(struct kept_files *k, const char *folder, const char *path)
{
	const char *slash = strrchr(path, '/');
	AUTO_FREE char *above = strdup(folder);
	AUTO_FREE char *name = strdup(slash == NULL ? path : slash + 1);
	char last[NAME_MAX + 1];
	struct stat st;

	while (above != NULL && name != NULL && stat(*above == '\0' ? "." : above, &st) < 0) {
		char *longer;

		if (!cut_last(above, last, sizeof(last)))
			return;
		if (strcmp(last, ".") == 0)
			continue;
		longer = path_join(last, name);
		free(name);
		name = longer;
	}
	if (above == NULL || name == NULL)
		k->r = -ENOMEM;
	else
		append(k, &(struct kept_file){
				  .dev = st.st_dev, .ino = st.st_ino, .name = TAKE_PTR(name) });
}

/*
 * Where a symbolic link leads to, one step: there need not be anything yet. Return: owned by the
 * caller; NULL for what is no link.
 */
static char *target_of(struct kept_files *k, const char *folder, const char *path)
{
	char target[PATH_MAX];
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	char *ret;

	if (n < 0)
		return NULL;
	target[n] = '\0';
	ret = target[0] == '/' ? strdup(target) : path_join(folder, target);
	if (ret == NULL)
		k->r = -ENOMEM;
	return ret;
}

void kept_files_add(struct kept_files *k, const char *path)
{
	AUTO_FREE char *at = NULL;

	for (size_t i = 0; path != NULL && i < LINKS_MAX; i++) {
		AUTO_FREE char *folder = folder_of(path);
		char *next;

		if (folder == NULL) {
			k->r = -ENOMEM;
			return;
		}
		add_entry(k, folder, path);
		next = target_of(k, folder, path);
		free(at);
		at = next;
		path = at;
	}
}

int kept_files_error(const struct kept_files *k)
{
	return k->r;
}

bool kept_files_has(const void *data, int folder_fd, const char *name)
{
	const struct kept_files *k = data;
	struct stat st;

	if (fstat(folder_fd, &st) < 0)
		return true;
	for (size_t i = 0; i < k->n; i++) {
		const struct kept_file *file = &k->v[i];

		if (file->dev == st.st_dev && file->ino == st.st_ino &&
		    strcmp(file->name, name) == 0)
			return true;
	}
	return k->dev == st.st_dev && k->ino == st.st_ino &&
	       (own_files_has(name) || private_folder_is_name(name));
}

void kept_files_done(struct kept_files *k)
{
	for (size_t i = 0; i < k->n; i++)
		free(k->v[i].name);
	free(k->v);
	*k = (struct kept_files)KEPT_FILES_INIT;
}
