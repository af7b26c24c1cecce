/* SPDX-License-Identifier: MIT */
#include "image/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"

#define HEX_DIGITS "0123456789abcdef"

static void file_done(struct manifest_file *f)
{
	free(f->file);
	*f = (struct manifest_file){ .file = NULL };
}

void manifest_done(struct manifest *m)
{
	free(m->created);
	free(m->origin);
	free(m->suite);
	free(m->format);
	free(m->append);
	strv_done(&m->packages);
	file_done(&m->disk);
	file_done(&m->kernel);
	file_done(&m->initrd);
	*m = (struct manifest){ .created = NULL };
}

/* ---- reading ---- */

/* A string that may be missing. */
static int read_str(struct json_object *o, const char *key, char **ret, struct error *err)
{
	const char *s = NULL;
	int r = json_get_str(o, key, &s, err);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	*ret = strdup(s);
	return *ret == NULL ? error_set(err, ENOMEM, "out of memory") : 0;
}

/* The name is joined to the image's folder: it must not lead out of it. */
static bool is_plain_name(const char *s)
{
	return s[0] != '\0' && s[0] != '.' && strchr(s, '/') == NULL;
}

/* A file that may be missing altogether. */
static int read_file(struct json_object *o, const char *key, struct manifest_file *ret,
		     struct error *err)
{
	struct json_object *f = NULL;
	const char *sha256 = "";
	int r = json_get_object(o, key, &f, err);

	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = read_str(f, "file", &ret->file, err);
	if (r == 0)
		r = json_get_u64(f, "size", &ret->size, err);
	if (r == 0)
		r = json_get_str(f, "sha256", &sha256, err);
	if (r < 0)
		return error_prefix(err, r, "%s", key);
	if (ret->file == NULL || !is_plain_name(ret->file))
		return error_set(err, EINVAL, "%s.file is not a plain file name", key);
	if (strlen(sha256) != IMAGE_DIGEST_SIZE - 1 ||
	    strspn(sha256, HEX_DIGITS) != IMAGE_DIGEST_SIZE - 1)
		return error_set(err, EINVAL, "%s.sha256 is not 64 hex digits", key);
	memcpy(ret->sha256, sha256, IMAGE_DIGEST_SIZE);
	return 0;
}

static int read_packages(struct json_object *o, struct strv *ret, struct error *err)
{
	struct json_object *list = NULL;
	int r = json_get_array(o, "packages", &list, err);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *item = json_object_array_get_idx(list, i);

		if (!json_object_is_type(item, json_type_string))
			return error_set(err, EINVAL, "packages[%zu] is not a string", i);
		strv_add(ret, json_object_get_string(item));
	}
	return strv_error(ret) < 0 ? error_set(err, ENOMEM, "out of memory") : 0;
}

static int read_strings(struct json_object *o, struct manifest *m, struct error *err)
{
	int r = read_str(o, "created", &m->created, err);

	if (r == 0)
		r = read_str(o, "origin", &m->origin, err);
	if (r == 0)
		r = read_str(o, "suite", &m->suite, err);
	if (r == 0)
		r = read_str(o, "format", &m->format, err);
	if (r == 0)
		r = read_str(o, "append", &m->append, err);
	return r;
}

static int read_files(struct json_object *o, struct manifest *m, struct error *err)
{
	int r = read_file(o, "disk", &m->disk, err);

	if (r == 0)
		r = read_file(o, "kernel", &m->kernel, err);
	if (r == 0)
		r = read_file(o, "initrd", &m->initrd, err);
	if (r < 0)
		return r;
	if (m->disk.file == NULL)
		return error_set(err, EINVAL, "disk is missing");
	if (m->format == NULL || (strcmp(m->format, "qcow2") != 0 && strcmp(m->format, "raw") != 0))
		return error_set(err, EINVAL, "format is neither \"qcow2\" nor \"raw\"");
	return 0;
}

static int read_all(struct json_object *o, struct manifest *m, struct error *err)
{
	const char *seed = json_str_or(o, "seed", "unknown");
	uint64_t version = 0;
	int r = json_get_u64(o, "manifest_version", &version, err);

	if (r < 0)
		return r;
	if (version > MANIFEST_VERSION)
		return error_set(err, EPROTONOSUPPORT, "made by a newer version of this program");
	m->docker = json_bool_or(o, "docker", false);
	m->uefi = json_bool_or(o, "uefi", false);
	if (image_seed_parse(seed, &m->seed) < 0)
		return error_set(err, EINVAL, "seed \"%s\" is not known", seed);
	r = json_get_u64(o, "virtual_size", &m->virtual_size, err);
	if (r == 0)
		r = read_strings(o, m, err);
	if (r == 0)
		r = read_packages(o, &m->packages, err);
	if (r == 0)
		r = read_files(o, m, err);
	return r;
}

int manifest_load(const char *dir, struct manifest *ret, struct error *err)
{
	AUTO_JSON struct json_object *o = NULL;
	AUTO_MANIFEST struct manifest m = { .created = NULL };
	AUTO_CLOSE int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (dir_fd < 0)
		return error_errno(err, "open %s", dir);
	r = json_load_at(dir_fd, MANIFEST_FILE, &o, err);
	if (r == 0)
		r = read_all(o, &m, err);
	if (r < 0)
		return error_prefix(err, r, "%s/" MANIFEST_FILE, dir);
	*ret = TAKE(m, ((struct manifest){ .created = NULL }));
	return 0;
}

/* ---- writing ---- */

static void add_file(struct json_object *o, const char *key, const struct manifest_file *f)
{
	struct json_object *file;

	if (f->file == NULL)
		return;
	file = json_new_object();
	json_add_str(file, "file", f->file);
	json_add_u64(file, "size", f->size);
	json_add_str(file, "sha256", f->sha256);
	json_add(o, key, file);
}

static void add_packages(struct json_object *o, const struct strv *packages)
{
	struct json_object *list = json_new_array();

	for (size_t i = 0; i < packages->n; i++)
		(void)json_object_array_add(list, json_object_new_string(packages->v[i]));
	json_add(o, "packages", list);
}

struct json_object *manifest_to_json(const struct manifest *m)
{
	struct json_object *o = json_new_object();

	json_add_str(o, "created", m->created);
	json_add_str(o, "origin", m->origin);
	json_add_str(o, "suite", m->suite);
	json_add_bool(o, "docker", m->docker);
	add_packages(o, &m->packages);
	json_add_str(o, "format", m->format);
	json_add_u64(o, "virtual_size", m->virtual_size);
	json_add_str(o, "append", m->append);
	json_add_str(o, "seed", image_seed_name(m->seed));
	json_add_bool(o, "uefi", m->uefi);
	add_file(o, "disk", &m->disk);
	add_file(o, "kernel", &m->kernel);
	add_file(o, "initrd", &m->initrd);
	return o;
}

int manifest_save(int dir_fd, const struct manifest *m, struct error *err)
{
	AUTO_JSON struct json_object *o = manifest_to_json(m);

	json_add_u64(o, "manifest_version", MANIFEST_VERSION);
	return json_save_at(dir_fd, MANIFEST_FILE, o, 0444, err);
}
