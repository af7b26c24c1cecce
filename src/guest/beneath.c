/* SPDX-License-Identifier: MIT */
#include "guest/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"

#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

int beneath_open(struct beneath *b, const char *path, struct error *err)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, "results folder %s", path);
	b->give = geteuid() == 0 && st.st_uid != 0;
	b->uid = st.st_uid;
	b->gid = st.st_gid;
	b->fd = TAKE_FD(fd);
	return 0;
}

void beneath_close(struct beneath *b)
{
	close_fd(&b->fd);
}

bool beneath_keeps(const struct beneath *b, int folder_fd, const char *name)
{
	return b->keep != NULL && b->keep->has(b->keep->data, folder_fd, name);
}

/* One part of a path. O_NOFOLLOW alone would do; openat2 (Linux 5.6) says it once more. */
static int open_folder(int at, const char *name)
{
	struct open_how how = {
		.flags = FOLDER_FLAGS,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, at, name, &how, sizeof(how));

	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		fd = openat(at, name, FOLDER_FLAGS);
	return fd < 0 ? -errno : fd;
}

/* Return: 1 made; 0 it was there (or something else is); -errno. */
static int make_folder(const struct beneath *b, int at, const char *name, mode_t mode)
{
	AUTO_CLOSE int fd = -1;

	if (beneath_keeps(b, at, name))
		return -ECANCELED;
	if (mkdirat(at, name, 0700) < 0)
		return errno == EEXIST ? 0 : -errno;
	fd = open_folder(at, name);
	if (fd < 0)
		return fd;
	if ((b->give && fchown(fd, b->uid, b->gid) < 0) || fchmod(fd, mode) < 0)
		return -errno;
	return 1;
}

/* Cuts the next part out of *@path into @part. Return: whether more parts follow. */
static bool next_part(const char **path, char part[256])
{
	size_t len = strcspn(*path, "/");

	(void)snprintf(part, 256, "%.*s", (int)len, *path);
	*path += len;
	if (**path == '/')
		(*path)++;
	return **path != '\0';
}

/* Opens the folder above the last part of @name, which goes to @last. Return: descriptor, -errno.
 */
static int open_above(const struct beneath *b, const char *name, char last[256])
{
	AUTO_CLOSE int at = fcntl(b->fd, F_DUPFD_CLOEXEC, 3);

	if (at < 0)
		return -errno;
	while (next_part(&name, last)) {
		int r = make_folder(b, at, last, 0755);
		int next;

		if (r < 0)
			return r;
		next = open_folder(at, last);
		if (next < 0)
			return next;
		(void)close(at);
		at = next;
	}
	return TAKE_FD(at);
}

int beneath_folder(struct beneath *b, const char *name, mode_t mode)
{
	AUTO_CLOSE int fd = -1;
	AUTO_CLOSE int at = -1;
	char last[256];
	int r;

	at = open_above(b, name, last);
	if (at < 0)
		return at;
	r = make_folder(b, at, last, mode);
	if (r != 0)
		return r;
	fd = open_folder(at, last);
	return fd < 0 ? fd : 0;
}

/* Only a regular file may be replaced. */
static int check_target(int at, const char *name)
{
	struct stat st;

	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISREG(st.st_mode))
		return 0;
	if (S_ISLNK(st.st_mode))
		return -ELOOP;
	return S_ISDIR(st.st_mode) ? -EISDIR : -EEXIST;
}

int beneath_file_begin(struct beneath *b, const char *name, struct beneath_file *ret)
{
	struct beneath_file f = BENEATH_FILE_INIT;
	AUTO_CLOSE int at = -1;
	unsigned long long random;
	int r;

	at = open_above(b, name, f.name);
	if (at < 0)
		return at;
	r = beneath_keeps(b, at, f.name) ? -ECANCELED : check_target(at, f.name);
	if (r < 0)
		return r;
	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return -errno;
	(void)snprintf(f.tmp, sizeof(f.tmp), ".bmvm-%016llx.part", random);
	f.fd = openat(at, f.tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (f.fd < 0)
		return -errno;
	f.folder = TAKE_FD(at);
	*ret = f;
	return 0;
}

int beneath_file_commit(struct beneath *b, struct beneath_file *f, mode_t mode)
{
	int r = 0;

	if ((b->give && fchown(f->fd, b->uid, b->gid) < 0) || fchmod(f->fd, mode) < 0)
		r = -errno;
	if (r == 0)
		r = check_target(f->folder, f->name);
	if (r == 0 && renameat(f->folder, f->tmp, f->folder, f->name) < 0)
		r = -errno;
	if (r == 0)
		f->tmp[0] = '\0';
	beneath_file_abort(f);
	return r;
}

void beneath_file_abort(struct beneath_file *f)
{
	if (f->folder >= 0 && f->tmp[0] != '\0')
		(void)unlinkat(f->folder, f->tmp, 0);
	close_fd(&f->fd);
	close_fd(&f->folder);
}
