/* SPDX-License-Identifier: MIT */
/*
 * What a model leaves in the package's folder beside its table of results: *_env.csv, *_output.csv
 * and *_trace.csv, as madengine has them. Such files may have been there before, as part of the
 * package or of an earlier model, and are none of its own then.
 *
 * The folder is listed before and after; a file is new when anything but its name has changed: what
 * was written has another time of change, whatever its own times were set to.
 */
#ifndef BMVM_WORKLOAD_LEFT_FILES_H
#define BMVM_WORKLOAD_LEFT_FILES_H

#include "base/strv.h"

/**
 * left_files_script() - The shell script that lists such files
 *
 * For sh(1) in the guest; its argument is the folder. Return: a constant.
 */
const char *left_files_script(void);

/**
 * left_files_new() - Which files are in the second list as they were not in the first
 * @before, @after: what the script printed; any text
 * @ret:            their names are added; see strv_error()
 */
void left_files_new(const char *before, const char *after, struct strv *ret);

/**
 * left_files_pattern() - A pattern that matches just this name
 *
 * Return: owned by the caller; NULL for a name with a backslash, which shells read differently in a
 * pattern, and without memory.
 */
char *left_files_pattern(const char *name);

#endif
