/* SPDX-License-Identifier: MIT */
/*
 * What a disk file is, as `qemu-img info` says, judged before anything relies on it.
 *
 * One node is looked at at a time and its backing file's name is judged before that is opened: the
 * header of a disk somebody else made may name anything, also a network address.
 */
#ifndef BMVM_IMAGE_PROBE_H
#define BMVM_IMAGE_PROBE_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "image/file.h"

struct error;

/**
 * struct probe - A disk and what it stands on; free with probe_done()
 * @chain:        the disk first; formats are "qcow2" or "raw"
 * @virtual_size: of the disk, bytes
 */
struct probe {
	struct image_file *chain;
	size_t n_chain;
	uint64_t virtual_size;
};

/**
 * probe_disk() - Look at a disk and its chain of backing files
 * @path: symbolic links are followed; a relative backing file is sought beside the name given here
 *
 * A backing file whose format the header does not say is probed, as QEMU does. At most 30 s per
 * node. Return: 0; -ENOENT; -ENOTSUP encrypted, marked corrupt, an external data file, a format
 * other than qcow2 and raw, a backing file that is no plain local file; -ELOOP; -EIO; -ENOMEM.
 */
int probe_disk(const char *path, struct probe *ret, struct error *err);

/**
 * probe_check_boots() - Refuse a raw file that holds nothing to boot from
 * @disk: a qcow2 disk always passes, it is not looked into
 *
 * Any file passes for a raw disk; without a kernel beside it, it must begin with a partition table
 * or boot sector. Return: 0; -EINVAL; the errno of reading.
 */
int probe_check_boots(const struct image_file *disk, struct error *err);

/** probe_done() - Free; accepts a zeroed struct. */
void probe_done(struct probe *probe);

#define AUTO_PROBE CLEANUP(probe_done)

#endif
