/* SPDX-License-Identifier: MIT */
/*
 * Models that a package makes by Python: scripts/D/get_models_json.py with its list_models().
 *
 * The file imports the class CustomModel from madengine.utils.discover_models and runs as madengine
 * runs it: by the host's python3, with the user's rights, in the package's folder. A stand-in of
 * our own for that one class is all it gets of madengine; what it prints is thrown away, it writes
 * no __pycache__, and its time and answer are bounded.
 */
#ifndef BMVM_WORKLOAD_PYTHON_MODELS_H
#define BMVM_WORKLOAD_PYTHON_MODELS_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

struct error;

#define PYTHON_MODELS_FILE "get_models_json.py"

/** python_models_possible() - Whether there is a python3 in PATH. */
bool python_models_possible(void);

/**
 * python_models_list() - Ask for the models of scripts/@folder
 * @dir: the package's folder
 * @ret: array of objects, each with all members a CustomModel has; names begin with "FOLDER/",
 *       paths are as the file has them; owned by the caller
 *
 * Blocks for a minute at most. Return: 0; -ENOENT no python3; -EIO it failed, with its last words
 * in @err; -ETIMEDOUT; -EFBIG; -EINVAL its answer is no list of models.
 */
int python_models_list(const char *dir, const char *folder, struct json_object **ret,
		       struct error *err);

/**
 * python_models_update() - Ask again, for chosen models after their update_model()
 * @which: their places in the list; one named twice is updated twice
 * @ret:   one object for each of @which, in that order
 *
 * Return: as python_models_list(); -EIO also when the list has become shorter.
 */
int python_models_update(const char *dir, const char *folder, const size_t *which, size_t n_which,
			 struct json_object **ret, struct error *err);

#endif
