/* SPDX-License-Identifier: MIT */
/*
 * The performance a model printed, found in its log while that passes by.
 *
 * Two forms are known, and the first place of the log where the first one matches wins; the second
 * form counts only in a log without the first:
 *
 *   performance: VALUE[,| /UNIT] METRIC           performance: 14164 samples_per_second
 *   train_samples_per_second = VALUE              what the HuggingFace trainer prints
 *
 * As regular expressions, both case-sensitive and anchored nowhere:
 *
 *   performance:\s+([+\-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+\-]?[0-9]+)?)
 *      (?:,?\s*\/[a-zA-Z]+\s*,?|,)?\s+([^\s,]+)
 *   train_samples_per_second['"\s:=]+([0-9][0-9.eE+-]*)
 *
 * They are madengine's, with all they imply: white space includes line ends, so "performance: 5"
 * alone takes the next word of the log for its metric. White space is that of ASCII. A number or
 * metric of more than PERFORMANCE_MAX bytes is none, and a NUL in a metric becomes "?".
 *
 * The scanner is a state machine over bytes: the log may be of any size and arrive in any pieces.
 */
#ifndef BMVM_RESULTS_PERFORMANCE_H
#define BMVM_RESULTS_PERFORMANCE_H

#include <stdbool.h>
#include <stddef.h>

#define PERFORMANCE_MAX 255

/**
 * struct performance - What was measured
 * @value:  as it was printed; empty when nothing was found
 * @metric: in what it is measured; any bytes but NUL, white space and comma
 */
struct performance {
	char value[PERFORMANCE_MAX + 1];
	char metric[PERFORMANCE_MAX + 1];
};

enum performance_state {
	PERFORMANCE_SEARCHING,
	PERFORMANCE_BEFORE_VALUE,
	PERFORMANCE_VALUE,
	PERFORMANCE_BEHIND_VALUE,
	PERFORMANCE_UNIT,
	PERFORMANCE_BEHIND_UNIT,
	PERFORMANCE_BEHIND_COMMA, /* the one behind the unit */
	PERFORMANCE_METRIC,
	PERFORMANCE_FOUND,
};

/** struct performance_text - Bytes gathered; @n is PERFORMANCE_MAX + 1 when there were more. */
struct performance_text {
	char text[PERFORMANCE_MAX + 1];
	size_t n;
};

/**
 * struct performance_scan - The scanner of one log; zero-initialised it is at the log's start
 * @state:    of the first form
 * @keyword:  how many bytes of "performance:" the last ones read are
 * @comma:    a comma was directly behind the value
 * @spaced:   white space was between value and unit or metric
 * @metric:   or the unit with its slash, which is the metric should it turn out to be no unit
 * @trainer:  the second form: SEARCHING, BEFORE_VALUE, VALUE or FOUND
 */
struct performance_scan {
	enum performance_state state;
	size_t keyword;
	bool comma;
	bool spaced;
	bool comma_spaced;
	struct performance_text value;
	struct performance_text metric;
	struct {
		enum performance_state state;
		size_t keyword;
		bool separated;
		struct performance_text value;
	} trainer;
};

/** performance_feed() - Read the next @len bytes of the log. */
void performance_feed(struct performance_scan *scan, const char *bytes, size_t len);

/**
 * performance_end() - The log ends here: what is the performance?
 *
 * Return: whether one was found; @ret is filled in either case.
 */
bool performance_end(struct performance_scan *scan, struct performance *ret);

#endif
