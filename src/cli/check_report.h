/* SPDX-License-Identifier: MIT */
/* The results of checks, as a table for people and as JSON. */
#ifndef BMVM_CLI_CHECK_REPORT_H
#define BMVM_CLI_CHECK_REPORT_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "host/check.h"

/** struct check_line - A row and what it said */
struct check_line {
	const struct check *check;
	struct check_result result;
};

/**
 * check_report_table() - Write status, title and finding, below it why it matters and how to mend
 * it
 * @out:           where to
 * @only_problems: leave out everything that has not failed
 *
 * Ends with one line that says whether a run could work. Control characters are shown as \xNN.
 */
void check_report_table(FILE *out, const struct check_line *lines, size_t n, bool only_problems);

/** check_report_json() - [{id,title,status,found,why,fix}], fix null when there is none; owned. */
struct json_object *check_report_json(const struct check_line *lines, size_t n);

/** check_report_count() - How many have this status. */
size_t check_report_count(const struct check_line *lines, size_t n, enum check_status status);

#endif
