/* SPDX-License-Identifier: MIT */
/*
 * Files into the guest, and small files both ways.
 *
 * Folders travel as a tar stream (the host's tar, the guest's tar), which keeps modes and is as
 * fast as the connection; a guest without tar gets them file by file. libssh's SFTP is not used:
 * its calls block without regard to deadlines and watches.
 */
#ifndef BMVM_GUEST_COPY_H
#define BMVM_GUEST_COPY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct error;
struct guest;
struct watchset;

/**
 * guest_copy_in() - Copy a file or folder of the host into the guest
 * @host:        path on the host; a symbolic link here is followed, those inside a folder are
 *               copied as links
 * @dst:         path in the guest, relative: to the user's home. As with cp -r: an existing folder
 *               or a trailing slash: into it, under the name of @host; else it is the copy's name.
 *               Missing folders above it are made
 * @deadline_ns: -ETIMEDOUT then
 * @ws:          NULL: none
 *
 * Permission bits are kept; everything belongs to the guest's user. Existing files are replaced.
 * Return: 0; the errno of reading @host; -EIO the guest's or the host's tar failed (its words are
 * in @err); -ETIMEDOUT; -ECONNRESET; what a watch returned.
 */
int guest_copy_in(struct guest *g, const char *host, const char *dst, uint64_t deadline_ns,
		  const struct watchset *ws, struct error *err);

/**
 * struct guest_content - What is in a folder of the host, without some of it; all borrowed
 * @host:     the folder
 * @dst:      folder in the guest that gets it, made if missing
 * @excludes: names with *, ? and [...], none of which is a "/", NULL-terminated: "/perf.csv" of
 * that folder alone, ".git" wherever it is
 */
struct guest_content {
	const char *host;
	const char *dst;
	char *const *excludes;
};

/** guest_copy_content() - Copy it. As guest_copy_in(), but -ENOTSUP when the guest has no tar. */
int guest_copy_content(struct guest *g, const struct guest_content *content, uint64_t deadline_ns,
		       const struct watchset *ws, struct error *err);

/**
 * struct guest_file - A small file, for guest_write_file()
 * @path: in the guest; missing folders above it are made
 * @data: @len bytes, borrowed
 * @mode: permission bits
 */
struct guest_file {
	const char *path;
	const void *data;
	size_t len;
	mode_t mode;
};

/**
 * guest_write_file() - Write a small file in the guest, replacing it whole
 * Return: 0; -EIO with the guest's words; -ETIMEDOUT; -ECONNRESET; what a watch returned.
 */
int guest_write_file(struct guest *g, const struct guest_file *file, uint64_t deadline_ns,
		     const struct watchset *ws, struct error *err);

/**
 * guest_read_file() - Read a small file of the guest
 * @ret: its content, owned by the caller, at most 1 MiB (-EFBIG), NUL-terminated behind it
 *
 * Return: bytes in @ret; -ENOENT; -EIO with the guest's words; -EFBIG; -ETIMEDOUT; -ECONNRESET;
 * what a watch returned.
 */
ssize_t guest_read_file(struct guest *g, const char *path, uint64_t deadline_ns, char **ret,
			const struct watchset *ws, struct error *err);

#endif
