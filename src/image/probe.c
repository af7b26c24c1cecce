/* SPDX-License-Identifier: MIT */
#include "image/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/process.h"
#include "base/strv.h"
#include "image/image.h"
#include "image/tool.h"

#define INFO_TIMEOUT_S 30
#define INFO_CAP       ((size_t)4 << 20)
#define SECTOR         512

/* Where the chain goes on. */
struct next {
	char *path; /* owned; NULL: nowhere */
	char *format;
};

static void next_done(struct next *next)
{
	free(next->path);
	free(next->format);
	*next = (struct next){ .path = NULL };
}

static int run_info(const char *path, const char *format, struct json_object **ret,
		    struct error *err)
{
	AUTO_STRV struct strv argv = STRV_INIT;
	struct process_output out = { 0 };
	int r;

	/* -U: a disk that a VM has open for writing can be looked at, too */
	tool_args(&argv, "qemu-img", "info", "-U", "--output=json", NULL);
	if (format != NULL)
		tool_args(&argv, "-f", format, NULL);
	strv_add(&argv, path);
	if (strv_error(&argv) < 0)
		return error_set(err, ENOMEM, "%s: out of memory", path);
	r = process_run(argv.v, deadline_in_s(INFO_TIMEOUT_S), INFO_CAP, &out, err);
	if (r == -ENOENT)
		(void)error_hint(err, r, "apt-get install qemu-utils");
	if (r < 0)
		return r;
	if (out.status != 0)
		r = error_set(err, EIO, "%s: not readable as a disk: %s", path, out.err_tail);
	else
		r = json_parse(out.out, out.out_len, ret, err);
	process_output_done(&out);
	return r;
}

static int refuse(struct error *err, const char *path, const char *why)
{
	return error_set(err, ENOTSUP, "%s: %s", path, why);
}

/* Whether this is a disk that can be read as it is, whole and by us. */
static int judge(const char *path, struct json_object *info, struct error *err)
{
	const char *format = json_str_or(info, "format", "?");
	struct json_object *specific = NULL;
	struct json_object *data = NULL;

	if (json_bool_or(info, "encrypted", false) || strcmp(format, "luks") == 0)
		return refuse(err, path, "encrypted disks are not supported");
	if (strcmp(format, "qcow2") != 0 && strcmp(format, "raw") != 0) {
		int r = error_set(err, ENOTSUP, "%s: format %s is not supported, qcow2 and raw are",
				  path, format);

		return error_hint(err, r, "qemu-img convert -O qcow2 %s NEW.qcow2", path);
	}
	if (json_get_object(info, "format-specific", &specific, NULL) < 0 ||
	    json_get_object(specific, "data", &data, NULL) < 0)
		return 0;
	if (json_bool_or(data, "corrupt", false)) {
		int r = refuse(err, path, "the disk is marked corrupt");

		return error_hint(err, r, "qemu-img check -r all %s", path);
	}
	if (json_str_or(data, "data-file", NULL) != NULL)
		return refuse(err, path, "disks with an external data file are not supported");
	return 0;
}

/* As QEMU sees it: a ':' before any '/' makes a protocol, also "json:". */
static bool has_protocol(const char *name)
{
	return name[strcspn(name, ":/")] == ':';
}

/* The backing file's path: a relative one is sought beside the disk, by the name that was given. */
static int find_next(const char *named, struct json_object *info, struct next *ret,
		     struct error *err)
{
	const char *backing = json_str_or(info, "backing-filename", NULL);
	const char *format = json_str_or(info, "backing-filename-format", NULL);
	const char *slash = strrchr(named, '/');
	int dir_len = slash == NULL ? 0 : (int)(slash + 1 - named);
	struct next next = { .path = NULL };

	if (backing == NULL || backing[0] == '\0')
		return 0;
	if (has_protocol(backing))
		return error_set(err, ENOTSUP, "%s: its backing file is \"%s\", not a local file",
				 named, backing);
	if (asprintf(&next.path, "%.*s%s", backing[0] == '/' ? 0 : dir_len, named, backing) < 0)
		return error_set(err, ENOMEM, "%s: out of memory", named);
	if (format != NULL) {
		next.format = strdup(format);
		if (next.format == NULL) {
			next_done(&next);
			return error_set(err, ENOMEM, "%s: out of memory", named);
		}
	}
	*ret = next;
	return 0;
}

/* Takes the file into the chain, before qemu-img opens it: a pipe would let that wait. */
static int append(struct probe *probe, const char *path, struct error *err)
{
	struct image_file *bigger;
	int r;

	if (probe->n_chain == IMAGE_CHAIN_MAX)
		return error_set(err, ELOOP, "%s: more than %d backing files", path,
				 IMAGE_CHAIN_MAX - 1);
	bigger = realloc(probe->chain, (probe->n_chain + 1) * sizeof(*bigger));
	if (bigger == NULL) {
		(void)error_set(err, ENOMEM, "%s: out of memory", path);
		return -ENOMEM;
	}
	probe->chain = bigger;
	r = image_file_init(&bigger[probe->n_chain], path, NULL, err);
	if (r == 0)
		probe->n_chain++;
	return r;
}

static int take_info(struct probe *probe, struct json_object *info, struct error *err)
{
	struct image_file *file = &probe->chain[probe->n_chain - 1];
	uint64_t size = 0;
	int r = judge(file->path, info, err);

	if (r == 0)
		r = json_get_u64(info, "virtual-size", &size, err);
	if (r < 0)
		return r;
	if (probe->n_chain == 1)
		probe->virtual_size = size;
	file->format = strdup(json_str_or(info, "format", "raw"));
	return file->format == NULL ? error_set(err, ENOMEM, "%s: out of memory", file->path) : 0;
}

/* One node: @node is where it is, and afterwards where the chain goes on. */
static int probe_node(struct probe *probe, struct next *node, struct error *err)
{
	AUTO_JSON struct json_object *info = NULL;
	struct next next = { .path = NULL };
	int r = append(probe, node->path, err);

	if (r == 0)
		r = run_info(probe->chain[probe->n_chain - 1].path, node->format, &info, err);
	if (r == 0)
		r = take_info(probe, info, err);
	if (r == 0)
		r = find_next(node->path, info, &next, err);
	if (r < 0)
		return r;
	next_done(node);
	*node = next;
	return 0;
}

int probe_disk(const char *path, struct probe *ret, struct error *err)
{
	CLEANUP(next_done) struct next node = { .path = strdup(path) };
	AUTO_PROBE struct probe probe = { .chain = NULL };

	if (node.path == NULL)
		return error_set(err, ENOMEM, "%s: out of memory", path);
	while (node.path != NULL) {
		int r = probe_node(&probe, &node, err);

		if (r < 0)
			return probe.n_chain == 0 ? r
						  : error_prefix(err, r, "%s: backing file", path);
	}
	*ret = TAKE(probe, ((struct probe){ .chain = NULL }));
	return 0;
}

int probe_check_boots(const struct image_file *disk, struct error *err)
{
	static const unsigned char signature[] = { 0x55, 0xaa };
	AUTO_CLOSE int fd = -1;
	unsigned char sector[SECTOR];
	int r;

	if (strcmp(disk->format, "raw") != 0)
		return 0;
	fd = open(disk->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, "open %s", disk->path);
	if (pread(fd, sector, sizeof(sector), 0) == (ssize_t)sizeof(sector) &&
	    memcmp(sector + SECTOR - sizeof(signature), signature, sizeof(signature)) == 0)
		return 0;
	r = error_set(err, EINVAL, "%s is no disk that boots: it has no partition table",
		      disk->path);
	return error_hint(err, r, "a disk with a file system alone needs a kernel beside it");
}

void probe_done(struct probe *probe)
{
	for (size_t i = 0; i < probe->n_chain; i++)
		image_file_done(&probe->chain[i]);
	free(probe->chain);
	*probe = (struct probe){ .chain = NULL };
}
