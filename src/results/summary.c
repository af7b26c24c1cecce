/* SPDX-License-Identifier: MIT */
#include "results/summary.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "results/perf_record.h"
#include "results/perf_super.h"
#include "results/shared_file.h"

struct json_object *summary_new(size_t start_row)
{
	struct json_object *summary = json_new_object();

	json_add(summary, "successful_runs", json_new_array());
	json_add(summary, "failed_runs", json_new_array());
	json_add_u64(summary, "total_runs", 0);
	json_add_u64(summary, "session_start_row", start_row);
	json_add_u64(summary, "session_row_count", 0);
	return summary;
}

static void count(struct json_object *summary, const char *key, size_t n)
{
	json_add_u64(summary, key, json_u64_or(summary, key, 0) + n);
}

static struct json_object *success(const struct summary_run *run)
{
	struct json_object *o = json_new_object();

	json_add_str(o, "model", run->model);
	json_add_str(o, "image", run->image);
	json_add_str(o, "status", run->status);
	json_add_str(o, "performance", run->performance);
	json_add(o, "duration", run->test_s < 0 ? NULL : perf_number(run->test_s));
	return o;
}

/* A failed setup has no status there. */
static struct json_object *failure(const struct summary_run *run)
{
	static const char see_logs[] = "Container execution failed - check logs for details";
	struct json_object *o = json_new_object();

	json_add_str(o, "model", run->model);
	json_add_str(o, "image", run->image);
	if (run->kind != OUTCOME_SETUP)
		json_add_str(o, "status", run->status);
	json_add_str(o, "error", run->why == NULL ? see_logs : run->why);
	json_add_str(o, "kind",
		     outcome_kind_name(run->kind == OUTCOME_FINISHED ? OUTCOME_FAILED : run->kind));
	return o;
}

void summary_add(struct json_object *summary, const struct summary_run *run)
{
	bool failed = strcmp(run->status, "FAILURE") == 0;
	struct json_object *list =
		json_object_object_get(summary, failed ? "failed_runs" : "successful_runs");

	count(summary, "session_row_count", run->rows);
	if (run->kind == OUTCOME_BUILD)
		return;
	count(summary, "total_runs", 1);
	(void)json_object_array_add(list, failed ? failure(run) : success(run));
}

bool summary_failed(struct json_object *summary)
{
	struct json_object *list = json_object_object_get(summary, "failed_runs");

	return json_object_array_length(list) > 0;
}

struct json_object *summary_workflow(struct json_object *build, struct json_object *run,
				     bool success)
{
	struct json_object *o = json_new_object();

	json_add(o, "build_phase", json_object_get(build));
	json_add(o, "run_phase", json_object_get(run));
	json_add_bool(o, "overall_success", success);
	return o;
}

int summary_save(int dir_fd, const char *path, struct json_object *summary, struct error *err)
{
	AUTO_FREE char *text = perf_json_text(summary);

	if (text == NULL)
		return error_set(err, ENOMEM, "write %s: out of memory", path);
	return shared_file_put(dir_fd, path, text, strlen(text), err);
}
