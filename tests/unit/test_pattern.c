/* SPDX-License-Identifier: MIT */
/* Which names may come out of a guest. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "guest/pattern.h"

Test(pattern, plain_form)
{
	static const char *const table[][2] = {
		{ "a", "a" },     { "./a", "a" }, { "a/", "a" },        { "a/b//", "a/b" },
		{ ".", "" },      { "./", "" },   { "././*", "*" },     { "a..b", "a..b" },
		{ "...", "..." }, { "-x", "-x" }, { "a b'$", "a b'$" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		AUTO_FREE char *plain = NULL;

		cr_assert(pattern_check(table[i][0], &plain, NULL) == 0, "%s", table[i][0]);
		cr_assert_str_eq(plain, table[i][1]);
	}
}

Test(pattern, bad_ones_are_refused_by_name)
{
	static const char *const bad[] = { "",     "/",      "/etc/passwd", "..", "../x",
					   "a/..", "a/../b", "./..",        "**", "a/**/b" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct error err = ERROR_INIT;
		char *plain = NULL;

		cr_assert_eq(pattern_check(bad[i], &plain, &err), -EINVAL, "%s", bad[i]);
		cr_assert(strstr(err.msg, bad[i]) != NULL);
	}
}

Test(pattern, allows_what_matches_and_what_is_below)
{
	static const struct {
		const char *pattern, *name;
		bool allowed;
	} table[] = {
		{ "*.csv", "a.csv", true },       { "*.csv", "a.txt", false },
		{ "*.csv", ".a.csv", false },     { "*.csv", "d/a.csv", false },
		{ "*.csv", "d.csv/x", true },     { "out", "out", true },
		{ "out", "out/a/b", true },       { "out", "outer", false },
		{ "out/*", "out", false },        { "out/*", "out/a", true },
		{ "out/*", "out/a/b", true },     { "out/*", "out/.a", false },
		{ "", "anything/at/.all", true }, { "[ab]?", "ax", true },
		{ "[ab]?", "cx", false },         { "*", "a", true },
		{ "*", ".bashrc", false },        { ".*", ".bashrc", true },
		{ "a*b", "a/b", false },          { "*/x", "d/x", true },
		{ "*/x", "d/y", false },          { "*/x", "x", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		cr_assert_eq(pattern_allows(table[i].pattern, table[i].name), table[i].allowed,
			     "%s %s", table[i].pattern, table[i].name);
}

Test(pattern, hostile_names_are_refused)
{
	static const char *const bad[] = {
		"/x",       "..",       "../x",         "a/..",
		"a/../b",   "a//b",     "a/./b",        ".",
		"",         "a/",       "\x1b[2J",      "a\nb",
		"a\tb",     "a\x7f",    "a\xff",        "\xc3",
		"\xc2\x85", "\xc0\xaf", "\xed\xa0\x80", "\xf8\x88\x80\x80\x80",
		"\xe2\x82",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		cr_assert_not_null(name_refusal(bad[i]), "case %zu", i);
}

Test(pattern, decent_names_pass)
{
	static const char *const good[] = {
		"a",        "a b",     "-a",          "a/b/c",        "..a",
		"a..",      ".hidden", "gr\xc3\xbcn", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
		"it's $(x)"
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		cr_assert_null(name_refusal(good[i]), "%s: %s", good[i], name_refusal(good[i]));
}

Test(pattern, length_and_depth_have_limits)
{
	char name[1024];

	memset(name, 'x', 256);
	name[256] = '\0';
	cr_assert_not_null(name_refusal(name));
	name[255] = '\0';
	cr_assert_null(name_refusal(name));
	for (int i = 0; i < NAME_DEPTH_MAX + 1; i++)
		memcpy(name + 2 * i, "a/", 2);
	name[2 * NAME_DEPTH_MAX + 1] = '\0';
	cr_assert_not_null(name_refusal(name));
	name[2 * NAME_DEPTH_MAX - 1] = '\0';
	cr_assert_null(name_refusal(name));
}

Test(pattern, printing_shows_odd_bytes)
{
	AUTO_FREE char *text = name_printable("a\x1b[2J\\\xff gr\xc3\xbcn \xc2\x9b");

	cr_assert_str_eq(text, "a\\x1b[2J\\x5c\\xff gr\xc3\xbcn \\xc2\\x9b");
}
