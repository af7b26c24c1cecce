/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target of what a report makes of a CSV file, its plots and its table: whatever the
 * bytes, they become valid UTF-8 without control characters, and no tags but our own.
 *
 * The first byte says how the file begins, so that the plots are tried without their columns having
 * to be found.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/utf8.h"
#include "results/csv.h"
#include "results/html_plot.h"
#include "results/html_table.h"
#include "results/series.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void require(int holds)
{
	if (!holds)
		abort();
}

/* Letters behind a "<" that our own tags, and nothing else, begin with. */
static void check_tags(const char *page)
{
	static const char *const known[] = {
		"p>",           "p ",
		"b>",           "b class=",
		"div",          "dl ",
		"dl>",          "dt>",
		"dd>",          "figure",
		"figcaption>",  "span",
		"svg viewBox=", "svg>",
		"path ",        "path>",
		"circle ",      "circle>",
		"text ",        "text>",
		"title>",       "table",
		"thead>",       "tbody>",
		"tbody ",       "tr>",
		"th>",          "th scope=",
		"td>",          "td class=",
		"details>",     "summary>",
		"label>",       "input type=\"search\" ",
		"output>",      "button type=\"button\">",
		"button>",
	};

	for (const char *p = strchr(page, '<'); p != NULL; p = strchr(p + 1, '<')) {
		const char *name = p + 1 + (p[1] == '/');
		int found = 0;

		for (size_t i = 0; i < ARRAY_SIZE(known); i++)
			found |= strncmp(name, known[i], strlen(known[i])) == 0;
		require(found);
	}
}

static void check(const char *page, size_t len)
{
	require(strlen(page) == len && utf8_valid_length(page, len) == len);
	for (size_t i = 0; i < len; i++)
		require((unsigned char)page[i] >= ' ' || page[i] == '\n' || page[i] == '\t');
	check_tags(page);
}

struct page {
	FILE *out;
	const struct csv *csv;
};

static void put_plot(void *data, const struct series *s)
{
	const struct page *p = data;

	require(s->n_measured >= 2 && s->n >= s->n_measured && s->n <= p->csv->n_rows);
	html_plot(p->out, p->csv, s);
}

static void check_page(const struct csv *csv, enum page_kind kind)
{
	AUTO_FREE char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	struct page page = { .out = out, .csv = csv };
	struct series_counts counts;

	require(out != NULL);
	require(series_each(csv, 0, put_plot, &page, &counts, NULL) == 0);
	html_table(out, csv, kind, "id");
	require(fclose(out) == 0);
	check(text, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const char *const begins[] = { "", "model,performance,metric,status,args\n",
					      "model,performance,status\na,1,\na," };
	AUTO_CSV struct csv csv = CSV_INIT;
	AUTO_FREE char *text = NULL;
	const char *begin;
	size_t len;

	if (size == 0)
		return 0;
	begin = begins[bytes[0] % ARRAY_SIZE(begins)];
	len = strlen(begin);
	text = malloc(len + size);
	require(text != NULL);
	memcpy(text, begin, len);
	memcpy(text + len, bytes + 1, size - 1);
	if (csv_parse(text, len + size - 1, &csv, NULL) < 0)
		return 0;
	check_page(&csv, bytes[0] < 128 ? PAGE_BROWSER : PAGE_MAIL);
	return 0;
}
