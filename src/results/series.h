/* SPDX-License-Identifier: MIT */
/*
 * What can be compared in a file of runs: the performances of one model in one metric, run after
 * run, on the same number and architecture of GPUs, in the same precision, with the same arguments.
 *
 * Runs have no time in these files, but they are appended one after the other: their order is the
 * order of the rows.
 */
#ifndef BMVM_RESULTS_SERIES_H
#define BMVM_RESULTS_SERIES_H

#include <stdbool.h>
#include <stddef.h>

#include "results/csv.h"

struct error;

#define SERIES_MAX 60

enum point_kind {
	POINT_GOOD,
	POINT_DOUBTFUL, /* has a value, but the run's status is FAILURE */
	POINT_FAILED,   /* has none */
};

/** struct series_point - One run; @value is 0 when it has none */
struct series_point {
	enum point_kind kind;
	double value;
	size_t row;
};

/* What must be equal besides model and metric. */
enum series_setting {
	SERIES_N_GPUS,
	SERIES_ARCHITECTURE,
	SERIES_PRECISION,
	SERIES_ARGS,
	SERIES_N_SETTINGS,
};

/**
 * struct series - Runs that can be compared
 * @settings: empty cells where all rows of the file are the same
 * @points:   @n of them, oldest first; @n_measured have a value, of which there are two or more
 */
struct series {
	struct csv_cell model;
	struct csv_cell metric;
	struct csv_cell settings[SERIES_N_SETTINGS];
	const struct series_point *points;
	size_t n;
	size_t n_measured;
};

typedef void (*series_fn)(void *data, const struct series *s);

/**
 * struct series_counts - What was found
 * @n_told:   series that @fn was called for
 * @n_more:   series beyond SERIES_MAX
 * @n_single: with one measured run, which are not told
 */
struct series_counts {
	size_t n_told;
	size_t n_more;
	size_t n_single;
};

/**
 * series_each() - Call @fn for each series of a file, by model and metric
 * @first: the first row looked at
 * @fn:    what it is given is gone when it returns
 *
 * A failed run has no metric: it is in all series of its model. Nothing is found in a file without
 * columns model and performance. Return: 0; -ENOMEM.
 */
int series_each(const struct csv *csv, size_t first, series_fn fn, void *data,
		struct series_counts *ret, struct error *err);

#endif
