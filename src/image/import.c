/* SPDX-License-Identifier: MIT */
#include "image/import.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "image/draft.h"
#include "image/manifest.h"
#include "image/probe.h"

#define DISK_FILE   "disk.qcow2"
#define KERNEL_FILE "vmlinuz"
#define INITRD_FILE "initrd.img"
#define COPY_PIECE  ((size_t)16 << 20)
#define STEPS       2

/* ---- what both do ---- */

static int out_of_memory(struct error *err)
{
	return error_set(err, ENOMEM, "new image: out of memory");
}

static int set_text(char **field, const char *value, struct error *err)
{
	if (value == NULL)
		return 0;
	free(*field);
	*field = strdup(value);
	return *field == NULL ? out_of_memory(err) : 0;
}

static int copy_bytes(int from_fd, int to_fd)
{
	for (;;) {
		ssize_t n = sendfile(to_fd, from_fd, NULL, COPY_PIECE);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
	}
}

/* A file beside the disk; @path NULL: the image has none. */
static int add_file(const struct draft *draft, const char *path, const char *name,
		    struct manifest_file *f, struct error *err)
{
	AUTO_CLOSE int from_fd = -1;
	AUTO_CLOSE int to_fd = -1;
	int r;

	if (path == NULL)
		return 0;
	from_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (from_fd < 0)
		return error_errno(err, "open %s", path);
	to_fd = openat(draft->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (to_fd < 0)
		return error_errno(err, "new image: create %s", name);
	r = copy_bytes(from_fd, to_fd);
	if (r < 0)
		return error_set(err, -r, "copy %s: %s", path, strerror(-r));
	return set_text(&f->file, name, err);
}

static int add_disk(const struct draft *draft, const struct image_file *disk,
		    struct image_progress *progress, const struct watchset *watch,
		    struct error *err)
{
	AUTO_FREE char *to = NULL;

	if (asprintf(&to, "%s/" DISK_FILE, draft->path) < 0) {
		to = NULL;
		return out_of_memory(err);
	}
	return tool_convert(disk->path, disk->format, to, progress, watch, err);
}

static int describe(struct manifest *m, const char *origin, uint64_t virtual_size,
		    struct error *err)
{
	char now[CLOCK_ISO_SIZE];
	int r;

	clock_iso(now);
	m->virtual_size = virtual_size;
	r = set_text(&m->created, now, err);
	if (r == 0)
		r = set_text(&m->origin, origin, err);
	if (r == 0)
		r = set_text(&m->format, "qcow2", err);
	if (r == 0)
		r = set_text(&m->disk.file, DISK_FILE, err);
	return r;
}

/* ---- import ---- */

/* "/x/ubuntu-22.04.qcow2" makes "ubuntu-22.04". */
static char *name_of_file(const char *path)
{
	static const char *const endings[] = { ".qcow2", ".img", ".raw" };
	const char *slash = strrchr(path, '/');
	char *name = strdup(slash == NULL ? path : slash + 1);
	size_t n = name == NULL ? 0 : strlen(name);

	for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
		size_t end = strlen(endings[i]);

		if (n > end && strcmp(name + n - end, endings[i]) == 0) {
			name[n - end] = '\0';
			break;
		}
	}
	return name;
}

static int describe_import(struct manifest *m, const struct image_import *what, uint64_t size,
			   struct error *err)
{
	int r = describe(m, "import", size, err);

	m->seed = what->seed;
	m->uefi = what->uefi;
	return r == 0 ? set_text(&m->append, what->append, err) : r;
}

static int import_as(const struct host *host, const struct image_import *what,
		     const struct probe *probe, const char *name, struct error *err)
{
	AUTO_DRAFT struct draft draft = DRAFT_INIT;
	AUTO_MANIFEST struct manifest m = { .created = NULL };
	struct draft_publish how = {
		.name = name,
		.replace = what->replace,
		.manifest = &m,
		.watch = what->watch,
	};
	int r = draft_begin(host, &draft, err);

	image_steps(what->progress, STEPS);
	if (r == 0)
		r = add_file(&draft, what->kernel, KERNEL_FILE, &m.kernel, err);
	if (r == 0)
		r = add_file(&draft, what->initrd, INITRD_FILE, &m.initrd, err);
	if (r == 0)
		r = add_disk(&draft, &probe->chain[0], what->progress, what->watch, err);
	if (r == 0)
		r = describe_import(&m, what, probe->virtual_size, err);
	if (r < 0)
		return r;
	image_step(what->progress, "computing digests");
	return draft_publish(host, &draft, &how, err);
}

int image_import(const struct host *host, const struct image_import *what, struct error *err)
{
	AUTO_FREE char *name = what->name != NULL ? strdup(what->name) : name_of_file(what->file);
	AUTO_PROBE struct probe probe = { .chain = NULL };
	int r;

	if (name == NULL)
		return out_of_memory(err);
	if (what->kernel == NULL && (what->initrd != NULL || what->append != NULL))
		return error_set(err, EINVAL, "an initrd or a kernel line needs a kernel");
	r = draft_name_free(host, name, what->replace, err);
	if (r == 0)
		r = probe_disk(what->file, &probe, err);
	if (r == 0 && what->kernel == NULL)
		r = probe_check_boots(&probe.chain[0], err);
	if (r != 0)
		return r;
	if (probe.n_chain > 1)
		log_info("%s stands on %s: the new image holds both", what->file,
			 probe.chain[1].path);
	return import_as(host, what, &probe, name, err);
}

/* ---- commit ---- */

/* What the new image has from the old one; a disk given by path has no manifest. */
static int inherit(struct manifest *m, const struct image_commit *what, struct error *err)
{
	AUTO_MANIFEST struct manifest old = { .created = NULL };
	int r = 0;

	if (what->from->dir != NULL)
		r = manifest_load(what->from->dir, &old, err);
	if (r < 0)
		return r;
	m->docker = old.docker;
	m->seed = what->from->seed;
	m->uefi = what->from->uefi;
	strv_add_all(&m->packages, old.packages.v);
	for (size_t i = 0; what->packages != NULL && i < what->packages->n; i++) {
		if (!strv_contains(&m->packages, what->packages->v[i]))
			strv_add(&m->packages, what->packages->v[i]);
	}
	if (strv_error(&m->packages) < 0)
		return out_of_memory(err);
	r = set_text(&m->suite, what->from->suite, err);
	return r == 0 ? set_text(&m->append, what->from->append, err) : r;
}

static int describe_commit(struct manifest *m, const struct image_commit *what, uint64_t size,
			   struct error *err)
{
	AUTO_FREE char *origin = NULL;
	int r;

	if (asprintf(&origin, "from %s", what->from->name) < 0) {
		origin = NULL;
		return out_of_memory(err);
	}
	r = describe(m, origin, size, err);
	return r == 0 ? inherit(m, what, err) : r;
}

static int commit_disk(const struct image_commit *what, const struct draft *draft,
		       struct manifest *m, struct error *err)
{
	AUTO_PROBE struct probe probe = { .chain = NULL };
	int r = probe_disk(what->overlay, &probe, err);

	if (r == 0)
		r = describe_commit(m, what, probe.virtual_size, err);
	if (r == 0)
		r = add_disk(draft, &probe.chain[0], what->progress, what->watch, err);
	return r;
}

int image_commit(const struct host *host, const struct image_commit *what, struct error *err)
{
	bool own_kernel = what->kernel != NULL;
	const char *kernel = own_kernel ? what->kernel : what->from->kernel.path;
	const char *initrd = own_kernel ? what->initrd : what->from->initrd.path;
	AUTO_DRAFT struct draft draft = DRAFT_INIT;
	AUTO_MANIFEST struct manifest m = { .created = NULL };
	struct draft_publish how = {
		.name = what->name,
		.replace = what->replace,
		.manifest = &m,
		.watch = what->watch,
	};
	int r = draft_name_free(host, what->name, what->replace, err);

	image_steps(what->progress, STEPS);
	if (r == 0)
		r = draft_begin(host, &draft, err);
	if (r == 0)
		r = add_file(&draft, kernel, KERNEL_FILE, &m.kernel, err);
	if (r == 0)
		r = add_file(&draft, initrd, INITRD_FILE, &m.initrd, err);
	if (r == 0)
		r = commit_disk(what, &draft, &m, err);
	if (r < 0)
		return r;
	image_step(what->progress, "computing digests");
	return draft_publish(host, &draft, &how, err);
}
