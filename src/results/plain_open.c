/* SPDX-License-Identifier: MIT */
#include "results/plain_open.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

#define PART_MAX 256

static bool is_above(const char *part)
{
	return strcmp(part, "..") == 0;
}

/* Cuts the first part out of *@path. Return: whether more follow; -errno. */
static int next_part(const char **path, char part[PART_MAX])
{
	size_t len = strcspn(*path, "/");

	if (len >= PART_MAX)
		return -ENAMETOOLONG;
	(void)snprintf(part, PART_MAX, "%.*s", (int)len, *path);
	*path += len;
	*path += strspn(*path, "/");
	if (is_above(part))
		return -EXDEV;
	return **path != '\0';
}

/* From folder to folder, for a kernel before 5.6 and where a filter forbids openat2. */
static int walk(int dir_fd, const char *path, int flags, mode_t mode)
{
	AUTO_CLOSE int folder = -1;
	char part[PART_MAX];
	int at = dir_fd, fd, more;

	if (*path == '/')
		return -EXDEV;
	while ((more = next_part(&path, part)) > 0) {
		fd = openat(at, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return errno == ENOTDIR ? -ELOOP : -errno;
		close_fd(&folder);
		folder = at = fd;
	}
	if (more < 0)
		return more;
	fd = openat(at, part, flags | O_NOFOLLOW, mode);
	return fd < 0 ? -errno : fd;
}

int plain_open(int dir_fd, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (__u64)(flags | O_CLOEXEC | O_NOCTTY),
		.mode = (flags & O_CREAT) != 0 ? mode : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));

	if (fd >= 0)
		return fd;
	if (errno != ENOSYS && errno != EPERM)
		return -errno;
	return walk(dir_fd, path, flags | O_CLOEXEC | O_NOCTTY, mode);
}
