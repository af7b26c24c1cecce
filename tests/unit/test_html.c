/* SPDX-License-Identifier: MIT */
/* Foreign text and numbers as HTML. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "results/html.h"

/* What was written to the file of a test, from its beginning. */
struct page {
	FILE *out;
	char *text;
	size_t len;
};

static void page_open(struct page *p)
{
	p->out = open_memstream(&p->text, &p->len);
	cr_assert_not_null(p->out);
}

static void page_is(struct page *p, const char *expected, const char *what)
{
	(void)fclose(p->out);
	cr_assert_str_eq(p->text, expected, "%s", what);
	free(p->text);
}

#define NO "\xef\xbf\xbd"

Test(html, text_is_only_ever_text)
{
	static const struct {
		const char *in;
		size_t len;
		const char *out;
	} table[] = {
		{ "plain", 5, "plain" },
		{ "<script>\"a\" & 'b'</script>", 26,
		  "&lt;script&gt;&quot;a&quot; &amp; 'b'&lt;/script&gt;" },
		{ "&lt;", 4, "&amp;lt;" },
		{ "a\0b", 3,
		  "a\xe2\x90\x80"
		  "b" },
		{ "\033[31m\x7f\r", 7, "\xe2\x90\x9b[31m\xe2\x90\xa1\xe2\x90\x8d" },
		{ "a\tb\nc", 5, "a\tb\nc" },
		{ "\xff\xc0\xaf<", 4, NO NO NO "&lt;" },
		{ "\xe2\x82", 2, NO NO },
		{ "\xed\xa0\x80", 3, NO NO NO },
		{ "\xc2\x9b"
		  "31m",
		  5, NO "31m" },
		{ "a\xe2\x80\xae"
		  "b\xe2\x81\xa6\xe2\x80\x8f",
		  11, "a" NO "b" NO NO },
		{ "\xc3\xa4\xe2\x82\xac\xf0\x9f\x94\xa8", 9,
		  "\xc3\xa4\xe2\x82\xac\xf0\x9f\x94\xa8" },
		{ "", 0, "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct page p;

		page_open(&p);
		html_text(p.out, table[i].in, table[i].len);
		page_is(&p, table[i].out, table[i].in);
	}
}

Test(html, head_counts_characters)
{
	cr_assert_eq(html_head("abc", 3, 2), 2);
	cr_assert_eq(html_head("abc", 3, 3), 3);
	cr_assert_eq(html_head("abc", 3, 9), 3);
	cr_assert_eq(html_head("\xc3\xa4\xe2\x82\xac!", 6, 1), 2);
	cr_assert_eq(html_head("\xc3\xa4\xe2\x82\xac!", 6, 2), 5);
	cr_assert_eq(html_head("\x80\x80\x80", 3, 1), 3,
		     "bytes that begin nothing end nowhere else");
	cr_assert_eq(html_head("", 0, 5), 0);
}

Test(html, what_is_a_number)
{
	static const struct {
		const char *text;
		double value;
	} good[] = {
		{ "0", 0 },      { "14164", 14164 }, { "-2.5", -2.5 },   { "+.5", .5 },
		{ "5.", 5 },     { " 7\t", 7 },      { "1e3", 1000 },    { "1.5E-3", .0015 },
		{ "1e-250", 0 }, { "0.1", 0.1 },     { "1e200", 1e200 },
	};
	static const char *const bad[] = { "",    " ",   "x",     "1x",    "1,234", "0x10", "nan",
					   "inf", "-",   ".",     "+.",    "1e",    "1e+",  "e5",
					   "1 2", "--1", "1e201", "1.2.3", "1e5.5" };
	double value;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		cr_assert(html_parse_number(good[i].text, strlen(good[i].text), &value), "%s",
			  good[i].text);
		cr_assert(value == good[i].value, "%s is %g", good[i].text, value);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		cr_assert(!html_parse_number(bad[i], strlen(bad[i]), &value), "%s", bad[i]);
	cr_assert(!html_parse_number("1\0", 2, &value), "a NUL is no digit");
	cr_assert(!html_parse_number("0000000000000000000000000000000000000000000000000000000000000"
				     "00000001",
				     69, &value),
		  "nobody writes so many digits");
}

Test(html, numbers_for_people)
{
	static const struct {
		double value;
		int decimals;
		const char *text;
	} table[] = {
		{ 0, 0, "0" },
		{ 999, 0, "999" },
		{ 1000, 0, "1,000" },
		{ 1234567.891, 2, "1,234,567.89" },
		{ -14164, 0,
		  "\xe2\x88\x92"
		  "14,164" },
		{ -0.01, 1, "0.0" },
		{ 2e15, 0, "2e+15" },
	};
	static const struct {
		double seconds;
		const char *text;
	} durations[] = {
		{ 0, "0 s" },
		{ 0.268, "0.3 s" },
		{ 18.942, "19 s" },
		{ 59.96, "1 min 00 s" },
		{ 125, "2 min 05 s" },
		{ 3600, "1 h 00 min" },
		{ 90061, "25 h 01 min" },
		{ -1, "?" },
	};
	struct page p;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		page_open(&p);
		html_number(p.out, table[i].value, table[i].decimals);
		page_is(&p, table[i].text, table[i].text);
	}
	for (size_t i = 0; i < ARRAY_SIZE(durations); i++) {
		page_open(&p);
		html_seconds(p.out, durations[i].seconds);
		page_is(&p, durations[i].text, durations[i].text);
	}
	page_open(&p);
	html_count(p.out, 10000);
	page_is(&p, "10,000", "count");
}
