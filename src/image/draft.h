/* SPDX-License-Identifier: MIT */
/*
 * An image being made: a folder IMAGES/.tmp-XXXXXX with its maker's exclusive flock on it, renamed
 * to IMAGES/NAME when everything in it is written, hashed and sealed. So an image is there as a
 * whole or not at all, and a .tmp folder whose lock is free was left by a dead maker.
 */
#ifndef BMVM_IMAGE_DRAFT_H
#define BMVM_IMAGE_DRAFT_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/watch.h"
#include "image/manifest.h"

struct error;
struct host;

/**
 * struct draft - The folder
 * @path: absolute, owned; put the files there
 * @fd:   the same folder, holding the maker's lock
 */
struct draft {
	char *path;
	int fd;
};

#define DRAFT_INIT                                                                                 \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/** draft_begin() - Make an empty one. Return: 0; -ENOMEM; errno of mkdir. */
int draft_begin(const struct host *host, struct draft *ret, struct error *err);

/**
 * draft_add_scratch() - A folder for intermediate files, removed with the draft
 * @ret_path: owned by the caller; below TMPDIR or /var/tmp; without root others may write into it
 *
 * It lies outside the user's own folders, because the user ids of a user namespace cannot enter
 * those. Its path is written into the draft before it is made, so that a later sweep finds it.
 * Return: 0; errno.
 */
int draft_add_scratch(const struct draft *draft, char **ret_path, struct error *err);

/** draft_remove_scratch() - Remove it early, the image being complete. Return: 0; errno. */
int draft_remove_scratch(const struct draft *draft, struct error *err);

/**
 * struct draft_publish - How a draft becomes an image
 * @name:     of the new image
 * @replace:  an existing image of this name gives way
 * @manifest: complete but for sizes and digests, which are filled in here
 * @watch:    as in image_digest_fd()
 */
struct draft_publish {
	const char *name;
	bool replace;
	struct manifest *manifest;
	const struct watchset *watch;
};

/**
 * draft_name_free() - Whether an image may appear under a name, for asking before the work
 *
 * Return: 0; -EINVAL no possible name; -EEXIST taken and not @replace; -EBUSY a VM uses it.
 */
int draft_name_free(const struct host *host, const char *name, bool replace, struct error *err);

/**
 * draft_publish() - Hash and seal the files, write the manifest, let the image appear
 *
 * On success @draft is empty, and the image that gave way is removed. On failure it stays for
 * draft_discard(). Return: 0; as draft_name_free(); a watch's return; errno.
 */
int draft_publish(const struct host *host, struct draft *draft, const struct draft_publish *how,
		  struct error *err);

/**
 * draft_retire() - Take an image of the user's own folder away
 *
 * It leaves its name at once and is then removed. Return: 0; -EBUSY while a VM uses it, with
 * nothing touched; errno.
 */
int draft_retire(const struct host *host, const char *name, struct error *err);

/** draft_discard() - Remove it and everything in it; accepts DRAFT_INIT. */
void draft_discard(struct draft *draft);

#define AUTO_DRAFT CLEANUP(draft_discard)

/**
 * draft_sweep() - Remove what dead makers left in the user's own folder of images
 *
 * Called by every image command and by recover. Never touches a folder whose maker lives.
 * Return: how many were removed; the first errno when one could not be.
 */
int draft_sweep(const struct host *host, struct error *err);

#endif
