/* SPDX-License-Identifier: MIT */
/*
 * One row of the books: what ran, on what, and what came out, under madengine's 29 names.
 *
 * A record is a JSON object whose keys are in the order of the columns; the same record becomes a
 * row of CSV and an entry of JSON. All values are strings, as madengine has them, but the
 * durations, which are numbers, and the model's own further results.
 */
#ifndef BMVM_RESULTS_PERF_RECORD_H
#define BMVM_RESULTS_PERF_RECORD_H

#include <json-c/json.h>
#include <stddef.h>
#include <stdint.h>

#include "results/csv.h"

struct performance;

#define PERF_COLUMNS 29

extern const char *const perf_columns[PERF_COLUMNS];

/** struct perf_data - The data a model was given; all empty (NULL, 0) for none. */
struct perf_data {
	const char *name;
	const char *provider;
	const char *size;
	double download_s;
};

/**
 * struct perf_run - One run of a model; all borrowed, a NULL string is an empty value
 * @model:            its object as it was selected (args with those of its tag)
 * @image:            its image's object as in built_images of the manifest; NULL when there is none
 * @docker_image:     the image that was really run
 * @git_commit:       HEAD of the cloned URL
 * @machine_name:     the host's name, not the guest's
 * @launcher:         see perf_launcher(); NULL when it came to no container
 * @gpu_architecture: as the user says, or as the guest has it
 * @pipeline:         of the host's environment
 * @build_number:     of the host's environment; NULL is "0"
 * @gpus:             how many it was given; below 0 when that was never decided: then the model's
 *                    own n_gpus stands in the books
 * @test_s:           seconds of its script; below 0 when it came to no container
 * @data:             see there
 */
struct perf_run {
	struct json_object *model;
	struct json_object *image;
	const char *docker_image;
	const char *git_commit;
	const char *machine_name;
	const char *launcher;
	const char *gpu_architecture;
	const char *pipeline;
	const char *build_number;
	int64_t gpus;
	double test_s;
	struct perf_data data;
};

/**
 * perf_launcher() - Who starts the processes of a model
 * @context: the additional context, or NULL
 * @env:     MAD_LAUNCHER of the host's environment, or NULL
 *
 * "distributed.launcher" of the context, else of the model, else @env, else "docker".
 * Return: borrowed.
 */
const char *perf_launcher(struct json_object *model, struct json_object *context, const char *env);

/**
 * perf_record_new() - The record of a run with a single result or none
 * @found:  borrowed, or NULL for no performance
 * @status: see outcome_status()
 *
 * Return: owned by the caller.
 */
struct json_object *perf_record_new(const struct perf_run *run, const struct performance *found,
				    const char *status);

/**
 * perf_records_multi() - The records of a run with multiple_results
 * @record:  of the run
 * @configs: put behind the 29 columns as "configs"; borrowed, NULL is null
 * @table:   see multi_results_read()
 *
 * One for each row: the model is MODEL_ROWMODEL; the row's other columns replace those of the run
 * or come behind them; the status follows from the row's performance. Return: an array, owned by
 * the caller.
 */
struct json_object *perf_records_multi(struct json_object *record, struct json_object *configs,
				       const struct csv *table);

/** perf_text() - A value as it stands in CSV: "" for null, JSON for lists and objects. Borrowed. */
const char *perf_text(struct json_object *value);

/**
 * perf_number() - A duration as a JSON number, printed with as few digits as it needs
 *
 * Return: owned by the caller; an empty string for what is no finite number.
 */
struct json_object *perf_number(double value);

#endif
