/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target of what a guest gives us as results, a model's log and its own table: an error
 * in the log is found in whatever pieces it arrives, and any table becomes JSON that a strict
 * reader takes and a CSV of as many rows.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "results/csv.h"
#include "results/log_errors.h"
#include "results/multi_results.h"
#include "results/perf_csv.h"
#include "results/perf_record.h"
#include "results/perf_super.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static struct log_error find(const struct log_rules *rules, const char *log, size_t len,
			     size_t piece)
{
	AUTO_LOG_SCAN struct log_scan scan;
	struct log_error ret;

	log_scan_begin(&scan, rules);
	for (size_t i = 0; i < len; i += piece)
		must(log_scan_feed(&scan, log + i, i + piece <= len ? piece : len - i) == 0);
	(void)log_scan_end(&scan, &ret);
	return ret;
}

static void check_log(const char *log, size_t len)
{
	AUTO_LOG_RULES struct log_rules rules = LOG_RULES_INIT;
	struct log_error whole, pieces;

	must(log_rules_make(NULL, NULL, &rules, NULL) == 0);
	strv_add(&rules.errors, "e");
	strv_add(&rules.benign, "b");
	whole = find(&rules, log, len, len);
	pieces = find(&rules, log, len, 3);
	must(whole.text == pieces.text && whole.line == pieces.line);
	must(strcmp(whole.shown, pieces.shown) == 0);
}

static void check_rows(struct json_object *records, size_t n)
{
	AUTO_JSON struct json_object *again = NULL;
	AUTO_FREE char *json = perf_json_text(records);
	AUTO_CSV struct csv csv = CSV_INIT;
	size_t len = 0;
	AUTO_FREE char *text = perf_csv_text(records, perf_columns, PERF_COLUMNS, &len);

	must(json != NULL && json_parse(json, strlen(json), &again, NULL) == 0);
	must(json_object_array_length(again) == n);
	must(text != NULL && csv_parse(text, len, &csv, NULL) == 0);
	must(csv.unclosed == 0 && csv.n_rows == n && csv.n_columns >= PERF_COLUMNS);
}

static void check_table(const char *text, size_t len)
{
	AUTO_JSON struct json_object *record = json_new_object(), *rows = NULL, *entries = NULL;
	AUTO_CSV struct csv csv = CSV_INIT;

	if (csv_parse(text, len, &csv, NULL) < 0)
		return;
	json_add_str(record, "model", "m");
	rows = perf_records_multi(record, NULL, &csv);
	check_rows(rows, csv.n_rows);
	entries = perf_super_records(record, NULL, &csv);
	check_rows(entries, csv.n_rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	if (size == 0)
		return 0;
	check_log((const char *)bytes, size);
	/* each row becomes some 30 members */
	if (size <= 256)
		check_table((const char *)bytes, size);
	return 0;
}
