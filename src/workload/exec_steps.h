/* SPDX-License-Identifier: MIT */
/*
 * The commands that run a model in its container, one docker exec each, as data. Pure.
 *
 * The order is madengine's. What differs: git need not be in the image unless the model has a url;
 * copies are made with what every cp can do; the model's folder is removed also after a failure; a
 * file of an earlier run with the name of the model's results is removed from the package first, so
 * that no old result counts.
 *
 * All paths are relative to the package, where the container starts. The model's args, the args of
 * scripts and the encapsulating command are shell text of the user's and are run by the container's
 * bash as such; all else is quoted.
 */
#ifndef BMVM_WORKLOAD_EXEC_STEPS_H
#define BMVM_WORKLOAD_EXEC_STEPS_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "workload/gpu_selection.h"

struct data_plan;
struct error;
struct model;
struct tools;

enum exec_kind {
	EXEC_PLAIN,
	EXEC_COMMIT, /* its stdout is the git_commit of the CSV files */
	EXEC_MODEL,  /* the model itself: its seconds are the test_duration */
};

/**
 * struct exec_step - One command
 * @title:     static, for messages: "clone the model"
 * @command:   for bash -c; owned
 * @shown:     the same for logs, without secrets; owned
 * @timeout_s: its own limit; 0: only the model's as a whole
 * @may_fail:  its exit code does not matter
 * @setup:     its failure is none of the model's own: the package has not what is to be run
 * @always:    runs also after a step that failed, or the limit
 */
struct exec_step {
	const char *title;
	char *command;
	char *shown;
	unsigned int timeout_s;
	enum exec_kind kind;
	bool may_fail;
	bool setup;
	bool always;
};

/** struct exec_steps - All, in order; @r: -ENOMEM once an addition failed */
struct exec_steps {
	struct exec_step *v;
	size_t n;
	int r;
};

#define EXEC_STEPS_INIT                                                                            \
	{                                                                                          \
		.v = NULL                                                                          \
	}

/**
 * struct exec_query - What decides; all borrowed
 * @args:        model_args of the context instead of the model's own; NULL: the model's
 * @credential:  of the model's cred (credentials_find()), or NULL: "username" with "password" is
 *               given to git for a url, "username" with "ssh_key_file" (a path in the container)
 *               for an ssh:// url
 * @data:        NULL: none
 * @skip_model:  --skip-model-run: neither the model nor the search for its results
 * @keep_folder: --keep-alive or --keep-model-dir
 */
struct exec_query {
	const struct model *model;
	const char *args;
	enum gpu_vendor vendor;
	const struct tools *tools;
	const struct data_plan *data;
	struct json_object *credential;
	bool skip_model;
	bool keep_folder;
};

/**
 * exec_steps_scripts() - Where a model's "scripts" are in the package
 * @ret_folder: what is copied as a whole; owned
 * @ret_start:  the file in it that is run; owned
 *
 * Return: 0; -EINVAL missing, outside of the package or not in a folder of their own; -ENOMEM.
 */
int exec_steps_scripts(const struct model *model, char **ret_folder, char **ret_start,
		       struct error *err);

/**
 * exec_steps_make() - The commands for a model
 * @ret: end with exec_steps_done(), written only on success
 *
 * Return: 0; -EINVAL naming the model, its member and the rule: scripts missing, outside of the
 * package or not in a folder of their own; a url that is no name; multiple_results as
 * results_path() has it; -ENOMEM.
 */
int exec_steps_make(const struct exec_query *query, struct exec_steps *ret, struct error *err);

void exec_steps_done(struct exec_steps *steps);

#define AUTO_EXEC_STEPS CLEANUP(exec_steps_done)

#endif
