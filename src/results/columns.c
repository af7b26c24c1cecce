/* SPDX-License-Identifier: MIT */
#include "results/columns.h"

#include <string.h>

#include "results/csv.h"
#include "results/html.h"

/* Those that come first; the first N_ALWAYS are always shown. */
static const char *const leading[] = { "model", "status", "performance", "metric",
				       "test_duration" };
#define N_ALWAYS 4

static void look_at(const struct csv *csv, size_t first, struct column *c)
{
	struct csv_cell one = csv_cell(csv, first, c->at);
	bool same = true, empty = true;

	c->numeric = true;
	for (size_t row = first; row < csv->n_rows; row++) {
		struct csv_cell cell = csv_cell(csv, row, c->at);
		double value;

		if (csv_trim(cell).len > 0) {
			empty = false;
			c->numeric = c->numeric && html_parse_number(cell.text, cell.len, &value);
		}
		same = same && cell.len == one.len && memcmp(cell.text, one.text, one.len) == 0;
	}
	c->numeric = c->numeric && !empty;
	c->kind = empty ? COLUMN_EMPTY : same ? COLUMN_SAME : COLUMN_SHOWN;
}

static bool is_in(const struct columns *cs, size_t at)
{
	for (size_t i = 0; i < cs->n; i++) {
		if (cs->v[i].at == at)
			return true;
	}
	return false;
}

/* A table of nothing but what is said once would be empty. */
static void keep_some(struct columns *cs)
{
	for (size_t i = 0; i < cs->n; i++) {
		if (cs->v[i].kind == COLUMN_SHOWN)
			return;
	}
	for (size_t i = 0; i < cs->n; i++) {
		if (cs->v[i].kind == COLUMN_SAME)
			cs->v[i].kind = COLUMN_SHOWN;
	}
}

void columns_look(const struct csv *csv, size_t first, struct columns *ret)
{
	size_t n_always = 0;

	ret->n = 0;
	ret->performance = csv_column(csv, "model") >= 0 && csv_column(csv, "status") >= 0;
	for (size_t i = 0; i < ARRAY_SIZE(leading); i++) {
		ssize_t at = csv_column(csv, leading[i]);

		if (at >= 0 && at < COLUMNS_MAX)
			ret->v[ret->n++] = (struct column){ .at = (size_t)at };
		if (i < N_ALWAYS)
			n_always = ret->n;
	}
	for (size_t at = 0; at < csv->n_columns && at < COLUMNS_MAX; at++) {
		if (!is_in(ret, at))
			ret->v[ret->n++] = (struct column){ .at = at };
	}
	ret->n_left_out = csv->n_columns - ret->n;
	for (size_t i = 0; i < ret->n; i++) {
		look_at(csv, first, &ret->v[i]);
		if (i < n_always)
			ret->v[i].kind = COLUMN_SHOWN;
	}
	keep_some(ret);
}
