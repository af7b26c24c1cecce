/* SPDX-License-Identifier: MIT */
/* New images out of disks that exist: a foreign file, or an overlay that a VM has written to. */
#ifndef BMVM_IMAGE_IMPORT_H
#define BMVM_IMAGE_IMPORT_H

#include <stdbool.h>

#include "base/watch.h"
#include "image/image.h"
#include "image/tool.h"

struct error;
struct host;

/**
 * struct image_import - What `bmvm image import` was asked for; strings borrowed
 * @file:    qcow2 or raw disk; one with backing files is flattened, with a message
 * @name:    NULL: the file's name without its extension
 * @kernel, @initrd, @append: for direct boot, NULL: the disk boots by itself
 * @seed:    IMAGE_SEED_NOCLOUD, _NONE, or _UNKNOWN
 * @uefi:    the disk boots by UEFI firmware alone
 * @replace: an existing image of this name gives way
 * @progress: told the steps; NULL: nobody
 * @watch:   ends the copying early; NULL: nothing does
 */
struct image_import {
	const char *file;
	const char *name;
	const char *kernel;
	const char *initrd;
	const char *append;
	enum image_seed seed;
	bool uefi;
	bool replace;
	struct image_progress *progress;
	const struct watchset *watch;
};

/**
 * image_import() - Copy a disk into the store
 *
 * The copy is always qcow2 without a backing file, made by `qemu-img convert`. Return: 0; -ENOTSUP
 * encrypted or of another format; -EEXIST; -EBUSY; -ENOENT; -EIO; a watch's return.
 */
int image_import(const struct host *host, const struct image_import *what, struct error *err);

/**
 * struct image_commit - An overlay that shall become an image; strings borrowed
 * @overlay: path of the overlay; no process may have it open for writing
 * @from:    the image it stands on: suite, append, seed and the rest are inherited from it
 * @name:    of the new image; may be the name of @from if @replace
 * @kernel, @initrd: files for direct boot as they are inside the overlay now; without @kernel those
 *            of @from
 * @packages: added names for the manifest, NULL: none
 * @replace: an existing image of this name gives way
 * @progress: told the steps; NULL: nobody
 * @watch:   ends the copying early; NULL: nothing does
 */
struct image_commit {
	const char *overlay;
	const struct image *from;
	const char *name;
	const char *kernel;
	const char *initrd;
	const struct strv *packages;
	bool replace;
	struct image_progress *progress;
	const struct watchset *watch;
};

/**
 * image_commit() - Make an image of an overlay and what it stands on
 *
 * The overlay and its base are only read. The new disk is as large as the overlay: for a commit
 * make it as large as the base. -EBUSY with @replace while a VM holds the old one: release the
 * locks of the VM that made the overlay first. Return: as image_import().
 */
int image_commit(const struct host *host, const struct image_commit *what, struct error *err);

#endif
