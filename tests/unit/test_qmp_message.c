/* SPDX-License-Identifier: MIT */
/* qmp/message and qmp/error: strict parsing, encoding, typed members, cut texts. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qmp/error.h"
#include "qmp/message.h"

static struct json_object *parse(const char *line, size_t len, int *ret, struct qmp_error *err)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *json = NULL;
	/* Exactly as long as the text, so that AddressSanitizer sees any read beyond. */
	char *copy = malloc(len + (len == 0));

	memcpy(copy, line, len);
	*ret = qmp_message_parse(tokener, copy, len, &json, err);
	free(copy);
	json_tokener_free(tokener);
	return json;
}

static struct json_object *parse_good(const char *line)
{
	int r = 0;
	struct qmp_error err = { 0 };
	struct json_object *json = parse(line, strlen(line), &r, &err);

	cr_assert(eq(int, r, 0), "%s: %s", line, err.desc);
	return json;
}

Test(qmp_message, anything_but_one_json_object_is_refused)
{
	static const struct {
		const char *line;
		size_t len; /* 0: strlen */
	} bad[] = {
		{ "", 0 },
		{ " ", 0 },
		{ "{", 0 },
		{ "{\"a\": 1", 0 },
		{ "{\"a\": 1} x", 0 },
		{ "{\"a\": 1}{}", 0 },
		{ "{a: 1}", 0 },
		{ "[]", 0 },
		{ "null", 0 },
		{ "12", 0 },
		{ "\"text\"", 0 },
		{ "SSH-2.0-OpenSSH_9.2", 0 },
		{ "{\"a\": \"\xff\"}", 0 },
		{ "{\"a\": \"\xc3\"}", 0 },
		{ "{\"a\": \"x\x80\"}", 0 },
		{ "{\"\xe2\x82\": 1}", 0 },
		{ "{}\0", 3 },
		{ "{\"a\": \"b\0c\"}", 12 },
		{ "\0{}", 3 },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct qmp_error err = { 0 };
		size_t len = bad[i].len > 0 ? bad[i].len : strlen(bad[i].line);
		int r = 0;
		struct json_object *json = parse(bad[i].line, len, &r, &err);

		cr_expect(eq(int, r, -EPROTO), "case %zu: %s", i, bad[i].line);
		cr_expect(eq(int, err.code, EPROTO), "case %zu", i);
		cr_expect(err.desc[0] != '\0', "case %zu", i);
		cr_expect(json == NULL, "case %zu", i);
	}
}

Test(qmp_message, deep_nesting_is_refused)
{
	char line[256] = "{\"a\": ";
	struct qmp_error err = { 0 };
	int r = 0;

	memset(line + strlen(line), '[', 100);
	memset(line + strlen(line), ']', 100);
	strcat(line, "}");
	(void)parse(line, strlen(line), &r, &err);
	cr_expect(eq(int, r, -EPROTO));
}

Test(qmp_message, tokener_is_usable_after_a_failure)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *json = NULL;

	cr_expect(eq(int, qmp_message_parse(tokener, "{\"a\"", 4, &json, NULL), -EPROTO));
	cr_expect(eq(int, qmp_message_parse(tokener, "{\"a\": 1}", 8, &json, NULL), 0));
	json_object_put(json);
	json_tokener_free(tokener);
}

Test(qmp_message, kind_follows_from_the_members)
{
	static const struct {
		const char *line;
		enum qmp_message_kind kind;
	} cases[] = {
		{ "{\"QMP\": {}}", QMP_MESSAGE_GREETING },
		{ "{\"event\": \"STOP\"}", QMP_MESSAGE_EVENT },
		{ "{\"event\": 1}", QMP_MESSAGE_OTHER },
		{ "{\"event\": null}", QMP_MESSAGE_OTHER },
		{ "{\"event\": \"a\\u0000b\"}", QMP_MESSAGE_OTHER },
		{ "{\"return\": {}}", QMP_MESSAGE_REPLY },
		{ "{\"return\": null, \"id\": 1}", QMP_MESSAGE_REPLY },
		{ "{\"error\": {}, \"id\": 1}", QMP_MESSAGE_REPLY },
		{ "{\"error\": {}, \"return\": {}}", QMP_MESSAGE_OTHER },
		{ "{\"event\": \"STOP\", \"return\": {}}", QMP_MESSAGE_OTHER },
		{ "{\"QMP\": {}, \"event\": \"STOP\"}", QMP_MESSAGE_OTHER },
		{ "{}", QMP_MESSAGE_OTHER },
		{ "{\"id\": 1}", QMP_MESSAGE_OTHER },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json_object *json = parse_good(cases[i].line);

		cr_expect(eq(int, (int)qmp_message_kind(json), (int)cases[i].kind), "%s",
			  cases[i].line);
		json_object_put(json);
	}
}

Test(qmp_message, command_is_encoded_as_one_line)
{
	struct json_object *args = parse_good("{\"path\": \"/a\\nb\", \"n\": 1}");
	char *text = NULL;
	size_t len = 0;

	cr_assert(eq(int, qmp_message_encode("x-y", args, UINT64_MAX, &text, &len, NULL), 0));
	cr_expect(eq(str, text,
		     (char *)"{\"execute\":\"x-y\",\"arguments\":{\"path\":\"/a\\nb\",\"n\":1},"
			     "\"id\":18446744073709551615}\n"));
	cr_expect(eq(sz, len, strlen(text)));
	free(text);
	/* The arguments were only borrowed. */
	cr_expect(eq(int, json_object_put(args), 1));
}

Test(qmp_message, command_without_arguments)
{
	char *text = NULL;
	size_t len = 0;

	cr_assert(eq(int, qmp_message_encode("quit", NULL, 7, &text, &len, NULL), 0));
	cr_expect(eq(str, text, (char *)"{\"execute\":\"quit\",\"id\":7}\n"));
	free(text);
}

Test(qmp_message, arguments_that_qemu_could_not_read_are_refused)
{
	struct json_object *list = json_object_new_array();
	struct json_object *args = json_object_new_object();
	struct qmp_error err = { 0 };
	char *text = NULL;
	size_t len = 0;

	cr_expect(eq(int, qmp_message_encode("c", list, 1, &text, &len, &err), -EINVAL));
	json_object_object_add(args, "path", json_object_new_string("/latin1-\xe4"));
	cr_expect(eq(int, qmp_message_encode("c", args, 1, &text, &len, &err), -EINVAL));
	cr_expect(eq(int, err.code, EINVAL));
	cr_expect(text == NULL);
	json_object_put(list);
	json_object_put(args);
}

Test(qmp_message, utf8_well_formed)
{
	static const char *const good[] = {
		"",
		"ascii \x7f",
		"\xc2\x80",
		"\xdf\xbf",
		"\xe0\xa0\x80",
		"\xed\x9f\xbf",
		"\xee\x80\x80",
		"\xef\xbf\xbf",
		"\xf0\x90\x80\x80",
		"\xf4\x8f\xbf\xbf",
	};
	static const char *const bad[] = {
		"\x80",
		"\xbf",
		"\xc0\x80",
		"\xc1\xbf",
		"\xc2",
		"\xc2x",
		"\xe0\x9f\xbf",
		"\xe0\xa0",
		"\xed\xa0\x80",
		"\xed\xbf\xbf",
		"\xf0\x8f\xbf\xbf",
		"\xf4\x90\x80\x80",
		"\xf8\x88",
		"\xff",
		"a\xfe",
		"\xf0\x90\x80",
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		cr_expect(qmp_utf8_valid(good[i], strlen(good[i])), "good %zu", i);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect(not(qmp_utf8_valid(bad[i], strlen(bad[i]))), "bad %zu", i);
}

Test(qmp_message, members_are_not_converted)
{
	struct json_object *json = parse_good(
		"{\"s\": \"12\", \"i\": 12, \"neg\": -1, \"d\": 1.9,"
		" \"big\": 18446744073709551615, \"b\": true,"
		" \"f\": false, \"n\": null, \"nul\": \"a\\u0000b\"}");
	uint64_t u = 77;
	bool b = true;

	cr_expect(eq(str, (char *)qmp_member_str(json, "s"), (char *)"12"));
	cr_expect(qmp_member_str(json, "i") == NULL);
	cr_expect(qmp_member_str(json, "n") == NULL);
	cr_expect(qmp_member_str(json, "nul") == NULL);
	cr_expect(qmp_member_str(json, "absent") == NULL);
	cr_expect(qmp_member_str(NULL, "s") == NULL);
	for (const char *const *key = (const char *const[]){ "s", "neg", "d", "b", "n", "x", NULL };
	     *key != NULL; key++)
		cr_expect(not(qmp_member_u64(json, *key, &u)), "%s", *key);
	cr_expect(eq(u64, u, 77));
	cr_expect(qmp_member_u64(json, "i", &u));
	cr_expect(eq(u64, u, 12));
	cr_expect(qmp_member_u64(json, "big", &u));
	cr_expect(eq(u64, u, UINT64_MAX));
	cr_expect(not(qmp_member_bool(json, "s", &b)));
	cr_expect(not(qmp_member_bool(json, "i", &b)));
	cr_expect(b);
	cr_expect(qmp_member_bool(json, "f", &b));
	cr_expect(not(b));
	cr_expect(qmp_member(json, "n", json_type_object) == NULL);
	json_object_put(json);
}

Test(qmp_error, texts_are_cut_between_characters)
{
	struct qmp_error err = { 0 };
	char text[400] = "";

	/* Shifting the text by one byte each makes the cut fall everywhere in a 3-byte character.
	 */
	for (size_t shift = 0; shift < 3; shift++) {
		memset(text, 'x', shift);
		text[shift] = '\0';
		while (strlen(text) < 350)
			strcat(text, "\xe2\x82\xac");
		cr_expect(eq(int, qmp_error_reply(&err, text, text), -EIO));
		cr_expect(qmp_utf8_valid(err.desc, strlen(err.desc)), "shift %zu", shift);
		cr_expect(qmp_utf8_valid(err.class_, strlen(err.class_)), "shift %zu", shift);
		cr_expect(ge(sz, strlen(err.desc), sizeof(err.desc) - 3));
		cr_expect(eq(int, qmp_error_set(&err, EPROTO, "%s", text), -EPROTO));
		cr_expect(qmp_utf8_valid(err.desc, strlen(err.desc)), "shift %zu", shift);
		cr_expect(eq(str, err.class_, (char *)""));
	}
	cr_expect(eq(int, qmp_error_set(NULL, EIO, "nobody reads this"), -EIO));
	cr_expect(eq(int, qmp_error_reply(NULL, "GenericError", "nor this"), -EIO));
}
