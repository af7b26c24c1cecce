/* SPDX-License-Identifier: MIT */
/*
 * A MAD package: a folder with models.json, scripts/ and docker/, and the models it defines.
 *
 *   models.json                    a JSON array of models
 *   scripts/D/models.json          the same; names get the prefix "D/", dockerfile and scripts are
 *                                  relative to scripts/D
 *   scripts/D/get_models_json.py   models made by Python, see python_models.h
 *
 * One folder D has one of the two at most. Unlike madengine, which takes folders as readdir() gives
 * them, they are sorted by name here, so that the order of models is the same on every host.
 * Files are read strictly: a duplicate key, which madengine's JSON reader passes over, is an error.
 */
#ifndef BMVM_WORKLOAD_PACKAGE_H
#define BMVM_WORKLOAD_PACKAGE_H

#include <stddef.h>

#include "base/cleanup.h"
#include "base/strv.h"
#include "workload/model.h"
#include "workload/tag.h"

struct error;

/* A package with more models, or a selection of more, is refused. */
#define PACKAGE_MODELS_MAX 10000

/**
 * struct python_folder - Models of one scripts/D/get_models_json.py
 * @folder: "D"
 * @models: as list_models() gave them, before update_model(); names with their prefix, dockerfile
 * and scripts relative to the package
 */
struct python_folder {
	char *folder;
	struct model_list models;
};

/**
 * struct package - What a package defines
 * @dir:    its folder
 * @models: of models.json files, in order
 * @python, @n_python: models made by Python, which come after the others
 * @unread: folders D whose models could not be asked for, as there is no python3
 */
struct package {
	char *dir;
	struct model_list models;
	struct python_folder *python;
	size_t n_python;
	struct strv unread;
};

#define PACKAGE_INIT                                                                               \
	{                                                                                          \
		.dir = NULL                                                                        \
	}

/**
 * package_load() - Find all models
 * @dir: the package's folder, "." for the current one
 * @ret: end with package_done()
 *
 * Runs python3 for each get_models_json.py; without python3 those are left out with a warning.
 * Return: 0; -ENOENT no models.json or no scripts folder; -EINVAL with file, place, member and rule
 * of the first mistakes of a file; -E2BIG; -EIO, -ETIMEDOUT from python3; errno of reading.
 */
int package_load(const char *dir, struct package *ret, struct error *err);

void package_done(struct package *p);

#define AUTO_PACKAGE CLEANUP(package_done)

/**
 * package_select() - The models that tags select, in madengine's order
 * @tags: not empty
 * @ret:  copies, their args extended by those of the tag; end with model_list_done()
 *
 * For each tag the models of files, then those of Python, whose update_model() is called. A model
 * that two tags select is there twice. Return: 0; -ENOENT a tag selects nothing; -EOPNOTSUPP a tag
 * asks for models of Python, and there is no python3; -EINVAL no tags, or a path of a model leads
 * out of the package; -E2BIG; as package_load() from python3.
 */
int package_select(const struct package *p, const struct tag_list *tags, struct model_list *ret,
		   struct error *err);

/**
 * package_ctx_test() - The value of the context key "ctx_test"
 * @ret: text of the file ctx_test without the white space around it, "None" without that file;
 *       owned by the caller
 *
 * Return: 0; -EFBIG more than 64 KiB; -EINVAL no text; errno of reading.
 */
int package_ctx_test(const char *dir, char **ret, struct error *err);

/**
 * package_path() - Join a path to a folder of the package, as Python's normpath would write it
 *
 * "a//b/./c/../d" becomes "a/b/d"; nothing left is "."; leading ".." stay.
 * Return: owned by the caller; NULL without memory.
 */
char *package_path(const char *folder, const char *path);

#endif
