/* SPDX-License-Identifier: MIT */
#include "run/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "results/plain_open.h"

#define OLD  ".old"
#define KEPT "a file of this run has that name"

/* The folder that @path is to be in, made if need be. Return: descriptor or -errno. */
static int open_above(struct beneath *to, const char *path)
{
	const char *slash = strrchr(path, '/');
	AUTO_FREE char *folder =
		slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path));
	int r = 0;

	if (folder == NULL)
		return -ENOMEM;
	if (slash != NULL)
		r = beneath_folder(to, folder, 0755);
	return r < 0 ? r : plain_open(to->fd, folder, O_RDONLY | O_DIRECTORY, 0);
}

const char *place_file(struct beneath *to, int from_fd, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash == NULL ? path : slash + 1;
	AUTO_CLOSE int fd = open_above(to, path);
	struct stat st;

	if (fd == -ECANCELED || (fd >= 0 && beneath_keeps(to, fd, base)))
		return KEPT;
	if (fd < 0)
		return fd == -ELOOP || fd == -ENOTDIR ? "something that is no folder is in the way"
						      : strerror(-fd);
	if (fstatat(fd, base, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISREG(st.st_mode))
		return "something that is no file is in the way";
	return renameat(from_fd, path, fd, base) < 0 ? strerror(errno) : NULL;
}

const char *place_folder(struct beneath *to, int from_fd, const char *name)
{
	struct stat st;
	bool is_there = fstatat(to->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
	int saved;

	if (beneath_keeps(to, to->fd, name))
		return KEPT;
	if (is_there && !S_ISDIR(st.st_mode))
		return "something that is no folder is in the way";
	if (is_there && renameat(to->fd, name, from_fd, OLD) < 0)
		return strerror(errno);
	if (renameat(from_fd, name, to->fd, name) == 0)
		return NULL;
	saved = errno;
	if (is_there)
		(void)renameat(from_fd, OLD, to->fd, name);
	return strerror(saved);
}
