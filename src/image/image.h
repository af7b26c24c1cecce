/* SPDX-License-Identifier: MIT */
/*
 * A base image as a run needs it: the disk with what it stands on, how it boots, which seed it
 * understands. Read-only throughout: a run writes to an overlay of its own (image/overlay.h).
 *
 * A stored image is a folder IMAGES/NAME with a manifest.json beside its files (image/store.h) and
 * never has a backing file. A disk given by path may stand on a chain of backing files.
 */
#ifndef BMVM_IMAGE_IMAGE_H
#define BMVM_IMAGE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "image/file.h"

struct config;
struct error;
struct host;

/** enum image_seed - Who in the guest reads the seed (image/seed.h) */
enum image_seed {
	IMAGE_SEED_UNKNOWN, /* a disk given by path: the seed is offered, maybe nobody reads it */
	IMAGE_SEED_NONE,    /* imported with --no-cloud-init: keys and names are what is in it */
	IMAGE_SEED_NOCLOUD, /* cloud-init */
	IMAGE_SEED_BMVM,    /* the bmvm-seed service of images built here, before sshd starts */
};

#define IMAGE_CHAIN_MAX 16 /* a longer chain of backing files is refused */

/**
 * struct image - One base image; strings owned
 * @name:         as it was asked for: a stored image's name, or the path
 * @dir:          folder of a stored image, NULL for a disk given by path
 * @chain:        the disk first, then the file each one stands on; all are only ever read
 * @n_chain:      at least 1
 * @virtual_size: of the disk, bytes
 * @kernel:       path NULL: the disk boots by itself
 * @initrd:       path NULL: none
 * @append:       kernel command line, NULL: none
 * @seed:         who reads the seed
 * @uefi:         the disk is known to boot by UEFI firmware alone
 * @suite:        Debian release it was built from, NULL: unknown
 */
struct image {
	char *name;
	char *dir;
	struct image_file *chain;
	size_t n_chain;
	uint64_t virtual_size;
	struct image_file kernel;
	struct image_file initrd;
	char *append;
	enum image_seed seed;
	bool uefi;
	char *suite;
};

/** image_done() - Free everything; accepts a zeroed struct. */
void image_done(struct image *image);

#define AUTO_IMAGE CLEANUP(image_done)

/**
 * image_resolve() - Find the base image a configuration asks for
 * @host: where images are: images_dir, then HOST_SYSTEM_IMAGES
 * @cfg:  base_image (a name, or a path when it has a slash), kernel, initrd, append
 * @ret:  free with image_done()
 *
 * A kernel in the configuration replaces the image's kernel AND initrd (an initrd belongs to its
 * kernel); initrd and append replace only themselves. A path is looked at with `qemu-img info`,
 * node by node, so that no backing file is opened before its name was judged; that takes up to 30 s
 * on a sick disk. A stored image's manifest is believed, its files are only stat'ed.
 *
 * Return: 0; -ENOENT no such image (the message lists those that exist, the hint says how to build
 * one); -ENOTSUP encrypted, an external data file, a format other than qcow2 and raw, a backing
 * file that is no plain local file; -EINVAL; -ELOOP; -EIO from qemu-img; -ENOMEM.
 */
int image_resolve(const struct host *host, const struct config *cfg, struct image *ret,
		  struct error *err);

/**
 * image_load() - The same for a name or path alone, without a configuration's overrides
 * @name: a stored image's name, or a path
 */
int image_load(const struct host *host, const char *name, struct image *ret, struct error *err);

/**
 * image_check_unchanged() - Compare every file of the image with what it was at resolve time
 *
 * For the verification after a run. Return: 0; -ESTALE naming the first file that differs and how.
 */
int image_check_unchanged(const struct image *image, struct error *err);

/** image_seed_name() - "bmvm", "nocloud", "none", "unknown": as the manifest and --json say it. */
const char *image_seed_name(enum image_seed seed);

/** image_seed_parse() - The opposite. Return: 0; -EINVAL. */
int image_seed_parse(const char *name, enum image_seed *ret);

#endif
