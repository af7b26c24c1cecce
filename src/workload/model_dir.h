/* SPDX-License-Identifier: MIT */
/*
 * MODEL_DIR: the items of a MAD package that lies elsewhere, copied into the current folder.
 *
 * As with madengine, docker, scripts, models.json, credential.json and data.json of that folder are
 * copied with what their symbolic links lead to, files that are there are overwritten, and what
 * cannot be read is left out with a warning. Unlike there, nothing is written through a symbolic
 * link, a folder is never copied into itself, and only files and folders are copied. Each file is
 * replaced at once, so that another run in the same folder sees the old or the new one.
 */
#ifndef BMVM_WORKLOAD_MODEL_DIR_H
#define BMVM_WORKLOAD_MODEL_DIR_H

#include <stdbool.h>
#include <stddef.h>

struct error;

/* More files and folders are refused: links could make endless ones. */
#define MODEL_DIR_ENTRIES_MAX 1000000

/**
 * model_dir_merge() - Copy a package's items
 * @from:      MODEL_DIR; the same folder as @to is fine, and nothing is done
 * @to:        the folder that gets them
 * @ret_files: how many files were written; NULL if not wanted
 *
 * Permissions and times are kept, as root owners too; set-id bits are not. What was copied before a
 * failure stays. Return: 0; -ENOENT, -ENOTDIR no such folder; -EEXIST something there is a link, or
 * of another kind; -ELOOP @to lies inside of what is to be copied, or folders are too deep; -E2BIG;
 * errno of writing.
 */
int model_dir_merge(const char *from, const char *to, size_t *ret_files, struct error *err);

/**
 * model_dir_take() - Copy a package's items into the current folder
 * @from:     MODEL_DIR
 * @run_only: only docker and scripts, as madengine does before it runs a manifest
 *
 * What fails is a warning, as in madengine: see model_dir_merge() for what that may be.
 */
void model_dir_take(const char *from, bool run_only);

#endif
