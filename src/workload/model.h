/* SPDX-License-Identifier: MIT */
/*
 * One model of a MAD package: a JSON object as madengine has it, and typed views of its members.
 *
 * The object stays whole: members nobody here knows are kept, in their order, because it goes into
 * build_manifest.json as it is. What is checked is checked once, by model_init(); the accessors
 * then cannot fail. Everywhere "absent" means: no such member, null, or the empty string, for that
 * is what madengine's own defaults are.
 */
#ifndef BMVM_WORKLOAD_MODEL_H
#define BMVM_WORKLOAD_MODEL_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/strv.h"

struct error;

/* "-1": every GPU there is */
#define MODEL_GPUS_ALL (-1)

/**
 * struct model - The model
 * @object: owned; not NULL once model_init() succeeded
 * @origin: where it was read, for messages: `scripts/x/models.json:12:3: [1]`; owned
 */
struct model {
	struct json_object *object;
	char *origin;
};

#define MODEL_INIT                                                                                 \
	{                                                                                          \
		.object = NULL                                                                     \
	}

/**
 * model_check() - What is wrong with an object that is to be a model
 * @object:   borrowed; NULL stands for null
 * @path:     put before each problem's member, "[3]" gives "[3].tags[0]: must be a string"
 * @problems: each problem is appended
 *
 * Required are "name" (a string that can be part of a file's name) and "args" (a string); the other
 * members known here must have their types, or be null. Return: the number of problems.
 */
size_t model_check(struct json_object *object, const char *path, struct strv *problems);

/**
 * path_in_package() - Whether a path stays inside of the folder that it is relative to
 *
 * Looks at the text only: not absolute, and no more ".." than there are names before them.
 */
bool path_in_package(const char *path);

/**
 * model_check_paths() - Whether all paths of a model stay inside of the package
 *
 * Only the package goes into the guest. Not part of model_check(), so that one such model keeps
 * nobody from using the others. Return: 0; -EINVAL with origin, member and rule in @err.
 */
int model_check_paths(const struct model *m, struct error *err);

/**
 * model_init() - Make a model of an object
 * @object: a reference is taken, nothing is copied
 * @origin: copied
 * @ret:    end with model_done()
 *
 * Return: 0; -EINVAL with origin, member and rule in @err; -ENOMEM.
 */
int model_init(struct model *ret, struct json_object *object, const char *origin,
	       struct error *err);

/** model_copy() - A model of its own, so that changing it leaves @from alone. 0 or -ENOMEM. */
int model_copy(struct model *ret, const struct model *from, struct error *err);

/** model_done() - Forget the object; NULL members are fine. */
void model_done(struct model *m);

#define AUTO_MODEL CLEANUP(model_done)

/**
 * struct model_list - Models in order
 */
struct model_list {
	struct model *v;
	size_t n;
};

#define MODEL_LIST_INIT                                                                            \
	{                                                                                          \
		.v = NULL                                                                          \
	}

/** model_list_take() - Append @m and empty it, also on failure. Return: 0 or -ENOMEM. */
int model_list_take(struct model_list *list, struct model *m, struct error *err);
void model_list_done(struct model_list *list);

#define AUTO_MODEL_LIST CLEANUP(model_list_done)

/**
 * model_text() - A text member by name
 *
 * A number or a boolean is given as its JSON text. Return: borrowed from @m; NULL when absent, or
 * when it is an array or an object.
 */
const char *model_text(const struct model *m, const char *key);

/* Never NULL: the identity, and what is appended to the script's command line ("" for nothing). */
const char *model_name(const struct model *m);
const char *model_args(const struct model *m);

/* NULL when absent. Paths are relative to the package. */
static inline const char *model_dockerfile(const struct model *m)
{
	return model_text(m, "dockerfile"); /* a prefix: each file PREFIX.* is a candidate */
}

static inline const char *model_dockercontext(const struct model *m)
{
	return model_text(m, "dockercontext");
}

static inline const char *model_scripts(const struct model *m)
{
	return model_text(m, "scripts"); /* *.sh, *.slurm, *.py, or a folder with run.sh */
}

static inline const char *model_url(const struct model *m)
{
	return model_text(m, "url");
}

static inline const char *model_cred(const struct model *m)
{
	return model_text(m, "cred");
}

static inline const char *model_data(const struct model *m)
{
	return model_text(m, "data"); /* comma-separated names */
}

static inline const char *model_multiple_results(const struct model *m)
{
	return model_text(m, "multiple_results");
}

static inline const char *model_skip_gpu_arch(const struct model *m)
{
	return model_text(m, "skip_gpu_arch"); /* comma-separated */
}

static inline const char *model_docker_options(const struct model *m)
{
	return model_text(m, "additional_docker_run_options");
}

static inline const char *model_training_precision(const struct model *m)
{
	return model_text(m, "training_precision");
}

static inline const char *model_nnodes(const struct model *m)
{
	return model_text(m, "nnodes");
}

/** model_launcher() - distributed.launcher. Return: borrowed; NULL when absent. */
const char *model_launcher(const struct model *m);

/**
 * model_gpu_count() - How many GPUs an object asks for
 * @object: a model's, or the additional context or deployment_config, which have the same aliases;
 *          NULL is an empty one
 * @ret:    MODEL_GPUS_ALL or >= 0; written only when it asks
 *
 * The first member present of gpus_per_node, gpu_count, n_gpus, num_gpus, ngpus counts, a number or
 * its text; one that is no such number asks for nothing. Return: whether it asks.
 */
bool model_gpu_count(struct json_object *object, int *ret);

/**
 * model_check_gpu_count() - The same as a check, for an object that is no model
 * @ret_ignored: the first alias that is a text but no number, static; else left alone
 *
 * Return: 0; -EINVAL an alias that is no number of GPUs and no text.
 */
int model_check_gpu_count(struct json_object *object, const char **ret_ignored, struct error *err);

/** model_gpus() - The same for a model. Return: MODEL_GPUS_ALL or >= 0; 1 when it does not ask. */
int model_gpus(const struct model *m);

/** model_timeout() - Seconds its run may take. Return: > 0; 0 when it says nothing of the kind. */
int64_t model_timeout(const struct model *m);

/**
 * model_has_tag() - Whether one of its tags is @tag
 *
 * Members of a list count as they are; a string is split at commas and trimmed.
 */
bool model_has_tag(const struct model *m, const char *tag);

/**
 * model_tags_text() - Its tags as the CSV files have them: a list joined by ",", a string as it is
 *
 * Return: owned by the caller, "" without tags; NULL without memory.
 */
char *model_tags_text(const struct model *m);

/** model_set_text() - Set or replace a member; a replaced one keeps its place. */
void model_set_text(struct model *m, const char *key, const char *value);

/** model_add_args() - Append to "args", as arguments of a tag do. Return: 0 or -ENOMEM. */
int model_add_args(struct model *m, const char *more, struct error *err);

#endif
