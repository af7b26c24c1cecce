/* SPDX-License-Identifier: MIT */
#include "image/image.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/file.h"
#include "config/config.h"
#include "image/manifest.h"
#include "image/probe.h"
#include "image/store.h"

static const char *const seed_names[] = {
	[IMAGE_SEED_UNKNOWN] = "unknown",
	[IMAGE_SEED_NONE] = "none",
	[IMAGE_SEED_NOCLOUD] = "nocloud",
	[IMAGE_SEED_BMVM] = "bmvm",
};

const char *image_seed_name(enum image_seed seed)
{
	return seed_names[seed];
}

int image_seed_parse(const char *name, enum image_seed *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(seed_names); i++) {
		if (strcmp(name, seed_names[i]) == 0) {
			*ret = (enum image_seed)i;
			return 0;
		}
	}
	return -EINVAL;
}

void image_done(struct image *image)
{
	for (size_t i = 0; i < image->n_chain; i++)
		image_file_done(&image->chain[i]);
	free(image->chain);
	image_file_done(&image->kernel);
	image_file_done(&image->initrd);
	free(image->name);
	free(image->dir);
	free(image->append);
	free(image->suite);
	*image = (struct image){ .name = NULL };
}

/* ---- a stored image ---- */

/* A file beside the manifest; the size is a cheap first look at whether it is whole. */
static int load_file(struct image_file *ret, const char *dir, const struct manifest_file *f,
		     const char *format, struct error *err)
{
	AUTO_FREE char *path = NULL;
	int r;

	if (f->file == NULL)
		return 0;
	path = path_join(dir, f->file);
	if (path == NULL)
		return error_set(err, ENOMEM, "%s: out of memory", dir);
	r = image_file_init(ret, path, format, err);
	if (r < 0)
		return r;
	if (ret->id.size != f->size) {
		r = error_set(err, EBADMSG, "%s is not as its manifest says: its size differs",
			      path);
		return error_hint(err, r, "bmvm image rm, then build or import it again");
	}
	return 0;
}

static int load_files(struct image *image, const struct manifest *m, struct error *err)
{
	int r;

	image->chain = calloc(1, sizeof(*image->chain));
	if (image->chain == NULL)
		return error_set(err, ENOMEM, "%s: out of memory", image->dir);
	image->n_chain = 1;
	r = load_file(&image->chain[0], image->dir, &m->disk, m->format, err);
	if (r == 0)
		r = load_file(&image->kernel, image->dir, &m->kernel, NULL, err);
	if (r == 0)
		r = load_file(&image->initrd, image->dir, &m->initrd, NULL, err);
	return r;
}

/* Fills all but the name; takes the strings out of @m. */
static int take_manifest(struct image *image, const char *dir, struct manifest *m,
			 struct error *err)
{
	image->dir = strdup(dir);
	if (image->dir == NULL)
		return error_set(err, ENOMEM, "%s: out of memory", dir);
	image->virtual_size = m->virtual_size;
	image->seed = m->seed;
	image->uefi = m->uefi;
	image->append = TAKE_PTR(m->append);
	image->suite = TAKE_PTR(m->suite);
	return load_files(image, m, err);
}

static int load_stored(struct image *image, const char *dir, struct error *err)
{
	AUTO_MANIFEST struct manifest m = { .created = NULL };
	int r = manifest_load(dir, &m, err);

	return r < 0 ? r : take_manifest(image, dir, &m, err);
}

/* ---- a path ---- */

static bool is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The disk of a stored image named by its path is that image. Return: 1 it was, 0 it is not. */
static int load_beside_manifest(struct image *image, const char *path, struct error *err)
{
	AUTO_MANIFEST struct manifest m = { .created = NULL };
	AUTO_FREE char *dir = realpath(path, NULL);
	char *slash = dir == NULL ? NULL : strrchr(dir, '/');
	int r;

	if (slash == NULL)
		return error_errno(err, "%s", path);
	*slash = '\0';
	if (manifest_load(dir, &m, NULL) < 0 || strcmp(m.disk.file, slash + 1) != 0)
		return 0;
	r = take_manifest(image, dir, &m, err);
	return r < 0 ? r : 1;
}

static int load_path(struct image *image, const char *path, struct error *err)
{
	struct probe probe = { .chain = NULL };
	int r;

	if (is_folder(path))
		return load_stored(image, path, err);
	r = load_beside_manifest(image, path, err);
	if (r != 0)
		return r < 0 ? r : 0;
	r = probe_disk(path, &probe, err);
	if (r < 0)
		return r;
	image->chain = probe.chain;
	image->n_chain = probe.n_chain;
	image->virtual_size = probe.virtual_size;
	image->seed = IMAGE_SEED_UNKNOWN;
	return 0;
}

int image_load(const struct host *host, const char *name, struct image *ret, struct error *err)
{
	AUTO_IMAGE struct image image = { .name = strdup(name) };
	AUTO_FREE char *dir = NULL;
	int r;

	if (image.name == NULL)
		return error_set(err, ENOMEM, "image %s: out of memory", name);
	if (strchr(name, '/') != NULL) {
		r = load_path(&image, name, err);
	} else {
		r = store_find(host, name, &dir, err);
		if (r == 0)
			r = load_stored(&image, dir, err);
	}
	if (r < 0)
		return error_prefix(err, r, "base image");
	*ret = TAKE(image, ((struct image){ .name = NULL }));
	return 0;
}

/* ---- a configuration's wishes ---- */

static int override_file(struct image_file *file, const char *path, const char *key,
			 struct error *err)
{
	int r;

	image_file_done(file);
	if (path == NULL)
		return 0;
	r = image_file_init(file, path, NULL, err);
	return r < 0 ? error_prefix(err, r, "%s", key) : 0;
}

static int override(struct image *image, const struct config *cfg, struct error *err)
{
	int r = 0;

	if (cfg->kernel != NULL)
		r = override_file(&image->kernel, cfg->kernel, "kernel", err);
	if (r == 0 && (cfg->kernel != NULL || cfg->initrd != NULL))
		r = override_file(&image->initrd, cfg->initrd, "initrd", err);
	if (r < 0)
		return r;
	if (image->kernel.path == NULL && image->dir == NULL)
		r = probe_check_boots(&image->chain[0], err);
	if (r < 0)
		return r;
	if (image->kernel.path == NULL && (cfg->initrd != NULL || cfg->append != NULL))
		return error_set(err, EINVAL, "%s needs a kernel, and image %s has none",
				 cfg->initrd != NULL ? "initrd" : "append", image->name);
	if (cfg->append == NULL)
		return 0;
	free(image->append);
	image->append = strdup(cfg->append);
	return image->append == NULL ? error_set(err, ENOMEM, "append: out of memory") : 0;
}

int image_resolve(const struct host *host, const struct config *cfg, struct image *ret,
		  struct error *err)
{
	AUTO_IMAGE struct image image = { .name = NULL };
	int r = image_load(host, cfg->base_image, &image, err);

	if (r == 0)
		r = override(&image, cfg, err);
	if (r < 0)
		return r;
	*ret = TAKE(image, ((struct image){ .name = NULL }));
	return 0;
}

int image_check_unchanged(const struct image *image, struct error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < image->n_chain; i++)
		r = image_file_check(&image->chain[i], err);
	if (r == 0 && image->kernel.path != NULL)
		r = image_file_check(&image->kernel, err);
	if (r == 0 && image->initrd.path != NULL)
		r = image_file_check(&image->initrd, err);
	return r;
}
