/* SPDX-License-Identifier: MIT */
#include "results/perf_record.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/strv.h"
#include "results/multi_results.h"
#include "results/performance.h"

const char *const perf_columns[PERF_COLUMNS] = {
	"model",
	"n_gpus",
	"nnodes",
	"gpus_per_node",
	"training_precision",
	"pipeline",
	"args",
	"tags",
	"docker_file",
	"base_docker",
	"docker_sha",
	"docker_image",
	"git_commit",
	"machine_name",
	"deployment_type",
	"launcher",
	"gpu_architecture",
	"performance",
	"metric",
	"relative_change",
	"status",
	"build_duration",
	"test_duration",
	"dataname",
	"data_provider_type",
	"data_size",
	"data_download_duration",
	"build_number",
	"additional_docker_run_options",
};

const char *perf_text(struct json_object *value)
{
	if (value == NULL)
		return "";
	return json_object_is_type(value, json_type_string) ? json_object_get_string(value)
							    : json_compact(value);
}

struct json_object *perf_number(double value)
{
	char text[40];

	if (!isfinite(value))
		return json_new_string("");
	for (int digits = 1; digits <= 17; digits++) {
		(void)snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	/* "%g" turns to an exponent earlier than anybody wants to read durations */
	if (strchr(text, 'e') != NULL && fabs(value) >= 1 && fabs(value) < 1e16)
		(void)snprintf(text, sizeof(text), "%.0f", value);
	if (strpbrk(text, ".e") == NULL)
		(void)snprintf(text, sizeof(text), "%.1f", value);
	return json_object_new_double_s(value, text);
}

static struct json_object *member(struct json_object *o, const char *key)
{
	return json_object_is_type(o, json_type_object) ? json_object_object_get(o, key) : NULL;
}

static const char *member_text(struct json_object *o, const char *key)
{
	return perf_text(member(o, key));
}

static const char *launcher_of(struct json_object *o)
{
	const char *launcher = member_text(member(o, "distributed"), "launcher");

	return *launcher == '\0' ? NULL : launcher;
}

const char *perf_launcher(struct json_object *model, struct json_object *context, const char *env)
{
	const char *launcher = launcher_of(context);

	if (launcher == NULL)
		launcher = launcher_of(model);
	if (launcher == NULL && env != NULL && *env != '\0')
		launcher = env;
	return launcher == NULL ? "docker" : launcher;
}

static void set(struct json_object *record, const char *column, const char *text)
{
	json_add_str(record, column, text == NULL ? "" : text);
}

/* Numbers stay numbers. */
static void set_value(struct json_object *record, const char *column, struct json_object *value)
{
	if (value == NULL)
		set(record, column, "");
	else
		json_add(record, column, json_object_get(value));
}

static void set_i64(struct json_object *record, const char *column, int64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%" PRId64, value);
	set(record, column, text);
}

/* The tags, a list or a string, joined by commas. */
static void set_tags(struct json_object *record, struct json_object *tags)
{
	AUTO_STRV struct strv list = STRV_INIT;
	AUTO_FREE char *joined = NULL;

	if (!json_object_is_type(tags, json_type_array)) {
		set(record, "tags", perf_text(tags));
		return;
	}
	for (size_t i = 0; i < json_object_array_length(tags); i++)
		strv_add(&list, perf_text(json_object_array_get_idx(tags, i)));
	joined = strv_join(&list, ",");
	set(record, "tags", joined);
}

static void set_gpus(struct json_object *record, const struct perf_run *run)
{
	const char *nodes = member_text(run->model, "nnodes");
	int64_t n = strtol(nodes, NULL, 10);
	int64_t all = 0;

	set(record, "nnodes", *nodes == '\0' ? "1" : nodes);
	if (run->gpus < 0) {
		set(record, "n_gpus", member_text(run->model, "n_gpus"));
		set(record, "gpus_per_node", member_text(run->model, "n_gpus"));
		return;
	}
	if (n < 1 || __builtin_mul_overflow(n, run->gpus, &all))
		all = run->gpus;
	set_i64(record, "n_gpus", all);
	set_i64(record, "gpus_per_node", run->gpus);
}

static void set_from_model(struct json_object *record, const struct perf_run *run)
{
	static const char *const columns[] = { "training_precision", "args",
					       "additional_docker_run_options" };

	set(record, "model", member_text(run->model, "name"));
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		set(record, columns[i], member_text(run->model, columns[i]));
	set_tags(record, member(run->model, "tags"));
}

static void set_from_image(struct json_object *record, const struct perf_run *run)
{
	struct json_object *duration = member(run->image, "build_duration");
	bool finite = json_object_is_type(duration, json_type_int) ||
		      isfinite(json_object_get_double(duration));

	set(record, "docker_file", member_text(run->image, "dockerfile"));
	set(record, "base_docker", member_text(run->image, "base_docker"));
	set(record, "docker_sha", member_text(run->image, "docker_sha"));
	set_value(record, "build_duration", finite ? duration : NULL);
	set(record, "docker_image", run->docker_image);
}

static void set_data(struct json_object *record, const struct perf_data *data)
{
	bool provided = data->provider != NULL && *data->provider != '\0';

	set(record, "dataname", data->name);
	set(record, "data_provider_type", data->provider);
	set(record, "data_size", data->size);
	if (provided)
		json_add(record, "data_download_duration", perf_number(data->download_s));
}

struct json_object *perf_record_new(const struct perf_run *run, const struct performance *found,
				    const char *status)
{
	struct json_object *record = json_new_object();

	/* this makes the order */
	for (size_t i = 0; i < PERF_COLUMNS; i++)
		set(record, perf_columns[i], "");
	set_from_model(record, run);
	set_from_image(record, run);
	set_gpus(record, run);
	set_data(record, &run->data);
	set(record, "pipeline", run->pipeline);
	set(record, "git_commit", run->git_commit);
	set(record, "machine_name", run->machine_name);
	set(record, "deployment_type", "baremetal_vm");
	set(record, "launcher", run->launcher);
	set(record, "gpu_architecture", run->gpu_architecture);
	set(record, "build_number", run->build_number == NULL ? "0" : run->build_number);
	set(record, "performance", found == NULL ? "" : found->value);
	set(record, "metric", found == NULL ? "" : found->metric);
	set(record, "status", status);
	if (run->test_s >= 0)
		json_add(record, "test_duration", perf_number(run->test_s));
	return record;
}

/* The columns of @row put into @record, but for those that are made of them. */
static void override(struct json_object *record, struct json_object *row)
{
	json_object_object_foreach(row, key, value)
	{
		if (strcmp(key, "model") != 0 && strcmp(key, "status") != 0)
			json_add(record, key, json_object_get(value));
	}
}

static struct json_object *copy_of(struct json_object *record)
{
	struct json_object *copy = json_new_object();

	json_object_object_foreach(record, key, value) json_add(copy, key, json_object_get(value));
	return copy;
}

static struct json_object *record_of_row(struct json_object *record, struct json_object *configs,
					 struct json_object *row)
{
	struct json_object *o = copy_of(record);
	AUTO_FREE char *model = NULL;

	if (asprintf(&model, "%s_%s", member_text(record, "model"), member_text(row, "model")) < 0)
		model = NULL;
	json_add(o, "configs", json_object_get(configs));
	override(o, row);
	set(o, "model", model);
	set(o, "status", member(row, "performance") == NULL ? "FAILURE" : "SUCCESS");
	return o;
}

struct json_object *perf_records_multi(struct json_object *record, struct json_object *configs,
				       const struct csv *table)
{
	AUTO_JSON struct json_object *rows = multi_results_rows(table);
	struct json_object *records = json_new_array();

	for (size_t i = 0; i < json_object_array_length(rows); i++)
		(void)json_object_array_add(
			records,
			record_of_row(record, configs, json_object_array_get_idx(rows, i)));
	return records;
}
