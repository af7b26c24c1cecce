/* SPDX-License-Identifier: MIT */
/*
 * Creating files and folders beneath one folder of the host, for names that come from a stranger:
 * whatever is named, and whatever links lie in the folder, nothing outside it is touched.
 *
 * Every step goes from one open folder to the next, no part of a path ever follows a symbolic link.
 */
#ifndef BMVM_GUEST_BENEATH_H
#define BMVM_GUEST_BENEATH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct error;

/**
 * struct beneath_keep - Names that are kept for somebody else: nothing is made under them
 * @has:  whether @name, in the open folder @folder_fd, is one of them; asked for each part of a
 * path in the very folder where it would be made, so whatever led there
 * @data: its first argument, borrowed
 */
struct beneath_keep {
	bool (*has)(const void *data, int folder_fd, const char *name);
	const void *data;
};

/**
 * struct beneath - The folder
 * @give: entries are given to @uid and @gid, the folder's owner (root works in someone's folder)
 * @keep: borrowed, set by the caller; NULL: no names
 */
struct beneath {
	int fd;
	const struct beneath_keep *keep;
	bool give;
	uid_t uid;
	gid_t gid;
};

#define BENEATH_INIT                                                                               \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/**
 * struct beneath_file - A file being written under a temporary name
 * @folder: where it is; @tmp and @name: in there
 */
struct beneath_file {
	int fd;
	int folder;
	char tmp[40];
	char name[256];
};

#define BENEATH_FILE_INIT                                                                          \
	{                                                                                          \
		.fd = -1, .folder = -1                                                             \
	}

/** beneath_open() - Start with an existing folder. Return: 0; errno of opening it. */
int beneath_open(struct beneath *b, const char *path, struct error *err);

/** beneath_close() - Done with it. */
void beneath_close(struct beneath *b);

/** beneath_keeps() - Whether @name in the open folder @folder_fd is kept, see struct beneath_keep.
 */
bool beneath_keeps(const struct beneath *b, int folder_fd, const char *name);

/**
 * beneath_folder() - Make a folder and those above it, if missing
 * @name: relative, parts separated by single slashes, no "." or ".." (checked by name_refusal())
 * @mode: of the last one when it is made; those above get 0755
 *
 * Return: 1 made; 0 it was there; -ECANCELED a part of @name is kept; -ELOOP, -ENOTDIR something
 * else is in the way; other errno.
 */
int beneath_folder(struct beneath *b, const char *name, mode_t mode);

/**
 * beneath_file_begin() - Start a file; folders above it are made
 * @name: as above
 * @ret:  end with beneath_file_commit() or beneath_file_abort()
 *
 * Return: 0; -ECANCELED a part of @name is kept; -ELOOP, -ENOTDIR, -EISDIR, -EEXIST something that
 * is no regular file is in the way; other errno.
 */
int beneath_file_begin(struct beneath *b, const char *name, struct beneath_file *ret);

/** beneath_file_commit() - Give it its mode, owner and name, replacing a file. 0 or -errno. */
int beneath_file_commit(struct beneath *b, struct beneath_file *f, mode_t mode);

/** beneath_file_abort() - Remove it; harmless when there is none. */
void beneath_file_abort(struct beneath_file *f);

#endif
