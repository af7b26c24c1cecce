/* SPDX-License-Identifier: MIT */
/*
 * A task: a table of stages that is gone through with a VM of its own, and begun again from the
 * start when another run was faster to take a device that this one had chosen.
 */
#ifndef BMVM_RUN_TASK_H
#define BMVM_RUN_TASK_H

#include <json-c/json.h>
#include <stddef.h>

#include "run/stage.h"

struct error;
struct run_options;

/**
 * struct task - What is done in a VM
 * @stages:    @n_stages of them, see run/pipeline.h
 * @extra:     for run.extra, NULL: none
 * @models:    what is run with Docker, see dry_run(); borrowed
 * @prepare:   sets what the task wants of each new run, before its stages; NULL: nothing
 * @exit_code: turns what the stages ended with into the program's exit code and prints errors;
 *             NULL: pipeline_exit_code()
 */
struct task {
	const struct stage *stages;
	size_t n_stages;
	void *extra;
	struct json_object *models;
	void (*prepare)(struct run *r);
	int (*exit_code)(struct run *r, int failed, const struct error *err);
};

/**
 * task_run() - Do it; with o->dry_run only print what would be done
 * @o: its configuration is fitted to the host in place; waits for devices up to o->wait_s in all
 *
 * Return: exit code of the program.
 */
int task_run(struct run_options *o, const struct task *task);

#endif
