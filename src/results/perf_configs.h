/* SPDX-License-Identifier: MIT */
/*
 * The configuration a model was run with: the file its args name behind --config, kept in the
 * "super" files beside the results.
 *
 * The file is looked for in the package alone, whatever the args say: relative to the folder of the
 * model's script, to scripts/ and its MAD, MAD-private and MAD-internal, then to the folders above
 * that of the script. Links that lead out of the package are not followed.
 */
#ifndef BMVM_RESULTS_PERF_CONFIGS_H
#define BMVM_RESULTS_PERF_CONFIGS_H

#include <json-c/json.h>

struct error;

#define PERF_CONFIGS_CAP ((size_t)256 << 10)

/**
 * perf_configs_load() - Read it
 * @package_fd: folder of the package
 * @scripts:    of the model: a script or a folder
 * @args:       of the model
 * @ret:        owned by the caller: for .csv a list of its rows as objects (those without a value
 *              left out), for .json what stands in it, for .yaml and .yml its text; NULL when the
 *              args name none, or one with another ending
 *
 * Return: 0; -ENOENT not in the package; -EFBIG larger than PERF_CONFIGS_CAP; -EINVAL not a regular
 * file, no JSON; -ENOMEM; errno of open or read. A warning, no more: the results are good without.
 */
int perf_configs_load(int package_fd, const char *scripts, const char *args,
		      struct json_object **ret, struct error *err);

/** perf_configs_one() - The one of a list that stands for a row of many; borrowed, may be NULL. */
struct json_object *perf_configs_one(struct json_object *configs);

#endif
