/* SPDX-License-Identifier: MIT */
#include "workload/model_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"

#define DEPTH_MAX 64
#define PIECE     ((size_t)64 << 10)
#define KEEP_MODE 0777U

/* A run of a manifest wants no more than the first ones. */
static const char *const items[] = { "docker", "scripts", "models.json", "credential.json",
				     "data.json" };
#define N_RUN_ITEMS 2

/* The whole copy. */
struct merge {
	struct stat to; /* the folder that gets the items */
	size_t entries;
	size_t files;
};

/* A pair of folders under way. @path: of the source, for messages. */
struct pair {
	struct merge *merge;
	const struct pair *up;
	int from_fd, to_fd;
	const char *path;
	struct stat from;
	unsigned int depth;
};

static bool same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static int left_out(const char *path, const char *why)
{
	log_warning("MODEL_DIR: %s is left out: %s", path, why);
	return 0;
}

static int exists_here(const char *path, const char *what, struct error *err)
{
	return error_set(err, EEXIST, "MODEL_DIR: %s is not copied: here it is %s", path, what);
}

/* What root copies belongs to whom it belonged; others cannot give files away. */
static int keep_owner(int fd, const struct stat *st)
{
	if (geteuid() != 0)
		return 0;
	return fchown(fd, st->st_uid, st->st_gid) < 0 ? -errno : 0;
}

static int keep_rest(int fd, const struct stat *st)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	int r = keep_owner(fd, st);

	if (r == 0 && (fchmod(fd, st->st_mode & KEEP_MODE) < 0 || futimens(fd, times) < 0))
		r = -errno;
	return r;
}

/* --- files ------------------------------------------------------------------------------------ */

static int copy_content(int from, int to)
{
	AUTO_FREE char *buf = malloc(PIECE);
	int r = buf == NULL ? -ENOMEM : 0;

	while (r == 0) {
		ssize_t n = read(from, buf, PIECE);

		if (n == 0)
			break;
		if (n > 0)
			r = fd_write_all(to, buf, (size_t)n);
		else if (errno != EINTR)
			r = -errno;
	}
	return r;
}

/* Puts a copy of @from in the place of @name. */
static int replace_file(const struct pair *p, const char *name, int from, const struct stat *st)
{
	char tmp[64];
	AUTO_CLOSE int fd = -1;
	int r;

	(void)snprintf(tmp, sizeof(tmp), ".bmvm-merge.%d", (int)getpid());
	(void)unlinkat(p->to_fd, tmp, 0);
	fd = openat(p->to_fd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = copy_content(from, fd);
	if (r == 0)
		r = keep_rest(fd, st);
	if (r == 0 && renameat(p->to_fd, tmp, p->to_fd, name) < 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(p->to_fd, tmp, 0);
	return r;
}

/* Return: 1 nothing in the way; 0 the very same file is there; -EEXIST what may not be replaced. */
static int look_in_the_way(const struct pair *p, const char *name, const char *path,
			   const struct stat *from, struct error *err)
{
	struct stat st, target;

	if (fstatat(p->to_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 1 : error_errno(err, "MODEL_DIR: %s", path);
	if (fstatat(p->to_fd, name, &target, 0) == 0 && same(&target, from))
		return 0;
	if (S_ISLNK(st.st_mode))
		return exists_here(path, "a symbolic link", err);
	if (S_ISDIR(from->st_mode))
		return S_ISDIR(st.st_mode) ? 1 : exists_here(path, "no folder", err);
	return S_ISREG(st.st_mode) ? 1 : exists_here(path, "no regular file", err);
}

static int merge_file(const struct pair *p, const char *name, const char *path, struct error *err)
{
	AUTO_CLOSE int from =
		openat(p->from_fd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	int r;

	if (from < 0 || fstat(from, &st) < 0)
		return left_out(path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return left_out(path, "no regular file");
	r = look_in_the_way(p, name, path, &st, err);
	if (r <= 0)
		return r;
	r = replace_file(p, name, from, &st);
	if (r < 0)
		return error_set(err, -r, "MODEL_DIR: copy %s: %s", path, strerror(-r));
	p->merge->files++;
	return 0;
}

/* --- folders ---------------------------------------------------------------------------------- */

static int merge_entries(const struct pair *p, struct error *err);

/* Makes @name if need be. Return: its descriptor; -errno. */
static int open_target(const struct pair *p, const char *name, bool *made)
{
	int fd;

	*made = mkdirat(p->to_fd, name, 0700) == 0;
	if (!*made && errno != EEXIST)
		return -errno;
	fd = openat(p->to_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int check_source(const struct pair *p, const struct pair *up, struct error *err)
{
	if (same(&p->from, &p->merge->to))
		return error_set(err, ELOOP,
				 "MODEL_DIR: %s is, or leads to, the folder that it is copied into",
				 p->path);
	if (p->depth > DEPTH_MAX)
		return error_set(err, ELOOP, "MODEL_DIR: %s: more than %d folders deep", p->path,
				 DEPTH_MAX);
	for (; up != NULL; up = up->up) {
		if (same(&p->from, &up->from)) {
			(void)left_out(p->path, "a symbolic link to a folder above it");
			return 1;
		}
	}
	return 0;
}

static int merge_folder(const struct pair *up, const char *name, const char *path,
			struct error *err)
{
	AUTO_CLOSE int from = openat(up->from_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_CLOSE int to = -1;
	struct pair p = { .merge = up->merge, .up = up, .path = path, .depth = up->depth + 1 };
	bool made = false;
	int r;

	if (from < 0 || fstat(from, &p.from) < 0)
		return left_out(path, strerror(errno));
	r = check_source(&p, up, err);
	if (r != 0)
		return r < 0 ? r : 0;
	r = look_in_the_way(up, name, path, &p.from, err);
	if (r <= 0)
		return r;
	to = open_target(up, name, &made);
	if (to < 0)
		return error_set(err, -to, "MODEL_DIR: make %s: %s", path, strerror(-to));
	p.from_fd = from;
	p.to_fd = to;
	r = merge_entries(&p, err);
	if (r < 0 || !made)
		return r;
	r = keep_rest(to, &p.from);
	return r < 0 ? error_set(err, -r, "MODEL_DIR: make %s: %s", path, strerror(-r)) : 0;
}

static int merge_entry(const struct pair *p, const char *name, struct error *err)
{
	AUTO_FREE char *path = path_join(p->path, name);
	struct stat st;

	if (path == NULL)
		return error_set(err, ENOMEM, "MODEL_DIR: out of memory");
	if (p->merge->entries++ >= MODEL_DIR_ENTRIES_MAX)
		return error_set(err, E2BIG, "MODEL_DIR: more than %d files and folders",
				 MODEL_DIR_ENTRIES_MAX);
	if (fstatat(p->from_fd, name, &st, 0) < 0)
		return left_out(path, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return merge_folder(p, name, path, err);
	if (S_ISREG(st.st_mode))
		return merge_file(p, name, path, err);
	return left_out(path, "neither file nor folder");
}

static int merge_entries(const struct pair *p, struct error *err)
{
	AUTO_CLOSEDIR DIR *dir = file_opendir_at(p->from_fd, ".", 0);
	const struct dirent *entry;
	int r = 0;

	if (dir == NULL)
		return left_out(p->path, strerror(errno));
	while (r == 0 && (entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = merge_entry(p, entry->d_name, err);
	}
	return r;
}

/* --- the items -------------------------------------------------------------------------------- */

static int open_folder(const char *path, struct stat *st, struct error *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, st) < 0)
		return error_errno(err, "MODEL_DIR: %s", path);
	return fd;
}

static int merge_items(const char *from, const char *to, size_t n_items, size_t *ret_files,
		       struct error *err)
{
	struct merge merge = { .entries = 0 };
	struct pair p = { .merge = &merge, .path = from };
	AUTO_CLOSE int from_fd = open_folder(from, &p.from, err);
	AUTO_CLOSE int to_fd = from_fd < 0 ? -1 : open_folder(to, &merge.to, err);
	struct stat st;
	int r = 0;

	if (from_fd < 0 || to_fd < 0)
		return from_fd < 0 ? from_fd : to_fd;
	p.from_fd = from_fd;
	p.to_fd = to_fd;
	for (size_t i = 0; r == 0 && i < n_items && !same(&p.from, &merge.to); i++) {
		if (fstatat(from_fd, items[i], &st, AT_SYMLINK_NOFOLLOW) == 0)
			r = merge_entry(&p, items[i], err);
	}
	if (r == 0 && ret_files != NULL)
		*ret_files = merge.files;
	return r;
}

int model_dir_merge(const char *from, const char *to, size_t *ret_files, struct error *err)
{
	return merge_items(from, to, ARRAY_SIZE(items), ret_files, err);
}

void model_dir_take(const char *from, bool run_only)
{
	struct error err = ERROR_INIT;
	size_t files = 0;

	if (merge_items(from, ".", run_only ? N_RUN_ITEMS : ARRAY_SIZE(items), &files, &err) < 0)
		log_warning("%s; what is in the current folder is taken as it is", err.msg);
	else
		log_debug("MODEL_DIR: %zu files copied from %s", files, from);
}
