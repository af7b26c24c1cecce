/* SPDX-License-Identifier: MIT */
/*
 * A private folder in one of the user's: what comes out of a guest arrives in it, and goes from
 * there to its place by rename. It is gone afterwards, unless the program is killed meanwhile: then
 * the next one removes it.
 *
 * It is called ".bmvm-" and 16 hexadecimal digits: 8 of this boot's id, then 8 by chance. Whoever
 * uses it holds an flock(2) on it, which ends with the program however that ends. Locks of folders
 * are seen on one host alone, though, and the folder may be one that several hosts share; so the
 * lock decides only about a folder that was made on this boot. One of another boot is left behind
 * once it is older than anybody uses it.
 */
#ifndef BMVM_RUN_PRIVATE_FOLDER_H
#define BMVM_RUN_PRIVATE_FOLDER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "guest/beneath.h"

struct error;

/* A day: longer than what comes out of a guest is ever waited for. */
#define PRIVATE_FOLDER_MAX_S 86400

/**
 * struct private_folder - One that is in use
 * @in_fd: the folder it is in, borrowed
 * @dir:   the folder itself, open, to make things in; dir.fd has the lock, -1: there is no folder
 */
struct private_folder {
	int in_fd;
	struct beneath dir;
	char name[24];
};

#define PRIVATE_FOLDER_INIT                                                                        \
	{                                                                                          \
		.in_fd = -1, .dir = BENEATH_INIT                                                   \
	}

/**
 * private_folder_make() - Make one, mode 0700, and lock it
 * @in:      the folder it shall be in, which must stay open; the names it keeps do not matter
 * @boot_id: of this boot, as struct host has it
 * @ret:     PRIVATE_FOLDER_INIT; ends with private_folder_done()
 *
 * Where a file system has no locks there is none, and then nobody gets one to remove it either.
 * Return: 0; errno of making it.
 */
int private_folder_make(const struct beneath *in, const char *boot_id, struct private_folder *ret,
			struct error *err);

/** private_folder_done() - Remove it with all that is in it; harmless when there is none. */
void private_folder_done(struct private_folder *p);

#define AUTO_PRIVATE_FOLDER CLEANUP(private_folder_done)

/** private_folder_is_name() - Whether an entry may be such a folder, by its name. */
bool private_folder_is_name(const char *name);

/**
 * private_folder_sweep() - Remove those that were left behind in a folder, and say so
 * @in:      the folder
 * @boot_id: of this boot
 *
 * Only what has such a name, is a folder and no link, has the owner that one of ours would have,
 * and is not in use. What cannot be removed is told. Return: how many were.
 */
size_t private_folder_sweep(const struct beneath *in, const char *boot_id);

#endif
