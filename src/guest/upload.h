/* SPDX-License-Identifier: MIT */
/* One file into the guest, by `cat` at the other end. Not for users of src/guest. */
#ifndef BMVM_GUEST_UPLOAD_H
#define BMVM_GUEST_UPLOAD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct error;
struct guest;
struct watchset;

/*
 * Shell text: "$1" is the destination, "$2" the name to use when that is a folder. Then $d is what
 * is to be made, in a folder that exists; it never begins with a dash.
 */
#define UPLOAD_SET_TARGET                                                                          \
	"d=$1\n"                                                                                   \
	"case $d in -*) d=./$d ;; esac\n"                                                          \
	"case $d in */) d=$d$2 ;; *) [ ! -d \"$d\" ] || d=$d/$2 ;; esac\n"                         \
	"case $d in */*) mkdir -p \"${d%/*}/\" || exit ;; esac\n"

/**
 * struct upload - What and where
 * @path: destination; an existing folder, or with a trailing slash: into it as @name
 * @fd:   read from here to its end, or -1:
 * @data: @len bytes
 * @mode: permission bits
 */
struct upload {
	const char *path;
	const char *name;
	int fd;
	const void *data;
	size_t len;
	mode_t mode;
};

/**
 * upload_file() - Send it; it appears whole or not at all
 * Return: 0; errno of reading @fd; -EIO with the guest's words; as guest_pipe_run().
 */
int upload_file(struct guest *g, const struct upload *u, uint64_t deadline_ns,
		const struct watchset *ws, struct error *err);

#endif
