/* SPDX-License-Identifier: MIT */
/*
 * The "super" files: records with the configuration a model ran with and everything its own table
 * of results had, in four files of the working folder:
 *
 *   perf_super.json, perf_super.csv              the book of all runs
 *   perf_entry_super.json, perf_entry_super.csv  what the latest model added to it
 *
 * In the tables, lists and objects are JSON in one cell. perf_super.json is what counts;
 * perf_super.csv is made from it each time.
 */
#ifndef BMVM_RESULTS_PERF_SUPER_H
#define BMVM_RESULTS_PERF_SUPER_H

#include <json-c/json.h>

#include "results/csv.h"

struct error;

#define PERF_SUPER_CAP ((size_t)64 << 20)

/**
 * perf_super_records() - The entries of one run
 * @record:  of the run, see perf_record.h; borrowed
 * @configs: see perf_configs.h; borrowed, NULL for none
 * @table:   the model's own table, or NULL for a single result
 *
 * A single result: the record, "configs", and "multi_results" null. Else an entry for each row:
 * what all have in common, one of the configs, then model, performance and metric of the row, the
 * rest of it in "multi_results", and "status". Return: an array, owned by the caller.
 */
struct json_object *perf_super_records(struct json_object *record, struct json_object *configs,
				       const struct csv *table);

/**
 * perf_super_write() - Bring the four files up to date
 * @dir_fd:  the working folder
 * @entries: see above; borrowed
 *
 * Locked and replaced as shared_file.h has it: no entry of another program is lost. Values of the
 * book stay as they are, but that NaN and Infinity, which are no JSON, become null.
 * Return: 0; -EINVAL perf_super.json is no list, or no JSON; -EFBIG; otherwise as
 * shared_file_open() and shared_file_replace(). What failed is as before.
 */
int perf_super_write(int dir_fd, struct json_object *entries, struct error *err);

/**
 * perf_super_check() - Whether entries can be added to the book, before a run
 *
 * Return: 0, also when there is no book; -EINVAL perf_super.json is no list, or no JSON; as
 * shared_file_peek().
 */
int perf_super_check(int dir_fd, struct error *err);

/** perf_json_text() - JSON with an indent of two and a line end; owned; NULL without memory. */
char *perf_json_text(struct json_object *o);

#endif
