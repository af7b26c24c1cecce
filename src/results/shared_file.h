/* SPDX-License-Identifier: MIT */
/*
 * A file that several programs change at the same time, each by reading it and writing it anew:
 * books such as perf.csv.
 *
 * The lock is flock(2) on the file itself, so nothing lies about beside it. A new version takes the
 * file's place by rename; whoever waited for the lock then holds that of a file without a name, and
 * opens the new one. A reader without the lock sees the old or the new version, and a full disk
 * leaves the old one.
 *
 * The folder may be a stranger's package: a symbolic link in the place of such a file is followed
 * only where the user has named that path.
 */
#ifndef BMVM_RESULTS_SHARED_FILE_H
#define BMVM_RESULTS_SHARED_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

struct error;

#define SHARED_FILE_WAIT_S 60

/**
 * struct shared_file - A file whose lock is held
 * @dir_fd: borrowed
 * @path:   relative to it; where a symbolic link led, not that link
 * @links:  folders on the way to it may be links, too
 * @fd:     open for reading and writing; the lock
 * @made:   it was not there before
 */
struct shared_file {
	int dir_fd;
	char *path;
	bool links;
	int fd;
	bool made;
};

#define SHARED_FILE_INIT                                                                           \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/**
 * struct shared_name - Which file
 * @dir_fd: directory, or AT_FDCWD
 * @path:   relative to it; its folder must exist
 * @links:  the user named it: symbolic links are followed. Else there may be none in @path
 */
struct shared_name {
	int dir_fd;
	const char *path;
	bool links;
};

/**
 * shared_file_open() - Open or make a file, and lock it
 * @name: its dir_fd is borrowed for the lifetime of @ret
 * @ret:  of the caller, who ends it with shared_file_done()
 *
 * Blocks up to SHARED_FILE_WAIT_S seconds for the lock. Return: 0; -EWOULDBLOCK somebody held it
 * all that time; -EINVAL not a regular file; -ELOOP a symbolic link; -ENOMEM; the errno of open or
 * lock.
 */
int shared_file_open(const struct shared_name *name, struct shared_file *ret, struct error *err);

/**
 * shared_file_peek() - Read the present version without the lock, and make nothing
 * @cap: -EFBIG when it is larger, bytes
 * @ret: owned by the caller, NUL-terminated behind @ret_len bytes
 *
 * Return: 0; -ENOENT it is not there; -EFBIG; -EINVAL, -ELOOP as shared_file_open(); -ENOMEM; errno
 * of open or read.
 */
int shared_file_peek(const struct shared_name *name, size_t cap, char **ret, size_t *ret_len,
		     struct error *err);

/**
 * shared_file_read() - Read it
 * @cap: -EFBIG when it is larger, bytes
 * @ret: owned by the caller, NUL-terminated behind @ret_len bytes
 *
 * Return: 0; -EFBIG; -ENOMEM; errno of read.
 */
int shared_file_read(const struct shared_file *file, size_t cap, char **ret, size_t *ret_len,
		     struct error *err);

/**
 * shared_file_replace() - Put another version in its place
 *
 * It has the old one's mode and, as far as we may, owner; see shared_file_put(). To be done once:
 * the lock is that of the old version. Return: 0; the errno of the failing call, the old version
 * still there.
 */
int shared_file_replace(struct shared_file *file, const void *data, size_t len, struct error *err);

/** shared_file_done() - Give the lock back. A file that was made and stayed empty goes away. */
void shared_file_done(struct shared_file *file);

#define AUTO_SHARED_FILE CLEANUP(shared_file_done)

/**
 * shared_file_put() - Write a file that nobody reads before writing, by rename, without a lock
 *
 * Mode and, as far as we may, owner are those of a file that is there; a new one has those that its
 * folder and the umask give: root's program makes no file of root's in a user's folder. A symbolic
 * link is replaced. Return: 0; -EINVAL as file_check_target_at(); the errno of the failing call, an
 * old version still there.
 */
int shared_file_put(int dir_fd, const char *path, const void *data, size_t len, struct error *err);

#endif
