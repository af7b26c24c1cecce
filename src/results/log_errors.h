/* SPDX-License-Identifier: MIT */
/*
 * Signs of failure in a model's log: a script that caught its error, or a pipeline that hid the
 * exit code, still printed "RuntimeError:".
 *
 * A line is such a sign if it contains one of the error texts and is not benign. Both are literal
 * and case-sensitive. Benign is a line that
 *   - contains a known benign text, or one of the user's;
 *   - begins as a log line of the profilers' own (E or W, eight digits, ... tool.cpp and the like);
 *   - is about the search itself: has the error text behind "grep -q" or "Found error pattern".
 *
 * Lines end with LF or CR. One longer than LOG_LINE_MAX counts as several, which overlap so that no
 * text is cut.
 */
#ifndef BMVM_RESULTS_LOG_ERRORS_H
#define BMVM_RESULTS_LOG_ERRORS_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/strv.h"

struct error;

#define LOG_LINE_MAX        ((size_t)1 << 20)
#define LOG_ERROR_TEXTS_MAX 256
#define LOG_ERROR_TEXT_MAX  1024

/**
 * struct log_rules - What counts
 * @off:    look for nothing
 * @errors: texts of errors
 * @benign: texts of benign lines
 */
struct log_rules {
	bool off;
	struct strv errors;
	struct strv benign;
};

#define LOG_RULES_INIT                                                                             \
	{                                                                                          \
		.off = false                                                                       \
	}

/**
 * log_rules_make() - The built-in rules with what model and context say
 * @model:   the model's object, borrowed, or NULL
 * @context: the additional context, borrowed, or NULL
 * @ret:     of the caller, who ends it with log_rules_done()
 *
 * "log_error_pattern_scan" of the context, else of the model, turns the search off if it is false,
 * 0, "", "0", "false", "no" or "off". "log_error_patterns" (context before model), a list that is
 * not empty, replaces the error texts. "log_error_benign_patterns" of both are added. To be called
 * before a model runs, so that a mistake costs nothing.
 * Return: 0; -EINVAL with the member in @err: no list of texts, an empty text, more than
 * LOG_ERROR_TEXTS_MAX texts or one longer than LOG_ERROR_TEXT_MAX bytes; -ENOMEM.
 */
int log_rules_make(struct json_object *model, struct json_object *context, struct log_rules *ret,
		   struct error *err);

/** log_rules_done() - Free them. */
void log_rules_done(struct log_rules *rules);

#define AUTO_LOG_RULES CLEANUP(log_rules_done)

/**
 * struct log_error - The first sign of failure in a log
 * @text: the error text that was found, borrowed from the rules; NULL when there was none
 * @line: its line, from 1
 * @shown: the beginning of that line, for people; any bytes but NUL
 */
struct log_error {
	const char *text;
	size_t line;
	char shown[256];
};

/**
 * struct log_scan - A search that goes on
 * @buffer: the line that has begun, @n of @size bytes
 */
struct log_scan {
	const struct log_rules *rules;
	struct log_error found;
	size_t line;
	char *buffer;
	size_t n;
	size_t size;
};

/** log_scan_begin() - Start a search. @rules: borrowed until the end. */
void log_scan_begin(struct log_scan *scan, const struct log_rules *rules);

/** log_scan_feed() - Read the next @len bytes of the log. Return: 0 or -ENOMEM. */
int log_scan_feed(struct log_scan *scan, const char *bytes, size_t len);

/** log_scan_end() - The log ends here. Return: whether an error was found; @ret is filled. */
bool log_scan_end(struct log_scan *scan, struct log_error *ret);

/** log_scan_done() - Free the search, ended or not. */
void log_scan_done(struct log_scan *scan);

#define AUTO_LOG_SCAN CLEANUP(log_scan_done)

#endif
