/* SPDX-License-Identifier: MIT */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"

#define TREE_DEPTH_MAX 64

int fd_read_all(int fd, size_t cap, char **ret, size_t *ret_len)
{
	AUTO_FREE char *buf = NULL;
	size_t size = 0, len = 0;

	for (;;) {
		ssize_t n;

		if (size - len < 2) {
			char *bigger;

			size = size == 0 ? 4096 : size * 2;
			bigger = realloc(buf, size);
			if (bigger == NULL)
				return -ENOMEM;
			buf = bigger;
		}
		n = read(fd, buf + len, size - len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
		if (len > cap)
			return -EFBIG;
	}
	buf[len] = '\0';
	*ret = TAKE_PTR(buf);
	if (ret_len != NULL)
		*ret_len = len;
	return 0;
}

static int read_whole(int fd, const char *path, size_t cap, char **ret, size_t *ret_len,
		      struct error *err)
{
	int r = fd_read_all(fd, cap, ret, ret_len);

	return r < 0 ? error_set(err, -r, "read %s: %s", path, strerror(-r)) : 0;
}

int file_read_at(int dir_fd, const char *path, size_t cap, char **ret, size_t *ret_len,
		 struct error *err)
{
	/* without O_NONBLOCK the opening of a FIFO waits for its writer */
	AUTO_CLOSE int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, "open %s", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, EINVAL, "read %s: not a regular file", path);
	return read_whole(fd, path, cap, ret, ret_len, err);
}

int file_read_input(const char *path, size_t cap, char **ret, size_t *ret_len, struct error *err)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return error_errno(err, "open %s", path);
	return read_whole(fd, path, cap, ret, ret_len, err);
}

/* The folder of @path; owned by the caller, NULL without memory. */
static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		return strdup(".");
	return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

int file_own_as_folder(int dir_fd, const char *path, int fd)
{
	AUTO_FREE char *folder = folder_of(path);
	struct stat st;

	if (folder == NULL)
		return -ENOMEM;
	if (geteuid() != 0)
		return 0;
	if (fstatat(dir_fd, folder, &st, 0) < 0 || fchown(fd, st.st_uid, st.st_gid) < 0)
		return -errno;
	return 0;
}

/* Through /dev/stdout and the like even a regular file is no link's target: it may be anything. */
static bool leads_through_magic(int dir_fd, const char *path)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_MAGICLINKS };
	AUTO_CLOSE int fd = (int)syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));

	return fd < 0 && errno == ELOOP;
}

int file_check_target_at(int dir_fd, const char *path, struct error *err)
{
	size_t len = strlen(path);
	struct stat st;

	if (len == 0)
		return error_set(err, EINVAL, "the name of the file is empty");
	if (path[len - 1] == '/')
		return error_set(err, EINVAL, "%s is the name of a folder, not of a file", path);
	if (fstatat(dir_fd, path, &st, 0) < 0 ||
	    (S_ISREG(st.st_mode) && !leads_through_magic(dir_fd, path)))
		return 0;
	return error_set(err, EINVAL, "%s is not a regular file", path);
}

/* @for_user: it becomes the folder's owner's, where the file system lets us. */
struct target {
	int dir_fd;
	const char *path;
	bool for_user;
};

/* Whoever owns the folder may have anything under the temporary name. */
static int open_tmp(const struct target *t, const char *tmp)
{
	int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW;

	if (!t->for_user)
		return openat(t->dir_fd, tmp, flags | O_TRUNC, 0600);
	(void)unlinkat(t->dir_fd, tmp, 0);
	return openat(t->dir_fd, tmp, flags | O_EXCL, 0600);
}

static int write_atomic(const struct target *t, const void *data, size_t len, mode_t mode,
			struct error *err)
{
	AUTO_FREE char *tmp = NULL;
	AUTO_CLOSE int fd = -1;
	int r = file_check_target_at(t->dir_fd, t->path, err);

	if (r < 0)
		return error_prefix(err, r, "write");
	if (asprintf(&tmp, "%s.tmp.%d", t->path, (int)getpid()) < 0) {
		tmp = NULL;
		return error_set(err, ENOMEM, "write %s: out of memory", t->path);
	}
	fd = open_tmp(t, tmp);
	if (fd < 0)
		return error_errno(err, "create %s", tmp);
	r = fd_write_all(fd, data, len);
	if (t->for_user)
		(void)file_own_as_folder(t->dir_fd, t->path, fd);
	if (r == 0 && (fchmod(fd, mode) < 0 || fsync(fd) < 0))
		r = -errno;
	if (r == 0 && renameat(t->dir_fd, tmp, t->dir_fd, t->path) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlinkat(t->dir_fd, tmp, 0);
		return error_set(err, -r, "write %s: %s", t->path, strerror(-r));
	}
	return 0;
}

int file_write_atomic_at(int dir_fd, const char *path, const void *data, size_t len, mode_t mode,
			 struct error *err)
{
	const struct target t = { .dir_fd = dir_fd, .path = path };

	return write_atomic(&t, data, len, mode, err);
}

int file_write_for_user_at(int dir_fd, const char *path, const void *data, size_t len, mode_t mode,
			   struct error *err)
{
	const struct target t = { .dir_fd = dir_fd, .path = path, .for_user = true };

	return write_atomic(&t, data, len, mode, err);
}

int file_rewrite_at(int dir_fd, const char *path, const void *data, size_t len, struct error *err)
{
	AUTO_CLOSE int fd = openat(dir_fd, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	int r;

	if (fd < 0)
		return error_errno(err, "open %s", path);
	r = fd_write_all(fd, data, len);
	if (r == 0 && (ftruncate(fd, (off_t)len) < 0 || fsync(fd) < 0))
		r = -errno;
	return r < 0 ? error_set(err, -r, "rewrite %s: %s", path, strerror(-r)) : 0;
}

static int make_one(const char *path, mode_t mode, struct error *err)
{
	struct stat st;

	if (mkdir(path, mode) == 0)
		return chmod(path, mode) < 0 ? error_errno(err, "chmod %s", path) : 0;
	if (errno != EEXIST)
		return error_errno(err, "make folder %s", path);
	if (stat(path, &st) < 0)
		return error_errno(err, "make folder %s", path);
	return S_ISDIR(st.st_mode) ? 0 : error_set(err, ENOTDIR, "%s is not a folder", path);
}

int file_mkdirs(const char *path, mode_t mode, struct error *err)
{
	AUTO_FREE char *copy = strdup(path);

	if (copy == NULL)
		return error_set(err, ENOMEM, "make folder %s: out of memory", path);
	if (*copy == '\0')
		return error_set(err, ENOENT, "make folder: the path is empty");
	for (char *p = copy + 1; *p != '\0'; p++) {
		int r;

		if (*p != '/')
			continue;
		*p = '\0';
		r = make_one(copy, mode, err);
		*p = '/';
		if (r < 0)
			return r;
	}
	return make_one(copy, mode, err);
}

/* Opens a folder unless something is mounted on it, be it from the same file system. */
static int open_unmounted(int dir_fd, const char *name)
{
	struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
				.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS };
	int fd = (int)syscall(SYS_openat2, dir_fd, name, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

static int remove_below(int dir_fd, const char *name, int depth);

/* Takes @fd. */
static int remove_entries(int fd, int depth)
{
	AUTO_CLOSEDIR DIR *dir = fdopendir(fd);
	const struct dirent *entry;
	int first = 0;

	if (dir == NULL) {
		int r = -errno;

		(void)close(fd);
		return r;
	}
	while ((entry = readdir(dir)) != NULL) {
		int r;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		r = remove_below(dirfd(dir), entry->d_name, depth);
		if (first == 0)
			first = r;
	}
	return first;
}

static int remove_below(int dir_fd, const char *name, int depth)
{
	int fd, r, why;

	if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
		return 0;
	why = errno;
	if (why != EISDIR && why != EPERM)
		return -why;
	if (depth >= TREE_DEPTH_MAX)
		return -ELOOP;
	fd = open_unmounted(dir_fd, name);
	if (fd == -ENOTDIR)
		return -why; /* a file that may not be removed */
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	r = remove_entries(fd, depth + 1);
	if (unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT && r == 0)
		r = -errno;
	return r;
}

/* @path has a slash: cut it at the last one, and open what is before that. */
static int remove_in_parent(int dir_fd, char *path)
{
	char *slash = strrchr(path, '/');
	AUTO_CLOSE int parent = -1;

	*slash = '\0';
	parent = openat(dir_fd, slash == path ? "/" : path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (parent < 0)
		return errno == ENOENT ? 0 : -errno;
	return remove_below(parent, slash + 1, 0);
}

int file_remove_tree_at(int dir_fd, const char *name, struct error *err)
{
	AUTO_FREE char *copy = strdup(name);
	size_t len = strlen(name);
	int r;

	if (copy == NULL)
		return error_set(err, ENOMEM, "remove %s: out of memory", name);
	while (len > 1 && copy[len - 1] == '/')
		copy[--len] = '\0';
	r = strchr(copy, '/') != NULL ? remove_in_parent(dir_fd, copy)
				      : remove_below(dir_fd, copy, 0);
	return r < 0 ? error_set(err, -r, "remove %s: %s", name, strerror(-r)) : 0;
}

int file_lock(int fd, bool exclusive, uint64_t deadline_ns)
{
	int op = (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB;

	while (flock(fd, op) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (deadline_poll_ms(deadline_ns) == 0)
			return -EWOULDBLOCK;
		clock_sleep_ms(20);
	}
	return 0;
}

int fd_write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

DIR *file_opendir_at(int dir_fd, const char *path, int flags)
{
	int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (dir == NULL)
		close_fd(&fd);
	return dir;
}

int fd_set_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

int fd_set_cloexec(int fd, bool on)
{
	return fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) < 0 ? -errno : 0;
}

char *path_join(const char *a, const char *b)
{
	char *s = NULL;

	return asprintf(&s, "%s/%s", a, b) < 0 ? NULL : s;
}

int file_free_bytes(const char *path, uint64_t *ret, struct error *err)
{
	struct statvfs vfs;

	if (statvfs(path, &vfs) < 0)
		return error_errno(err, "free space of %s", path);
	*ret = (uint64_t)vfs.f_bavail * (uint64_t)vfs.f_frsize;
	return 0;
}
