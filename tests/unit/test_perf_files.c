/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "helper_perf.h"
#include "results/csv.h"
#include "results/perf_configs.h"
#include "results/perf_files.h"
#include "results/perf_record.h"
#include "results/perf_super.h"
#include "results/performance.h"
#include "results/summary.h"

TestSuite(perf_files, .init = perf_folder_make, .fini = perf_folder_drop);
TestSuite(perf_super_files, .init = perf_folder_make, .fini = perf_folder_drop);
TestSuite(perf_configs, .init = perf_folder_make, .fini = perf_folder_drop);
TestSuite(summary, .init = perf_folder_make, .fini = perf_folder_drop);

static int add_entry(int writer, int i)
{
	AUTO_JSON struct json_object *list = perf_list(perf_record("m", NULL, "FAILURE"));

	(void)writer;
	(void)i;
	return perf_super_write(perf_folder, list, NULL);
}

Test(perf_super_files, lose_no_entry_of_several_programs, .timeout = 200)
{
	AUTO_JSON struct json_object *book = NULL;
	AUTO_CSV struct csv csv = CSV_INIT;

	perf_run_writers(add_entry);
	cr_assert_eq(json_load_at(perf_folder, "perf_super.json", &book, NULL), 0);
	cr_assert_eq(json_object_array_length(book), PERF_WRITERS * PERF_WRITER_ADDS);
	cr_assert_eq(csv_read_at(perf_folder, "perf_super.csv", &csv, NULL), 0);
	cr_assert_eq(csv.n_rows, PERF_WRITERS * PERF_WRITER_ADDS);
	cr_assert_eq(perf_folder_entries(), 4);
}

Test(perf_super_files, keep_numbers_and_have_no_nan)
{
	AUTO_JSON struct json_object *none = json_new_array();

	perf_put("perf_super.json",
		 "[{\"a\": 3670, \"b\": 1.50, \"c\": NaN, \"d\": [NaN, {\"e\": -Infinity}], "
		 "\"f\": \"NaN\", \"g\": 18446744073709551615}]");
	cr_assert_eq(perf_super_write(perf_folder, none, NULL), 0);
	perf_expect("perf_super.json",
		    "[\n  {\n    \"a\": 3670,\n    \"b\": 1.50,\n    \"c\": null,\n"
		    "    \"d\": [\n      null,\n      {\n        \"e\": null\n"
		    "      }\n    ],\n    \"f\": \"NaN\",\n"
		    "    \"g\": 18446744073709551615\n  }\n]\n");
	perf_expect("perf_super.csv",
		    "a,b,c,d,f,g\n3670,1.50,,\"[null,{\"\"e\"\":null}]\",NaN,"
		    "18446744073709551615\n");
}

Test(perf_super_files, are_refused_when_broken)
{
	static const struct {
		const char *text;
		const char *why;
	} cases[] = {
		{ "{}", "perf_super.json: not a list" },
		{ "[{}, 5]", "perf_super.json: [1] is no object" },
		{ "[{}", "perf_super.json: not JSON" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct error err = ERROR_INIT;
		AUTO_JSON struct json_object *list = perf_list(json_new_object());

		perf_put("perf_super.json", cases[i].text);
		cr_assert_eq(perf_super_write(perf_folder, list, &err), -EINVAL);
		cr_assert_eq(strncmp(err.msg, cases[i].why, strlen(cases[i].why)), 0, "%s",
			     err.msg);
		perf_expect("perf_super.json", cases[i].text);
	}
}

/* The books of a package are nobody's link; what is to be seen is known before a run. */
Test(perf_super_files, are_checked_beforehand)
{
	AUTO_JSON struct json_object *list = perf_list(json_new_object());
	struct error err = ERROR_INIT;

	cr_assert_eq(perf_super_check(perf_folder, NULL), 0);
	cr_assert_eq(perf_folder_entries(), 0);
	perf_put("perf_super.json", "[{\"a\": NaN}]");
	cr_assert_eq(perf_super_check(perf_folder, NULL), 0);
	perf_put("perf_super.json", "[{}, 5]");
	cr_assert_eq(perf_super_check(perf_folder, &err), -EINVAL);
	cr_assert_str_eq(err.msg, "perf_super.json: [1] is no object");
	cr_assert_eq(renameat(perf_folder, "perf_super.json", perf_folder, "victim"), 0);
	cr_assert_eq(symlinkat("victim", perf_folder, "perf_super.json"), 0);
	cr_assert_eq(perf_super_check(perf_folder, &err), -ELOOP);
	cr_assert_str_eq(err.msg, "perf_super.json: a symbolic link, which is not followed");
	perf_put("victim", "[]");
	cr_assert_eq(perf_super_write(perf_folder, list, NULL), -ELOOP);
	perf_expect("victim", "[]");
}

static int write_one(enum outcome_kind kind, struct json_object *configs, const struct csv *table,
		     struct error *err)
{
	static const struct performance five = { .value = "5", .metric = "x" };
	AUTO_JSON struct json_object *record = perf_record("m", &five, "SUCCESS");
	struct perf_result result = { .kind = kind,
				      .container = kind == OUTCOME_FINISHED ||
						   kind == OUTCOME_FAILED ||
						   kind == OUTCOME_INFRASTRUCTURE,
				      .record = record,
				      .configs = configs,
				      .table = table };

	return perf_files_write(perf_folder, NULL, &result, err);
}

#define ROW5 PERF_HEADER "\n" PERF_ROW("m", "5", "x", "SUCCESS") "\n"
#define OBJECT5                                                                                    \
	"{\"model\": \"m\", \"n_gpus\": \"1\", \"nnodes\": \"1\", \"gpus_per_node\": \"1\", "      \
	"\"training_precision\": \"\", \"pipeline\": \"\", \"args\": \"\", \"tags\": \"\", "       \
	"\"docker_file\": \"\", \"base_docker\": \"\", \"docker_sha\": \"\", "                     \
	"\"docker_image\": \"\", \"git_commit\": \"\", \"machine_name\": \"\", "                   \
	"\"deployment_type\": \"baremetal_vm\", \"launcher\": \"docker\", "                        \
	"\"gpu_architecture\": \"\", \"performance\": \"5\", \"metric\": \"x\", "                  \
	"\"relative_change\": \"\", \"status\": \"SUCCESS\", \"build_duration\": \"\", "           \
	"\"test_duration\": 2.5, \"dataname\": \"\", \"data_provider_type\": \"\", "               \
	"\"data_size\": \"\", \"data_download_duration\": \"\", \"build_number\": \"0\", "         \
	"\"additional_docker_run_options\": \"\", \"configs\": "

Test(perf_files, of_a_single_result)
{
	AUTO_FREE char *super = NULL, *entry = NULL;

	cr_assert_eq(write_one(OUTCOME_FINISHED, NULL, NULL, NULL), 0);
	perf_expect("perf.csv", ROW5);
	perf_expect("perf_entry.csv", ROW5);
	perf_expect("perf_entry.json", OBJECT5 "null}\n");
	perf_expect("perf_super.csv", PERF_HEADER
		    ",configs,multi_results\n" PERF_ROW("m", "5", "x", "SUCCESS") ",,\n");
	super = perf_get("perf_super.json");
	entry = perf_get("perf_entry_super.json");
	cr_assert_str_eq(super, entry);
	cr_assert_eq(strstr(super, "[\n  {\n    \"model\": \"m\",\n"), super);
	/* the second one: books grow, entries do not */
	cr_assert_eq(write_one(OUTCOME_INFRASTRUCTURE, NULL, NULL, NULL), 0);
	perf_expect("perf.csv", ROW5 PERF_ROW("m", "5", "x", "SUCCESS") "\n");
	perf_expect("perf_entry.csv", ROW5);
	perf_expect("perf_entry_super.json", entry);
	cr_assert_eq(perf_folder_entries(), 7);
}

Test(perf_files, of_a_result_with_configs)
{
	AUTO_JSON struct json_object *configs = json_new_object();

	json_add_str(configs, "a,b", "1");
	cr_assert_eq(write_one(OUTCOME_FAILED, configs, NULL, NULL), 0);
	perf_expect("perf.csv", ROW5);
	perf_expect("perf_entry.json", OBJECT5 "{\"a,b\":\"1\"}}\n");
	perf_expect("perf_super.csv",
		    PERF_HEADER ",configs,multi_results\n" PERF_ROW(
			    "m", "5", "x", "SUCCESS") ",\"{\"\"a,b\"\":\"\"1\"\"}\",\n");
}

Test(perf_files, of_what_came_to_no_container)
{
	static const enum outcome_kind kinds[] = { OUTCOME_SETUP, OUTCOME_BUILD, OUTCOME_SKIPPED };
	AUTO_JSON struct json_object *record = perf_record("m", NULL, "FAILURE");
	struct perf_result unreached = { .kind = OUTCOME_INFRASTRUCTURE, .record = record };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		cr_assert_eq(write_one(kinds[i], NULL, NULL, NULL), 0);
		perf_expect("perf.csv", ROW5);
		perf_expect("perf_entry.csv", ROW5);
		cr_assert_eq(perf_folder_entries(), 2);
		cr_assert_eq(unlinkat(perf_folder, "perf.csv", 0), 0);
	}
	cr_assert_eq(perf_files_write(perf_folder, NULL, &unreached, NULL), 0);
	cr_assert_eq(perf_folder_entries(), 2);
	cr_assert_eq(unlinkat(perf_folder, "perf.csv", 0), 0);
	cr_assert_eq(unlinkat(perf_folder, "perf_entry.csv", 0), 0);
	cr_assert_eq(write_one(OUTCOME_NOT_RUN, NULL, NULL, NULL), 0);
	cr_assert_eq(perf_folder_entries(), 0);
}

Test(perf_files, of_a_table)
{
	static const char text[] = "model,performance,metric,t\nr1,1.50,x,40\nr2,,x,\n";
	AUTO_JSON struct json_object *entry = NULL;
	AUTO_CSV struct csv csv = CSV_INIT;

	cr_assert_eq(csv_parse(text, strlen(text), &csv, NULL), 0);
	cr_assert_eq(write_one(OUTCOME_FINISHED, NULL, &csv, NULL), 0);
	perf_expect("perf.csv", PERF_HEADER
		    ",configs,t\n" PERF_ROW("m_r1", "1.50", "x", "SUCCESS") ",,40\n" PERF_ROW(
			    "m_r2", "", "x", "FAILURE") ",,\n");
	perf_expect("perf_entry.csv", PERF_HEADER
		    ",configs,t\n" PERF_ROW("m_r1", "1.50", "x", "SUCCESS") ",,40\n" PERF_ROW(
			    "m_r2", "", "x", "FAILURE") ",,\n");
	cr_assert_eq(json_load_at(perf_folder, "perf_entry.json", &entry, NULL), 0);
	cr_assert_eq(json_object_array_length(entry), 2);
	/* the table of a model that failed does not count */
	cr_assert_eq(write_one(OUTCOME_FAILED, NULL, &csv, NULL), 0);
	perf_expect("perf_entry.csv", ROW5);
}

Test(perf_files, of_a_table_with_one_row)
{
	static const char text[] = "model,performance,metric\nr1,7,x\n";
	AUTO_JSON struct json_object *entry = NULL;
	AUTO_CSV struct csv csv = CSV_INIT;

	cr_assert_eq(csv_parse(text, strlen(text), &csv, NULL), 0);
	cr_assert_eq(write_one(OUTCOME_FINISHED, NULL, &csv, NULL), 0);
	cr_assert_eq(json_load_at(perf_folder, "perf_entry.json", &entry, NULL), 0);
	cr_assert_str_eq(json_str_or(entry, "model", NULL), "m_r1");
}

Test(perf_files, are_written_as_far_as_possible)
{
	struct error err = ERROR_INIT;

	perf_put("perf.csv", "\"");
	perf_put("perf_super.json", "{");
	cr_assert_eq(write_one(OUTCOME_FINISHED, NULL, NULL, &err), -EINVAL);
	cr_assert_str_eq(err.msg, "perf.csv: line 1: the quote is never closed");
	perf_expect("perf.csv", "\"");
	perf_expect("perf_super.json", "{");
	perf_expect("perf_entry.csv", ROW5);
	perf_expect("perf_entry.json", OBJECT5 "null}\n");
	cr_assert_eq(faccessat(perf_folder, "perf_entry_super.csv", F_OK, 0), 0);
}

Test(perf_files, take_no_place_of_what_is_no_file)
{
	struct error err = ERROR_INIT;
	struct stat st;

	cr_assert_eq(mkfifoat(perf_folder, "perf_entry.csv", 0600), 0);
	cr_assert_eq(write_one(OUTCOME_FINISHED, NULL, NULL, &err), -EINVAL);
	cr_assert_str_eq(err.msg, "write: perf_entry.csv is not a regular file");
	cr_assert_eq(fstatat(perf_folder, "perf_entry.csv", &st, 0), 0);
	cr_assert(S_ISFIFO(st.st_mode));
}

Test(perf_files, are_bounded)
{
	AUTO_FREE char *large = malloc((size_t)1 << 20);
	AUTO_JSON struct json_object *configs = NULL;
	struct error err = ERROR_INIT;
	AUTO_CSV struct csv csv = CSV_INIT;
	AUTO_FREE char *text = strdup("model,performance,metric\n");

	memset(large, 'x', 1 << 20);
	large[(1 << 20) - 1] = '\0';
	configs = json_new_string(large);
	for (size_t i = 0; i < 64; i++) {
		char *more = NULL;

		cr_assert(asprintf(&more, "%sa,1,x\n", text) > 0);
		free(text);
		text = more;
	}
	cr_assert_eq(csv_parse(text, strlen(text), &csv, NULL), 0);
	cr_assert_eq(write_one(OUTCOME_FINISHED, configs, &csv, &err), -EFBIG);
	cr_assert_str_eq(err.msg, "64 results of 1024 KiB each are more than 64 MiB");
	cr_assert_eq(perf_folder_entries(), 0);
}

Test(perf_files, go_to_another_book)
{
	AUTO_JSON struct json_object *record = perf_record("m", NULL, "FAILURE");
	struct perf_result result = { .kind = OUTCOME_BUILD, .record = record };

	cr_assert_eq(mkdirat(perf_folder, "out", 0700), 0);
	cr_assert_eq(perf_files_write(perf_folder, "out/my.csv", &result, NULL), 0);
	perf_expect("out/my.csv", PERF_HEADER "\n" PERF_ROW("m", "", "", "FAILURE") "\n");
	perf_expect("perf.csv", "(none)");
}

/* The rows of all models stay in it, by whatever path it was named. */
Test(perf_files, go_to_the_entry_as_the_book)
{
	static const char *const names[] = { "perf_entry.csv", "./perf_entry.csv", "link" };
	AUTO_JSON struct json_object *record = perf_record("m", NULL, "FAILURE");
	struct perf_result result = { .kind = OUTCOME_BUILD, .record = record };

	cr_assert_eq(symlinkat("perf_entry.csv", perf_folder, "link"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		cr_assert_eq(perf_files_write(perf_folder, names[i], &result, NULL), 0);
	perf_expect("perf_entry.csv",
		    PERF_HEADER "\n" PERF_ROW("m", "", "", "FAILURE") "\n" PERF_ROW(
			    "m", "", "", "FAILURE") "\n" PERF_ROW("m", "", "", "FAILURE") "\n");
	perf_expect("perf.csv", "(none)");
	cr_expect(perf_files_is_book(perf_folder, "link", "perf_entry.csv"));
	cr_expect(!perf_files_is_book(perf_folder, NULL, "perf_entry.csv"));
}

static struct json_object *load(const char *scripts, const char *args, int r, struct error *err)
{
	struct json_object *configs = NULL;

	cr_assert_eq(perf_configs_load(perf_folder, scripts, args, &configs, err), r, "%s %s",
		     scripts, args);
	return configs;
}

static void expect_config(const char *scripts, const char *args, const char *text)
{
	AUTO_JSON struct json_object *configs = load(scripts, args, 0, NULL);

	cr_assert_str_eq(json_compact(configs), text, "%s %s", scripts, args);
}

Test(perf_configs, are_found)
{
	cr_assert_eq(mkdirat(perf_folder, "scripts", 0700), 0);
	cr_assert_eq(mkdirat(perf_folder, "scripts/MAD", 0700), 0);
	cr_assert_eq(mkdirat(perf_folder, "scripts/m", 0700), 0);
	perf_put("scripts/m/c.json", "{\"at\":\"m\"}");
	perf_put("scripts/MAD/c.json", "{\"at\":\"MAD\"}");
	perf_put("scripts/s.csv", "a, b \n1,x\n,\n2.50,\n");
	perf_put("c.json", "{\"at\":\"top\"}");
	perf_put("c.yaml", "a: 1\n");
	perf_put("c.txt", "x");
	expect_config("scripts/m/run.sh", "--x 1 --config c.json --y", "{\"at\":\"m\"}");
	expect_config("scripts/m", "--config\tc.json", "{\"at\":\"m\"}");
	expect_config("scripts/n", "--config c.json", "{\"at\":\"MAD\"}");
	expect_config("run.sh", "--configs --config scripts/m/c.json", "{\"at\":\"m\"}");
	expect_config("scripts/m/run.py", "--config s.csv",
		      "[{\"a\":1,\"b\":\"x\"},{\"a\":2.50,\"b\":null}]");
	expect_config("scripts/m/deep/er/run.sh", "--config c.yaml", "\"a: 1\\n\"");
	expect_config("scripts/m", "--config c.txt", "null");
	expect_config("scripts/m", "--config=c.json --config", "null");
	expect_config("", "", "null");
}

Test(perf_configs, stay_in_the_package)
{
	static const char *const outside[] = { "--config /etc/secret.json",
					       "--config ../secret.json", "--config link.json",
					       "--config none.json" };
	struct error err = ERROR_INIT;

	cr_assert_eq(symlinkat("/proc/self/status", perf_folder, "link.json"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(outside); i++) {
		cr_assert_null(load("scripts/m", outside[i], -ENOENT, &err));
		cr_assert(strstr(err.msg, "not found in the package") != NULL);
	}
}

Test(perf_configs, may_be_broken)
{
	AUTO_FREE char *large = calloc(1, PERF_CONFIGS_CAP + 2);
	struct error err = ERROR_INIT;

	perf_put("c.json", "{");
	cr_assert_null(load("run.sh", "--config c.json", -EINVAL, &err));
	cr_assert_eq(strncmp(err.msg, "--config c.json: not JSON", 25), 0, "%s", err.msg);
	memset(large, ' ', PERF_CONFIGS_CAP + 1);
	perf_put("c.json", large);
	cr_assert_null(load("run.sh", "--config c.json", -EFBIG, &err));
	cr_assert_str_eq(err.msg, "--config c.json: larger than 256 KiB");
	cr_assert_eq(mkdirat(perf_folder, "d.csv", 0700), 0);
	cr_assert_null(load("run.sh", "--config d.csv", -EINVAL, &err));
	cr_assert_str_eq(err.msg, "--config d.csv: not a regular file");
}

static const char summary_text[] =
	"{\"build_phase\":null,\"run_phase\":{\"successful_runs\":["
	"{\"model\":\"a\",\"image\":\"ci-a\",\"status\":\"SUCCESS\",\"performance\":\"5\","
	"\"duration\":1.5},"
	"{\"model\":\"b\",\"image\":\"ci-b\",\"status\":\"SKIPPED\",\"performance\":null,"
	"\"duration\":0.0},"
	"{\"model\":\"g\",\"image\":\"ci-g\",\"status\":\"SKIPPED\",\"performance\":null,"
	"\"duration\":null}],"
	"\"failed_runs\":["
	"{\"model\":\"c\",\"image\":\"ci-c\",\"status\":\"FAILURE\",\"error\":"
	"\"Container execution failed - check logs for details\",\"kind\":\"model\"},"
	"{\"model\":\"d\",\"image\":null,\"error\":\"no image\",\"kind\":\"setup\"},"
	"{\"model\":\"e\",\"image\":\"ci-e\",\"status\":\"FAILURE\",\"error\":\"the VM is gone\","
	"\"kind\":\"infrastructure\"}],"
	"\"total_runs\":6,\"session_start_row\":7,\"session_row_count\":8},"
	"\"overall_success\":false}";

Test(summary, tells_whose_failure_it_was)
{
	static const struct summary_run runs[] = {
		{ OUTCOME_FINISHED, "SUCCESS", "a", "ci-a", "5", 1.5, NULL, 4 },
		{ OUTCOME_NOT_RUN, "SKIPPED", "b", "ci-b", NULL, 0, NULL, 0 },
		{ OUTCOME_SKIPPED, "SKIPPED", "g", "ci-g", NULL, -1, NULL, 0 },
		{ OUTCOME_FINISHED, "FAILURE", "c", "ci-c", NULL, 1, NULL, 1 },
		{ OUTCOME_SETUP, "FAILURE", "d", NULL, NULL, 0, "no image", 1 },
		{ OUTCOME_INFRASTRUCTURE, "FAILURE", "e", "ci-e", NULL, 0, "the VM is gone", 1 },
		{ OUTCOME_BUILD, "FAILURE", "f", NULL, NULL, 0, "no base", 1 },
	};
	AUTO_JSON struct json_object *run = summary_new(7);
	AUTO_JSON struct json_object *both = NULL, *read = NULL;

	cr_assert(!summary_failed(run));
	for (size_t i = 0; i < ARRAY_SIZE(runs); i++)
		summary_add(run, &runs[i]);
	cr_assert(summary_failed(run));
	both = summary_workflow(NULL, run, false);
	cr_assert_eq(summary_save(perf_folder, "s.json", both, NULL), 0);
	cr_assert_eq(json_load_at(perf_folder, "s.json", &read, NULL), 0);
	cr_assert_str_eq(json_compact(read), summary_text);
}
