/* SPDX-License-Identifier: MIT */
#include "results/report.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/strv.h"
#include "results/csv.h"
#include "results/html.h"
#include "results/html_plot.h"
#include "results/html_stages.h"
#include "results/html_table.h"
#include "results/page.h"
#include "results/series.h"

/* The newest rows, as in the table. */
static size_t first_row(const struct csv *csv)
{
	return csv->n_rows > HTML_TABLE_ROWS ? csv->n_rows - HTML_TABLE_ROWS : 0;
}

static void put_outcomes(FILE *out, const struct csv *csv)
{
	size_t good = 0, bad = 0;

	for (size_t row = 0; row < csv->n_rows; row++) {
		const char *status = csv_get(csv, row, "status");

		good += strcmp(status, "SUCCESS") == 0;
		bad += strcmp(status, "FAILURE") == 0;
	}
	(void)fputs("<p>", out);
	html_count(out, csv->n_rows);
	(void)fputs(csv->n_rows == 1 ? " row" : " rows", out);
	if (csv_column(csv, "status") >= 0) {
		(void)fputs(": ", out);
		html_count(out, good);
		(void)fputs(" succeeded, ", out);
		(void)fputs(bad > 0 ? "<b class=\"bad\">" : "", out);
		html_count(out, bad);
		(void)fputs(bad > 0 ? " failed</b>" : " failed", out);
	}
	(void)fputs(".</p>\n", out);
}

struct plots {
	FILE *out;
	const struct csv *csv;
	bool any;
	bool bands;
};

static void put_plot(void *data, const struct series *s)
{
	struct plots *p = data;

	if (!p->any)
		(void)fputs(
			"<section>\n<h2>Performance over the runs</h2>\n"
			"<div class=\"plots\">\n",
			p->out);
	p->any = true;
	p->bands = p->bands || s->n > HTML_PLOT_POINTS;
	html_plot(p->out, p->csv, s);
}

static void put_plot_notes(const struct plots *p, const struct series_counts *n)
{
	(void)fputs(
		"</div>\n<p class=\"soft\">Oldest run left; the number is the latest value, the "
		"percentage its change from the "
		"one before. Red below: a run without a value; a "
		"red "
		"ring: one that failed in spite of its value.",
		p->out);
	if (p->bands)
		(void)fputs(" A band: from the lowest to the highest of neighbouring runs.",
			    p->out);
	if (n->n_single > 0)
		(void)fprintf(p->out, " Measured once, and so only in the table: %zu.",
			      n->n_single);
	if (n->n_more > 0)
		(void)fprintf(p->out, " Not plotted: %zu more.", n->n_more);
	(void)fputs("</p>\n</section>\n", p->out);
}

static int put_plots(FILE *out, const struct csv *csv, struct error *err)
{
	struct plots plots = { .out = out, .csv = csv };
	struct series_counts counts;
	int r = series_each(csv, first_row(csv), put_plot, &plots, &counts, err);

	if (r == 0 && plots.any)
		put_plot_notes(&plots, &counts);
	return r;
}

static int finish(FILE **out, int r, struct error *err)
{
	bool failed = ferror(*out) != 0;

	failed = fclose(TAKE_PTR(*out)) != 0 || failed;
	return r < 0 ? r : failed ? error_set(err, ENOMEM, "out of memory for the report") : 0;
}

int report_page(const struct report *report, char **ret, size_t *ret_len, struct error *err)
{
	AUTO_FREE char *text = NULL;
	AUTO_FCLOSE FILE *out = open_memstream(&text, ret_len);
	int r;

	if (out == NULL)
		return error_errno(err, "make a report");
	page_begin(out, PAGE_BROWSER, report->name);
	put_outcomes(out, report->csv);
	r = put_plots(out, report->csv, err);
	if (report->receipts != NULL)
		html_stages(out, report->receipts);
	(void)fputs("<section class=\"sheet\">\n<h2 id=\"rows\">All rows</h2>\n", out);
	html_table(out, report->csv, PAGE_BROWSER, "rows");
	(void)fputs("</section>\n", out);
	page_end(out, report->made);
	r = finish(&out, r, err);
	if (r == 0)
		*ret = TAKE_PTR(text);
	return r;
}

static int put_file(FILE *out, int dir_fd, const char *name)
{
	AUTO_CSV struct csv csv = CSV_INIT;
	struct error err = ERROR_INIT;
	int r = csv_read_at(dir_fd, name, &csv, &err);

	(void)fputs("<h2>", out);
	html_str(out, name);
	(void)fputs("</h2>\n", out);
	if (r < 0) {
		log_warning("%s", err.msg);
		(void)fputs("<p class=\"bad\">", out);
		html_str(out, err.msg);
		(void)fputs("</p>\n", out);
		return r;
	}
	if (csv.n_columns == 0) {
		(void)fputs("<p>The file is empty.</p>\n", out);
		return 0;
	}
	put_outcomes(out, &csv);
	html_table(out, &csv, PAGE_MAIL, "");
	return 0;
}

int report_mail(const struct report_mail *mail, char **ret, size_t *ret_len, struct error *err)
{
	AUTO_FREE char *text = NULL;
	AUTO_FCLOSE FILE *out = open_memstream(&text, ret_len);
	int failed = 0;
	int r;

	if (out == NULL)
		return error_errno(err, "make a report");
	page_begin(out, PAGE_MAIL, "Run results");
	for (size_t i = 0; i < mail->names->n; i++)
		failed += put_file(out, mail->dir_fd, mail->names->v[i]) < 0;
	page_end(out, mail->made);
	r = finish(&out, 0, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(text);
	return failed;
}
