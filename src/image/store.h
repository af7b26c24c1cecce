/* SPDX-License-Identifier: MIT */
/*
 * The folder of base images: list, verify, remove, and how a new one appears.
 *
 *   IMAGES/NAME/manifest.json   what image/manifest.h says, with the SHA-256 of each file
 *   IMAGES/NAME/disk.qcow2      (or disk.raw), vmlinuz, initrd.img
 *   IMAGES/.tmp-XXXXXX/         an image being made, with its maker's exclusive flock on the folder
 *
 * A new image is made in a .tmp folder and renamed, so that it is there as a whole or not at all.
 * A .tmp folder whose lock is free was left by a dead maker. Files are 0444 and folders 0755; who
 * uses a disk holds a shared lock on it (image_file_open_shared()), removing takes it exclusively.
 */
#ifndef BMVM_IMAGE_STORE_H
#define BMVM_IMAGE_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/watch.h"
#include "image/manifest.h"

struct error;
struct host;

#define STORE_NAME_MAX 64

/** store_name_check() - Letters, digits, '.', '_', '-', not first '.' or '-'. 0 or -EINVAL. */
int store_name_check(const char *name, struct error *err);

/**
 * struct store_entry - One image in a listing
 * @name, @dir: owned
 * @manifest:   as read
 * @problem:    why the manifest cannot be used, owned; NULL when it is fine
 * @in_use:     a VM holds its disk now
 * @shadowed:   an image of the same name in the user's own folder comes first
 */
struct store_entry {
	char *name;
	char *dir;
	struct manifest manifest;
	char *problem;
	bool in_use;
	bool shadowed;
};

/** struct store_list - Sorted by name; free with store_list_done() */
struct store_list {
	struct store_entry *v;
	size_t n;
};

/** store_list() - All images this user can use. Return: 0; -ENOMEM; errno of reading a folder. */
int store_list(const struct host *host, struct store_list *ret, struct error *err);

/** store_list_done() - Free; accepts a zeroed struct. */
void store_list_done(struct store_list *list);

#define AUTO_STORE_LIST CLEANUP(store_list_done)

/**
 * store_find() - Folder of a stored image
 * @ret_dir: owned by the caller
 *
 * Return: 0; -EINVAL no possible name; -ENOENT, with the images that exist in the message.
 */
int store_find(const struct host *host, const char *name, char **ret_dir, struct error *err);

/**
 * store_remove() - Remove one image
 *
 * Only the user's own. Return: 0; -ENOENT; -EBUSY while a VM uses it, with nothing touched; -EPERM
 * when it belongs to the system's folder and we are not root.
 */
int store_remove(const struct host *host, const char *name, struct error *err);

/**
 * store_verify() - Hash every file of an image again and compare with its manifest
 * @watch:    as in image_digest_fd()
 * @ret_json: {"name","ok","files":[{"file","expected","actual","ok"}]}, owned; NULL if not wanted
 *
 * Return: 0 all equal; -EBADMSG something differs, named in @err; -ENOENT; a watch's return.
 */
int store_verify(const struct host *host, const char *name, const struct watchset *watch,
		 struct json_object **ret_json, struct error *err);

/**
 * store_sweep() - Remove what dead makers left in the user's own folder
 *
 * Called by every image command and by recover. Never touches a folder whose maker lives.
 * Return: how many folders were removed; the first errno when one could not be.
 */
int store_sweep(const struct host *host, struct error *err);

/**
 * struct store_draft - An image being made
 * @path: its .tmp folder, absolute, owned; put the files there
 * @fd:   that folder, holding the maker's lock
 */
struct store_draft {
	char *path;
	int fd;
};

#define STORE_DRAFT_INIT                                                                           \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/** store_draft_begin() - Make an empty one. Return: 0; -ENOMEM; errno of mkdir. */
int store_draft_begin(const struct host *host, struct store_draft *ret, struct error *err);

/**
 * struct store_publish - How a draft becomes an image
 * @name:     of the new image
 * @replace:  an existing image of this name gives way (-EBUSY while a VM uses it)
 * @manifest: complete but for sizes and digests, which are filled in here
 * @watch:    as in image_digest_fd()
 */
struct store_publish {
	const char *name;
	bool replace;
	struct manifest *manifest;
	const struct watchset *watch;
};

/**
 * store_draft_publish() - Hash and seal the files, write the manifest, let the image appear
 *
 * On success @draft is empty. Return: 0; -EEXIST; -EBUSY; a watch's return; errno. On failure the
 * draft stays for store_draft_discard().
 */
int store_draft_publish(const struct host *host, struct store_draft *draft,
			const struct store_publish *how, struct error *err);

/** store_draft_discard() - Remove it and everything in it; accepts STORE_DRAFT_INIT. */
void store_draft_discard(struct store_draft *draft);

#define AUTO_STORE_DRAFT CLEANUP(store_draft_discard)

#endif
