/* SPDX-License-Identifier: MIT */
/*
 * The files of a package's folder that are this program's own, or the package's description of
 * itself: nothing that a model makes takes their place.
 */
#ifndef BMVM_RESULTS_OWN_FILES_H
#define BMVM_RESULTS_OWN_FILES_H

#include <stdbool.h>

/**
 * own_files_has() - Whether a file is one of them
 * @path: relative to the folder; parts separated by single slashes, no "." and no ".."
 *
 * Files that options such as --output name are not known here.
 */
bool own_files_has(const char *path);

#endif
