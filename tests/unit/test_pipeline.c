/* SPDX-License-Identifier: MIT */
/* What a run tells its guardian before it is torn down; there is no guardian here. */
#include "run/pipeline.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "run/channel.h"

static struct run run;
static struct run_options options;
static int ends[2];

static void setup(void)
{
	struct error err = ERROR_INIT;

	options = (struct run_options){ .quiet = true };
	cr_assert_eq(run_init(&run, &options, &err), 0, "%s", err.msg);
	cr_assert_eq(channel_pair(ends, &err), 0, "%s", err.msg);
	run.front.fd = ends[0];
	run.has_dir = true;
}

static void teardown(void)
{
	run_done(&run);
	close(ends[1]);
}

TestSuite(pipeline, .init = setup, .fini = teardown);

static void ending(struct run *r, const struct error *failed)
{
	front_note(&r->front, "models", json_new_string(failed == NULL ? "all" : failed->msg));
}

static int stage_good(struct run *r, struct error *err)
{
	(void)r;
	(void)err;
	return 0;
}

static int stage_bad(struct run *r, struct error *err)
{
	(void)r;
	return error_set(err, ECONNRESET, "the VM is gone");
}

/* The guardian writes the receipt in the teardown. */
static int undo(struct run *r, struct error *err)
{
	(void)err;
	front_note(&r->front, "finish", NULL);
	return 0;
}

/* Keys and values of all notes, in order; owned. */
static char *notes(void)
{
	AUTO_STRV struct strv all = STRV_INIT;

	for (;;) {
		AUTO_JSON struct json_object *o = NULL;

		if (channel_receive(ends[1], &o, NULL) < 0)
			return strv_join(&all, ", ");
		if (strcmp(json_str_or(o, "do", ""), "note") == 0)
			strv_addf(&all, "%s %s", json_str_or(o, "key", ""),
				  json_str_or(o, "value", "-"));
	}
}

Test(pipeline, tells_what_is_for_the_receipt_before_it_is_written)
{
	static const struct stage stages[] = {
		{ "create", "Create", NULL, stage_good, undo, false },
		{ "start", "Start", NULL, stage_bad, NULL, false },
	};
	AUTO_FREE char *first = NULL, *second = NULL;
	struct error err = ERROR_INIT;

	run.ending = ending;
	cr_expect_eq(pipeline_run(&run, stages, 2, &err), -ECONNRESET);
	first = notes();
	cr_expect_str_eq(first, "models the VM is gone, outcome infrastructure, finish -");
	cr_expect_eq(pipeline_run(&run, stages, 1, &err), 0);
	second = notes();
	cr_expect_str_eq(second, "models all, outcome success, finish -");
}

/* Nothing was begun: nobody is there to be told. */
/* Who waits for the file of --receipt has it also when there was nothing to undo. */
Test(pipeline, has_a_receipt_of_what_ended_before_its_begin)
{
	static const struct stage stages[] = {
		{ "validate", "Validate", NULL, stage_bad, NULL, false },
	};
	char folder[] = "/tmp/bmvm-pipeline-XXXXXX";
	char *cmd[] = { (char[]){ "true" }, NULL };
	AUTO_JSON struct json_object *o = NULL;
	AUTO_FREE char *path = NULL;
	struct error err = ERROR_INIT;

	cr_assert_not_null(mkdtemp(folder));
	path = path_join(folder, "r.json");
	close(run.front.fd);
	run.front.fd = -1;
	run.has_dir = false;
	options.receipt = path;
	options.cmd = cmd;
	options.n_cmd = 1;
	cr_assert_eq(pipeline_run(&run, stages, 1, &err), -ECONNRESET);
	cr_assert_eq(json_load_at(AT_FDCWD, path, &o, &err), 0, "%s", err.msg);
	cr_expect_str_eq(json_str_or(o, "outcome", ""), "infrastructure");
	cr_expect_str_eq(json_str_or(o, "error", ""), "the VM is gone");
	cr_expect_str_eq(json_compact(json_object_object_get(o, "command")), "[\"true\"]");
	cr_expect_eq(json_object_array_length(json_object_object_get(o, "stages")), 1);
	cr_assert_eq(file_remove_tree_at(AT_FDCWD, folder, NULL), 0);
}

Test(pipeline, has_no_end_before_its_begin)
{
	static const struct stage stages[] = { { "validate", "Validate", NULL, stage_bad, NULL,
						 false } };
	AUTO_FREE char *all = NULL;
	struct error err = ERROR_INIT;

	run.ending = ending;
	run.has_dir = false;
	cr_expect_eq(pipeline_run(&run, stages, 1, &err), -ECONNRESET);
	all = notes();
	cr_expect_str_eq(all, "");
}
