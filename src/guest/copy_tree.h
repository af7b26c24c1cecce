/* SPDX-License-Identifier: MIT */
/* A folder into a guest that has no tar: file by file. Not for users of src/guest. */
#ifndef BMVM_GUEST_COPY_TREE_H
#define BMVM_GUEST_COPY_TREE_H

#include <stdint.h>

struct error;
struct guest;
struct watchset;

#define COPY_TREE_DEPTH_MAX 64

/** struct copy_tree - The journey; all borrowed */
struct copy_tree {
	struct guest *g;
	const struct watchset *ws;
	uint64_t deadline_ns;
};

/**
 * copy_tree_send() - Copy what is in a folder
 * @fd:  the folder, borrowed
 * @dst: folder in the guest, made if missing; not beginning with a dash
 *
 * Files, folders and symbolic links with their modes; other things are left out, with a warning.
 * Return: 0; -ELOOP too deep; errno of reading; as guest_pipe_run().
 */
int copy_tree_send(const struct copy_tree *t, int fd, const char *dst, struct error *err);

#endif
