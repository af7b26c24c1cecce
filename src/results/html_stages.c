/* SPDX-License-Identifier: MIT */
#include "results/html_stages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "results/html.h"

#define RECEIPTS_MAX  10000 /* of one folder */
#define STAGES_MAX    24
#define COMMAND_SHOWS 80 /* characters */
#define NAME_SHOWS    40
#define BAR           1000 /* units of the longest bar */
#define SECONDS_MAX   1e9
#define WORTH_SAYING  0.05 /* seconds */

struct part {
	const char *name;
	double seconds;
	unsigned int color;
};

/* One run. @n of @parts; @total: their seconds. */
struct bar {
	struct json_object *receipt;
	const char *started;
	struct part parts[STAGES_MAX];
	size_t n;
	double total;
};

/* ---- reading ---- */

static bool is_receipt(struct json_object *o)
{
	struct json_object *stages;

	return o != NULL && json_object_is_type(o, json_type_object) &&
	       json_get_array(o, "stages", &stages, NULL) == 0;
}

/* @csv: only a receipt of a run that added to this file, NULL: any. Return: how many; -errno. */
static int load_file(int dir_fd, const char *name, const char *csv, struct json_object *receipts,
		     struct error *err)
{
	AUTO_JSON struct json_object *o = NULL;
	int r = json_load_at(dir_fd, name, &o, err);

	if (r < 0)
		return r;
	if (!is_receipt(o))
		return error_set(err, EINVAL, "%s is no receipt: it has no list \"stages\"", name);
	if (csv != NULL && strcmp(json_str_or(o, "perf_csv", ""), csv) != 0)
		return 0;
	(void)json_object_array_add(receipts, TAKE_PTR(o));
	return 1;
}

static int load_folder(DIR *dir, const char *csv, struct json_object *receipts)
{
	const struct dirent *entry;
	int n = 0;

	while (n < RECEIPTS_MAX && (entry = readdir(dir)) != NULL) {
		const char *dot = strrchr(entry->d_name, '.');

		if (dot != NULL && strcmp(dot, ".json") == 0 &&
		    load_file(dirfd(dir), entry->d_name, csv, receipts, NULL) > 0)
			n++;
	}
	return n;
}

int html_stages_load(const char *path, struct json_object *receipts, struct error *err)
{
	AUTO_CLOSEDIR DIR *dir = NULL;
	struct stat st;

	if (stat(path, &st) < 0)
		return error_errno(err, "%s", path);
	if (!S_ISDIR(st.st_mode))
		return load_file(AT_FDCWD, path, NULL, receipts, err);
	dir = file_opendir_at(AT_FDCWD, path, 0);
	return dir == NULL ? error_errno(err, "open %s", path) : load_folder(dir, NULL, receipts);
}

int html_stages_find(int dir_fd, const char *folder, const char *csv, struct json_object *receipts)
{
	AUTO_FREE char *path = realpath(csv, NULL);
	AUTO_CLOSEDIR DIR *dir = path == NULL ? NULL : file_opendir_at(dir_fd, folder, 0);

	return dir == NULL ? 0 : load_folder(dir, path, receipts);
}

/* ---- what a bar is made of ---- */

static double seconds_or_0(struct json_object *o, const char *key)
{
	struct json_object *value;
	double seconds;

	if (!json_object_object_get_ex(o, key, &value) ||
	    !(json_object_is_type(value, json_type_double) ||
	      json_object_is_type(value, json_type_int)))
		return 0;
	seconds = json_object_get_double(value);
	return seconds > 0 && seconds < SECONDS_MAX ? seconds : 0;
}

/* A stage has the same colour in all bars; those that nobody foresaw share one. */
static unsigned int color_of(const char *name)
{
	static const char *const known[][2] = {
		{ "validate", "7" }, { "create", "4" },  { "devices", "5" },  { "start", "1" },
		{ "docker", "2" },   { "prepare", "6" }, { "command", "0" },  { "workload", "0" },
		{ "models", "0" },   { "results", "3" }, { "clean up", "7" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (strcmp(known[i][0], name) == 0)
			return (unsigned int)(known[i][1][0] - '0');
	}
	return 6;
}

static void add_part(struct bar *b, const char *name, double seconds)
{
	if (seconds <= 0 || b->n == STAGES_MAX)
		return;
	b->parts[b->n++] = (struct part){
		.name = name,
		.seconds = seconds,
		.color = color_of(name),
	};
	b->total += seconds;
}

static void make_bar(struct json_object *receipt, struct bar *b)
{
	struct json_object *stages = NULL, *times = NULL;

	*b = (struct bar){ .receipt = receipt };
	b->started = json_str_or(receipt, "started", "");
	if (json_get_array(receipt, "stages", &stages, NULL) == 0) {
		for (size_t i = 0; i < json_object_array_length(stages); i++) {
			struct json_object *stage = json_object_array_get_idx(stages, i);

			if (json_object_is_type(stage, json_type_object))
				add_part(b, json_str_or(stage, "name", "?"),
					 seconds_or_0(stage, "seconds"));
		}
	}
	if (json_get_object(receipt, "times", &times, NULL) == 0)
		add_part(b, "clean up",
			 seconds_or_0(times, "stop") + seconds_or_0(times, "undo") +
				 seconds_or_0(times, "verify"));
}

/* ---- writing ---- */

static void put_short(FILE *out, const char *text, size_t n_chars)
{
	size_t len = strlen(text);
	size_t n = html_head(text, len, n_chars);

	html_text(out, text, n);
	if (n < len)
		(void)fputs("\xe2\x80\xa6", out);
}

static void put_command(FILE *out, struct json_object *receipt)
{
	struct json_object *words;
	size_t left = COMMAND_SHOWS;

	if (json_get_array(receipt, "command", &words, NULL) < 0)
		return;
	(void)fputs("<code>", out);
	for (size_t i = 0; i < json_object_array_length(words) && left > 0; i++) {
		const char *word = json_object_get_string(json_object_array_get_idx(words, i));
		size_t len = word == NULL ? 0 : strlen(word);

		if (i > 0)
			(void)putc(' ', out);
		put_short(out, word == NULL ? "" : word, left);
		left -= len + 1 < left ? len + 1 : left;
	}
	(void)fputs("</code>", out);
}

static void put_head(FILE *out, const struct bar *b)
{
	const char *outcome = json_str_or(b->receipt, "outcome", "?");

	(void)fputs("<p class=\"head\"><b>", out);
	put_short(out, json_str_or(b->receipt, "vm", "?"), NAME_SHOWS);
	(void)fputs("</b><span class=\"soft\">", out);
	put_short(out, b->started, NAME_SHOWS);
	(void)fprintf(out, "</span><span class=\"%s\">",
		      strcmp(outcome, "success") == 0 ? "soft" : "bad");
	put_short(out, outcome, NAME_SHOWS);
	(void)fputs("</span>", out);
	put_command(out, b->receipt);
	(void)fputs("<span class=\"total\">", out);
	html_seconds(out, b->total);
	(void)fputs("</span></p>\n", out);
}

static void put_bar(FILE *out, const struct bar *b, double longest)
{
	double x = 0;

	(void)fprintf(
		out,
		"<svg viewBox=\"0 0 %d 14\" preserveAspectRatio=\"none\" aria-hidden=\"true\">",
		BAR);
	for (size_t i = 0; i < b->n; i++) {
		double width = longest > 0 ? b->parts[i].seconds / longest * BAR : 0;

		(void)fprintf(out,
			      "<rect class=\"s%u\" x=\"%.2f\" y=\"0\" width=\"%.2f\" height=\"14\">"
			      "<title>",
			      b->parts[i].color, x, width);
		put_short(out, b->parts[i].name, NAME_SHOWS);
		(void)putc(' ', out);
		html_seconds(out, b->parts[i].seconds);
		(void)fputs("</title></rect>", out);
		x += width;
	}
	(void)fputs("</svg>\n", out);
}

/* The bar in words, which is its legend too. */
static void put_parts(FILE *out, const struct bar *b)
{
	(void)fputs("<p class=\"parts\">", out);
	for (size_t i = 0; i < b->n; i++) {
		if (b->parts[i].seconds < WORTH_SAYING)
			continue;
		(void)fprintf(out,
			      "<span><svg viewBox=\"0 0 1 1\" aria-hidden=\"true\"><rect "
			      "class=\"s%u\" width=\"1\" height=\"1\"/></svg>",
			      b->parts[i].color);
		put_short(out, b->parts[i].name, NAME_SHOWS);
		(void)putc(' ', out);
		html_seconds(out, b->parts[i].seconds);
		(void)fputs("</span>", out);
	}
	(void)fputs("</p></li>\n", out);
}

static int newest_first(const void *a, const void *b)
{
	struct json_object *const *x = a, *const *y = b;

	return strcmp(json_str_or(*y, "started", ""), json_str_or(*x, "started", ""));
}

void html_stages(FILE *out, struct json_object *receipts)
{
	size_t n_all = json_object_array_length(receipts);
	size_t n = n_all < HTML_STAGES_RUNS ? n_all : HTML_STAGES_RUNS;
	double longest = 0;
	struct bar b;

	if (n == 0)
		return;
	json_object_array_sort(receipts, newest_first);
	for (size_t i = 0; i < n; i++) {
		make_bar(json_object_array_get_idx(receipts, i), &b);
		longest = b.total > longest ? b.total : longest;
	}
	(void)fputs("<section>\n<h2>Where the time went</h2>\n<ul class=\"runs\">\n", out);
	for (size_t i = 0; i < n; i++) {
		make_bar(json_object_array_get_idx(receipts, i), &b);
		(void)fputs("<li>", out);
		put_head(out, &b);
		put_bar(out, &b, longest);
		put_parts(out, &b);
	}
	(void)fputs("</ul>\n", out);
	if (n < n_all)
		(void)fprintf(out, "<p class=\"soft\">%zu older receipts are not shown.</p>\n",
			      n_all - n);
	(void)fputs("</section>\n", out);
}
