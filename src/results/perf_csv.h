/* SPDX-License-Identifier: MIT */
/*
 * Records as tables: perf.csv, the book of all runs, and tables made of records alone.
 *
 * Nothing that stands in a perf.csv is ever changed: when it has all columns that are needed, rows
 * are added behind its bytes; when it lacks some, they are added behind its own, and its cells keep
 * their text.
 */
#ifndef BMVM_RESULTS_PERF_CSV_H
#define BMVM_RESULTS_PERF_CSV_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

#include "results/shared_file.h"

struct error;

/**
 * perf_csv_append() - Add rows to a perf.csv, which is made if need be
 * @records: an array of objects, see perf_record.h; borrowed
 *
 * A new file begins with the 29 columns; others follow in the order in which they appear. The file
 * is locked and replaced as a whole, see shared_file.h: of programs that do this at the same time
 * none loses a row, and a reader sees all rows or none. Return: 0; -EINVAL not a table that can go
 * on (a quote that is never closed; or columns would have to be added beside rows longer than the
 * header); -EFBIG; -EILSEQ; otherwise as shared_file_open() and shared_file_replace(). On failure
 * the file is as before.
 */
int perf_csv_append(const struct shared_name *book, struct json_object *records, struct error *err);

/**
 * perf_csv_text() - A table of these records alone
 * @first:   columns that come first, whether a record has them or not
 * @n_first: how many; then come the records' keys in the order in which they appear
 * @ret_len: bytes of the text
 *
 * Return: owned by the caller; NULL without memory.
 */
char *perf_csv_text(struct json_object *records, const char *const *first, size_t n_first,
		    size_t *ret_len);

/**
 * perf_csv_check() - Whether rows can be added to a perf.csv, and how many it has
 * @further: rows with further columns than the 29 are to come
 * @ret:     its rows now
 *
 * To be asked before a run, which takes longer. Return: 0, also for a file that is not there (no
 * rows); what perf_csv_append() would return for the table; as shared_file_peek().
 */
int perf_csv_check(const struct shared_name *book, bool further, size_t *ret, struct error *err);

#endif
