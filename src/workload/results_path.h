/* SPDX-License-Identifier: MIT */
/*
 * Where a model writes its own table of results ("multiple_results"): a path relative to the folder
 * it runs in, which becomes one relative to the package. Pure.
 */
#ifndef BMVM_WORKLOAD_RESULTS_PATH_H
#define BMVM_WORKLOAD_RESULTS_PATH_H

struct error;

/**
 * results_path() - Check such a path and bring it into its plain form
 * @given: as the model has it
 * @ret:   owned; parts separated by single slashes, none of them "."
 *
 * Beside inside_check(): no "..", none of the characters that match others in a pattern (the name
 * is one when the file is brought out), a file and no folder, and none of own_files_has().
 * Return: 0; -EINVAL naming multiple_results, the path and the rule; -ENOMEM.
 */
int results_path(const char *given, char **ret, struct error *err);

#endif
