/* SPDX-License-Identifier: MIT */
#include "results/html_table.h"

#include <string.h>

#include "base/utf8.h"
#include "results/columns.h"
#include "results/csv.h"
#include "results/html.h"

#define WIDE_FROM   36 /* characters */
#define FOLDED_FROM 72
#define FOLD_SHOWS  56

/* What is being written. @first: the first row of the file that is shown. */
struct table {
	FILE *out;
	const struct csv *csv;
	enum page_kind kind;
	size_t first;
	struct columns columns;
};

static void put_header(const struct table *t, const struct column *c)
{
	struct csv_cell name = csv_trim(csv_header(t->csv, c->at));

	if (name.len > HTML_TABLE_CELL)
		name.len = html_head(name.text, HTML_TABLE_CELL, HTML_TABLE_CELL / UTF8_MAX);
	if (name.len > 0)
		html_text(t->out, name.text, name.len);
	else
		(void)fprintf(t->out, "column %zu", c->at + 1);
}

static void put_value(const struct table *t, struct csv_cell cell)
{
	size_t shown = cell.len;

	if (shown > HTML_TABLE_CELL)
		shown = html_head(cell.text, HTML_TABLE_CELL - UTF8_MAX, HTML_TABLE_CELL);
	html_text(t->out, cell.text, shown);
	if (shown == cell.len)
		return;
	(void)fputs("\xe2\x80\xa6 <span class=\"soft\">(", t->out);
	html_count(t->out, cell.len - shown);
	(void)fputs(" more bytes in the file)</span>", t->out);
}

static void put_folded(const struct table *t, struct csv_cell cell)
{
	struct csv_cell head = csv_trim(cell);

	head.len = html_head(head.text, head.len, FOLD_SHOWS);
	(void)fputs("<details><summary>", t->out);
	html_text(t->out, head.text, head.len);
	(void)fputs("\xe2\x80\xa6</summary>", t->out);
	put_value(t, cell);
	(void)fputs("</details>", t->out);
}

static bool is_single(const struct table *t)
{
	return t->csv->n_rows - t->first == 1;
}

/* ---- what is said once, and what is not shown ---- */

static void put_facts(const struct table *t)
{
	bool any = false;

	for (size_t i = 0; i < t->columns.n; i++) {
		const struct column *c = &t->columns.v[i];

		if (c->kind != COLUMN_SAME)
			continue;
		if (!any)
			(void)fprintf(t->out,
				      "<p class=\"soft below\">%s</p>\n<dl class=\"facts\">\n",
				      is_single(t) ? "Of this row:" : "The same in all rows:");
		any = true;
		(void)fputs("<div><dt>", t->out);
		put_header(t, c);
		(void)fputs("</dt><dd>", t->out);
		put_value(t, csv_cell(t->csv, t->first, c->at));
		(void)fputs("</dd></div>\n", t->out);
	}
	if (any)
		(void)fputs("</dl>\n", t->out);
}

static void note_empty(const struct table *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->columns.n; i++) {
		if (t->columns.v[i].kind != COLUMN_EMPTY)
			continue;
		(void)fputs(n++ == 0 ? "<p class=\"soft below\">Empty in all rows: " : ", ",
			    t->out);
		put_header(t, &t->columns.v[i]);
	}
	if (n > 0)
		(void)fputs(".</p>\n", t->out);
}

static void note_surplus(const struct table *t)
{
	size_t n = 0, line = 0;

	for (size_t row = t->first; row < t->csv->n_rows; row++) {
		if (csv_row_cells(t->csv, row) <= t->csv->n_columns)
			continue;
		if (n++ == 0)
			line = csv_row_line(t->csv, row);
	}
	if (n > 0)
		(void)fprintf(t->out,
			      "<p class=\"bad\">%zu %s more cells than the header has (the first "
			      "in line %zu of the file); these cells are not shown.</p>\n",
			      n, n == 1 ? "row has" : "rows have", line);
}

static void put_notes(const struct table *t)
{
	if (t->csv->unclosed > 0)
		(void)fprintf(t->out,
			      "<p class=\"bad\">The quote in line %zu of the file is never closed: "
			      "all that follows it is in one cell.</p>\n",
			      t->csv->unclosed);
	note_surplus(t);
	if (t->columns.n_left_out > 0)
		(void)fprintf(t->out,
			      "<p class=\"bad\">%zu more columns of the file are not shown.</p>\n",
			      t->columns.n_left_out);
	if (t->first > 0)
		(void)fprintf(
			t->out,
			"<p class=\"bad\">The first %zu rows of the file are not shown.</p>\n",
			t->first);
}

/* ---- the table ---- */

/* The column that names a row. */
static size_t key_column(const struct columns *cs)
{
	for (size_t i = 0; i < cs->n; i++) {
		if (cs->v[i].kind == COLUMN_SHOWN)
			return i;
	}
	return 0;
}

static void put_head(const struct table *t)
{
	const struct columns *cs = &t->columns;
	size_t key = key_column(cs);

	(void)fprintf(t->out, "<thead>\n<tr><th scope=\"col\" class=\"n\"%s>row</th>",
		      t->kind == PAGE_MAIL     ? ""
		      : t->columns.performance ? " aria-sort=\"descending\""
					       : " aria-sort=\"ascending\"");
	for (size_t i = 0; i < cs->n; i++) {
		if (cs->v[i].kind != COLUMN_SHOWN)
			continue;
		(void)fprintf(t->out, "<th scope=\"col\"%s>",
			      i == key           ? " class=\"key\""
			      : cs->v[i].numeric ? " class=\"n\""
						 : "");
		put_header(t, &cs->v[i]);
		(void)fputs("</th>", t->out);
	}
	(void)fputs("</tr>\n</thead>\n", t->out);
}

static bool is_failure(const struct table *t, const struct column *c, struct csv_cell cell)
{
	struct csv_cell name = csv_trim(csv_header(t->csv, c->at));

	cell = csv_trim(cell);
	return name.len == strlen("status") && memcmp(name.text, "status", name.len) == 0 &&
	       cell.len == strlen("FAILURE") && memcmp(cell.text, "FAILURE", cell.len) == 0;
}

static bool is_wide(struct csv_cell cell)
{
	return html_head(cell.text, cell.len, WIDE_FROM) < cell.len ||
	       memchr(cell.text, '\n', cell.len) != NULL;
}

static const char *class_of(const struct table *t, const struct column *c, struct csv_cell cell)
{
	if (is_failure(t, c, cell))
		return " class=\"bad\"";
	if (c->numeric)
		return " class=\"n\"";
	return is_wide(cell) ? " class=\"w\"" : "";
}

static void put_cell(const struct table *t, const struct column *c, size_t row, bool is_key)
{
	struct csv_cell cell = csv_cell(t->csv, row, c->at);

	(void)fprintf(t->out, "<%s%s>", is_key ? "th scope=\"row\"" : "td", class_of(t, c, cell));
	if (t->kind == PAGE_BROWSER && html_head(cell.text, cell.len, FOLDED_FROM) < cell.len)
		put_folded(t, cell);
	else
		put_value(t, cell);
	(void)fputs(is_key ? "</th>" : "</td>", t->out);
}

/* How many of the columns to write: none behind the last one that this row has. */
static size_t columns_of(const struct table *t, size_t row)
{
	size_t n_cells = csv_row_cells(t->csv, row);
	size_t n = t->columns.n;

	while (n > 0 && t->columns.v[n - 1].at >= n_cells)
		n--;
	return n;
}

static void put_row(const struct table *t, size_t row)
{
	size_t n = columns_of(t, row);
	size_t key = key_column(&t->columns);

	(void)fprintf(t->out, "<tr><td class=\"n\">%zu</td>", row + 1);
	for (size_t i = 0; i < n; i++) {
		if (t->columns.v[i].kind == COLUMN_SHOWN)
			put_cell(t, &t->columns.v[i], row, i == key);
	}
	(void)fputs("</tr>\n", t->out);
}

static void put_rows(const struct table *t)
{
	size_t n = t->csv->n_rows - t->first;

	(void)fputs("<tbody>\n", t->out);
	for (size_t i = 0; i < n; i++) {
		if (i == HTML_TABLE_FIRST && t->kind == PAGE_BROWSER)
			(void)fputs("</tbody>\n<tbody class=\"rest\">\n", t->out);
		put_row(t, t->columns.performance ? t->csv->n_rows - 1 - i : t->first + i);
	}
	(void)fputs("</tbody>\n", t->out);
}

static void put_tools(const struct table *t)
{
	(void)fputs(
		"<div class=\"tools\" hidden><label>Filter <input type=\"search\" "
		"autocomplete=\"off\" spellcheck=\"false\" "
		"placeholder=\"words that a row must have\"></label>"
		"<output></output></div>\n",
		t->out);
}

static void put_pager(const struct table *t)
{
	(void)fputs(
		"<p class=\"none\" hidden>No row has all these words.</p>\n</div>\n"
		"<div class=\"pager\" hidden><button type=\"button\">Back</button>"
		"<button type=\"button\">Next</button>"
		"<button type=\"button\">Show all</button></div>\n",
		t->out);
}

void html_table(FILE *out, const struct csv *csv, enum page_kind kind, const char *label)
{
	struct table t = { .out = out, .csv = csv, .kind = kind };

	if (csv->n_rows > HTML_TABLE_ROWS)
		t.first = csv->n_rows - HTML_TABLE_ROWS;
	columns_look(csv, t.first, &t.columns);
	put_notes(&t);
	if (csv->n_rows == 0) {
		(void)fputs("<p>The file has a header and no rows.</p>\n", out);
		return;
	}
	if (!is_single(&t))
		put_facts(&t);
	if (kind == PAGE_BROWSER) {
		put_tools(&t);
		(void)fprintf(out,
			      "<div class=\"scroll\" role=\"region\" tabindex=\"0\" "
			      "aria-labelledby=\"%s\">\n",
			      label);
	}
	(void)fputs("<table border=\"1\" class=\"dataframe\">\n", out);
	put_head(&t);
	put_rows(&t);
	(void)fputs("</table>\n", out);
	if (kind == PAGE_BROWSER)
		put_pager(&t);
	if (is_single(&t))
		put_facts(&t);
	note_empty(&t);
}
