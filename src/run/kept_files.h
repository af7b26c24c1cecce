/* SPDX-License-Identifier: MIT */
/*
 * The files of a run of models, there already or not: perf.csv and its like in the package's
 * folder, those that options name wherever they are. Nothing that comes out of a guest takes their
 * place.
 *
 * A file is known by the folder it is in, device and inode, and its name there. So it is the same
 * one through another spelling, a symbolic link or a bind mount, and for a destination that is
 * above or below the package's folder.
 */
#ifndef BMVM_RUN_KEPT_FILES_H
#define BMVM_RUN_KEPT_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/cleanup.h"

struct error;

/** struct kept_file - One that was named; @name owned, "a/b" when its folder "a" is not there yet
 */
struct kept_file {
	dev_t dev;
	ino_t ino;
	char *name;
};

/**
 * struct kept_files - All of them
 * @dev, @ino: the package's folder, where own_files_has() and private_folder_is_name() count
 * @r:         0, or -ENOMEM once an addition failed
 */
struct kept_files {
	dev_t dev;
	ino_t ino;
	struct kept_file *v;
	size_t n;
	int r;
};

#define KEPT_FILES_INIT                                                                            \
	{                                                                                          \
		.v = NULL                                                                          \
	}

/**
 * kept_files_begin() - Start with those that every package's folder has
 * @k:          KEPT_FILES_INIT
 * @package_fd: the folder; not needed afterwards
 *
 * Return: 0; errno of looking at it.
 */
int kept_files_begin(struct kept_files *k, int package_fd, struct error *err);

/**
 * kept_files_add() - And one that an option names
 * @path: from the current folder, NULL: nothing. Where symbolic links lead from it is kept, too
 */
void kept_files_add(struct kept_files *k, const char *path);

/** kept_files_error() - 0, or the -ENOMEM of the first addition that failed. */
int kept_files_error(const struct kept_files *k);

/**
 * kept_files_has() - Whether @name in the open folder @folder_fd is one: for struct beneath_keep
 * @data: a struct kept_files
 *
 * Return: also true when that cannot be told.
 */
bool kept_files_has(const void *data, int folder_fd, const char *name);

/** kept_files_done() - Free everything. */
void kept_files_done(struct kept_files *k);

#define AUTO_KEPT_FILES CLEANUP(kept_files_done)

#endif
