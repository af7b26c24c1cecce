/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "results/log_errors.h"

static void feed_pieces(struct log_scan *scan, const char *log, size_t len, size_t piece)
{
	for (size_t i = 0; i < len; i += piece)
		cr_assert_eq(log_scan_feed(scan, log + i, i + piece <= len ? piece : len - i), 0);
}

static struct log_error found(const struct log_rules *rules, const char *log, size_t len,
			      size_t piece)
{
	AUTO_LOG_SCAN struct log_scan scan;
	struct log_error ret;

	log_scan_begin(&scan, rules);
	feed_pieces(&scan, log, len, piece);
	cr_assert_eq(log_scan_end(&scan, &ret), ret.text != NULL);
	return ret;
}

static const struct {
	const char *log;
	const char *text; /* NULL: nothing is found */
	size_t line;
} cases[] = {
	{ "", NULL, 0 },
	{ "\n\nall is well\r\n", NULL, 0 },
	{ "a\nRuntimeError: x\n", "RuntimeError:", 2 },
	{ "a\r\nb\r\nx ValueError: y", "ValueError:", 3 },
	{ "10%\r20%\rFAILED\r30%\n", "FAILED", 1 },
	{ "runtimeerror: x\nRuntimeError x\nfailed\n", NULL, 0 },
	{ "Traceback (most recent call last):\n", "Traceback (most recent call last)", 1 },
	{ "worker 3 failed (exitcode: 1)\n", "failed (exitcode:", 1 },
	{ "torch.cuda.OutOfMemoryError: CUDA out of memory", "OutOfMemoryError", 1 },
	{ "raise SystemExit\n", "SystemExit", 1 },
	/* two in one line: the first of the list */
	{ "Exception: RuntimeError: x\n", "RuntimeError:", 1 },
	/* benign ones */
	{ "x FutureWarning: ValueError: y\n", NULL, 0 },
	{ "FAILED [rocprofv3]\n", NULL, 0 },
	{ "rpd_tracer: FAILED\nFAILED\n", "FAILED", 2 },
	{ "E20250101 12:00 generateRocpd.cpp:5 FAILED\n", NULL, 0 },
	{ "W20250101 FAILED simple_timer.cpp\n", NULL, 0 },
	{ "W20250101 FAILED generateRocpd.cpp\n", NULL, 0 },
	{ "E20250101 FAILED tool.cpp\n", NULL, 0 },
	{ "W20250101 FAILED tool.cpp\n", "FAILED", 1 },
	{ "E2025010 FAILED tool.cpp\n", "FAILED", 1 },
	{ " E20250101 FAILED tool.cpp\n", "FAILED", 1 },
	{ "E20250101", NULL, 0 },
	/* the search itself */
	{ "> grep -q 'FAILED' x.log\n", NULL, 0 },
	{ "FAILED grep -q x\n", "FAILED", 1 },
	{ "FAILED grep -q FAILED\n", NULL, 0 },
	{ "Found error pattern 'FAILED' in logs\n", NULL, 0 },
	{ "grep -q FAILED\nFAILED\n", "FAILED", 2 },
	/* not of this text, but of another one */
	{ "SystemExit grep -q FAILED\n", "SystemExit", 1 },
};

Test(log_errors, finds_the_first_sign)
{
	AUTO_LOG_RULES struct log_rules rules = LOG_RULES_INIT;

	cr_assert_eq(log_rules_make(NULL, NULL, &rules, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (size_t piece = 1; piece < 64; piece++) {
			struct log_error got =
				found(&rules, cases[i].log, strlen(cases[i].log), piece);

			if (cases[i].text == NULL) {
				cr_assert_null(got.text, "%s", cases[i].log);
				continue;
			}
			cr_assert_not_null(got.text, "%s", cases[i].log);
			cr_assert_str_eq(got.text, cases[i].text, "%s", cases[i].log);
			cr_assert_eq(got.line, cases[i].line, "%s", cases[i].log);
		}
	}
}

Test(log_errors, shows_the_place)
{
	AUTO_LOG_RULES struct log_rules rules = LOG_RULES_INIT;
	char log[4096];

	cr_assert_eq(log_rules_make(NULL, NULL, &rules, NULL), 0);
	cr_assert_str_eq(found(&rules, "a\nb\0FAILED c\nd", 15, 64).shown, "b?FAILED c");
	memset(log, 'x', sizeof(log));
	memcpy(log + 2000, "FAILED", 6);
	cr_assert(strstr(found(&rules, log, sizeof(log), 100).shown, "FAILED") != NULL);
}

Test(log_errors, cuts_no_text_of_a_long_line)
{
	AUTO_LOG_RULES struct log_rules rules = LOG_RULES_INIT;
	size_t len = 3 * LOG_LINE_MAX;
	AUTO_FREE char *log = malloc(len);

	cr_assert_eq(log_rules_make(NULL, NULL, &rules, NULL), 0);
	for (size_t at = LOG_LINE_MAX - 8; at < LOG_LINE_MAX + 3; at++) {
		memset(log, 'x', len);
		memcpy(log + at, "FAILED", 6);
		cr_assert_not_null(found(&rules, log, len, len).text, "%zu", at);
		cr_assert_not_null(found(&rules, log, len, 65536).text, "%zu", at);
	}
}

static int make(const char *model, const char *context, struct log_rules *ret, struct error *err)
{
	AUTO_JSON struct json_object *m = NULL, *c = NULL;

	cr_assert_eq(json_parse(model, strlen(model), &m, NULL), 0);
	cr_assert_eq(json_parse(context, strlen(context), &c, NULL), 0);
	return log_rules_make(m, c, ret, err);
}

static const struct {
	const char *model;
	const char *context;
	bool off;
} scans[] = {
	{ "{}", "{}", false },
	{ "null", "null", false },
	{ "{'log_error_pattern_scan':false}", "{}", true },
	{ "{'log_error_pattern_scan':0}", "{}", true },
	{ "{'log_error_pattern_scan':''}", "{}", true },
	{ "{'log_error_pattern_scan':'No'}", "{}", true },
	{ "{}", "{'log_error_pattern_scan':'off'}", true },
	{ "{'log_error_pattern_scan':false}", "{'log_error_pattern_scan':true}", false },
	{ "{'log_error_pattern_scan':true}", "{'log_error_pattern_scan':0}", true },
	{ "{'log_error_pattern_scan':null}", "{}", false },
	{ "{'log_error_pattern_scan':[]}", "{}", false },
	{ "{'log_error_pattern_scan':'yes'}", "{}", false },
};

/* JSON with the quotes that C strings like. */
static char *quoted(const char *text)
{
	char *copy = strdup(text);

	for (char *p = copy; *p != '\0'; p++)
		*p = *p == '\'' ? '"' : *p;
	return copy;
}

Test(log_errors, may_be_off)
{
	for (size_t i = 0; i < ARRAY_SIZE(scans); i++) {
		AUTO_LOG_RULES struct log_rules rules = LOG_RULES_INIT;
		AUTO_FREE char *model = quoted(scans[i].model), *context = quoted(scans[i].context);

		cr_assert_eq(make(model, context, &rules, NULL), 0);
		cr_assert_eq(rules.off, scans[i].off, "case %zu", i);
		cr_assert_eq(found(&rules, "FAILED\n", 7, 7).text == NULL, scans[i].off);
	}
}

Test(log_errors, takes_texts_of_the_user)
{
	AUTO_LOG_RULES struct log_rules rules = LOG_RULES_INIT;

	cr_assert_eq(make("{\"log_error_patterns\":[\"model says\"],"
			  "\"log_error_benign_patterns\":[\"mild\"]}",
			  "{\"log_error_patterns\":[\"context says\",\"b\"],"
			  "\"log_error_benign_patterns\":[\".*\"]}",
			  &rules, NULL),
		     0);
	cr_assert_null(found(&rules, "FAILED\nmodel says\n", 18, 64).text);
	cr_assert_null(found(&rules, "mild context says\n.* context says\n", 34, 64).text);
	cr_assert_str_eq(found(&rules, "context says x", 14, 64).text, "context says");
	log_rules_done(&rules);
	cr_assert_eq(make("{\"log_error_patterns\":[\"m\"]}", "{\"log_error_patterns\":[]}", &rules,
			  NULL),
		     0);
	cr_assert_eq(rules.errors.n, 1);
	cr_assert_str_eq(rules.errors.v[0], "m");
}

Test(log_errors, refuses_bad_texts)
{
	static const struct {
		const char *model;
		const char *why;
	} bad[] = {
		{ "{'log_error_patterns':'x'}", "log_error_patterns: not a list of strings" },
		{ "{'log_error_patterns':['x',5]}", "log_error_patterns[1]: not a string" },
		{ "{'log_error_benign_patterns':['']}",
		  "log_error_benign_patterns[0]: an empty text is in every line" },
		{ "{'log_error_benign_patterns':[null]}",
		  "log_error_benign_patterns[0]: not a string" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		AUTO_FREE char *model = quoted(bad[i].model);
		struct log_rules rules = LOG_RULES_INIT;
		struct error err = ERROR_INIT;

		cr_assert_eq(make(model, "{}", &rules, &err), -EINVAL);
		cr_assert_str_eq(err.msg, bad[i].why);
		cr_assert_eq(make("{}", model, &rules, &err), -EINVAL);
		cr_assert_str_eq(err.msg, bad[i].why);
		cr_assert_null(rules.errors.v);
	}
}

Test(log_errors, bounds_texts)
{
	AUTO_JSON struct json_object *model = json_new_object();
	struct json_object *texts = json_new_array();
	struct log_rules rules = LOG_RULES_INIT;
	struct error err = ERROR_INIT;
	char text[LOG_ERROR_TEXT_MAX + 2];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	json_add(model, "log_error_patterns", texts);
	json_object_array_add(texts, json_new_string(text));
	cr_assert_eq(log_rules_make(model, NULL, &rules, &err), -EINVAL);
	cr_assert_str_eq(err.msg, "log_error_patterns[0]: longer than 1024 bytes");
	for (size_t i = 0; i < LOG_ERROR_TEXTS_MAX; i++)
		json_object_array_add(texts, json_new_string("x"));
	cr_assert_eq(log_rules_make(model, NULL, &rules, &err), -EINVAL);
	cr_assert_str_eq(err.msg, "log_error_patterns: more than 256 texts");
}
