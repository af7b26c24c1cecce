/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/utf8.h"
#include "tests/unit/helper_tree.h"

static struct json_object *parsed(const char *text)
{
	struct json_object *o = NULL;
	struct error err = ERROR_INIT;

	cr_assert_eq(json_parse(text, strlen(text), &o, &err), 0, "%s: %s", text, err.msg);
	return o;
}

static const char traps[] =
	"{\"text\":\"12\",\"small\":-1,\"big\":5000000000,"
	"\"i64\":9223372036854775807,\"u64\":18446744073709551615,"
	"\"real\":1.5,\"yes\":true,\"word\":\"false\",\"none\":null,"
	"\"list\":[1],\"map\":{}}";

Test(json, numbers_are_checked_for_type_and_range)
{
	static const struct {
		const char *key;
		int as_u64, as_i64;
	} rows[] = {
		{ "text", -EINVAL, -EINVAL },
		{ "small", -ERANGE, 0 },
		{ "big", 0, 0 },
		{ "i64", 0, 0 },
		{ "u64", 0, -ERANGE },
		{ "real", -EINVAL, -EINVAL },
		{ "yes", -EINVAL, -EINVAL },
		{ "none", -ENOENT, -ENOENT },
		{ "absent", -ENOENT, -ENOENT },
		{ "list", -EINVAL, -EINVAL },
	};
	AUTO_JSON struct json_object *o = parsed(traps);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t u = 42;
		int64_t n = 42;
		int r = json_get_u64(o, rows[i].key, &u, NULL);

		cr_expect_eq(r, rows[i].as_u64, "%s: %d", rows[i].key, r);
		cr_expect(r == 0 || u == 42, "%s: untouched on failure", rows[i].key);
		r = json_get_i64(o, rows[i].key, &n, NULL);
		cr_expect_eq(r, rows[i].as_i64, "%s: %d", rows[i].key, r);
		cr_expect(r == 0 || n == 42, "%s: untouched on failure", rows[i].key);
	}
}

Test(json, values_come_out_as_they_are)
{
	AUTO_JSON struct json_object *o = parsed(traps);
	const char *s = NULL;
	uint64_t u = 0;
	int64_t n = 0;
	bool b = false;

	cr_expect_eq(json_get_u64(o, "u64", &u, NULL), 0);
	cr_expect_eq(u, UINT64_MAX);
	cr_expect_eq(json_get_u64(o, "big", &u, NULL), 0);
	cr_expect_eq(u, UINT64_C(5000000000));
	cr_expect_eq(json_get_i64(o, "small", &n, NULL), 0);
	cr_expect_eq(n, -1);
	cr_expect_eq(json_get_bool(o, "yes", &b, NULL), 0);
	cr_expect(b);
	cr_expect_eq(json_get_bool(o, "word", &b, NULL), -EINVAL, "\"false\" is no boolean");
	cr_expect_eq(json_get_str(o, "word", &s, NULL), 0);
	cr_expect_str_eq(s, "false");
	cr_expect_eq(json_get_str(o, "big", &s, NULL), -EINVAL, "no conversion to text");
}

Test(json, an_error_names_member_and_type)
{
	AUTO_JSON struct json_object *o = parsed(traps);
	struct json_object *sub = NULL;
	struct error err = ERROR_INIT;

	cr_expect_eq(json_get_object(o, "list", &sub, &err), -EINVAL);
	cr_expect_str_eq(err.msg, "member \"list\" is not a object");
	cr_expect_eq(json_get_array(o, "absent", &sub, &err), -ENOENT);
	cr_expect_str_eq(err.msg, "member \"absent\" is missing");
	cr_expect_null(sub);
	cr_expect_eq(json_get_array(o, "list", &sub, &err), 0);
	cr_expect_eq(json_object_array_length(sub), 1);
}

Test(json, nothing_to_look_in_is_a_missing_member)
{
	AUTO_JSON struct json_object *list = parsed("[1,2]");
	uint64_t u = 0;

	cr_expect_eq(json_get_u64(NULL, "x", &u, NULL), -ENOENT);
	cr_expect_eq(json_get_u64(list, "x", &u, NULL), -ENOENT);
	cr_expect_str_eq(json_str_or(NULL, "x", "fallback"), "fallback");
	cr_expect_eq(json_u64_or(list, "x", 7), 7);
	cr_expect(json_bool_or(NULL, "x", true));
}

Test(json, only_one_strict_text_is_taken)
{
	static const struct {
		const char *text;
		size_t len; /* 0: strlen */
		int r;
	} rows[] = {
		{ "{}", 0, 0 },
		{ " \n{} \r\n", 0, 0 },
		{ "12", 0, 0 },
		{ "null", 0, 0 },
		{ "{\"a\":[1,{\"b\":null}]}", 0, 0 },
		{ "", 0, -EINVAL },
		{ "  ", 0, -EINVAL },
		{ "{", 0, -EINVAL },
		{ "[1,2", 0, -EINVAL },
		{ "{}{}", 0, -EINVAL },
		{ "{}\n{}", 0, -EINVAL },
		{ "[1] x", 0, -EINVAL },
		{ "{\"a\":1,}", 0, -EINVAL },
		{ "['a']", 0, -EINVAL },
		{ "/* c */ {}", 0, -EINVAL },
		{ "\"\xff\"", 0, -EINVAL },
		{ "\"\xc0\x80\"", 0, -EINVAL },
		{ "{}\0", 3, -EINVAL },
		{ "{}\0{}", 5, -EINVAL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_JSON struct json_object *o = NULL;
		struct error err = ERROR_INIT;
		size_t len = rows[i].len > 0 ? rows[i].len : strlen(rows[i].text);

		cr_expect_eq(json_parse(rows[i].text, len, &o, &err), rows[i].r, "row %zu: %s", i,
			     rows[i].text);
		cr_expect(rows[i].r == 0 || strncmp(err.msg, "not JSON: ", 10) == 0, "row %zu: %s",
			  i, err.msg);
		cr_expect(rows[i].r == 0 || o == NULL);
	}
}

Test(json, nesting_is_bounded)
{
	char text[400] = "";
	struct json_object *o = NULL;

	for (int i = 0; i < 100; i++)
		(void)strcat(text, "[");
	for (int i = 0; i < 100; i++)
		(void)strcat(text, "]");
	cr_expect_eq(json_parse(text, strlen(text), &o, NULL), -EINVAL);
}

Test(json, foreign_bytes_become_readable_json)
{
	AUTO_JSON struct json_object *o = json_new_object();
	AUTO_JSON struct json_object *again = NULL;
	const char *s = NULL;

	json_add_str(o, "bad",
		     "a\xff\xfe"
		     "b\xc3\xa4\xe2\x82");
	json_add_str(o, "good", "\xc3\xa4 \x01\"\\");
	json_add_str(o, "none", NULL);
	json_add_str(o, "\xc3\xa4", "");
	again = parsed(json_compact(o));
	cr_expect_eq(json_get_str(again, "bad", &s, NULL), 0);
	cr_expect_str_eq(s,
			 "a\xef\xbf\xbd\xef\xbf\xbd"
			 "b\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd");
	cr_expect_eq(json_get_str(again, "good", &s, NULL), 0);
	cr_expect_str_eq(s, "\xc3\xa4 \x01\"\\");
	cr_expect_eq(json_get_str(again, "none", &s, NULL), -ENOENT, "null");
	cr_expect(json_object_object_get_ex(again, "none", NULL));
}

Test(json, adders_write_what_getters_read)
{
	AUTO_JSON struct json_object *o = json_new_object();

	json_add_u64(o, "u", UINT64_MAX);
	json_add_i64(o, "i", INT64_MIN);
	json_add_bool(o, "b", true);
	json_add_seconds(o, "s", 1.23456);
	json_add(o, "l", json_new_array());
	json_add_u64(NULL, "ignored", 1);
	json_add(NULL, "freed", json_new_array());
	cr_expect_str_eq(json_compact(o),
			 "{\"u\":18446744073709551615,\"i\":-9223372036854775808,\"b\":true,"
			 "\"s\":1.235,\"l\":[]}");
}

Test(json, files_are_saved_and_loaded)
{
	char *root = tree_new();
	AUTO_CLOSE int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_JSON struct json_object *o = parsed("{\"path\":\"/a/b\"}");
	AUTO_JSON struct json_object *again = NULL;
	struct json_object *none = NULL;
	struct error err = ERROR_INIT;

	cr_expect_eq(json_save_at(fd, "x.json", o, 0600, NULL), 0);
	cr_expect_eq(json_load_at(fd, "x.json", &again, NULL), 0);
	cr_expect_str_eq(json_str_or(again, "path", ""), "/a/b");
	tree_file(root, "torn.json", "{\"a\":");
	cr_expect_eq(json_load_at(fd, "torn.json", &none, &err), -EINVAL);
	cr_expect(strncmp(err.msg, "torn.json: not JSON: ", 21) == 0, "%s", err.msg);
	cr_expect_eq(json_load_at(fd, "none.json", &none, &err), -ENOENT);
	tree_remove(root);
}
