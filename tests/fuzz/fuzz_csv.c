/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target of the CSV reader: no crash on any bytes, and what was read is read again from
 * its own print.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "results/csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static char *print(const struct csv *csv, size_t *ret_len)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, ret_len);

	if (out == NULL)
		abort();
	if (csv->n_columns > 0)
		csv_write_row(out, csv->cells, csv->n_columns);
	for (size_t row = 0; row < csv->n_rows; row++)
		csv_write_row(out, csv->cells + csv->records[row + 1].first,
			      csv_row_cells(csv, row));
	(void)fclose(out);
	return text;
}

static void must_equal(const struct csv *a, const struct csv *b)
{
	if (a->n_columns != b->n_columns || a->n_rows != b->n_rows || a->n_cells != b->n_cells)
		abort();
	for (size_t i = 0; i < a->n_cells; i++) {
		if (a->cells[i].len != b->cells[i].len ||
		    memcmp(a->cells[i].text, b->cells[i].text, a->cells[i].len + 1) != 0)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	AUTO_CSV struct csv csv = CSV_INIT, again = CSV_INIT;
	AUTO_FREE char *text = NULL;
	struct error err = ERROR_INIT;
	size_t len = 0;

	if (csv_parse(size == 0 ? "" : (const char *)bytes, size, &csv, &err) < 0) {
		if (err.msg[0] == '\0' || csv.text != NULL)
			abort();
		return 0;
	}
	(void)csv_get(&csv, 0, "a");
	text = print(&csv, &len);
	if (csv_parse(text, len, &again, NULL) < 0 || again.unclosed != 0)
		abort();
	must_equal(&csv, &again);
	return 0;
}
