/* SPDX-License-Identifier: MIT */
/*
 * What starts the processes of a distributed model: its name, and the command that scripts find in
 * MAD_MULTI_NODE_RUNNER. Pure.
 */
#ifndef BMVM_WORKLOAD_LAUNCHER_H
#define BMVM_WORKLOAD_LAUNCHER_H

#include <json-c/json.h>
#include <stddef.h>

struct model;

/**
 * launcher_name() - distributed.launcher of the context, of the model, or @from_environ
 * @context:      additional context, or NULL
 * @from_environ: MAD_LAUNCHER of the host, or NULL
 *
 * Return: borrowed from one of them; NULL when none says so (the CSV files then have "docker").
 */
const char *launcher_name(struct json_object *context, const struct model *model,
			  const char *from_environ);

/**
 * launcher_runner() - The command for @n_gpus processes on one node
 * @launcher: NULL and unknown ones are torchrun
 * @n_gpus:   0 counts as 1
 *
 * Return: owned by the caller, "" for launchers that start their processes themselves; NULL without
 * memory.
 */
char *launcher_runner(const char *launcher, size_t n_gpus);

#endif
