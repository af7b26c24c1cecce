/* SPDX-License-Identifier: MIT */
/* manifest.json: what a stored image is made of and how it boots. Pure but for load and save. */
#ifndef BMVM_IMAGE_MANIFEST_H
#define BMVM_IMAGE_MANIFEST_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/strv.h"
#include "image/image.h"

struct error;

#define MANIFEST_FILE    "manifest.json"
#define MANIFEST_VERSION 1

/**
 * struct manifest_file - One file beside the manifest
 * @file:   plain name, owned; NULL: the image has none
 * @size:   bytes
 * @sha256: 64 hex digits, empty until hashed
 */
struct manifest_file {
	char *file;
	uint64_t size;
	char sha256[IMAGE_DIGEST_SIZE];
};

/**
 * struct manifest - Strings owned, NULL where unknown
 * @created:      UTC, ISO 8601
 * @origin:       "build", "import", or "from NAME"
 * @format:       of the disk
 * @virtual_size: of the disk, bytes
 * @packages:     what was added to the plain image by name
 */
struct manifest {
	char *created;
	char *origin;
	char *suite;
	bool docker;
	struct strv packages;
	struct manifest_file disk;
	char *format;
	uint64_t virtual_size;
	struct manifest_file kernel;
	struct manifest_file initrd;
	char *append;
	enum image_seed seed;
	bool uefi;
};

/** manifest_done() - Free everything; accepts a zeroed struct. */
void manifest_done(struct manifest *m);

#define AUTO_MANIFEST CLEANUP(manifest_done)

/**
 * manifest_load() - Read and check DIR/manifest.json
 * @dir: folder of the image
 *
 * Return: 0; -EINVAL naming the member; -EPROTONOSUPPORT written by a newer version; errno of
 * reading.
 */
int manifest_load(const char *dir, struct manifest *ret, struct error *err);

/** manifest_save() - Write it, mode 0444. Return: 0 or errno. */
int manifest_save(int dir_fd, const struct manifest *m, struct error *err);

/** manifest_to_json() - As it is saved, without the file's version member; owned by the caller. */
struct json_object *manifest_to_json(const struct manifest *m);

#endif
