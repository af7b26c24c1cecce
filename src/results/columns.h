/* SPDX-License-Identifier: MIT */
/*
 * Which columns of a table are worth a column on a page: one that says the same in every row is
 * said once, one that is empty is only named.
 */
#ifndef BMVM_RESULTS_COLUMNS_H
#define BMVM_RESULTS_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>

struct csv;

#define COLUMNS_MAX 256

enum column_kind {
	COLUMN_SHOWN, /* one of the table */
	COLUMN_SAME,  /* has one value in all rows */
	COLUMN_EMPTY, /* has none in any */
};

/**
 * struct column - One of them
 * @at:      its number in the CSV file
 * @numeric: all cells that are not empty are numbers
 */
struct column {
	size_t at;
	enum column_kind kind;
	bool numeric;
};

/**
 * struct columns - Those of a file, in the order of a page
 * @v:           @n of them: model, status, performance, metric, test_duration, as far as there are
 *               such, then the others in the file's order
 * @n_left_out:  how many there are beyond COLUMNS_MAX
 * @performance: these are runs of models: there is a column model and a column status
 */
struct columns {
	struct column v[COLUMNS_MAX];
	size_t n;
	size_t n_left_out;
	bool performance;
};

/**
 * columns_look() - Sort out the columns of a file
 * @first: the first row that will be shown
 *
 * model, status, performance and metric are shown whatever is in them, and so are all that are not
 * empty when there would be no other.
 */
void columns_look(const struct csv *csv, size_t first, struct columns *ret);

#endif
