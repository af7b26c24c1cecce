/* SPDX-License-Identifier: MIT */
/*
 * The table a model with "multiple_results" writes itself: one row for each thing it measured.
 *
 * The columns model, performance and metric must be there; all others are the model's own and go
 * along into the results. The text comes from a guest: it is bounded here.
 */
#ifndef BMVM_RESULTS_MULTI_RESULTS_H
#define BMVM_RESULTS_MULTI_RESULTS_H

#include <json-c/json.h>
#include <stdbool.h>

#include "results/csv.h"

struct error;

#define MULTI_RESULTS_CAP     ((size_t)4 << 20)
#define MULTI_RESULTS_ROWS    10000
#define MULTI_RESULTS_COLUMNS 256

/**
 * multi_results_read() - Read and check such a table
 * @dir_fd: folder with nothing but what this run has produced
 * @path:   below it; no symbolic link is followed
 * @ret:    of the caller, who ends it with csv_done()
 *
 * Return: 0; -ENOENT no such file; -EINVAL no regular file, a column missing, no row with a
 * performance, a row longer than the header, a quote not closed; -ELOOP; -EFBIG larger than the
 * bounds; -EILSEQ; -ENOMEM. The message names file, line and rule.
 */
int multi_results_read(int dir_fd, const char *path, struct csv *ret, struct error *err);

/** multi_results_missing() - Whether a cell holds no value: empty, "nan", "N/A", "null", ... */
bool multi_results_missing(struct csv_cell cell);

/**
 * multi_results_rows() - The table's rows as JSON objects
 *
 * Keys are the names of the columns, trimmed ("Unnamed: N" for one without a name, counted from 0;
 * the first of equal ones), in their order. Numbers are numbers as they were written, but for
 * integers beyond 64 bits; missing values are null, all else strings. Return: an array, owned by
 * the caller.
 */
struct json_object *multi_results_rows(const struct csv *csv);

#endif
