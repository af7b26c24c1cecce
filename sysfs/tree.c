/* SPDX-License-Identifier: MIT */
/* The tree of the kernel's files: see tree.h. */
#include "sysfs/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sysfs/cleanup.h"
#include "sysfs/clock.h"
#include "sysfs/helper.h"

void sysfs_init(struct sysfs *sys, int sys_fd, int dev_fd, int proc_fd)
{
	*sys = (struct sysfs){ .sys_fd = sys_fd,
			       .dev_fd = dev_fd,
			       .proc_fd = proc_fd,
			       .lock_fd = -1,
			       .poll_ms = 20,
			       .read_limit_ms = 3000 };
}

/* One read of at most SYSFS_TEXT_SIZE - 1 bytes; async-signal-safe. Return: their number; -errno.
 */
static ssize_t read_once(int dir_fd, const char *path, int flags, char *buf)
{
	SYSFS_AUTO_CLOSE int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | flags);

	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t n = read(fd, buf, SYSFS_TEXT_SIZE - 1);

		if (n >= 0)
			return n;
		if (errno != EINTR)
			return -errno;
	}
}

static int finish_text(struct sysfs_text *text, ssize_t n)
{
	if (n < 0)
		return (int)n;
	text->len = (size_t)n;
	if (text->len > 0 && text->text[text->len - 1] == '\n')
		text->len--;
	text->text[text->len] = '\0';
	return 0;
}

int sysfs_read(int dir_fd, const char *path, struct sysfs_text *ret)
{
	/* O_NONBLOCK: an attribute does not mind, and a FIFO in a recorded tree cannot hold us. */
	return finish_text(ret, read_once(dir_fd, path, O_NONBLOCK, ret->text));
}

int sysfs_read_blocking(int dir_fd, const char *path, struct sysfs_text *ret)
{
	return finish_text(ret, read_once(dir_fd, path, 0, ret->text));
}

static ssize_t run_read(void *data, int dir_fd, char *reply, size_t size)
{
	(void)size;
	return read_once(dir_fd, data, 0, reply);
}

/* Read through a helper, which nothing else than a stuck kernel can make late. */
static int read_by_helper(const struct sysfs *sys, int dir_fd, char *path, struct sysfs_text *ret,
			  struct sysfs_error *told)
{
	struct helper helper = {
		.run = run_read, .data = path, .dir_fd = dir_fd, .lock_fd = -1, .what = path
	};

	/* What is not there needs no helper to say so. */
	if (!sysfs_exists(dir_fd, path))
		return -ENOENT;
	return finish_text(ret, helper_run(&helper, sysfs_deadline_ms(sys->read_limit_ms),
					   ret->text, sizeof(ret->text), told));
}

int sysfs_read_guarded(const struct sysfs *sys, int dir_fd, const char *path,
		       struct sysfs_text *ret, struct sysfs_error *err)
{
	struct sysfs_error told = { 0 };
	char name[SYSFS_PATH_SIZE];
	int r = sysfs_path(name, "%s", path);

	if (r == 0)
		r = sys->read_limit_ms == 0 ? sysfs_read_blocking(dir_fd, path, ret)
					    : read_by_helper(sys, dir_fd, name, ret, &told);
	if (r < 0 && told.code == 0)
		return sysfs_error_os(err, -r, "read %s", path);
	if (r < 0 && err != NULL)
		*err = told;
	return r;
}

int sysfs_read_string(int dir_fd, const char *path, char *buf, size_t size)
{
	struct sysfs_text text;
	int r = sysfs_read(dir_fd, path, &text);

	if (r < 0)
		return r;

	size_t len = strlen(text.text);

	if (len >= size)
		return -EMSGSIZE;
	memcpy(buf, text.text, len + 1);
	return 0;
}

int sysfs_parse_number(const char *text, int64_t *ret)
{
	const char *digits = text[0] == '-' ? text + 1 : text;
	int base = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X') ? 16 : 10;
	const char *first = base == 16 ? digits + 2 : digits;
	char *end = NULL;

	/* strtoll() by itself would take blanks, another sign and another prefix here. */
	if (strspn(first, base == 16 ? "0123456789abcdefABCDEF" : "0123456789") != strlen(first) ||
	    *first == '\0')
		return -EBADMSG;
	errno = 0;

	long long value = strtoll(text, &end, base);

	if (errno != 0 || *end != '\0')
		return -EBADMSG;
	*ret = value;
	return 0;
}

int sysfs_read_number(int dir_fd, const char *path, int64_t *ret)
{
	char text[64];
	int r = sysfs_read_string(dir_fd, path, text, sizeof(text));

	if (r == -EMSGSIZE)
		return -EBADMSG;
	return r < 0 ? r : sysfs_parse_number(text, ret);
}

int sysfs_read_link(int dir_fd, const char *path, char *buf, size_t size)
{
	char target[4096];
	ssize_t n = readlinkat(dir_fd, path, target, sizeof(target) - 1);

	if (n < 0)
		return errno == EINVAL ? -EBADMSG : -errno;
	target[n] = '\0';

	const char *slash = strrchr(target, '/');
	const char *name = slash == NULL ? target : slash + 1;

	if (!sysfs_is_name(name))
		return -EBADMSG;
	if (strlen(name) >= size)
		return -EMSGSIZE;
	memcpy(buf, name, strlen(name) + 1);
	return 0;
}

bool sysfs_exists(int dir_fd, const char *path)
{
	struct stat st;

	return fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

int sysfs_open_dir(int dir_fd, const char *path)
{
	int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_name(struct sysfs_names *names, const char *name)
{
	char *copy = strdup(name);
	char **v = copy == NULL ? NULL : realloc(names->v, (names->n + 1) * sizeof(*v));

	if (v == NULL) {
		free(copy);
		return -ENOMEM;
	}
	names->v = v;
	names->v[names->n++] = copy;
	return 0;
}

static int read_names(DIR *dir, struct sysfs_names *names)
{
	for (;;) {
		errno = 0;

		const struct dirent *entry = readdir(dir);

		if (entry == NULL)
			return -errno;
		if (!sysfs_is_name(entry->d_name))
			continue;

		int r = add_name(names, entry->d_name);

		if (r < 0)
			return r;
	}
}

int sysfs_list(int dir_fd, const char *path, struct sysfs_names *ret)
{
	AUTO_SYSFS_NAMES struct sysfs_names names = { 0 };
	int fd = sysfs_open_dir(dir_fd, path);

	if (fd < 0)
		return fd;

	DIR *dir = fdopendir(fd);

	if (dir == NULL) {
		sysfs_close_fd(&fd);
		return -errno;
	}

	int r = read_names(dir, &names);

	(void)closedir(dir);
	if (r < 0)
		return r;
	if (names.n > 1)
		qsort(names.v, names.n, sizeof(*names.v), compare_names);
	*ret = names;
	names = (struct sysfs_names){ 0 };
	return 0;
}

void sysfs_names_done(struct sysfs_names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->v[i]);
	free(names->v);
	*names = (struct sysfs_names){ 0 };
}

bool sysfs_is_name(const char *name)
{
	return name[0] != '\0' && strchr(name, '/') == NULL && strcmp(name, ".") != 0 &&
	       strcmp(name, "..") != 0;
}

int sysfs_path(char buf[SYSFS_PATH_SIZE], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);

	int n = vsnprintf(buf, SYSFS_PATH_SIZE, fmt, ap);

	va_end(ap);
	return n < 0 || n >= SYSFS_PATH_SIZE ? -ENAMETOOLONG : 0;
}
