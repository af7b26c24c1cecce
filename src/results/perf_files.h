/* SPDX-License-Identifier: MIT */
/*
 * All files that one run of a model leaves in the working folder:
 *
 *   perf.csv, or what --output says   rows added
 *   perf_entry.csv                    these rows alone; unless it is what --output says
 *   perf_entry.json                   the same with the configs     only if it came to a container
 *   perf_super.*, perf_entry_super.*  see perf_super.h              only if it came to a container
 *
 * madengine's common_info.json, a leftover of its own making, is not written.
 */
#ifndef BMVM_RESULTS_PERF_FILES_H
#define BMVM_RESULTS_PERF_FILES_H

#include <json-c/json.h>
#include <stdbool.h>

#include "results/csv.h"
#include "results/outcome.h"

struct error;

/**
 * struct perf_result - What is to be written; all borrowed
 * @kind:    nothing is written for OUTCOME_NOT_RUN
 * @container: it came to one, so that all files are written
 * @record:  see perf_record.h
 * @configs: see perf_configs.h; NULL for none
 * @table:   the model's own table of results; NULL for a single result, and used only if
 *           @kind is OUTCOME_FINISHED
 */
struct perf_result {
	enum outcome_kind kind;
	bool container;
	struct json_object *record;
	struct json_object *configs;
	const struct csv *table;
};

/**
 * perf_files_write() - Write them
 * @dir_fd: the working folder
 * @output: path of perf.csv as the user named it, relative to it; its folder must exist; NULL for
 *          "perf.csv"
 *
 * A file that cannot be written does not keep the others from it, and is as it was before.
 * Return: 0; -EFBIG the rows would be too many bytes; the errno of the first that failed.
 */
int perf_files_write(int dir_fd, const char *output, const struct perf_result *result,
		     struct error *err);

/** perf_files_is_book() - Whether the file @name in @dir_fd is the one that @output stands for. */
bool perf_files_is_book(int dir_fd, const char *output, const char *name);

#endif
