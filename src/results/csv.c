/* SPDX-License-Identifier: MIT */
#include "results/csv.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"

/* A walk over the text that unquotes in place: what was read is never shorter than what it says. */
struct scan {
	struct csv *csv;
	char *in;
	char *end; /* a NUL stands there */
	size_t line;
	size_t cells_size;
	size_t records_size;
};

static bool ends_cell(char c)
{
	return c == ',' || c == '\n' || c == '\r';
}

/* Room for one more element in an array that doubles; NULL without memory. */
static void *grow(void *v, size_t n, size_t *size, size_t element)
{
	void *bigger = v;

	if (n < *size)
		return v;
	*size = *size == 0 ? 64 : *size * 2;
	bigger = reallocarray(v, *size, element);
	return bigger;
}

static int add_cell(struct scan *s, const char *text, size_t len)
{
	struct csv *csv = s->csv;
	struct csv_cell *cells;

	if (csv->n_cells >= CSV_CELLS_MAX)
		return -EFBIG;
	cells = grow(csv->cells, csv->n_cells, &s->cells_size, sizeof(*cells));
	if (cells == NULL)
		return -ENOMEM;
	csv->cells = cells;
	cells[csv->n_cells++] = (struct csv_cell){ .text = text, .len = len };
	return 0;
}

/* @n: records so far */
static int begin_record(struct scan *s, size_t n)
{
	struct csv_record *records = grow(s->csv->records, n, &s->records_size, sizeof(*records));

	if (records == NULL)
		return -ENOMEM;
	s->csv->records = records;
	records[n] = (struct csv_record){ .first = s->csv->n_cells, .line = s->line };
	return 0;
}

/* Unquotes from behind the opening quote to behind the closing one. Return: the end of the value.
 */
static char *scan_quoted(struct scan *s, char *out)
{
	size_t opened = s->line;

	for (; s->in < s->end; s->in++) {
		if (*s->in == '"' && s->in[1] == '"' && s->in + 1 < s->end)
			s->in++;
		else if (*s->in == '"')
			break;
		else if (*s->in == '\n' || (*s->in == '\r' && s->in[1] != '\n'))
			s->line++;
		*out++ = *s->in;
	}
	if (s->in < s->end)
		s->in++;
	else
		s->csv->unclosed = opened;
	return out;
}

/* Steps over the end of a line. */
static void scan_newline(struct scan *s, char ended_by)
{
	if (ended_by == '\r' && s->in < s->end && *s->in == '\n')
		s->in++;
	s->line++;
}

/* Return: 1 when a further cell of the record follows, 0 at its end, or an error. */
static int scan_cell(struct scan *s)
{
	char *const text = s->in;
	char *out = text;
	char ended_by;
	bool more;
	int r;

	if (s->in < s->end && *s->in == '"') {
		s->in++;
		out = scan_quoted(s, out);
	}
	for (; s->in < s->end && !ends_cell(*s->in); s->in++)
		*out++ = *s->in;
	more = s->in < s->end;
	ended_by = *s->in;
	*out = '\0'; /* may be where the comma was */
	r = add_cell(s, text, (size_t)(out - text));
	if (r < 0 || !more)
		return r;
	s->in++;
	if (ended_by == ',')
		return 1;
	scan_newline(s, ended_by);
	return 0;
}

static void skip_empty_lines(struct scan *s)
{
	while (s->in < s->end && (*s->in == '\n' || *s->in == '\r'))
		scan_newline(s, *s->in++);
}

static int scan_all(struct scan *s)
{
	size_t n = 0;
	int r = 0;

	for (skip_empty_lines(s); s->in < s->end; skip_empty_lines(s), n++) {
		r = begin_record(s, n);
		if (r < 0)
			return r;
		do
			r = scan_cell(s);
		while (r > 0);
		if (r < 0)
			return r;
		if (n == 0)
			s->csv->n_columns = s->csv->n_cells;
	}
	s->csv->n_rows = n > 0 ? n - 1 : 0;
	return 0;
}

static bool starts_with(const char *text, size_t len, const char *with)
{
	size_t n = strlen(with);

	return len >= n && memcmp(text, with, n) == 0;
}

#define UTF8_MARK "\xef\xbb\xbf"

static bool starts_utf16(const char *text, size_t len)
{
	return starts_with(text, len, "\xff\xfe") || starts_with(text, len, "\xfe\xff");
}

/* Takes @text, which has a NUL behind its @len bytes. */
static int parse_taken(char *text, size_t len, struct csv *ret, struct error *err)
{
	AUTO_CSV struct csv csv = CSV_INIT;
	struct scan s = { .csv = &csv, .in = text, .end = text + len, .line = 1 };
	int r;

	csv.text = text;
	if (starts_utf16(text, len))
		return error_set(err, EILSEQ, "the text is UTF-16; save it as UTF-8");
	if (starts_with(text, len, UTF8_MARK))
		s.in += strlen(UTF8_MARK);
	r = scan_all(&s);
	if (r == -EFBIG)
		return error_set(err, EFBIG, "line %zu: more than %zu cells", s.line,
				 CSV_CELLS_MAX);
	if (r < 0)
		return error_set(err, -r, "out of memory");
	*ret = TAKE(csv, (struct csv)CSV_INIT);
	return 0;
}

int csv_parse(const char *text, size_t len, struct csv *ret, struct error *err)
{
	char *copy;

	if (len > CSV_CAP)
		return error_set(err, EFBIG, "larger than %zu MiB", CSV_CAP >> 20);
	copy = malloc(len + 1);
	if (copy == NULL)
		return error_set(err, ENOMEM, "out of memory");
	*(char *)mempcpy(copy, text, len) = '\0';
	return parse_taken(copy, len, ret, err);
}

/* @r: of reading @text, which is taken. */
static int parse_file(int r, const char *path, char *text, size_t len, struct csv *ret,
		      struct error *err)
{
	if (r == -EFBIG)
		return error_set(err, EFBIG, "%s: larger than %zu MiB", path, CSV_CAP >> 20);
	if (r < 0)
		return r;
	r = parse_taken(text, len, ret, err);
	return r < 0 ? error_prefix(err, r, "%s", path) : 0;
}

int csv_read_at(int dir_fd, const char *path, struct csv *ret, struct error *err)
{
	char *text = NULL;
	size_t len = 0;
	int r = file_read_at(dir_fd, path, CSV_CAP, &text, &len, err);

	return parse_file(r, path, text, len, ret, err);
}

int csv_read_input(const char *path, struct csv *ret, struct error *err)
{
	char *text = NULL;
	size_t len = 0;
	int r = file_read_input(path, CSV_CAP, &text, &len, err);

	return parse_file(r, path, text, len, ret, err);
}

void csv_done(struct csv *csv)
{
	free(csv->text);
	free(csv->cells);
	free(csv->records);
	*csv = (struct csv)CSV_INIT;
}

static const struct csv_cell no_cell = { .text = "" };

static size_t record_cells(const struct csv *csv, size_t record)
{
	size_t next = record == csv->n_rows ? csv->n_cells : csv->records[record + 1].first;

	return next - csv->records[record].first;
}

static struct csv_cell record_cell(const struct csv *csv, size_t record, size_t column)
{
	if (column >= record_cells(csv, record))
		return no_cell;
	return csv->cells[csv->records[record].first + column];
}

struct csv_cell csv_header(const struct csv *csv, size_t column)
{
	return csv->n_columns == 0 ? no_cell : record_cell(csv, 0, column);
}

struct csv_cell csv_cell(const struct csv *csv, size_t row, size_t column)
{
	return row >= csv->n_rows ? no_cell : record_cell(csv, row + 1, column);
}

size_t csv_row_cells(const struct csv *csv, size_t row)
{
	return row >= csv->n_rows ? 0 : record_cells(csv, row + 1);
}

size_t csv_row_line(const struct csv *csv, size_t row)
{
	return row >= csv->n_rows ? 0 : csv->records[row + 1].line;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct csv_cell csv_trim(struct csv_cell cell)
{
	while (cell.len > 0 && is_blank(*cell.text)) {
		cell.text++;
		cell.len--;
	}
	while (cell.len > 0 && is_blank(cell.text[cell.len - 1]))
		cell.len--;
	return cell;
}

struct csv_cell csv_text(const char *text)
{
	return text == NULL ? no_cell : (struct csv_cell){ .text = text, .len = strlen(text) };
}

ssize_t csv_column(const struct csv *csv, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < csv->n_columns; i++) {
		struct csv_cell cell = csv_trim(csv_header(csv, i));

		if (cell.len == len && memcmp(cell.text, name, len) == 0)
			return (ssize_t)i;
	}
	return -ENOENT;
}

const char *csv_get(const struct csv *csv, size_t row, const char *name)
{
	ssize_t column = csv_column(csv, name);

	return column < 0 ? "" : csv_cell(csv, row, (size_t)column).text;
}

/* Also what stands at the start of a file for a byte order mark. */
static bool needs_quotes(struct csv_cell cell)
{
	for (size_t i = 0; i < cell.len; i++) {
		if (ends_cell(cell.text[i]) || cell.text[i] == '"')
			return true;
	}
	return starts_with(cell.text, cell.len, UTF8_MARK) || starts_utf16(cell.text, cell.len);
}

static void write_quoted(FILE *out, struct csv_cell cell)
{
	(void)putc('"', out);
	for (size_t i = 0; i < cell.len; i++) {
		if (cell.text[i] == '"')
			(void)putc('"', out);
		(void)putc(cell.text[i], out);
	}
	(void)putc('"', out);
}

void csv_write_row(FILE *out, const struct csv_cell *cells, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			(void)putc(',', out);
		/* a lone empty cell would be an empty line */
		if (needs_quotes(cells[i]) || (n == 1 && cells[i].len == 0))
			write_quoted(out, cells[i]);
		else
			(void)fwrite(cells[i].text, 1, cells[i].len, out);
	}
	(void)putc('\n', out);
}
