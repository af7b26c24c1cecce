/* SPDX-License-Identifier: MIT */
/*
 * One file of an image (a disk, a kernel, an initrd) that must not change while somebody relies on
 * it: its identity as stat(2) tells it, its SHA-256, and the shared lock that keeps it from being
 * removed.
 *
 * Hashing gigabytes at every start would cost more than booting. So a digest is computed once and
 * remembered in data_dir/digests under the file's identity; the kernel moves ctime at every change
 * of content, so an equal identity means an unchanged file. `bmvm image verify` hashes again.
 */
#ifndef BMVM_IMAGE_FILE_H
#define BMVM_IMAGE_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/watch.h"

struct error;
struct host;

#define IMAGE_DIGEST_SIZE 65 /* 64 hex digits and the NUL */

/** struct image_identity - What changes when a file does; times in nanoseconds since 1970 */
struct image_identity {
	uint64_t dev;
	uint64_t ino;
	uint64_t size;
	int64_t mtime_ns;
	int64_t ctime_ns;
};

/**
 * struct image_file - A file as it was when the image was resolved
 * @path:   absolute, owned
 * @format: "qcow2" or "raw" for a disk, NULL for anything else; owned
 * @id:     its identity then
 */
struct image_file {
	char *path;
	char *format;
	struct image_identity id;
};

/** image_identity_of_fd() - Identity of an open file. Return: 0; errno of fstat. */
int image_identity_of_fd(int fd, struct image_identity *ret);

/** image_identity_equal() - Whether nothing changed between the two. */
bool image_identity_equal(const struct image_identity *a, const struct image_identity *b);

/**
 * image_file_init() - Fill from what is at a path now
 * @path:   absolute; symbolic links are followed and the real path is kept
 * @format: copied, or NULL
 * @ret:    free with image_file_done()
 *
 * Return: 0; -EINVAL when it is no regular file; -ENOMEM; the errno of opening it.
 */
int image_file_init(struct image_file *ret, const char *path, const char *format,
		    struct error *err);

/** image_file_copy() - Copy. Return: 0 or -ENOMEM. */
int image_file_copy(struct image_file *ret, const struct image_file *file);

/** image_file_done() - Free; accepts a zeroed struct. */
void image_file_done(struct image_file *file);

/**
 * image_file_open_shared() - Open read-only and hold it
 * @ret_fd: owned by the caller, CLOEXEC
 *
 * The descriptor carries a shared flock(2): as long as a copy of it is open in any process (hand it
 * to QEMU, and QEMU's life is the lock's), `bmvm image rm` refuses. QEMU's own image locks are
 * fcntl locks and do not meet this one. Waits at most 200 ms.
 * Return: 0; -ESTALE when the file is not the one that was resolved; -EBUSY when it is just being
 * removed; the errno of open.
 */
int image_file_open_shared(const struct image_file *file, int *ret_fd, struct error *err);

/**
 * image_file_check() - Whether the file is still the one that was resolved
 *
 * Return: 0; -ESTALE with what differs (size, content time, another file) in @err; errno of stat.
 */
int image_file_check(const struct image_file *file, struct error *err);

/**
 * image_digest_fd() - SHA-256 of a whole open file, from its start
 * @fd:    readable and seekable; its offset does not move
 * @watch: looked at between pieces of 1 MiB; NULL: not interruptible
 * @ret:   IMAGE_DIGEST_SIZE bytes, lower-case hex
 *
 * Blocks for as long as reading takes. Return: 0; the negative return of a watch; errno of read.
 */
int image_digest_fd(int fd, const struct watchset *watch, char *ret, struct error *err);

/**
 * image_file_digest() - SHA-256 of a file, from the cache if its identity is known there
 * @host:  whose data_dir holds the cache
 * @watch: as in image_digest_fd()
 * @ret:   IMAGE_DIGEST_SIZE bytes
 *
 * A cache that cannot be written is no error. Return: as image_digest_fd(); -ESTALE when the file
 * changed meanwhile.
 */
int image_file_digest(const struct host *host, const struct image_file *file,
		      const struct watchset *watch, char *ret, struct error *err);

/**
 * image_digest_remember() - Put a digest that is known already into the cache
 * @digest: 64 hex digits
 *
 * Best effort: what fails here is only computed again.
 */
void image_digest_remember(const struct host *host, const struct image_identity *id,
			   const char *digest);

#endif
