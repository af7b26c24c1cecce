/* SPDX-License-Identifier: MIT */
#include "results/perf_csv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/strv.h"
#include "results/csv.h"
#include "results/perf_record.h"

/* The keys of the records that are no columns yet. */
static void add_keys(struct strv *columns, struct json_object *records)
{
	for (size_t i = 0; i < json_object_array_length(records); i++) {
		struct json_object *record = json_object_array_get_idx(records, i);

		json_object_object_foreach(record, key, value)
		{
			(void)value;
			if (!strv_contains(columns, key))
				strv_add(columns, key);
		}
	}
}

static void write_names(FILE *out, const struct strv *columns)
{
	AUTO_FREE struct csv_cell *cells = calloc(columns->n + 1, sizeof(*cells));

	for (size_t i = 0; cells != NULL && i < columns->n; i++)
		cells[i] = csv_text(columns->v[i]);
	if (cells != NULL)
		csv_write_row(out, cells, columns->n);
}

static void write_records(FILE *out, const struct strv *columns, struct json_object *records)
{
	AUTO_FREE struct csv_cell *cells = calloc(columns->n + 1, sizeof(*cells));

	for (size_t row = 0; cells != NULL && row < json_object_array_length(records); row++) {
		struct json_object *record = json_object_array_get_idx(records, row);

		for (size_t i = 0; i < columns->n; i++)
			cells[i] =
				csv_text(perf_text(json_object_object_get(record, columns->v[i])));
		csv_write_row(out, cells, columns->n);
	}
}

/* Ends the memory stream. Return: 0 or -ENOMEM. */
static int end_stream(FILE *out, const struct strv *columns)
{
	bool failed = ferror(out) != 0 || strv_error(columns) < 0;

	return fclose(out) != 0 || failed ? -ENOMEM : 0;
}

char *perf_csv_text(struct json_object *records, const char *const *first, size_t n_first,
		    size_t *ret_len)
{
	AUTO_STRV struct strv columns = STRV_INIT;
	AUTO_FREE char *text = NULL;
	FILE *out = open_memstream(&text, ret_len);

	if (out == NULL)
		return NULL;
	for (size_t i = 0; i < n_first; i++)
		strv_add(&columns, first[i]);
	add_keys(&columns, records);
	write_names(out, &columns);
	write_records(out, &columns, records);
	return end_stream(out, &columns) < 0 ? NULL : TAKE_PTR(text);
}

/* Names of the table's own columns. */
static void table_columns(const struct csv *csv, struct strv *ret)
{
	for (size_t i = 0; i < csv->n_columns; i++) {
		struct csv_cell cell = csv_trim(csv_header(csv, i));

		strv_take(ret, strndup(cell.text, cell.len));
	}
}

static int check_rows(const struct csv *csv, struct error *err)
{
	for (size_t row = 0; row < csv->n_rows; row++) {
		if (csv_row_cells(csv, row) > csv->n_columns)
			return error_set(err, EINVAL,
					 "line %zu has %zu cells and the header %zu, so that no "
					 "column can be added",
					 csv_row_line(csv, row), csv_row_cells(csv, row),
					 csv->n_columns);
	}
	return 0;
}

/* All rows again, as long as the new header. */
static int write_wider(FILE *out, const struct csv *csv, const struct strv *columns,
		       struct error *err)
{
	AUTO_FREE struct csv_cell *cells = calloc(columns->n + 1, sizeof(*cells));
	int r = check_rows(csv, err);

	if (r < 0)
		return r;
	if (cells == NULL)
		return error_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < columns->n; i++)
		cells[i] = i < csv->n_columns ? csv_header(csv, i) : csv_text(columns->v[i]);
	csv_write_row(out, cells, columns->n);
	for (size_t row = 0; row < csv->n_rows; row++) {
		for (size_t i = 0; i < columns->n; i++)
			cells[i] = csv_cell(csv, row, i);
		csv_write_row(out, cells, columns->n);
	}
	return 0;
}

/* The file's own bytes, and a line end if its last line has none. */
static int write_same(FILE *out, const char *text, size_t len)
{
	(void)fwrite(text, 1, len, out);
	if (len > 0 && text[len - 1] != '\n' && text[len - 1] != '\r')
		(void)putc('\n', out);
	return 0;
}

static int parse_book(const char *text, size_t len, struct csv *ret, struct error *err)
{
	int r = csv_parse(text, len, ret, err);

	if (r == 0 && ret->unclosed > 0)
		return error_set(err, EINVAL, "line %zu: the quote is never closed", ret->unclosed);
	return r;
}

static int write_all(FILE *out, const char *text, size_t len, struct json_object *records,
		     struct error *err)
{
	AUTO_STRV struct strv columns = STRV_INIT;
	AUTO_CSV struct csv csv = CSV_INIT;
	int r = parse_book(text, len, &csv, err);

	if (r < 0)
		return r;
	table_columns(&csv, &columns);
	for (size_t i = 0; csv.n_columns == 0 && i < PERF_COLUMNS; i++)
		strv_add(&columns, perf_columns[i]);
	add_keys(&columns, records);
	if (csv.n_columns > 0 && columns.n == csv.n_columns)
		r = write_same(out, text, len);
	else
		r = write_wider(out, &csv, &columns, err);
	if (r < 0)
		return r;
	write_records(out, &columns, records);
	return strv_error(&columns) < 0 ? error_set(err, ENOMEM, "out of memory") : 0;
}

/* @ret: the file's text with these rows; owned by the caller. */
static int add_rows(const char *text, size_t len, struct json_object *records, char **ret,
		    size_t *ret_len, struct error *err)
{
	FILE *out = open_memstream(ret, ret_len);
	bool failed;
	int r;

	if (out == NULL)
		return error_set(err, ENOMEM, "out of memory");
	r = write_all(out, text, len, records, err);
	failed = ferror(out) != 0;
	if (fclose(out) != 0 || failed)
		return error_set(err, ENOMEM, "out of memory");
	return r;
}

int perf_csv_append(const struct shared_name *book, struct json_object *records, struct error *err)
{
	AUTO_SHARED_FILE struct shared_file file = SHARED_FILE_INIT;
	AUTO_FREE char *text = NULL, *longer = NULL;
	size_t len = 0, longer_len = 0;
	int r = shared_file_open(book, &file, err);

	if (r < 0)
		return r;
	r = shared_file_read(&file, CSV_CAP, &text, &len, err);
	if (r < 0)
		return r;
	r = add_rows(text, len, records, &longer, &longer_len, err);
	if (r < 0)
		return error_prefix(err, r, "%s", book->path);
	return shared_file_replace(&file, longer, longer_len, err);
}

static bool has_all_columns(const struct csv *csv)
{
	for (size_t i = 0; i < PERF_COLUMNS; i++) {
		if (csv_column(csv, perf_columns[i]) < 0)
			return false;
	}
	return true;
}

int perf_csv_check(const struct shared_name *book, bool further, size_t *ret, struct error *err)
{
	AUTO_CSV struct csv csv = CSV_INIT;
	AUTO_FREE char *text = NULL;
	size_t len = 0;
	int r = shared_file_peek(book, CSV_CAP, &text, &len, err);

	*ret = 0;
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = parse_book(text, len, &csv, err);
	if (r == 0 && (further || !has_all_columns(&csv)))
		r = check_rows(&csv, err);
	if (r < 0)
		return error_prefix(err, r, "%s", book->path);
	*ret = csv.n_rows;
	return 0;
}
