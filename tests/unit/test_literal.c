/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/literal.h"
#include "base/utf8.h"

static int parse_n(const char *text, size_t len, enum literal_syntax syntax,
		   struct json_object **ret, struct error *err)
{
	struct literal_text in = { .name = "x", .text = text, .len = len, .syntax = syntax };

	return literal_parse(&in, ret, err);
}

/* A copy on the heap without a NUL, so that a sanitizer sees reads behind the end. */
static int parse(const char *text, enum literal_syntax syntax, struct json_object **ret,
		 struct error *err)
{
	size_t len = strlen(text);
	char *copy = malloc(len > 0 ? len : 1);
	int r;

	memcpy(copy, text, len);
	r = parse_n(copy, len, syntax, ret, err);
	free(copy);
	return r;
}

static const struct {
	const char *text;
	const char *json; /* as json-c prints it */
} good_json[] = {
	{ "null", "null" },
	{ " true ", "true" },
	{ "false", "false" },
	{ "{}", "{}" },
	{ "[ ]", "[]" },
	{ "\"\"", "\"\"" },
	{ "{\"a\":1,\"b\":[true,null,{\"c\":\"d\"}]}",
	  "{\"a\":1,\"b\":[true,null,{\"c\":\"d\"}]}" },
	{ "\n{\t\"a\" :\r\n 1 }\n", "{\"a\":1}" },
	{ "0", "0" },
	{ "-0", "0" },
	{ "-12", "-12" },
	{ "9223372036854775807", "9223372036854775807" },
	{ "-9223372036854775808", "-9223372036854775808" },
	{ "18446744073709551615", "18446744073709551615" },
	{ "1.50", "1.50" },
	{ "-1e-3", "-1e-3" },
	{ "1E+2", "1E+2" },
	{ "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\\"\\\\/\\b\\f\\n\\r\\t\"" },
	{ "\"\\u0041\\u00e9\\u20ac\"", "\"A\xc3\xa9\xe2\x82\xac\"" },
	{ "\"\\ud83d\\uDE00\"", "\"\xf0\x9f\x98\x80\"" },
	{ "\"\xf0\x9f\x98\x80\"", "\"\xf0\x9f\x98\x80\"" },
};

static const struct {
	const char *text;
	const char *json;
} good_python[] = {
	{ "None", "null" },
	{ "{'a': True, 'b': None, \"c\": False}", "{\"a\":true,\"b\":null,\"c\":false}" },
	{ "{'a': 1,}", "{\"a\":1}" },
	{ "[1, 2, ]", "[1,2]" },
	{ "()", "[]" },
	{ "(1,)", "[1]" },
	{ "(1, # one\n)", "[1]" },
	{ "(1, 'x')", "[1,\"x\"]" },
	{ "([1],)", "[[1]]" },
	{ "# before\n{'a': 1} # after", "{\"a\":1}" },
	{ "'it\\'s \"x\"'", "\"it's \\\"x\\\"\"" },
	{ "'\\x41\\102\\u00e9\\U0001F600\\a\\v'", "\"AB\xc3\xa9\xf0\x9f\x98\x80\\u0007\\u000b\"" },
	{ "'a\\\nb'", "\"ab\"" },
	{ "'a\tb'", "\"a\\tb\"" },
	{ "0x1F", "31" },
	{ "0o17", "15" },
	{ "-0b101", "-5" },
	{ "1_000_000", "1000000" },
	{ "+5", "5" },
	{ "1.", "1.0" },
	{ ".5", "0.5" },
	{ "-1.5e1_0", "-15000000000.0" },
};

static void check_good(const char *text, const char *json, enum literal_syntax syntax)
{
	AUTO_JSON struct json_object *o = NULL;
	struct error err = ERROR_INIT;

	cr_assert_eq(parse(text, syntax, &o, &err), 0, "%s: %s", text, err.msg);
	cr_assert_str_eq(o == NULL ? "null" : json_compact(o), json, "%s", text);
}

Test(literal, reads_json)
{
	for (size_t i = 0; i < ARRAY_SIZE(good_json); i++) {
		check_good(good_json[i].text, good_json[i].json, LITERAL_JSON);
		check_good(good_json[i].text, good_json[i].json, LITERAL_EITHER);
	}
}

Test(literal, reads_python)
{
	for (size_t i = 0; i < ARRAY_SIZE(good_python); i++) {
		check_good(good_python[i].text, good_python[i].json, LITERAL_PYTHON);
		check_good(good_python[i].text, good_python[i].json, LITERAL_EITHER);
	}
}

static const struct {
	const char *text;
	enum literal_syntax syntax;
	const char *message; /* how it begins, after "x:" */
} bad[] = {
	{ "", LITERAL_JSON, "1:1: expected a value, found the end of the text" },
	{ "{", LITERAL_JSON, "1:2: expected a key in double quotes" },
	{ "{\"a\":1", LITERAL_JSON, "1:7: expected ',' or '}', found the end" },
	{ "{\"a\":1,\n\"a\":2}", LITERAL_JSON, "2:1: duplicate key \"a\"" },
	{ "{\"a\":{\"b\":1,\"\\u0062\":2}}", LITERAL_JSON, "1:13: duplicate key \"b\"" },
	{ "{\"a\" 1}", LITERAL_JSON, "1:6: expected ':' after the key \"a\", found 1" },
	{ "{\"a\":1,}", LITERAL_JSON, "1:7: comma before '}'" },
	{ "[1,]", LITERAL_JSON, "1:3: comma before ']'" },
	{ "[1 2]", LITERAL_JSON, "1:4: expected ',' or ']', found 2" },
	{ "{} x", LITERAL_JSON, "1:4: expected the end of the text, found x" },
	{ "{'a':1}", LITERAL_JSON, "1:2: expected a key in double quotes, found '" },
	{ "[True]", LITERAL_JSON, "1:2: True is written true here" },
	{ "['a']", LITERAL_JSON, "1:2: strings are in double quotes here" },
	{ "// x\n1", LITERAL_JSON, "1:1: JSON has no comments" },
	{ "[nul]", LITERAL_JSON, "1:2: expected a value, found nul" },
	{ "\"a", LITERAL_JSON, "1:1: string without its closing quote" },
	{ "\"a\n\"", LITERAL_JSON, "1:1: string without its closing quote on the same line" },
	{ "\"a\tb\"", LITERAL_JSON, "1:3: control character in a string" },
	{ "\"\\x41\"", LITERAL_JSON, "1:2: unknown escape" },
	{ "\"\\", LITERAL_JSON, "1:2: unknown escape" },
	{ "\"\\u12\"", LITERAL_JSON, "1:2: escape needs 4 hexadecimal digits" },
	{ "\"\\u0000\"", LITERAL_JSON, "1:2: a string must not contain the NUL" },
	{ "\"\\ud800\"", LITERAL_JSON, "1:2: \\u escape names half" },
	{ "\"\\ud800\\u0041\"", LITERAL_JSON, "1:2: \\u escape names half" },
	{ "\"\\udc00\"", LITERAL_JSON, "1:2: \\u escape names half" },
	{ "01", LITERAL_JSON, "1:1: \"01\" is not a number (no leading zeros)" },
	{ "1.", LITERAL_JSON, "1:1: \"1.\" is not a number" },
	{ ".5", LITERAL_JSON, "1:1: expected a value, found ." },
	{ "+1", LITERAL_JSON, "1:1: expected a value, found +" },
	{ "1e", LITERAL_JSON, "1:1: \"1e\" is not a number" },
	{ "-", LITERAL_JSON, "1:1: \"-\" is not a number" },
	{ "0x10", LITERAL_JSON, "1:1: \"0x10\" is not a number" },
	{ "1_0", LITERAL_JSON, "1:2: expected the end of the text" },
	{ "128G", LITERAL_JSON, "1:1: \"128G\" is not a number" },
	{ "NaN", LITERAL_JSON, "1:1: expected a value, found NaN" },
	{ "Infinity", LITERAL_JSON, "1:1: expected a value, found Infinity" },
	{ "1e999", LITERAL_JSON, "1:1: number 1e999 is too large" },
	{ "18446744073709551616", LITERAL_JSON, "1:1: integer 18446744073709551616 does not fit" },
	{ "-9223372036854775809", LITERAL_JSON, "1:1: integer -9223372036854775809 does not fit" },
	{ "\xef\xbb\xbf{}", LITERAL_JSON, "1:1: the text begins with a byte order mark" },
	{ "\"\xc3\xa9\xff\"", LITERAL_JSON, "1:3: byte 0xff is not UTF-8" },
	{ "[\"\xc3\xa9\", x]", LITERAL_JSON, "1:7: expected a value, found x" },
	{ "\"\xed\xa0\x80\"", LITERAL_JSON, "1:2: byte 0xed is not UTF-8" },
	{ "\"\xc0\x80\"", LITERAL_JSON, "1:2: byte 0xc0 is not UTF-8" },
	{ "{'a': true}", LITERAL_PYTHON, "1:7: true is written True here" },
	{ "(1)", LITERAL_PYTHON, "1:1: a tuple of one is written (x,)" },
	{ "{1, 2}", LITERAL_PYTHON, "1:2: expected a key in quotes, found 1" },
	{ "{1: 2}", LITERAL_PYTHON, "1:2: expected a key in quotes, found 1" },
	{ "{'a': 1, \"a\": 2}", LITERAL_PYTHON, "1:10: duplicate key \"a\"" },
	{ "'a' 'b'", LITERAL_PYTHON, "1:5: expected the end of the text, found '" },
	{ "u'a'", LITERAL_PYTHON, "1:1: expected a value, found u" },
	{ "'''a'''", LITERAL_PYTHON, "1:3: expected the end of the text" },
	{ "'\\q'", LITERAL_PYTHON, "1:2: unknown escape" },
	{ "'\\U00110000'", LITERAL_PYTHON, "1:2: \\u escape names" },
	{ "'\\0'", LITERAL_PYTHON, "1:2: a string must not contain the NUL" },
	{ "1__0", LITERAL_PYTHON, "1:2: underscore in a number" },
	{ "1_", LITERAL_PYTHON, "1:2: underscore in a number" },
	{ "1j", LITERAL_PYTHON, "1:1: \"1j\" is not a number" },
	{ "0x", LITERAL_PYTHON, "1:1: \"0x\" is not a number" },
	{ "0b2", LITERAL_PYTHON, "1:1: \"0b2\" is not a number" },
	{ "1+2", LITERAL_PYTHON, "1:2: expected the end of the text, found +" },
	{ "os.system('x')", LITERAL_PYTHON, "1:1: expected a value, found os" },
	{ "{'a': true}", LITERAL_EITHER, "1:7: true is written True here" },
	{ "{\"a\": True, 'b': true}", LITERAL_EITHER, "1:18: true is written True here" },
	{ "{\"a\": 1, \"a\": 2}", LITERAL_EITHER, "1:10: duplicate key \"a\"" },
	{ "nope", LITERAL_EITHER, "1:1: expected a value, found nope" },
};

Test(literal, refuses_with_place_and_rule)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		AUTO_JSON struct json_object *o = NULL;
		struct error err = ERROR_INIT;

		cr_expect_eq(parse(bad[i].text, bad[i].syntax, &o, &err), -EINVAL, "%s passed",
			     bad[i].text);
		cr_expect_eq(err.code, EINVAL);
		cr_expect(strncmp(err.msg, "x:", 2) == 0 &&
				  strncmp(err.msg + 2, bad[i].message, strlen(bad[i].message)) == 0,
			  "%s: got %s", bad[i].text, err.msg);
		cr_expect_null(o);
	}
}

Test(literal, refuses_nul_bytes)
{
	static const char text[] = "[1,\n\0]";
	struct json_object *o = NULL;
	struct error err = ERROR_INIT;

	cr_assert_eq(parse_n(text, sizeof(text) - 1, LITERAL_JSON, &o, &err), -EINVAL);
	cr_assert_str_eq(err.msg, "x:2:1: NUL byte in the text");
}

static void nest(char *text, int depth)
{
	memset(text, '[', (size_t)depth);
	memset(text + depth, ']', (size_t)depth);
	text[2 * depth] = '\0';
}

Test(literal, caps_the_depth)
{
	char text[4 * LITERAL_DEPTH_MAX];
	AUTO_JSON struct json_object *o = NULL;
	struct error err = ERROR_INIT;

	nest(text, LITERAL_DEPTH_MAX);
	cr_assert_eq(parse(text, LITERAL_JSON, &o, &err), 0, "%s", err.msg);
	(void)json_object_put(o);
	o = NULL;
	nest(text, LITERAL_DEPTH_MAX + 1);
	cr_assert_eq(parse(text, LITERAL_JSON, &o, &err), -EINVAL);
	cr_assert(strstr(err.msg, "inside one another") != NULL, "%s", err.msg);
}

Test(literal, fails_at_every_cut_of_a_valid_text)
{
	static const char text[] =
		"{\"a\": [1.5e3, -2, \"x\\u00e9\\n\", null], \"b\": {\"c\": false}}";

	for (size_t n = 0; n + 1 < sizeof(text) - 1; n++) {
		char *copy = malloc(n + 1);
		struct json_object *o = NULL;
		struct error err = ERROR_INIT;

		memcpy(copy, text, n);
		cr_assert_eq(parse_n(copy, n, LITERAL_EITHER, &o, &err), -EINVAL, "cut at %zu", n);
		free(copy);
	}
}

Test(literal, locates_members_and_elements)
{
	static const char text[] = "{\n  \"a\": {\n    \"b\": [10,\n      {\"c\": null}]\n  }\n}\n";
	struct literal_text in = { .name = "x", .text = text, .len = sizeof(text) - 1 };
	unsigned int line = 0, column = 0;

	cr_assert(literal_locate(&in, "a", &line, &column));
	cr_assert_eq(line, 2);
	cr_assert_eq(column, 3);
	cr_assert(literal_locate(&in, "a.b[1]", &line, &column));
	cr_assert_eq(line, 4);
	cr_assert(literal_locate(&in, "a.b[1].c", &line, &column));
	cr_assert_eq(line, 4);
	cr_assert_eq(column, 8);
	cr_assert_not(literal_locate(&in, "a.x", &line, &column));
	cr_assert_not(literal_locate(&in, "", &line, &column));
}

Test(literal, locates_in_the_syntax_that_was_read)
{
	static const char text[] = "{'a': True,\n 'b': 2}";
	struct literal_text in = {
		.name = "x", .text = text, .len = sizeof(text) - 1, .syntax = LITERAL_EITHER
	};
	unsigned int line = 0, column = 0;

	cr_assert(literal_locate(&in, "b", &line, &column));
	cr_assert_eq(line, 2);
	cr_assert_eq(column, 2);
	in.syntax = LITERAL_JSON;
	cr_assert_not(literal_locate(&in, "b", &line, &column));
}

Test(literal, locates_nothing_behind_a_very_long_key)
{
	char text[4096];
	struct literal_text in = { .name = "x", .text = text };
	unsigned int line = 0, column = 0;
	size_t n;

	n = (size_t)snprintf(text, sizeof(text), "{\"%02000d\": {\"b\": 1}, \"c\": 2}", 0);
	in.len = n;
	cr_assert_not(literal_locate(&in, "b", &line, &column));
	cr_assert(literal_locate(&in, "c", &line, &column));
	cr_assert_eq(column, 2016);
}

Test(utf8, encodes_what_it_accepts)
{
	static const uint32_t codes[] = { 1,      0x7f,   0x80,   0x7ff,   0x800,
					  0xd7ff, 0xe000, 0xffff, 0x10000, 0x10ffff };

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		char buf[UTF8_MAX];
		size_t n = utf8_encode(codes[i], buf);

		cr_assert_gt(n, 0);
		cr_assert_eq(utf8_valid_length(buf, n), n, "U+%04X", codes[i]);
		cr_assert_eq(utf8_valid_length(buf, n - 1), 0, "U+%04X cut", codes[i]);
	}
	cr_assert_eq(utf8_encode(0xd800, (char[UTF8_MAX]){ 0 }), 0);
	cr_assert_eq(utf8_encode(0x110000, (char[UTF8_MAX]){ 0 }), 0);
}

Test(utf8, refuses_overlong_and_surrogates)
{
	static const char *const invalid[] = { "\x80",
					       "\xc0\xaf",
					       "\xe0\x9f\xbf",
					       "\xed\xa0\x80",
					       "\xf0\x8f\xbf\xbf",
					       "\xf4\x90\x80\x80",
					       "\xf5\x80\x80\x80",
					       "\xe2\x28\xa1" };

	for (size_t i = 0; i < ARRAY_SIZE(invalid); i++)
		cr_assert_eq(utf8_valid_length(invalid[i], strlen(invalid[i])), 0, "%zu", i);
}
