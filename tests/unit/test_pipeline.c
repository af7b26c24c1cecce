/* SPDX-License-Identifier: MIT */
/* What a run tells its guardian before it is torn down; there is no guardian here. */
#include "run/pipeline.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
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
