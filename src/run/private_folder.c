/* SPDX-License-Identifier: MIT */
#include "run/private_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"

#define PREFIX      ".bmvm-"
#define BOOT_DIGITS 8
#define DIGITS      16
#define TRIES       10

bool private_folder_is_name(const char *name)
{
	size_t len = strlen(PREFIX);

	return strncmp(name, PREFIX, len) == 0 &&
	       strspn(name + len, "0123456789abcdef") == DIGITS && name[len + DIGITS] == '\0';
}

static int open_folder(int in_fd, const char *name)
{
	int fd = openat(in_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Whether @fd is still what the name stands for. */
static bool is_current(int in_fd, const char *name, int fd)
{
	struct stat ours, named;

	return fstat(fd, &ours) == 0 && fstatat(in_fd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       ours.st_dev == named.st_dev && ours.st_ino == named.st_ino;
}

/* ---- making one ---- */

/*
 * Between the making and the lock it looks left behind, and may be removed. Return: descriptor with
 * the lock; -ESTALE, -EEXIST, -ENOENT others were quicker; other errno.
 */
static int make_and_lock(struct beneath *in, const char *name)
{
	AUTO_CLOSE int fd = -1;
	int r = beneath_folder(in, name, 0700);

	if (r <= 0)
		return r == 0 ? -EEXIST : r;
	fd = open_folder(in->fd, name);
	if (fd < 0)
		return fd;
	if (file_lock(fd, true, 0) == -EWOULDBLOCK || !is_current(in->fd, name, fd))
		return -ESTALE;
	return TAKE_FD(fd);
}

static int try_make(struct beneath *in, const char *boot_id, struct private_folder *ret)
{
	uint32_t random;

	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return -errno;
	(void)snprintf(ret->name, sizeof(ret->name), PREFIX "%.*s%08" PRIx32, BOOT_DIGITS, boot_id,
		       random);
	return make_and_lock(in, ret->name);
}

int private_folder_make(const struct beneath *in, const char *boot_id, struct private_folder *ret,
			struct error *err)
{
	struct beneath plain = *in;
	int fd = -ESTALE;

	plain.keep = NULL;
	for (int i = 0; i < TRIES && (fd == -ESTALE || fd == -EEXIST || fd == -ENOENT); i++)
		fd = try_make(&plain, boot_id, ret);
	if (fd < 0)
		return error_set(err, -fd, "make a folder for results: %s", strerror(-fd));
	ret->in_fd = in->fd;
	ret->dir = plain;
	ret->dir.fd = fd;
	return 0;
}

void private_folder_done(struct private_folder *p)
{
	struct error why = ERROR_INIT;

	if (p->dir.fd >= 0 && file_remove_tree_at(p->in_fd, p->name, &why) < 0)
		log_warning("%s", why.msg);
	beneath_close(&p->dir);
}

/* ---- those that were left ---- */

/* Of another boot: perhaps of another host, whose locks nobody sees here. */
static bool is_too_old(const struct stat *st)
{
	return st->st_mtime < time(NULL) - PRIVATE_FOLDER_MAX_S;
}

static bool is_left(const struct beneath *in, const char *boot_id, const char *name, int fd)
{
	uid_t owner = in->give ? in->uid : geteuid();
	bool this_boot = strncmp(name + strlen(PREFIX), boot_id, BOOT_DIGITS) == 0;
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_uid == owner && (this_boot || is_too_old(&st)) &&
	       file_lock(fd, true, 0) == 0 && is_current(in->fd, name, fd);
}

static bool sweep_one(const struct beneath *in, const char *boot_id, const char *name)
{
	AUTO_CLOSE int fd = open_folder(in->fd, name);
	struct error why = ERROR_INIT;

	if (fd < 0 || !is_left(in, boot_id, name, fd))
		return false;
	if (file_remove_tree_at(in->fd, name, &why) < 0) {
		log_warning("left by a run that was killed: %s", why.msg);
		return false;
	}
	log_info("removed %s, which a run that was killed has left", name);
	return true;
}

size_t private_folder_sweep(const struct beneath *in, const char *boot_id)
{
	AUTO_CLOSEDIR DIR *dir = file_opendir_at(in->fd, ".", 0);
	const struct dirent *entry;
	size_t n = 0;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (private_folder_is_name(entry->d_name))
			n += sweep_one(in, boot_id, entry->d_name) ? 1 : 0;
	}
	return n;
}
