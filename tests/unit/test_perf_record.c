/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "results/multi_results.h"
#include "results/perf_csv.h"
#include "results/perf_record.h"
#include "results/perf_super.h"
#include "results/performance.h"

static struct json_object *json(const char *text)
{
	struct json_object *o = NULL;

	cr_assert_eq(json_parse(text, strlen(text), &o, NULL), 0, "%s", text);
	return o;
}

static const char model_text[] =
	"{\"name\":\"a/b\",\"n_gpus\":\"-1\",\"args\":\"--x 3\",\"training_precision\":\"fp16\","
	"\"tags\":[\"t1\",\"t,2\"],\"additional_docker_run_options\":\"--shm-size 1g\"}";
static const char image_text[] =
	"{\"dockerfile\":\"docker/a.Dockerfile\",\"base_docker\":\"base\",\"docker_sha\":\"sha\","
	"\"build_duration\":12.50}";

static struct perf_run some_run(struct json_object *model, struct json_object *image)
{
	return (struct perf_run){
		.model = model,
		.image = image,
		.docker_image = "ci-a",
		.git_commit = "c0ffee",
		.machine_name = "host",
		.launcher = "docker",
		.gpu_architecture = "gfx942",
		.pipeline = "p",
		.gpus = 4,
		.test_s = 1.25,
	};
}

static const struct performance five = { .value = "5", .metric = "x/s" };

Test(perf_record, has_the_columns_in_order)
{
	AUTO_JSON struct json_object *model = json(model_text), *image = json(image_text);
	struct perf_run run = some_run(model, image);
	AUTO_JSON struct json_object *record = perf_record_new(&run, &five, "SUCCESS");

	cr_assert_str_eq(
		json_compact(record),
		"{\"model\":\"a/b\",\"n_gpus\":\"4\",\"nnodes\":\"1\",\"gpus_per_node\":\"4\","
		"\"training_precision\":\"fp16\",\"pipeline\":\"p\",\"args\":\"--x 3\","
		"\"tags\":\"t1,t,2\",\"docker_file\":\"docker/a.Dockerfile\","
		"\"base_docker\":\"base\",\"docker_sha\":\"sha\",\"docker_image\":\"ci-a\","
		"\"git_commit\":\"c0ffee\",\"machine_name\":\"host\","
		"\"deployment_type\":\"baremetal_vm\",\"launcher\":\"docker\","
		"\"gpu_architecture\":\"gfx942\",\"performance\":\"5\",\"metric\":\"x/s\","
		"\"relative_change\":\"\",\"status\":\"SUCCESS\",\"build_duration\":12.50,"
		"\"test_duration\":1.25,\"dataname\":\"\",\"data_provider_type\":\"\","
		"\"data_size\":\"\",\"data_download_duration\":\"\",\"build_number\":\"0\","
		"\"additional_docker_run_options\":\"--shm-size 1g\"}");
}

Test(perf_record, of_what_came_to_no_container)
{
	AUTO_JSON struct json_object *model =
		json("{\"name\":\"m\",\"n_gpus\":8,\"tags\":\"a, b\"}");
	struct perf_run run = { .model = model, .gpus = -1, .test_s = -1, .build_number = "77" };
	AUTO_JSON struct json_object *record = perf_record_new(&run, NULL, "FAILURE");

	cr_assert_eq(json_object_object_length(record), PERF_COLUMNS);
	cr_assert_str_eq(json_str_or(record, "n_gpus", NULL), "8");
	cr_assert_str_eq(json_str_or(record, "gpus_per_node", NULL), "8");
	cr_assert_str_eq(json_str_or(record, "tags", NULL), "a, b");
	cr_assert_str_eq(json_str_or(record, "launcher", NULL), "");
	cr_assert_str_eq(json_str_or(record, "test_duration", NULL), "");
	cr_assert_str_eq(json_str_or(record, "build_duration", NULL), "");
	cr_assert_str_eq(json_str_or(record, "performance", NULL), "");
	cr_assert_str_eq(json_str_or(record, "status", NULL), "FAILURE");
	cr_assert_str_eq(json_str_or(record, "build_number", NULL), "77");
}

Test(perf_record, counts_gpus_of_all_nodes)
{
	static const struct {
		const char *model;
		int64_t gpus;
		const char *n_gpus;
		const char *nnodes;
	} cases[] = {
		{ "{}", 0, "0", "1" },
		{ "{\"nnodes\":\"2\"}", 4, "8", "2" },
		{ "{\"nnodes\":3}", 4, "12", "3" },
		{ "{\"nnodes\":\"many\"}", 4, "4", "many" },
		{ "{\"nnodes\":\"-2\"}", 4, "4", "-2" },
		{ "{\"nnodes\":\"9223372036854775807\"}", 4, "4", "9223372036854775807" },
		{ "null", -1, "", "1" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_JSON struct json_object *model = json(cases[i].model);
		struct perf_run run = { .model = model, .gpus = cases[i].gpus };
		AUTO_JSON struct json_object *record = perf_record_new(&run, NULL, "FAILURE");

		cr_assert_str_eq(json_str_or(record, "n_gpus", NULL), cases[i].n_gpus);
		cr_assert_str_eq(json_str_or(record, "nnodes", NULL), cases[i].nnodes);
	}
}

Test(perf_record, of_data)
{
	struct perf_run run = { .data = { "d", "local", "5G", 0.5 } };
	AUTO_JSON struct json_object *record = perf_record_new(&run, NULL, "FAILURE");

	cr_assert_str_eq(json_str_or(record, "dataname", NULL), "d");
	cr_assert_str_eq(json_str_or(record, "data_provider_type", NULL), "local");
	cr_assert_str_eq(json_str_or(record, "data_size", NULL), "5G");
	cr_assert_str_eq(perf_text(json_object_object_get(record, "data_download_duration")),
			 "0.5");
}

/* A broken image entry, text that is no UTF-8: the record is JSON all the same. */
Test(perf_record, is_strict_json)
{
	struct json_object *image = json_new_object();
	struct performance odd = { .value = "1", .metric = "\xff\x1b" };
	struct perf_run run = { .image = image, .docker_image = "\xc0", .test_s = NAN };
	AUTO_JSON struct json_object *record = NULL, *again = NULL;
	const char *text;

	json_add(image, "build_duration", json_object_new_double(INFINITY));
	json_add(image, "dockerfile", json_new_array());
	record = perf_record_new(&run, &odd, "FAILURE");
	json_object_put(image);
	text = json_compact(record);
	cr_assert_eq(json_parse(text, strlen(text), &again, NULL), 0);
	cr_assert_str_eq(json_str_or(record, "build_duration", NULL), "");
	cr_assert_str_eq(json_str_or(record, "test_duration", NULL), "");
	cr_assert_str_eq(json_str_or(record, "docker_file", NULL), "[]");
	cr_assert_str_eq(json_str_or(again, "metric", NULL), "\xef\xbf\xbd\x1b");
}

Test(perf_record, knows_the_launcher)
{
	static const struct {
		const char *model;
		const char *context;
		const char *env;
		const char *launcher;
	} cases[] = {
		{ "{}", "{}", NULL, "docker" },
		{ "null", "null", "", "docker" },
		{ "{}", "{}", "e", "e" },
		{ "{\"distributed\":{\"launcher\":\"m\"}}", "{}", "e", "m" },
		{ "{\"distributed\":{\"launcher\":\"m\"}}",
		  "{\"distributed\":{\"launcher\":\"c\"}}", "e", "c" },
		{ "{\"distributed\":{\"launcher\":\"\"}}", "{\"distributed\":[]}", "e", "e" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_JSON struct json_object *m = json(cases[i].model), *c = json(cases[i].context);

		cr_assert_str_eq(perf_launcher(m, c, cases[i].env), cases[i].launcher);
	}
}

Test(perf_record, prints_numbers_shortly)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = {
		{ 0, "0.0" },           { 3670, "3670.0" },
		{ 0.1, "0.1" },         { 1.0 / 3, "0.3333333333333333" },
		{ 100000, "100000.0" }, { 123456789.25, "123456789.25" },
		{ 1e-5, "1e-05" },      { 1e15, "1000000000000000.0" },
		{ 1e22, "1e+22" },      { NAN, "" },
		{ -INFINITY, "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_JSON struct json_object *o = perf_number(cases[i].value);

		cr_assert_str_eq(perf_text(o), cases[i].text);
	}
}

static const char table_text[] =
	"model,performance,metric,n_gpus,temperature\n"
	"r1,1.50,x,2,40\nr2,,x,,\n";

/* The columns that make a difference. */
static const char *const shown[] = { "model",   "n_gpus",      "performance",
				     "metric",  "status",      "test_duration",
				     "configs", "temperature", "multi_results" };

/* Each record's shown members as JSON, one in a line; absent ones are not there. */
static char *show(struct json_object *records)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	for (size_t i = 0; i < json_object_array_length(records); i++) {
		struct json_object *record = json_object_array_get_idx(records, i), *v;

		for (size_t k = 0; k < ARRAY_SIZE(shown); k++) {
			if (json_object_object_get_ex(record, shown[k], &v))
				fprintf(out, "%s=%s ", shown[k], json_compact(v));
		}
		fputc('\n', out);
	}
	fclose(out);
	return text;
}

Test(perf_record, of_each_row_of_a_table)
{
	AUTO_JSON struct json_object *model = json(model_text), *configs = json("{\"c\":1}");
	struct perf_run run = some_run(model, NULL);
	AUTO_JSON struct json_object *record = perf_record_new(&run, NULL, "SUCCESS");
	AUTO_JSON struct json_object *records = NULL;
	AUTO_CSV struct csv csv = CSV_INIT;
	AUTO_FREE char *text = NULL;

	cr_assert_eq(csv_parse(table_text, strlen(table_text), &csv, NULL), 0);
	records = perf_records_multi(record, configs, &csv);
	text = show(records);
	cr_assert_str_eq(
		text,
		"model=\"a/b_r1\" n_gpus=2 performance=1.50 metric=\"x\" status=\"SUCCESS\" "
		"test_duration=1.25 configs={\"c\":1} temperature=40 \n"
		"model=\"a/b_r2\" n_gpus=null performance=null metric=\"x\" "
		"status=\"FAILURE\" test_duration=1.25 configs={\"c\":1} temperature=null \n");
	cr_assert_str_eq(json_str_or(record, "model", NULL), "a/b");
}

Test(perf_super, has_entries_of_a_single_result)
{
	AUTO_JSON struct json_object *configs = json("[{\"a\":1},{\"a\":2}]");
	struct perf_run run = { .gpus = 1 };
	AUTO_JSON struct json_object *record = perf_record_new(&run, &five, "SUCCESS");
	AUTO_JSON struct json_object *entries = perf_super_records(record, configs, NULL);
	AUTO_FREE char *text = show(entries);

	cr_assert_str_eq(text,
			 "model=\"\" n_gpus=\"1\" performance=\"5\" metric=\"x/s\" "
			 "status=\"SUCCESS\" test_duration=0.0 configs=[{\"a\":1},{\"a\":2}] "
			 "multi_results=null \n");
}

Test(perf_super, has_entries_of_each_row)
{
	AUTO_JSON struct json_object *configs = json("[{\"a\":1},{\"a\":2}]");
	AUTO_JSON struct json_object *model = json(model_text);
	struct perf_run run = some_run(model, NULL);
	AUTO_JSON struct json_object *record = perf_record_new(&run, NULL, "SUCCESS");
	AUTO_JSON struct json_object *entries = NULL;
	AUTO_CSV struct csv csv = CSV_INIT;
	AUTO_FREE char *text = NULL, *table = NULL;
	size_t len = 0;

	cr_assert_eq(csv_parse(table_text, strlen(table_text), &csv, NULL), 0);
	entries = perf_super_records(record, configs, &csv);
	text = show(entries);
	cr_assert_str_eq(text,
			 "model=\"a/b_r1\" n_gpus=\"4\" performance=1.50 metric=\"x\" "
			 "status=\"SUCCESS\" test_duration=\"\" configs={\"a\":1} "
			 "multi_results={\"n_gpus\":2,\"temperature\":40} \n"
			 "model=\"a/b_r2\" n_gpus=\"4\" performance=null metric=\"x\" "
			 "status=\"FAILURE\" test_duration=\"\" configs={\"a\":1} "
			 "multi_results=null \n");
	table = perf_csv_text(entries, NULL, 0, &len);
	*strchr(table, '\n') = '\0';
	cr_assert_str_eq(table,
			 "n_gpus,nnodes,gpus_per_node,training_precision,pipeline,args,tags,"
			 "docker_file,base_docker,docker_sha,docker_image,git_commit,machine_name,"
			 "deployment_type,launcher,gpu_architecture,relative_change,build_duration,"
			 "test_duration,dataname,data_provider_type,data_size,"
			 "data_download_duration,build_number,additional_docker_run_options,"
			 "configs,model,performance,metric,multi_results,status");
}

/* Integers beyond 64 bits make a file that nobody reads again. */
Test(perf_record, a_tables_integers_are_numbers_up_to_64_bits)
{
	static const char text[] =
		"a\n18446744073709551615\n18446744073709551616\n"
		"-9223372036854775808\n-9223372036854775809\n"
		"33333333333333333333.0\n";
	AUTO_JSON struct json_object *rows = NULL;
	AUTO_CSV struct csv csv = CSV_INIT;

	cr_assert_eq(csv_parse(text, strlen(text), &csv, NULL), 0);
	rows = multi_results_rows(&csv);
	cr_expect_str_eq(json_compact(rows),
			 "[{\"a\":18446744073709551615},{\"a\":\"18446744073709551616\"},"
			 "{\"a\":-9223372036854775808},{\"a\":\"-9223372036854775809\"},"
			 "{\"a\":33333333333333333333.0}]");
}
