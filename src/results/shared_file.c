/* SPDX-License-Identifier: MIT */
#include "results/shared_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "results/plain_open.h"

/* Owner and mode of the file that is there, or those that a new one should have. */
static int own_as_before(int dir_fd, const char *path, int fd)
{
	struct stat st;

	if (fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return file_own_as_folder(dir_fd, path, fd);
	/* the group at least, if it is somebody else's */
	if (fchown(fd, st.st_uid, st.st_gid) < 0)
		(void)!fchown(fd, (uid_t)-1, st.st_gid);
	return fchmod(fd, st.st_mode & 0777) < 0 ? -errno : 0;
}

static int fill_and_rename(int dir_fd, const char *tmp, const char *path, const void *data,
			   size_t len)
{
	AUTO_CLOSE int fd = -1;
	int r;

	(void)unlinkat(dir_fd, tmp, 0);
	fd = openat(dir_fd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
	r = fd < 0 ? -errno : fd_write_all(fd, data, len);
	if (r == 0)
		r = own_as_before(dir_fd, path, fd);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && renameat(dir_fd, tmp, dir_fd, path) < 0)
		r = -errno;
	if (r < 0 && fd >= 0)
		(void)unlinkat(dir_fd, tmp, 0);
	return r;
}

int shared_file_put(int dir_fd, const char *path, const void *data, size_t len, struct error *err)
{
	AUTO_FREE char *tmp = NULL;
	int r = file_check_target_at(dir_fd, path, err);

	if (r < 0)
		return error_prefix(err, r, "write");
	if (asprintf(&tmp, "%s.tmp.%d", path, (int)getpid()) < 0) {
		tmp = NULL;
		return error_set(err, ENOMEM, "write %s: out of memory", path);
	}
	r = fill_and_rename(dir_fd, tmp, path, data, len);
	return r < 0 ? error_set(err, -r, "write %s: %s", path, strerror(-r)) : 0;
}

static int open_file(const struct shared_file *file, int flags)
{
	int fd;

	flags |= O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW;
	if (!file->links)
		return plain_open(file->dir_fd, file->path, flags, 0666);
	fd = openat(file->dir_fd, file->path, flags, 0666);
	return fd < 0 ? -errno : fd;
}

/* Opens what is there or makes it. Return: descriptor or -errno; -EAGAIN when others were quicker.
 */
static int open_or_make(struct shared_file *file)
{
	int fd = open_file(file, O_RDWR);

	if (fd != -ENOENT)
		return fd;
	fd = open_file(file, O_RDWR | O_CREAT | O_EXCL);
	if (fd < 0)
		return fd == -EEXIST ? -EAGAIN : fd;
	file->made = true;
	(void)file_own_as_folder(file->dir_fd, file->path, fd);
	return fd;
}

/* Whether @fd is still what the path names. */
static bool is_current(const struct shared_file *file)
{
	struct stat ours, named;

	return fstat(file->fd, &ours) == 0 &&
	       fstatat(file->dir_fd, file->path, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       ours.st_dev == named.st_dev && ours.st_ino == named.st_ino;
}

/* Return: 0 with the lock of the file that the path names; -EAGAIN to try again; other errno. */
static int try_lock(struct shared_file *file, uint64_t deadline_ns)
{
	struct stat st;
	int r;

	file->made = false;
	file->fd = open_or_make(file);
	if (file->fd < 0)
		return file->fd;
	if (fstat(file->fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	r = file_lock(file->fd, true, deadline_ns);
	return r < 0 ? r : is_current(file) ? 0 : -EAGAIN;
}

/* The path behind symbolic links; owned by the caller, NULL without memory. */
static char *resolve(int dir_fd, const char *path)
{
	char target[PATH_MAX], link[64], name[PATH_MAX];
	AUTO_CLOSE int fd = -1;
	ssize_t n = readlinkat(dir_fd, path, target, sizeof(target) - 1);

	if (n < 0)
		return strdup(path);
	/* links to links as the kernel goes them, but for the last one it need not be there yet */
	fd = openat(dir_fd, path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = fd < 0 ? -1 : readlink(link, name, sizeof(name) - 1);
	if (n < 0)
		return strdup(path);
	name[n] = '\0';
	return strdup(name);
}

static int open_failed(int r, const char *path, struct error *err)
{
	if (r == -EWOULDBLOCK)
		return error_set(err, EWOULDBLOCK, "%s: another program has it locked for %d s",
				 path, SHARED_FILE_WAIT_S);
	if (r == -EINVAL)
		return error_set(err, EINVAL, "%s: not a regular file", path);
	if (r == -ELOOP)
		return error_set(err, ELOOP, "%s: a symbolic link, which is not followed", path);
	return error_set(err, -r, "open %s: %s", path, strerror(-r));
}

int shared_file_open(const struct shared_name *name, struct shared_file *ret, struct error *err)
{
	const char *path = name->path;
	struct shared_file file = { .dir_fd = name->dir_fd, .links = name->links, .fd = -1 };
	uint64_t deadline_ns = deadline_in_s(SHARED_FILE_WAIT_S);
	int r;

	file.path = name->links ? resolve(name->dir_fd, path) : strdup(path);
	if (file.path == NULL)
		return error_set(err, ENOMEM, "open %s: out of memory", path);
	r = try_lock(&file, deadline_ns);
	while (r == -EAGAIN && deadline_poll_ms(deadline_ns) > 0) {
		close_fd(&file.fd);
		r = try_lock(&file, deadline_ns);
	}
	if (r < 0) {
		shared_file_done(&file);
		return open_failed(r, path, err);
	}
	*ret = file;
	return 0;
}

static int open_for_reading(const struct shared_name *name)
{
	int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	AUTO_CLOSE int fd = name->links ? openat(name->dir_fd, name->path, flags)
					: plain_open(name->dir_fd, name->path, flags, 0);
	struct stat st;

	if (fd < 0)
		return name->links ? -errno : fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? TAKE_FD(fd) : -EINVAL;
}

int shared_file_peek(const struct shared_name *name, size_t cap, char **ret, size_t *ret_len,
		     struct error *err)
{
	struct shared_file file = SHARED_FILE_INIT;
	int r;

	file.fd = open_for_reading(name);
	if (file.fd < 0)
		return open_failed(file.fd, name->path, err);
	file.path = strdup(name->path);
	r = file.path == NULL ? error_set(err, ENOMEM, "open %s: out of memory", name->path)
			      : shared_file_read(&file, cap, ret, ret_len, err);
	shared_file_done(&file);
	return r;
}

int shared_file_read(const struct shared_file *file, size_t cap, char **ret, size_t *ret_len,
		     struct error *err)
{
	int r = lseek(file->fd, 0, SEEK_SET) < 0 ? -errno
						 : fd_read_all(file->fd, cap, ret, ret_len);

	if (r == -EFBIG)
		return error_set(err, EFBIG, "%s: larger than %zu MiB", file->path, cap >> 20);
	return r < 0 ? error_set(err, -r, "read %s: %s", file->path, strerror(-r)) : 0;
}

int shared_file_replace(struct shared_file *file, const void *data, size_t len, struct error *err)
{
	return shared_file_put(file->dir_fd, file->path, data, len, err);
}

void shared_file_done(struct shared_file *file)
{
	struct stat st;

	if (file->fd >= 0 && file->made && is_current(file) && fstat(file->fd, &st) == 0 &&
	    st.st_size == 0)
		(void)unlinkat(file->dir_fd, file->path, 0);
	close_fd(&file->fd);
	free(file->path);
	*file = (struct shared_file)SHARED_FILE_INIT;
}
