/* SPDX-License-Identifier: MIT */
/* The pages: what is on them, and that what is in the files is never more than text. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/strv.h"
#include "base/utf8.h"
#include "results/csv.h"
#include "results/html_stages.h"
#include "results/report.h"

#define EVIL "<script>alert(1)</script>"

static char *page_of(const char *text, size_t len, const char *name, struct json_object *receipts)
{
	AUTO_CSV struct csv csv = CSV_INIT;
	struct report report = { .csv = &csv, .name = name, .receipts = receipts, .made = "now" };
	struct error err = ERROR_INIT;
	char *page = NULL;
	size_t page_len = 0;

	cr_assert(csv_parse(text, len, &csv, &err) == 0, "%s", err.msg);
	cr_assert(report_page(&report, &page, &page_len, &err) == 0, "%s", err.msg);
	cr_assert_eq(strlen(page), page_len, "no NUL is on a page");
	cr_assert_eq(utf8_valid_length(page, page_len), page_len);
	return page;
}

static char *page_of_text(const char *csv)
{
	return page_of(csv, strlen(csv), "t.csv", NULL);
}

static size_t count(const char *page, const char *text)
{
	size_t n = 0;

	for (const char *p = strstr(page, text); p != NULL; p = strstr(p + 1, text))
		n++;
	return n;
}

static void has(const char *page, const char *text)
{
	const char *body = strstr(page, "<body>");

	cr_assert(strstr(body, text) != NULL, "no \"%s\" in %s", text, body);
}

static void has_not(const char *page, const char *text)
{
	const char *body = strstr(page, "<body>");

	cr_assert(strstr(body, text) == NULL, "\"%s\" in %s", text, body);
}

/* ---- the table ---- */

Test(report, runs_come_newest_first_and_leading_columns_lead)
{
	AUTO_FREE char *page = page_of_text(
		"x,metric,performance,model,status\n"
		"1,m,10,a,SUCCESS\n"
		"2,,,b,FAILURE\n");

	has(page,
	    "<th scope=\"col\" class=\"n\" aria-sort=\"descending\">row</th>"
	    "<th scope=\"col\" class=\"key\">model</th><th scope=\"col\">status</th>"
	    "<th scope=\"col\" class=\"n\">performance</th><th scope=\"col\">metric</th>"
	    "<th scope=\"col\" class=\"n\">x</th>");
	has(page,
	    "<tr><td class=\"n\">2</td><th scope=\"row\">b</th><td class=\"bad\">FAILURE</td>"
	    "<td class=\"n\"></td><td></td><td class=\"n\">2</td></tr>\n"
	    "<tr><td class=\"n\">1</td><th scope=\"row\">a</th><td>SUCCESS</td>");
	has(page, "2 rows: 1 succeeded, <b class=\"bad\">1 failed</b>");
}

Test(report, other_rows_keep_their_order)
{
	AUTO_FREE char *page = page_of_text("size,seconds\n1,0.5\n2,x\n");

	has(page, "aria-sort=\"ascending\">row</th>");
	has(page,
	    "<td class=\"n\">1</td><th scope=\"row\" class=\"n\">1</th><td>0.5</td></tr>\n<tr>"
	    "<td class=\"n\">2</td>");
	has(page, "2 rows.");
	has_not(page, "succeeded");
}

Test(report, what_all_rows_share_is_said_once)
{
	AUTO_FREE char *page =
		page_of_text("model,status,node,pipeline\na,SUCCESS,n7,\nb,SUCCESS,n7,\n");

	has(page, "<dt>node</dt><dd>n7</dd>");
	has(page, "Empty in all rows: pipeline.");
	cr_assert_eq(count(page, "n7"), 1);
	cr_assert_eq(count(page, ">SUCCESS</td>"), 2, "status is always a column");
}

Test(report, rows_that_are_not_like_the_header)
{
	AUTO_FREE char *page = page_of_text("a,b\n1,2,3,4\n5\n\n6,7,8\n");

	has(page, "2 rows have more cells than the header has (the first in line 2 of the file)");
	has(page, "<th scope=\"row\" class=\"n\">5</th></tr>");
	has_not(page, ">8<");
}

Test(report, an_unclosed_quote_is_said)
{
	AUTO_FREE char *page = page_of_text("a,b\n1,\"2\n3,4\n");

	has(page, "The quote in line 2 of the file is never closed");
}

Test(report, a_header_alone)
{
	AUTO_FREE char *page = page_of_text("model,status,performance\n");

	has(page, "0 rows");
	has(page, "The file has a header and no rows.");
	has_not(page, "<table");
}

Test(report, long_cells_are_folded_and_cut)
{
	AUTO_FREE char *text = calloc(1, 1100000);
	AUTO_FREE char *page = NULL;

	(void)strcpy(text, "a,b\n1,");
	memset(text + 6, 'x', 1000000);
	(void)strcpy(text + 1000006, "\n2,y\n");
	page = page_of_text(text);
	has(page, "<details><summary>xxxx");
	has(page, "more bytes in the file)");
	cr_assert_lt(strlen(page), 100000);
}

Test(report, more_columns_than_anybody_reads)
{
	AUTO_FREE char *text = calloc(1, 20000);
	AUTO_FREE char *page = NULL;

	for (int i = 0; i < 300; i++)
		(void)sprintf(text + strlen(text), "%sc%d", i > 0 ? "," : "", i);
	(void)strcat(text, "\n1\n2\n");
	page = page_of_text(text);
	has(page, "44 more columns of the file are not shown.");
}

/* ---- hostile ---- */

Test(report, nothing_of_a_file_is_markup)
{
	static const char csv[] =
		"model,performance,metric,status,args,\"" EVIL
		"\",same\n"
		"\"" EVIL "\",1,\"" EVIL "\",SUCCESS,\"" EVIL "1\",\"" EVIL "1\",\"" EVIL
		"\"\n"
		"\"" EVIL "\",2,\"" EVIL "\",SUCCESS,\"" EVIL "1\",\"" EVIL "2\",\"" EVIL
		"\"\n"
		"x\0<b>,3,\xff\xfe\"<i>,\033,\"" EVIL "2\",\"\"\" onclick=x\",\"" EVIL "\"\n";
	static const char receipt[] =
		"{\"vm\": \"<script>\", \"started\": \"<script>\", \"outcome\": \"<script>\","
		"\"command\": [\"<script>\", null, 3, {\"a\": \"<script>\"}],"
		"\"stages\": [{\"name\": \"<script>\", \"seconds\": 3}, 7, null,"
		"{\"name\": 5, \"seconds\": \"x\"}, {\"seconds\": -1e308}],"
		"\"times\": {\"stop\": [], \"undo\": 1e400}}";
	AUTO_JSON struct json_object *receipts = json_new_array();
	AUTO_JSON struct json_object *one = NULL;
	AUTO_FREE char *page = NULL;

	cr_assert_eq(json_parse(receipt, sizeof(receipt) - 1, &one, NULL), 0);
	(void)json_object_array_add(receipts, json_object_get(one));
	page = page_of(csv, sizeof(csv) - 1, EVIL, receipts);
	cr_assert_eq(count(page, "<script"), 1, "the page's own");
	cr_assert_eq(count(page, "</script"), 1);
	cr_assert_gt(count(page, "&lt;script&gt;"), 12);
	has_not(page, "<b>,");
	has_not(page, "\" onclick");
	has(page, "Where the time went");
}

Test(report, a_page_loads_nothing)
{
	static const char *const loaders[] = { "http:", "https:",  "//cdn", " src=",   " href=",
					       "url(",  "@import", "<link", "<iframe", "<img" };
	AUTO_FREE char *page =
		page_of_text("model,performance,metric,status\na,1,m,SUCCESS\na,2,m,SUCCESS\n");

	for (size_t i = 0; i < ARRAY_SIZE(loaders); i++)
		cr_assert(strstr(page, loaders[i]) == NULL, "%s", loaders[i]);
	cr_assert(strstr(page,
			 "content=\"default-src 'none'; base-uri 'none'; form-action 'none'; "
			 "style-src 'sha256-") != NULL);
}

/* ---- plots ---- */

Test(report, what_is_measured_twice_is_plotted)
{
	AUTO_FREE char *page = page_of_text(
		"model,performance,metric,status\n"
		"a,100,m,SUCCESS\n"
		"b,7,m,SUCCESS\n"
		"a,,,FAILURE\n"
		"a,110,m,FAILURE\n"
		"a,121,m,SUCCESS\n"
		"a,5,other,SUCCESS\n");

	cr_assert_eq(count(page, "<figure"), 1);
	cr_assert_eq(count(page, "class=\"dot\""), 2);
	cr_assert_eq(count(page, "class=\"doubt\""), 1);
	cr_assert_eq(count(page, "class=\"fail\""), 1);
	has(page,
	    "<b>a</b><div class=\"pair\"><span>121 <span class=\"soft\">m</span></span>"
	    "<span class=\"soft\">+10.0 %</span>");
	has(page, "aria-label=\"4 runs of a, latest 121 m, 1 without a value\"");
	has(page, "<title>row 3: failed, no value</title>");
	has(page, "<title>row 4: 110 m, but the run failed</title>");
	has(page, "Measured once, and so only in the table: 2.");
}

Test(report, runs_on_other_machines_are_other_plots)
{
	AUTO_FREE char *page = page_of_text(
		"model,n_gpus,gpu_architecture,performance,metric,status\n"
		"a,1,gfx942,1,m,SUCCESS\na,8,gfx942,8,m,SUCCESS\n"
		"a,1,gfx942,2,m,SUCCESS\na,8,gfx942,9,m,SUCCESS\n"
		"a,8,gfx942,,,FAILURE\n");

	cr_assert_eq(count(page, "<figure"), 2);
	has(page, "<div class=\"soft\">GPUs: 1</div>");
	has(page, "<div class=\"soft\">GPUs: 8</div>");
	cr_assert_eq(count(page, "latest run failed"), 1);
	has_not(page, "GPUs: 1, gfx942");
}

Test(report, any_numbers_can_be_plotted)
{
	static const char *const pairs[][2] = {
		{ "0", "0" },
		{ "1", "1" },
		{ "-5", "5" },
		{ "1e200", "-1e200" },
		{ "1e-199", "2e-199" },
		{ "1e-250", "0" },
		{ "1e12", "1000000000001" },
		{ "0.1", "0.10000000001" },
		{ "1e200", "1" },
		{ "-1e-9", "-2e-9" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		AUTO_FREE char *page = NULL;
		char csv[256];

		(void)snprintf(csv, sizeof(csv), "model,performance,metric\na,%s,m\na,%s,m\n",
			       pairs[i][0], pairs[i][1]);
		page = page_of_text(csv);
		cr_assert_eq(count(page, "<figure"), 1, "%s", csv);
		cr_assert_geq(count(page, "class=\"grid\""), 2, "%s", csv);
		cr_assert_leq(count(page, "class=\"grid\""), 5, "%s", csv);
		has_not(page, ">nan");
		has_not(page, ">inf");
		has_not(page, "\"nan");
		has_not(page, " nan");
	}
}

Test(report, many_runs_are_a_band)
{
	AUTO_FREE char *text = calloc(1, 400000);
	AUTO_FREE char *page = NULL;
	char *p = text + sprintf(text, "model,performance,metric,status\n");

	for (int i = 0; i < 10000; i++)
		p += sprintf(p, i % 50 == 0 ? "a,,,FAILURE\n" : "a,%d,m,SUCCESS\n", 1000 + i % 77);
	page = page_of_text(text);
	cr_assert_eq(count(page, "class=\"band\""), 1);
	cr_assert_eq(count(page, "class=\"dot\""), 0);
	cr_assert_eq(count(page, "<tr><td"), 10000, "all rows are in the page");
	cr_assert_eq(count(page, "<tbody class=\"rest\">"), 1);
}

Test(report, plots_have_an_end)
{
	AUTO_FREE char *text = calloc(1, 100000);
	AUTO_FREE char *page = NULL;
	char *p = text + sprintf(text, "model,performance,metric\n");

	for (int i = 0; i < 200; i++)
		p += sprintf(p, "m%d,1,x\nm%d,2,x\n", i, i);
	page = page_of_text(text);
	cr_assert_eq(count(page, "<figure"), 60);
	has(page, "Not plotted: 140 more.");
}

/* ---- receipts ---- */

static void write_file(const char *dir, const char *name, const char *text)
{
	AUTO_FREE char *path = path_join(dir, name);
	struct error err = ERROR_INIT;

	cr_assert(file_write_atomic_at(AT_FDCWD, path, text, strlen(text), 0600, &err) == 0, "%s",
		  err.msg);
}

Test(report, receipts_of_a_folder_are_bars)
{
	AUTO_JSON struct json_object *receipts = json_new_array();
	char dir[] = "/tmp/bmvm-test-XXXXXX";
	AUTO_FREE char *page = NULL;
	AUTO_FREE char *file = NULL;
	struct error err = ERROR_INIT;

	cr_assert_not_null(mkdtemp(dir));
	write_file(dir, "a.json",
		   "{\"vm\": \"old\", \"started\": \"2026-01-01\", \"outcome\": \"success\","
		   "\"stages\": [{\"name\": \"start\", \"seconds\": 30},"
		   "{\"name\": \"command\", \"seconds\": 60}], \"times\": {\"stop\": 10}}");
	write_file(dir, "b.json",
		   "{\"vm\": \"new\", \"started\": \"2026-01-02\", \"outcome\": \"failure\","
		   "\"stages\": [{\"name\": \"start\", \"seconds\": 50}]}");
	write_file(dir, "c.json", "[1, 2]");
	write_file(dir, "d.json", "no JSON");
	write_file(dir, "e.txt", "{}");
	cr_assert_eq(html_stages_load(dir, receipts, &err), 2, "%s", err.msg);
	file = path_join(dir, "c.json");
	cr_assert_eq(html_stages_load(file, receipts, &err), -EINVAL);
	cr_assert(strstr(err.msg, "c.json") != NULL);
	cr_assert_eq(html_stages_load("/nonexistent/x", receipts, &err), -ENOENT);
	(void)file_remove_tree_at(AT_FDCWD, dir, NULL);

	page = page_of("a\n1\n", 4, "t.csv", receipts);
	cr_assert_lt(strstr(page, "<b>new</b>"), strstr(page, "<b>old</b>"), "newest first");
	has(page, "<rect class=\"s1\" x=\"0.00\" y=\"0\" width=\"300.00\" height=\"14\">");
	has(page, "<rect class=\"s0\" x=\"300.00\" y=\"0\" width=\"600.00\" height=\"14\">");
	has(page, "<rect class=\"s1\" x=\"0.00\" y=\"0\" width=\"500.00\" height=\"14\">");
	has(page, "clean up 10 s");
	has(page, "<span class=\"total\">1 min 40 s</span>");
	has(page, "<span class=\"bad\">failure</span>");
}

/* ---- mail ---- */

Test(report, a_mail_has_all_files_and_no_script)
{
	AUTO_STRV struct strv names = STRV_INIT;
	AUTO_FREE char *page = NULL;
	AUTO_CLOSE int fd = -1;
	char dir[] = "/tmp/bmvm-test-XXXXXX";
	struct report_mail mail = { .names = &names };
	struct error err = ERROR_INIT;
	size_t len = 0;

	cr_assert_not_null(mkdtemp(dir));
	write_file(dir, "a<b>.csv", "model,status\n" EVIL ",FAILURE\nx,SUCCESS\n");
	write_file(dir, "empty.csv", "");
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	strv_add(&names, "a<b>.csv");
	strv_add(&names, "empty.csv");
	strv_add(&names, "gone.csv");
	mail.dir_fd = fd;
	cr_assert_eq(report_mail(&mail, &page, &len, &err), 1, "one is not there");
	(void)file_remove_tree_at(AT_FDCWD, dir, NULL);
	cr_assert_eq(count(page, "<script"), 0);
	has(page, "<h2>a&lt;b&gt;.csv</h2>");
	has(page, "&lt;script&gt;");
	has(page, "<h2>empty.csv</h2>\n<p>The file is empty.</p>");
	has(page, "gone.csv: No such file or directory");
	has_not(page, "<details");
	has_not(page, "<input");
}
