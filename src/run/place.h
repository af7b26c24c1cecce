/* SPDX-License-Identifier: MIT */
/*
 * From a private folder, in which a guest's files have arrived, to their place in a folder of the
 * user's on the same file system: by rename, without following a symbolic link.
 */
#ifndef BMVM_RUN_PLACE_H
#define BMVM_RUN_PLACE_H

#include "guest/beneath.h"

/**
 * place_file() - A file, in the place of one that may be there
 * @to:      folders that are missing are made; what it keeps is not replaced
 * @from_fd: the private folder
 * @path:    of the file, in both; plain, as name_refusal() wants it
 *
 * Return: NULL; else why not, a constant or as strerror().
 */
const char *place_file(struct beneath *to, int from_fd, const char *path);

/**
 * place_folder() - A folder, in the place of one that may be there, with all that was in it
 * @name: of an entry, not ".old"
 *
 * The older one is then in the private folder, as ".old". Return: as place_file(), with the older
 * one where it was.
 */
const char *place_folder(struct beneath *to, int from_fd, const char *name);

#endif
