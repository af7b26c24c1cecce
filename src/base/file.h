/* SPDX-License-Identifier: MIT */
/*
 * Files and folders: whole reads, atomic writes, locks, trees. Everything is relative to a
 * directory descriptor (AT_FDCWD allowed), so that roots can be injected.
 */
#ifndef BMVM_BASE_FILE_H
#define BMVM_BASE_FILE_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct error;

/**
 * file_read_at() - Read a whole file
 * @dir_fd:  directory, or AT_FDCWD
 * @path:    relative to it
 * @cap:     refuse with -EFBIG what is larger, bytes
 * @ret:     owned by the caller, NUL-terminated behind the content
 * @ret_len: bytes without that NUL; NULL if not wanted
 *
 * Works for /proc and /sys files, whose size reads 0. Blocks as the file system does, but for no
 * writer of a FIFO. Return: 0; -EINVAL not a regular file; -EFBIG; -ENOMEM; the errno of open or
 * read.
 */
int file_read_at(int dir_fd, const char *path, size_t cap, char **ret, size_t *ret_len,
		 struct error *err);

/**
 * file_read_input() - The same for what the user names to be read once, FIFOs such as <(CMD) too
 *
 * Blocks as long as a FIFO's writer does.
 */
int file_read_input(const char *path, size_t cap, char **ret, size_t *ret_len, struct error *err);

/**
 * file_check_target_at() - Whether a path can be that of a file which is written by rename
 *
 * Not what would be lost by that: a folder, a device, a FIFO, a socket, a symbolic link to one of
 * these, or one such as /dev/stdout. Any other symbolic link can be replaced, and need not lead
 * anywhere. The folder is not looked at. Return: 0; -EINVAL why not.
 */
int file_check_target_at(int dir_fd, const char *path, struct error *err);

/**
 * file_write_atomic_at() - Replace a file so that readers see the old or the new content
 * @dir_fd: directory, or AT_FDCWD
 * @path:   relative to it; its folder must exist
 * @data:   @len bytes
 * @mode:   permission bits of the new file, exactly (the umask does not apply)
 *
 * Writes PATH.tmp.PID, fsyncs, renames. Return: 0; -EINVAL as file_check_target_at(); the errno of
 * the failing call, with the temporary file removed.
 */
int file_write_atomic_at(int dir_fd, const char *path, const void *data, size_t len, mode_t mode,
			 struct error *err);

/**
 * file_write_for_user_at() - The same for a file that is the user's: it belongs to the folder's
 * owner
 *
 * See file_own_as_folder(); where that cannot be, it is ours.
 */
int file_write_for_user_at(int dir_fd, const char *path, const void *data, size_t len, mode_t mode,
			   struct error *err);

/**
 * file_own_as_folder() - Give a file that was just made to the owner of the folder it is in
 * @dir_fd, @path: of the file
 * @fd:            open
 *
 * So that root's program leaves no file of root's in a user's folder; does nothing for others.
 * Return: 0; -ENOMEM; errno of looking at the folder or of giving.
 */
int file_own_as_folder(int dir_fd, const char *path, int fd);

/**
 * file_rewrite_at() - Give a file that is there other content in place
 *
 * For where file_write_atomic_at() has no space for a second file: content that is not longer needs
 * none on most file systems. Readers and a crash may see a mixture of old and new, so hold a lock
 * and let a broken file be harmless. Return: 0; errno of opening, writing or cutting.
 */
int file_rewrite_at(int dir_fd, const char *path, const void *data, size_t len, struct error *err);

/**
 * file_mkdirs() - Make a folder and the missing ones above it
 * @path: absolute or relative
 * @mode: of the folders that are made, exactly
 *
 * Return: 0, also when it was there; -ENOTDIR; the errno of mkdir.
 */
int file_mkdirs(const char *path, mode_t mode, struct error *err);

/**
 * file_remove_tree_at() - Remove a file or a folder with everything in it
 * @dir_fd: directory, or AT_FDCWD
 * @name:   entry of it, or a path
 *
 * Symbolic links are removed, never followed; what is mounted there or below, bind mounts of the
 * same file system too, is not entered (-EXDEV). Nothing there is success. At most 64 levels deep
 * (-ELOOP).
 * Return: 0, or the first errno; the rest is removed as far as possible.
 */
int file_remove_tree_at(int dir_fd, const char *name, struct error *err);

/**
 * file_lock() - flock(2) with a deadline
 * @fd:          any descriptor of the file; the lock lives as long as one copy of it is open
 * @exclusive:   LOCK_EX, else LOCK_SH
 * @deadline_ns: give up then; 0 tries once
 *
 * Polls each 20 ms, as flock has no descriptor to wait for.
 * Return: 0; -EWOULDBLOCK when someone else held it until the deadline; other errno.
 */
int file_lock(int fd, bool exclusive, uint64_t deadline_ns);

/**
 * fd_read_all() - Read a descriptor from its present offset to its end
 * @cap: -EFBIG when there is more, bytes
 * @ret: owned by the caller, NUL-terminated; @ret_len: bytes without that NUL, NULL if not wanted
 *
 * Return: 0; -EFBIG; -ENOMEM; errno of read.
 */
int fd_read_all(int fd, size_t cap, char **ret, size_t *ret_len);

/** fd_write_all() - Write @len bytes to a blocking descriptor. Return: 0 or -errno. */
int fd_write_all(int fd, const void *data, size_t len);

/**
 * file_opendir_at() - Open a folder for readdir()
 * @flags: O_NOFOLLOW or 0
 *
 * Return: owned by the caller (AUTO_CLOSEDIR); NULL with errno set.
 */
DIR *file_opendir_at(int dir_fd, const char *path, int flags);

/** fd_set_nonblock() - Set O_NONBLOCK (on the open file, so never on inherited 0-2). 0 or -errno.
 */
int fd_set_nonblock(int fd);

/** fd_set_cloexec() - Set or clear FD_CLOEXEC. Return: 0 or -errno. */
int fd_set_cloexec(int fd, bool on);

/** path_join() - "A/B". Return: owned by the caller; NULL without memory. */
char *path_join(const char *a, const char *b);

/** file_free_bytes() - Bytes an unprivileged writer may still put on @path's file system. */
int file_free_bytes(const char *path, uint64_t *ret, struct error *err);

#endif
