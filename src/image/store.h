/* SPDX-License-Identifier: MIT */
/*
 * The folder of base images: list, find, verify, remove. How a new one appears: image/draft.h.
 *
 *   IMAGES/NAME/manifest.json   what image/manifest.h says, with the SHA-256 of each file
 *   IMAGES/NAME/disk.qcow2, vmlinuz, initrd.img
 *
 * Files are 0444 and folders 0755; who uses a disk holds a shared lock on it
 * (image_file_open_shared()), removing takes it exclusively.
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

#endif
