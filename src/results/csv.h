/* SPDX-License-Identifier: MIT */
/*
 * Tables of comma-separated values, as RFC 4180 has them and as they are found: with or without a
 * byte order mark, CRLF, LF or lone CR, rows shorter or longer than the header, a quote in the
 * middle of a cell, NUL and bytes that are no UTF-8.
 *
 * The whole file is in memory, bounded by CSV_CAP and CSV_CELLS_MAX; whatever the bytes are,
 * reading them ends in a table or an error, and never changes a cell. The first record is the
 * header; rows are counted from 0 behind it. Lines with nothing in them are skipped.
 *
 * Cells are bytes: HTML, terminals and JSON need their own escaping.
 */
#ifndef BMVM_RESULTS_CSV_H
#define BMVM_RESULTS_CSV_H

#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/cleanup.h"

struct error;

#define CSV_CAP       ((size_t)64 << 20)
#define CSV_CELLS_MAX ((size_t)8 << 20)

/**
 * struct csv_cell - One value, without its quotes
 * @text: @len bytes and a NUL behind them; NULs may be among them, too
 */
struct csv_cell {
	const char *text;
	size_t len;
};

/**
 * struct csv_record - Where a row is
 * @first: its first cell in csv.cells
 * @line:  the line of the file it begins in, from 1
 */
struct csv_record {
	size_t first;
	size_t line;
};

/**
 * struct csv - A table that was read; look, don't touch
 * @n_columns: cells of the header
 * @n_rows:    records behind it
 * @unclosed:  the line where a quote opens that nothing closes (all the rest of the file is then in
 *             its cell), or 0
 * @text:      the bytes of all cells
 * @cells:     @n_cells of all records
 * @records:   n_rows + 1 of them, the header first; none when @n_columns is 0
 */
struct csv {
	size_t n_columns;
	size_t n_rows;
	size_t unclosed;
	char *text;
	struct csv_cell *cells;
	size_t n_cells;
	struct csv_record *records;
};

#define CSV_INIT                                                                                   \
	{                                                                                          \
		.n_columns = 0                                                                     \
	}

/**
 * csv_parse() - Read a table from memory
 * @text: @len bytes, copied
 * @ret:  of the caller, who ends it with csv_done(); no header and no rows for an empty text
 *
 * Return: 0; -EFBIG larger than CSV_CAP or more than CSV_CELLS_MAX cells; -EILSEQ UTF-16; -ENOMEM.
 */
int csv_parse(const char *text, size_t len, struct csv *ret, struct error *err);

/**
 * csv_read_at() - Read a table from a file
 * @dir_fd: directory, or AT_FDCWD
 * @path:   relative to it
 *
 * Return: as csv_parse() and file_read_at(); the message names @path.
 */
int csv_read_at(int dir_fd, const char *path, struct csv *ret, struct error *err);

/** csv_read_input() - The same for what the user names to be read once, see file_read_input(). */
int csv_read_input(const char *path, struct csv *ret, struct error *err);

/** csv_done() - Free the table; all its cells are gone. */
void csv_done(struct csv *csv);

#define AUTO_CSV CLEANUP(csv_done)

/** csv_header() - The name of a column as the file has it; an empty cell behind the last one. */
struct csv_cell csv_header(const struct csv *csv, size_t column);

/** csv_cell() - A cell; an empty one where the row or the table has none. */
struct csv_cell csv_cell(const struct csv *csv, size_t row, size_t column);

/** csv_row_cells() - How many cells a row has, which need not be n_columns. */
size_t csv_row_cells(const struct csv *csv, size_t row);

/** csv_row_line() - The line of the file where a row begins, from 1; 0 where there is no row. */
size_t csv_row_line(const struct csv *csv, size_t row);

/**
 * csv_column() - Find a column by its name
 *
 * Blanks around a name in the header do not count; of columns with one name, the first is found.
 * Return: its number, from 0; -ENOENT.
 */
ssize_t csv_column(const struct csv *csv, const char *name);

/**
 * csv_get() - A cell by the name of its column
 *
 * Return: borrowed from @csv; "" where there is no such column or cell. What is behind a NUL in it
 * is only to be had from csv_cell().
 */
const char *csv_get(const struct csv *csv, size_t row, const char *name);

/** csv_trim() - A cell without blanks (space, tab, CR, LF) around it; not NUL-terminated. */
struct csv_cell csv_trim(struct csv_cell cell);

/** csv_text() - A NUL-terminated string as a cell; an empty one for NULL. */
struct csv_cell csv_text(const char *text);

/**
 * csv_write_row() - Print one record with quotes where they are needed, ended by LF
 * @out: its error flag tells whether all writing went well
 *
 * What csv_parse() reads from this are the same cells.
 */
void csv_write_row(FILE *out, const struct csv_cell *cells, size_t n);

#endif
