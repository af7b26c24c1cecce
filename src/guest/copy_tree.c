/* SPDX-License-Identifier: MIT */
#include "guest/copy_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "guest/exec.h"
#include "guest/upload.h"

static int send_below(const struct copy_tree *t, int fd, const char *dst, int depth,
		      struct error *err);

static int make_folder(const struct copy_tree *t, const char *dst, mode_t mode, struct error *err)
{
	AUTO_FREE char *path = strdup(dst);
	char text[8];
	char *argv[] = { path, text, NULL };

	if (path == NULL)
		return error_set(err, ENOMEM, "out of memory");
	(void)snprintf(text, sizeof(text), "%04o", (unsigned int)((mode & 07777) | 0700));
	return guest_capture(t->g, "mkdir -p \"$1\" && chmod \"$2\" \"$1\"\n", argv, t->deadline_ns,
			     NULL, t->ws, err);
}

static int send_link(const struct copy_tree *t, int at, const char *name, const char *dst,
		     struct error *err)
{
	AUTO_FREE char *path = strdup(dst);
	char target[PATH_MAX];
	char *argv[] = { path, target, NULL };
	ssize_t n = readlinkat(at, name, target, sizeof(target) - 1);

	if (n < 0)
		return error_errno(err, "%s", name);
	target[n] = '\0';
	if (path == NULL)
		return error_set(err, ENOMEM, "out of memory");
	return guest_capture(t->g, "rm -f \"$1\"; ln -s -- \"$2\" \"$1\"\n", argv, t->deadline_ns,
			     NULL, t->ws, err);
}

static int send_one(const struct copy_tree *t, int at, const char *name, const char *dst, int depth,
		    struct error *err)
{
	AUTO_CLOSE int fd = -1;
	struct upload u = { .path = dst, .name = name };
	struct stat st;

	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(err, "%s", name);
	if (S_ISLNK(st.st_mode))
		return send_link(t, at, name, dst, err);
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode)) {
		log_warning("copy: %s is neither file, folder nor link: left out", name);
		return 0;
	}
	fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return error_errno(err, "%s", name);
	if (S_ISDIR(st.st_mode))
		return send_below(t, fd, dst, depth + 1, err);
	u.fd = fd;
	u.mode = st.st_mode;
	return upload_file(t->g, &u, t->deadline_ns, t->ws, err);
}

static int send_entries(const struct copy_tree *t, DIR *dir, const char *dst, int depth,
			struct error *err)
{
	const struct dirent *entry;

	while ((entry = readdir(dir)) != NULL) {
		AUTO_FREE char *path = NULL;
		int r;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		path = path_join(dst, entry->d_name);
		if (path == NULL)
			return error_set(err, ENOMEM, "out of memory");
		r = send_one(t, dirfd(dir), entry->d_name, path, depth, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int send_below(const struct copy_tree *t, int fd, const char *dst, int depth,
		      struct error *err)
{
	AUTO_CLOSEDIR DIR *dir = NULL;
	struct stat st;
	int own, r;

	if (depth > COPY_TREE_DEPTH_MAX)
		return error_set(err, ELOOP, "more than %d folders deep", COPY_TREE_DEPTH_MAX);
	own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (own < 0 || fstat(own, &st) < 0)
		return error_errno(err, "open folder");
	dir = fdopendir(own);
	if (dir == NULL)
		return error_errno(err, "open folder");
	r = make_folder(t, dst, st.st_mode, err);
	return r < 0 ? r : send_entries(t, dir, dst, depth, err);
}

int copy_tree_send(const struct copy_tree *t, int fd, const char *dst, struct error *err)
{
	return send_below(t, fd, dst, 0, err);
}
