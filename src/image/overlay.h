/* SPDX-License-Identifier: MIT */
/* The throw-away disk of one VM: a qcow2 file that holds only what differs from the base image. */
#ifndef BMVM_IMAGE_OVERLAY_H
#define BMVM_IMAGE_OVERLAY_H

#include <stdint.h>

struct config;
struct error;
struct image;

/**
 * overlay_size() - How large the VM's disk shall be
 * @base: resolved
 * @cfg:  disk_size, and whether it was given
 * @ret:  bytes
 *
 * The default is enlarged to the base where that is larger. Return: 0; -EINVAL when an explicit
 * disk_size is smaller than the base.
 */
int overlay_size(const struct image *base, const struct config *cfg, uint64_t *ret,
		 struct error *err);

/**
 * overlay_create() - Make the overlay with qemu-img
 * @base:        its first chain node becomes the backing file, by absolute path and format
 * @path:        new file, absolute; must not exist (-EEXIST); mode 0600
 * @size:        bytes, see overlay_size(); rounded up to a multiple of 512
 * @deadline_ns: for qemu-img, which is killed then
 *
 * Return: 0; -EEXIST; -ENOENT no qemu-img; -ETIMEDOUT; -EIO with qemu-img's words. No file is left
 * on failure.
 */
int overlay_create(const struct image *base, const char *path, uint64_t size, uint64_t deadline_ns,
		   struct error *err);

#endif
