/* SPDX-License-Identifier: MIT */
#include "results/multi_results.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "results/shared_file.h"

#define NUMBER_MAX 64

/* What pandas reads as a missing value, and so never was a result. */
static const char *const missing_values[] = {
	"",     "#N/A",   "#N/A N/A", "#NA",  "-1.#IND", "-1.#QNAN", "-NaN",
	"-nan", "1.#IND", "1.#QNAN",  "<NA>", "N/A",     "NA",       "NULL",
	"NaN",  "None",   "n/a",      "nan",  "null",
};

bool multi_results_missing(struct csv_cell cell)
{
	struct csv_cell trimmed = csv_trim(cell);

	for (size_t i = 0; i < ARRAY_SIZE(missing_values); i++) {
		if (strlen(missing_values[i]) == trimmed.len &&
		    memcmp(missing_values[i], trimmed.text, trimmed.len) == 0)
			return true;
	}
	return false;
}

static int check_columns(const struct csv *csv, struct error *err)
{
	static const char *const needed[] = { "model", "performance", "metric" };

	if (csv->n_columns > MULTI_RESULTS_COLUMNS)
		return error_set(err, EFBIG, "%zu columns, at most %d", csv->n_columns,
				 MULTI_RESULTS_COLUMNS);
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		if (csv_column(csv, needed[i]) < 0)
			return error_set(err, EINVAL, "no column \"%s\"", needed[i]);
	}
	return 0;
}

static int check_rows(const struct csv *csv, struct error *err)
{
	size_t performance = (size_t)csv_column(csv, "performance");
	bool measured = false;

	if (csv->n_rows > MULTI_RESULTS_ROWS)
		return error_set(err, EFBIG, "%zu rows, at most %d", csv->n_rows,
				 MULTI_RESULTS_ROWS);
	for (size_t row = 0; row < csv->n_rows; row++) {
		size_t n = csv_row_cells(csv, row);

		if (n > csv->n_columns)
			return error_set(err, EINVAL, "line %zu: %zu cells, the header has %zu",
					 csv_row_line(csv, row), n, csv->n_columns);
		if (!multi_results_missing(csv_cell(csv, row, performance)))
			measured = true;
	}
	return measured ? 0 : error_set(err, EINVAL, "no row has a performance");
}

static int check(const struct csv *csv, struct error *err)
{
	int r;

	if (csv->unclosed > 0)
		return error_set(err, EINVAL, "line %zu: the quote is never closed", csv->unclosed);
	r = check_columns(csv, err);
	return r < 0 ? r : check_rows(csv, err);
}

int multi_results_read(int dir_fd, const char *path, struct csv *ret, struct error *err)
{
	const struct shared_name name = { .dir_fd = dir_fd, .path = path };
	AUTO_CSV struct csv csv = CSV_INIT;
	AUTO_FREE char *text = NULL;
	size_t len = 0;
	int r = shared_file_peek(&name, MULTI_RESULTS_CAP, &text, &len, err);

	if (r < 0)
		return r;
	r = csv_parse(text, len, &csv, err);
	if (r == 0)
		r = check(&csv, err);
	if (r < 0)
		return error_prefix(err, r, "%s", path);
	*ret = TAKE(csv, (struct csv)CSV_INIT);
	return 0;
}

static const char *skip_digits(const char *p)
{
	while (*p >= '0' && *p <= '9')
		p++;
	return p;
}

/* Digits must be there: steps over them, or returns NULL. */
static const char *need_digits(const char *p)
{
	const char *end = p == NULL ? NULL : skip_digits(p);

	return end == p ? NULL : end;
}

/* Readers of JSON, pandas and newer releases of json-c among them, refuse integers beyond 64 bits.
 */
static bool fits_integer(const char *text)
{
	errno = 0;
	(void)strtoll(text, NULL, 10);
	if (errno == ERANGE && *text != '-') {
		errno = 0;
		(void)strtoull(text, NULL, 10);
	}
	return errno == 0;
}

/* Whether the text is a number as JSON has it, and one that its readers take. */
static bool is_json_number(const char *text)
{
	const char *p = text + (*text == '-');

	if (strlen(text) > NUMBER_MAX)
		return false;
	p = *p == '0' ? p + 1 : need_digits(p);
	if (p != NULL && *p == '\0')
		return fits_integer(text);
	if (p != NULL && *p == '.')
		p = need_digits(p + 1);
	if (p != NULL && (*p == 'e' || *p == 'E'))
		p = need_digits(p + 1 + (p[1] == '+' || p[1] == '-'));
	return p != NULL && *p == '\0' && isfinite(strtod(text, NULL));
}

static struct json_object *value(struct csv_cell cell)
{
	if (multi_results_missing(cell))
		return NULL;
	if (strlen(cell.text) == cell.len && is_json_number(cell.text))
		return json_object_new_double_s(strtod(cell.text, NULL), cell.text);
	return json_new_string(cell.text);
}

/* The name of a column as UTF-8; NULL when an earlier one has it, too. Owned by the caller. */
static struct json_object *column_name(const struct csv *csv, size_t column)
{
	struct csv_cell cell = csv_trim(csv_header(csv, column));
	char name[32];
	char *copy;
	struct json_object *o;

	if (cell.len == 0) {
		(void)snprintf(name, sizeof(name), "Unnamed: %zu", column);
		return json_new_string(name);
	}
	copy = strndup(cell.text, cell.len);
	o = copy == NULL || csv_column(csv, copy) != (ssize_t)column ? NULL : json_new_string(copy);
	free(copy);
	return o;
}

struct json_object *multi_results_rows(const struct csv *csv)
{
	struct json_object *names = json_new_array(), *rows = json_new_array();

	for (size_t i = 0; i < csv->n_columns; i++)
		(void)json_object_array_add(names, column_name(csv, i));
	for (size_t row = 0; row < csv->n_rows; row++) {
		struct json_object *o = json_new_object();

		for (size_t i = 0; i < csv->n_columns; i++) {
			struct json_object *name = json_object_array_get_idx(names, i);

			if (name != NULL)
				json_add(o, json_object_get_string(name),
					 value(csv_cell(csv, row, i)));
		}
		(void)json_object_array_add(rows, o);
	}
	(void)json_object_put(names);
	return rows;
}
