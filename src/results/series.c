/* SPDX-License-Identifier: MIT */
#include "results/series.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "results/html.h"

/* Columns by which runs are told apart, in this order. */
enum key {
	KEY_MODEL,
	KEY_SETTINGS, /* SERIES_N_SETTINGS of them */
	KEY_METRIC = KEY_SETTINGS + SERIES_N_SETTINGS,
	N_KEYS,
};

static const char *const key_names[N_KEYS] = {
	"model", "n_gpus", "gpu_architecture", "training_precision", "args", "metric"
};

struct item {
	size_t row;
	double value;
	bool measured;
};

/* One walk. @keys: columns, -ENOENT where there is none. @scratch: room for the points of a series.
 */
struct walk {
	const struct csv *csv;
	ssize_t keys[N_KEYS];
	bool differs[N_KEYS];
	struct item *items;
	size_t n;
	struct series_point *scratch;
	series_fn fn;
	void *data;
	struct series_counts counts;
};

static struct csv_cell key_of(const struct walk *w, size_t row, size_t key)
{
	if (w->keys[key] < 0)
		return (struct csv_cell){ .text = "" };
	return csv_trim(csv_cell(w->csv, row, (size_t)w->keys[key]));
}

static int compare_cells(struct csv_cell a, struct csv_cell b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int r = memcmp(a.text, b.text, n);

	return r != 0 ? r : (a.len > b.len) - (a.len < b.len);
}

static int compare_keys(const struct walk *w, size_t a, size_t b, size_t n_keys)
{
	int r = 0;

	for (size_t key = 0; key < n_keys && r == 0; key++)
		r = compare_cells(key_of(w, a, key), key_of(w, b, key));
	return r;
}

/* By model and settings; then what failed, then by metric; then as in the file. */
static int compare_items(const void *a, const void *b, void *data)
{
	const struct item *x = a, *y = b;
	const struct walk *w = data;
	int r = compare_keys(w, x->row, y->row, KEY_METRIC);

	if (r == 0)
		r = x->measured - y->measured;
	if (r == 0 && x->measured)
		r = compare_cells(key_of(w, x->row, KEY_METRIC), key_of(w, y->row, KEY_METRIC));
	return r != 0 ? r : (x->row > y->row) - (x->row < y->row);
}

static void read_items(struct walk *w, size_t first, size_t performance)
{
	for (size_t row = first; row < w->csv->n_rows; row++) {
		struct csv_cell cell = csv_cell(w->csv, row, performance);
		struct item *item = &w->items[w->n];

		if (key_of(w, row, KEY_MODEL).len == 0)
			continue;
		*item = (struct item){ .row = row };
		item->measured = html_parse_number(cell.text, cell.len, &item->value);
		for (size_t key = 0; key < N_KEYS; key++)
			w->differs[key] = w->differs[key] ||
					  compare_cells(key_of(w, row, key),
							key_of(w, w->items[0].row, key)) != 0;
		w->n++;
	}
}

static enum point_kind kind_of(const struct walk *w, const struct item *item)
{
	if (!item->measured)
		return POINT_FAILED;
	return strcmp(csv_get(w->csv, item->row, "status"), "FAILURE") == 0 ? POINT_DOUBTFUL
									    : POINT_GOOD;
}

static void add_point(const struct walk *w, struct series *s, const struct item *item)
{
	w->scratch[s->n++] = (struct series_point){
		.kind = kind_of(w, item),
		.value = item->value,
		.row = item->row,
	};
}

/* @failed: @n_failed of the model; @good: @n_good of it in one metric; both by row. */
static void tell(struct walk *w, const struct item *failed, size_t n_failed,
		 const struct item *good, size_t n_good)
{
	struct series s = { .points = w->scratch, .n_measured = n_good };
	size_t f = 0;

	if (n_good < 2) {
		w->counts.n_single++;
		return;
	}
	if (w->counts.n_told == SERIES_MAX) {
		w->counts.n_more++;
		return;
	}
	s.model = key_of(w, good->row, KEY_MODEL);
	s.metric = key_of(w, good->row, KEY_METRIC);
	for (size_t i = 0; i < SERIES_N_SETTINGS; i++)
		s.settings[i] = w->differs[KEY_SETTINGS + i]
					? key_of(w, good->row, KEY_SETTINGS + i)
					: (struct csv_cell){ .text = "" };
	for (size_t g = 0; g < n_good; g++) {
		while (f < n_failed && failed[f].row < good[g].row)
			add_point(w, &s, &failed[f++]);
		add_point(w, &s, &good[g]);
	}
	while (f < n_failed)
		add_point(w, &s, &failed[f++]);
	w->fn(w->data, &s);
	w->counts.n_told++;
}

/* How many items from @i on are like the first of them. */
static size_t block(const struct walk *w, size_t i, size_t end, size_t n_keys)
{
	size_t n = 1;

	while (i + n < end && compare_keys(w, w->items[i].row, w->items[i + n].row, n_keys) == 0)
		n++;
	return n;
}

static void tell_model(struct walk *w, size_t i, size_t end)
{
	size_t failed = i;

	while (i < end && !w->items[i].measured)
		i++;
	for (size_t n_failed = i - failed; i < end;) {
		size_t n = block(w, i, end, N_KEYS);

		tell(w, &w->items[failed], n_failed, &w->items[i], n);
		i += n;
	}
}

int series_each(const struct csv *csv, size_t first, series_fn fn, void *data,
		struct series_counts *ret, struct error *err)
{
	AUTO_FREE struct item *items = NULL;
	AUTO_FREE struct series_point *scratch = NULL;
	struct walk w = { .csv = csv, .fn = fn, .data = data };
	ssize_t performance = csv_column(csv, "performance");

	*ret = w.counts;
	for (size_t key = 0; key < N_KEYS; key++)
		w.keys[key] = csv_column(csv, key_names[key]);
	if (performance < 0 || w.keys[KEY_MODEL] < 0 || first >= csv->n_rows)
		return 0;
	items = calloc(csv->n_rows - first, sizeof(*items));
	scratch = calloc(csv->n_rows - first, sizeof(*scratch));
	if (items == NULL || scratch == NULL)
		return error_set(err, ENOMEM, "out of memory");
	w.items = items;
	w.scratch = scratch;
	read_items(&w, first, (size_t)performance);
	qsort_r(items, w.n, sizeof(*items), compare_items, &w);
	for (size_t i = 0; i < w.n;) {
		size_t n = block(&w, i, w.n, KEY_METRIC);

		tell_model(&w, i, i + n);
		i += n;
	}
	*ret = w.counts;
	return 0;
}
