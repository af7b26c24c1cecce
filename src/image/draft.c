/* SPDX-License-Identifier: MIT */
#include "image/draft.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/process.h"
#include "base/strv.h"
#include "host/host.h"
#include "image/store.h"
#include "image/tool.h"

#define TMP_PREFIX     ".tmp-"
#define SCRATCH_FILE   "scratch" /* in a draft: the path of its scratch folder */
#define SCRATCH_PREFIX "bmvm-image-"
#define LOCK_WAIT_MS   2000
#define LOOK_MS        200 /* longer than a listing's try of the lock */
#define REMOVE_S       120

/* ---- scratch ---- */

/*
 * Files of a user namespace's other ids are removed from within such a namespace; mmdebstrap, which
 * made them, knows how to enter it. What lies directly in our own folder is left to us.
 */
static void empty_mapped(const char *path)
{
	AUTO_STRV struct strv argv = STRV_INIT;
	struct error err = ERROR_INIT;

	tool_args(&argv, "mmdebstrap", "--unshare-helper", "rm", "-rf", "--one-file-system", "--",
		  path, NULL);
	if (strv_error(&argv) == 0 && process_check(argv.v, deadline_in_s(REMOVE_S), &err) < 0)
		log_debug("%s", err.msg);
}

/* Only a folder that looks like what we make, and that is ours, is ever removed. */
static bool is_scratch(const char *path)
{
	const char *slash = strrchr(path, '/');
	struct stat st;

	return path[0] == '/' && strncmp(slash + 1, SCRATCH_PREFIX, strlen(SCRATCH_PREFIX)) == 0 &&
	       lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid();
}

static int remove_scratch(int draft_fd, struct error *err)
{
	AUTO_FREE char *path = NULL;
	int r = file_read_at(draft_fd, SCRATCH_FILE, 4096, &path, NULL, NULL);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return error_set(err, -r, "read " SCRATCH_FILE ": %s", strerror(-r));
	path[strcspn(path, "\n")] = '\0';
	r = 0;
	if (is_scratch(path)) {
		r = file_remove_tree_at(AT_FDCWD, path, err);
		if ((r == -EACCES || r == -EPERM) && geteuid() != 0) {
			empty_mapped(path);
			r = file_remove_tree_at(AT_FDCWD, path, err);
		}
	}
	if (r == 0)
		(void)unlinkat(draft_fd, SCRATCH_FILE, 0);
	return r;
}

int draft_add_scratch(const struct draft *draft, char **ret_path, struct error *err)
{
	const char *base = getenv("TMPDIR");
	AUTO_FREE char *path = NULL;
	mode_t mode;
	int r;

	if (base == NULL || base[0] != '/')
		base = "/var/tmp";
	/* the draft's own random part makes this name ours before it exists */
	if (asprintf(&path, "%s/" SCRATCH_PREFIX "%s", base, strrchr(draft->path, '-') + 1) < 0) {
		path = NULL;
		return error_set(err, ENOMEM, "scratch folder: out of memory");
	}
	r = file_write_atomic_at(draft->fd, SCRATCH_FILE, path, strlen(path), 0600, err);
	if (r < 0)
		return r;
	/* the ids of a user namespace are anybody's here */
	mode = geteuid() == 0 ? 0711 : 01777;
	if (mkdir(path, 0700) < 0 || chmod(path, mode) < 0)
		return error_errno(err, "make folder %s", path);
	*ret_path = TAKE_PTR(path);
	return 0;
}

int draft_remove_scratch(const struct draft *draft, struct error *err)
{
	return remove_scratch(draft->fd, err);
}

/* ---- begin and discard ---- */

/* The folder's lock is ours only if the folder still has its name: a sweep may have been first. */
static int lock_folder(const char *path, int *ret_fd)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat a, b;
	int r;

	if (fd < 0)
		return -errno;
	r = file_lock(fd, true, deadline_in_ms(LOCK_WAIT_MS));
	if (r < 0)
		return r;
	if (fstat(fd, &a) < 0 || stat(path, &b) < 0)
		return -ENOENT;
	if (a.st_dev != b.st_dev || a.st_ino != b.st_ino)
		return -ENOENT;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int draft_begin(const struct host *host, struct draft *ret, struct error *err)
{
	struct draft draft = DRAFT_INIT;

	for (int attempt = 0; attempt < 10; attempt++) {
		int r;

		if (asprintf(&draft.path, "%s/" TMP_PREFIX "XXXXXX", host->images_dir) < 0)
			return error_set(err, ENOMEM, "new image: out of memory");
		if (mkdtemp(draft.path) == NULL) {
			r = error_errno(err, "new image in %s", host->images_dir);
			free(draft.path);
			return r;
		}
		r = lock_folder(draft.path, &draft.fd);
		if (r == 0) {
			*ret = draft;
			return 0;
		}
		free(draft.path);
		if (r != -ENOENT)
			return error_set(err, -r, "lock new image: %s", strerror(-r));
	}
	return error_set(err, EAGAIN, "new image in %s: always swept away", host->images_dir);
}

static int remove_draft(const char *path, int fd, struct error *err)
{
	int r = remove_scratch(fd, err);

	/* with the scratch folder left, the draft stays as its record for the next sweep */
	return r < 0 ? r : file_remove_tree_at(AT_FDCWD, path, err);
}

void draft_discard(struct draft *draft)
{
	struct error err = ERROR_INIT;

	if (draft->path != NULL && remove_draft(draft->path, draft->fd, &err) < 0)
		log_warning("%s", err.msg);
	close_fd(&draft->fd);
	free(draft->path);
	*draft = (struct draft)DRAFT_INIT;
}

/* ---- sweep ---- */

/* Return: 1 removed, 0 its maker lives, negative errno. */
static int sweep_one(const char *path, struct error *err)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : error_errno(err, "open %s", path);
	if (file_lock(fd, true, 0) < 0)
		return 0;
	r = remove_draft(path, fd, err);
	return r < 0 ? r : 1;
}

int draft_sweep(const struct host *host, struct error *err)
{
	AUTO_CLOSEDIR DIR *dir = opendir(host->images_dir);
	const struct dirent *entry;
	int removed = 0, first = 0;

	if (dir == NULL)
		return errno == ENOENT ? 0 : error_errno(err, "open %s", host->images_dir);
	while ((entry = readdir(dir)) != NULL) {
		AUTO_FREE char *path = NULL;
		int r;

		if (strncmp(entry->d_name, TMP_PREFIX, strlen(TMP_PREFIX)) != 0)
			continue;
		path = path_join(host->images_dir, entry->d_name);
		if (path == NULL)
			return error_set(err, ENOMEM, "images: out of memory");
		r = sweep_one(path, first == 0 ? err : NULL);
		if (r > 0)
			removed++;
		else if (r < 0 && first == 0)
			first = r;
	}
	return first < 0 ? first : removed;
}

/* ---- removing an image ---- */

/* Takes the lock that users of the disk share. Without a readable manifest nobody can use it. */
static int lock_disk(const char *dir, const char *name, int *ret_fd, struct error *err)
{
	AUTO_MANIFEST struct manifest m = { .created = NULL };
	AUTO_FREE char *path = NULL;
	AUTO_CLOSE int fd = -1;

	if (manifest_load(dir, &m, NULL) < 0)
		return 0;
	path = path_join(dir, m.disk.file);
	if (path == NULL)
		return error_set(err, ENOMEM, "image %s: out of memory", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : error_errno(err, "open %s", path);
	if (file_lock(fd, true, deadline_in_ms(LOOK_MS)) < 0) {
		int r = error_set(err, EBUSY, "image %s is in use by a VM", name);

		return error_hint(err, r, "bmvm ps; bmvm destroy VM");
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int draft_retire(const struct host *host, const char *name, struct error *err)
{
	AUTO_DRAFT struct draft grave = DRAFT_INIT;
	AUTO_FREE char *dir = path_join(host->images_dir, name);
	AUTO_FREE char *to = NULL;
	AUTO_CLOSE int disk_fd = -1;
	int r;

	if (dir == NULL)
		return error_set(err, ENOMEM, "image %s: out of memory", name);
	r = lock_disk(dir, name, &disk_fd, err);
	if (r == 0)
		r = draft_begin(host, &grave, err);
	if (r < 0)
		return r;
	to = path_join(grave.path, "old");
	if (to == NULL || rename(dir, to) < 0)
		return error_errno(err, "remove image %s", name);
	return 0;
}

/* ---- publishing ---- */

int draft_name_free(const struct host *host, const char *name, bool replace, struct error *err)
{
	AUTO_FREE char *dir = NULL;
	AUTO_CLOSE int disk_fd = -1;
	struct stat st;
	int r = store_name_check(name, err);

	if (r < 0)
		return r;
	dir = path_join(host->images_dir, name);
	if (dir == NULL)
		return error_set(err, ENOMEM, "image %s: out of memory", name);
	if (lstat(dir, &st) < 0)
		return errno == ENOENT ? 0 : error_errno(err, "%s", dir);
	if (!replace) {
		r = error_set(err, EEXIST, "there is an image %s already", name);
		return error_hint(err, r, "--replace, or --name OTHER, or bmvm image rm %s", name);
	}
	return lock_disk(dir, name, &disk_fd, err);
}

/* Nobody writes to it any more: its digest, computed now, is valid from now on. */
static int seal_file(const struct host *host, const struct draft *draft, struct manifest_file *f,
		     const struct watchset *watch, struct error *err)
{
	AUTO_CLOSE int fd = -1;
	struct image_identity id;
	int r;

	if (f->file == NULL)
		return 0;
	fd = openat(draft->fd, f->file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fchmod(fd, 0444) < 0 || fsync(fd) < 0)
		return error_errno(err, "new image: %s", f->file);
	r = image_digest_fd(fd, watch, f->sha256, err);
	if (r < 0)
		return error_prefix(err, r, "new image: %s", f->file);
	r = image_identity_of_fd(fd, &id);
	if (r < 0)
		return error_set(err, -r, "new image: %s: %s", f->file, strerror(-r));
	f->size = id.size;
	image_digest_remember(host, &id, f->sha256);
	return 0;
}

static int seal(const struct host *host, const struct draft *draft, const struct draft_publish *how,
		struct error *err)
{
	struct manifest *m = how->manifest;
	int r = seal_file(host, draft, &m->disk, how->watch, err);

	if (r == 0)
		r = seal_file(host, draft, &m->kernel, how->watch, err);
	if (r == 0)
		r = seal_file(host, draft, &m->initrd, how->watch, err);
	if (r == 0)
		r = manifest_save(draft->fd, m, err);
	if (r == 0 && fchmod(draft->fd, 0755) < 0)
		r = error_errno(err, "chmod %s", draft->path);
	return r;
}

/*
 * Swaps the draft with the image that is there, under the lock its users would share. The old one
 * is then the draft, and discarded as such.
 */
static int swap_in(const char *dir, struct draft *draft, const char *name, struct error *err)
{
	AUTO_CLOSE int disk_fd = -1;
	int r = lock_disk(dir, name, &disk_fd, err);

	if (r < 0)
		return r;
	if (renameat2(AT_FDCWD, draft->path, AT_FDCWD, dir, RENAME_EXCHANGE) < 0)
		return error_errno(err, "replace image %s", name);
	return file_remove_tree_at(AT_FDCWD, draft->path, err);
}

int draft_publish(const struct host *host, struct draft *draft, const struct draft_publish *how,
		  struct error *err)
{
	AUTO_FREE char *dir = path_join(host->images_dir, how->name);
	int r = draft_name_free(host, how->name, how->replace, err);

	if (dir == NULL)
		return error_set(err, ENOMEM, "image %s: out of memory", how->name);
	if (r == 0)
		r = draft_remove_scratch(draft, err);
	if (r == 0)
		r = seal(host, draft, how, err);
	if (r < 0)
		return r;
	if (renameat2(AT_FDCWD, draft->path, AT_FDCWD, dir, RENAME_NOREPLACE) < 0) {
		if (errno != EEXIST || !how->replace)
			return error_errno(err, "image %s", how->name);
		r = swap_in(dir, draft, how->name, err);
		if (r < 0)
			return r;
	}
	close_fd(&draft->fd);
	free(draft->path);
	*draft = (struct draft)DRAFT_INIT;
	return 0;
}
