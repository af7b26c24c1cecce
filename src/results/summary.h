/* SPDX-License-Identifier: MIT */
/*
 * What --summary-output writes: which models of this command succeeded and which failed, in
 * madengine's form.
 *
 * Two things are more than madengine has: "kind" in an entry of failed_runs tells a failure of the
 * model from one of ours (see outcome_kind_name()), and a model that was skipped for its GPU is in
 * successful_runs as "SKIPPED".
 */
#ifndef BMVM_RESULTS_SUMMARY_H
#define BMVM_RESULTS_SUMMARY_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

#include "results/outcome.h"

struct error;

/**
 * struct summary_run - One model; all borrowed
 * @kind, @status: see outcome.h
 * @model:         its name
 * @image:         that was run; NULL for none
 * @performance:   as it was printed, or the path of the model's own table; NULL for none
 * @test_s:        seconds of its script; below 0 when it came to no container
 * @why:           a failure in one line; NULL points to the logs
 * @rows:          it has added to perf.csv
 */
struct summary_run {
	enum outcome_kind kind;
	const char *status;
	const char *model;
	const char *image;
	const char *performance;
	double test_s;
	const char *why;
	size_t rows;
};

/**
 * summary_new() - The summary of a run phase without runs
 * @start_row: rows of perf.csv before, see perf_csv_count()
 *
 * Return: owned by the caller: successful_runs, failed_runs, total_runs, session_start_row,
 * session_row_count.
 */
struct json_object *summary_new(size_t start_row);

/**
 * summary_add() - Count one more model
 *
 * A failed build is no run: it counts in the summary of the build phase, and here only its row.
 */
void summary_add(struct json_object *summary, const struct summary_run *run);

/** summary_failed() - Whether there are failed runs. */
bool summary_failed(struct json_object *summary);

/**
 * summary_workflow() - Both phases in one object
 * @build: the "summary" of the manifest; borrowed, NULL is null
 * @run:   borrowed, NULL is null
 *
 * Return: owned by the caller: build_phase, run_phase, overall_success.
 */
struct json_object *summary_workflow(struct json_object *build, struct json_object *run,
				     bool success);

/**
 * summary_save() - Write a summary with an indent of two
 *
 * Return: as shared_file_put().
 */
int summary_save(int dir_fd, const char *path, struct json_object *summary, struct error *err);

#endif
