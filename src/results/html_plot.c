/* SPDX-License-Identifier: MIT */
#include "results/html_plot.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "results/csv.h"
#include "results/html.h"
#include "results/series.h"

/* Units of the drawing: about a CSS pixel at the size it is shown in. */
#define WIDTH      340
#define HEIGHT     136
#define TOP        10
#define BOTTOM     (HEIGHT - 28) /* below: crosses, then the labels */
#define CROSSES    (HEIGHT - 20)
#define LABELS     (HEIGHT - 3)
#define RIGHT      (WIDTH - 8)
#define CHAR_WIDTH 6.2
#define TICKS_MAX  5
#define TEXT_SHOWS 60 /* characters of a foreign text in a caption */

/* The value axis: @n ticks, @step apart, from @low. @plain: written with %g. */
struct axis {
	double low;
	double step;
	int n;
	int decimals;
	bool plain;
	double left;
};

static double axis_high(const struct axis *a)
{
	return a->low + a->step * (a->n - 1);
}

/* 1, 2 or 5 times a power of ten, not less than @least. */
static double round_step(double least)
{
	static const double steps[] = { 1, 2, 5 };
	double power = pow(10, floor(log10(least)));

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (steps[i] * power >= least * 0.999999)
			return steps[i] * power;
	}
	return 10 * power;
}

static void put_tick(FILE *out, const struct axis *a, double value)
{
	if (a->plain)
		(void)fprintf(out, "%.6g", value);
	else
		html_number(out, value, a->decimals);
}

static double tick_width(const struct axis *a, double value)
{
	int n = a->plain ? snprintf(NULL, 0, "%.6g", value)
			 : snprintf(NULL, 0, "%.*f", a->decimals, value);
	int whole = a->decimals > 0 ? n - a->decimals - 1 : n;

	return CHAR_WIDTH * (a->plain ? n : n + (whole - 1) / 3);
}

static struct axis make_axis(double low, double high)
{
	double size = fmax(fabs(low), fabs(high));
	struct axis a = { .n = 0 };

	if (high - low <= size * 1e-9) {
		double room = size > 0 ? size * 0.05 : 1;

		low -= room;
		high += room;
	}
	a.step = round_step((high - low) / 3);
	a.low = floor(low / a.step) * a.step;
	a.n = (int)ceil((high - a.low) / a.step - 1e-6) + 1;
	a.n = a.n < 2 ? 2 : a.n > TICKS_MAX ? TICKS_MAX : a.n;
	a.plain = size >= 1e9 || a.step < 1e-6;
	a.decimals = a.step >= 1 || a.plain ? 0 : (int)-floor(log10(a.step) + 1e-9);
	a.left = 6 + fmax(tick_width(&a, a.low), tick_width(&a, axis_high(&a)));
	return a;
}

static double y_of(const struct axis *a, double value)
{
	double part = (value - a->low) / (axis_high(a) - a->low);

	return BOTTOM - fmin(fmax(part, 0), 1) * (BOTTOM - TOP);
}

static double x_of(const struct axis *a, size_t i, size_t n)
{
	double left = a->left + 8;

	return n < 2 ? (left + RIGHT - 4) / 2
		     : left + (RIGHT - 4 - left) * (double)i / (double)(n - 1);
}

static struct axis axis_of(const struct series *s)
{
	double low = INFINITY, high = -INFINITY;

	for (size_t i = 0; i < s->n; i++) {
		if (s->points[i].kind == POINT_FAILED)
			continue;
		low = fmin(low, s->points[i].value);
		high = fmax(high, s->points[i].value);
	}
	return make_axis(low, high);
}

static void put_cell(FILE *out, struct csv_cell cell)
{
	size_t n = html_head(cell.text, cell.len, TEXT_SHOWS);

	html_text(out, cell.text, n);
	if (n < cell.len)
		(void)fputs("\xe2\x80\xa6", out);
}

/* ---- the caption ---- */

static struct csv_cell value_text(const struct csv *csv, const struct series_point *p)
{
	ssize_t at = csv_column(csv, "performance");

	return csv_trim(csv_cell(csv, p->row, at < 0 ? csv->n_columns : (size_t)at));
}

/* The last or, with @skip 1, the last but one run that has a value. */
static const struct series_point *last_measured(const struct series *s, size_t skip)
{
	for (size_t i = s->n; i > 0; i--) {
		if (s->points[i - 1].kind != POINT_FAILED && skip-- == 0)
			return &s->points[i - 1];
	}
	return &s->points[0];
}

static void put_change(FILE *out, const struct series *s)
{
	double now = last_measured(s, 0)->value, before = last_measured(s, 1)->value;
	double percent = 100 * (now - before) / fabs(before);

	if (s->points[s->n - 1].kind != POINT_GOOD) {
		(void)fputs("<span class=\"soft bad\">latest run failed</span>", out);
	} else if (before == 0 || !(fabs(percent) < 1e5)) {
		(void)fputs("<span class=\"soft\"></span>", out);
	} else {
		(void)fprintf(out, "<span class=\"soft\">%s", percent >= 0.05 ? "+" : "");
		html_number(out, percent, 1);
		(void)fputs(" %</span>", out);
	}
}

/* What the runs have in common, on a line of its own. */
static void put_settings(FILE *out, const struct series *s)
{
	bool any = false;

	for (size_t i = 0; i < SERIES_N_SETTINGS; i++) {
		if (s->settings[i].len == 0)
			continue;
		(void)fputs(any ? ", " : "<div class=\"soft\">", out);
		(void)fputs(i == SERIES_N_GPUS ? "GPUs: " : "", out);
		put_cell(out, s->settings[i]);
		any = true;
	}
	if (any)
		(void)fputs("</div>", out);
}

static void put_caption(FILE *out, const struct csv *csv, const struct series *s)
{
	(void)fputs("<figcaption><b>", out);
	put_cell(out, s->model);
	(void)fputs("</b><div class=\"pair\"><span>", out);
	put_cell(out, value_text(csv, last_measured(s, 0)));
	(void)fputs(" <span class=\"soft\">", out);
	put_cell(out, s->metric);
	(void)fputs("</span></span>", out);
	put_change(out, s);
	(void)fputs("</div>", out);
	put_settings(out, s);
	(void)fputs("</figcaption>\n", out);
}

static void put_summary(FILE *out, const struct csv *csv, const struct series *s)
{
	size_t n_failed = s->n - s->n_measured;

	html_count(out, s->n);
	(void)fputs(" runs of ", out);
	put_cell(out, s->model);
	(void)fputs(", latest ", out);
	put_cell(out, value_text(csv, last_measured(s, 0)));
	(void)putc(' ', out);
	put_cell(out, s->metric);
	if (n_failed > 0)
		(void)fprintf(out, ", %zu without a value", n_failed);
}

/* ---- the drawing ---- */

static void put_grid(FILE *out, const struct axis *a, const struct series *s)
{
	for (int i = 0; i < a->n; i++) {
		double value = a->low + a->step * i;
		double y = y_of(a, value);

		(void)fprintf(out, "<path class=\"grid\" d=\"M%.1f %.1fH%d\"/>", a->left + 4, y,
			      RIGHT);
		(void)fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">", a->left,
			      y + 3.5);
		put_tick(out, a, fabs(value) < a->step * 1e-6 ? 0 : value);
		(void)fputs("</text>", out);
	}
	(void)fprintf(out,
		      "\n<text x=\"%.1f\" y=\"%d\">row %zu</text>"
		      "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">row %zu</text>\n",
		      a->left + 4, LABELS, s->points[0].row + 1, RIGHT, LABELS,
		      s->points[s->n - 1].row + 1);
}

static void put_title(FILE *out, const struct csv *csv, const struct series *s,
		      const struct series_point *p)
{
	(void)fprintf(out, "<title>row %zu: ", p->row + 1);
	if (p->kind == POINT_FAILED) {
		(void)fputs("failed, no value", out);
	} else {
		put_cell(out, value_text(csv, p));
		(void)putc(' ', out);
		put_cell(out, s->metric);
		if (p->kind == POINT_DOUBTFUL)
			(void)fputs(", but the run failed", out);
	}
	(void)fputs("</title>", out);
}

static void put_line(FILE *out, const struct axis *a, const struct series *s)
{
	char command = 'M';

	(void)fputs("<path class=\"line\" d=\"", out);
	for (size_t i = 0; i < s->n; i++) {
		if (s->points[i].kind == POINT_FAILED)
			continue;
		(void)fprintf(out, "%c%.1f %.1f", command, x_of(a, i, s->n),
			      y_of(a, s->points[i].value));
		command = 'L';
	}
	(void)fputs("\"/>\n", out);
}

static void put_points(FILE *out, const struct csv *csv, const struct axis *a,
		       const struct series *s)
{
	double radius = s->n <= 40 ? 2.6 : 1.6;

	for (size_t i = 0; i < s->n; i++) {
		const struct series_point *p = &s->points[i];
		double x = x_of(a, i, s->n);

		if (p->kind == POINT_FAILED)
			(void)fprintf(out, "<path class=\"fail\" d=\"M%.1f %dl5 5m0 -5l-5 5\">",
				      x - 2.5, CROSSES - 3);
		else
			(void)fprintf(out,
				      "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\">",
				      p->kind == POINT_GOOD ? "dot" : "doubt", x, y_of(a, p->value),
				      radius);
		put_title(out, csv, s, p);
		(void)fputs(p->kind == POINT_FAILED ? "</path>" : "</circle>", out);
	}
	(void)putc('\n', out);
}

/* ---- of many runs ---- */

/* Neighbours that share a place. */
struct bucket {
	double low;
	double high;
	bool any;
	bool failed;
};

#define N_BUCKETS 150

static void fill_buckets(const struct series *s, struct bucket *v)
{
	memset(v, 0, N_BUCKETS * sizeof(*v));
	for (size_t i = 0; i < s->n; i++) {
		const struct series_point *p = &s->points[i];
		struct bucket *b = &v[i * N_BUCKETS / s->n];

		b->failed = b->failed || p->kind != POINT_GOOD;
		if (p->kind == POINT_FAILED)
			continue;
		b->low = b->any ? fmin(b->low, p->value) : p->value;
		b->high = b->any ? fmax(b->high, p->value) : p->value;
		b->any = true;
	}
}

/* There along the highest values, back along the lowest ones. */
static void put_band(FILE *out, const struct axis *a, const struct bucket *v)
{
	char command = 'M';

	(void)fputs("<path class=\"band\" d=\"", out);
	for (size_t i = 0; i < N_BUCKETS; i++) {
		if (!v[i].any)
			continue;
		(void)fprintf(out, "%c%.1f %.1f", command, x_of(a, i, N_BUCKETS),
			      y_of(a, v[i].high));
		command = 'L';
	}
	for (size_t i = N_BUCKETS; i > 0; i--) {
		if (v[i - 1].any)
			(void)fprintf(out, "L%.1f %.1f", x_of(a, i - 1, N_BUCKETS),
				      y_of(a, v[i - 1].low));
	}
	(void)fputs("Z\"/>\n<path class=\"fail\" d=\"", out);
	for (size_t i = 0; i < N_BUCKETS; i++) {
		if (v[i].failed)
			(void)fprintf(out, "M%.1f %dv5", x_of(a, i, N_BUCKETS), CROSSES - 3);
	}
	(void)fputs("\"><title>failed</title></path>\n", out);
}

void html_plot(FILE *out, const struct csv *csv, const struct series *s)
{
	struct axis a = axis_of(s);

	(void)fputs("<figure class=\"plot\">", out);
	put_caption(out, csv, s);
	(void)fprintf(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", WIDTH, HEIGHT);
	put_summary(out, csv, s);
	(void)fputs("\">\n", out);
	put_grid(out, &a, s);
	if (s->n <= HTML_PLOT_POINTS) {
		put_line(out, &a, s);
		put_points(out, csv, &a, s);
	} else {
		struct bucket v[N_BUCKETS];

		fill_buckets(s, v);
		put_band(out, &a, v);
	}
	(void)fputs("</svg></figure>\n", out);
}
