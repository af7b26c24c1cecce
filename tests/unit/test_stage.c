/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "run/stage.h"

/* What happened, one letter each: capitals set up, small ones tear down, ! a failed teardown. */
struct run {
	char log[64];
	int fail_b, fail_undo_a;
	bool without_c;
	int why;
};

static void put(struct run *r, const char *what)
{
	strcat(r->log, what);
}

static int a_up(struct run *r, struct error *err)
{
	(void)err;
	put(r, "A");
	return 0;
}

static int a_down(struct run *r, struct error *err)
{
	put(r, "a");
	return r->fail_undo_a != 0 ? error_set(err, EIO, "undo a") : 0;
}

static int b_up(struct run *r, struct error *err)
{
	put(r, "B");
	return r->fail_b != 0 ? error_set(err, EBUSY, "b is busy") : 0;
}

static int b_down(struct run *r, struct error *err)
{
	(void)err;
	put(r, "b");
	return 0;
}

static int c_up(struct run *r, struct error *err)
{
	(void)err;
	put(r, "C");
	return 0;
}

static int d_up(struct run *r, struct error *err)
{
	(void)err;
	put(r, "D");
	return 0;
}

static int d_down(struct run *r, struct error *err)
{
	(void)err;
	put(r, "d");
	return 0;
}

static bool wants_c(const struct run *r)
{
	return !r->without_c;
}

static const struct stage stages[] = {
	{ "a", "A", NULL, a_up, a_down, false }, { "only-down", "", NULL, NULL, NULL, false },
	{ "b", "B", NULL, b_up, b_down, false }, { "c", "C", wants_c, c_up, NULL, false },
	{ "d", "D", NULL, d_up, d_down, true },
};

static void begin(struct run *r, const struct stage *s, size_t i)
{
	(void)r;
	(void)s;
	(void)i;
}

static void end(struct run *r, const struct stage *s, bool ok)
{
	(void)s;
	if (!ok)
		put(r, "?");
}

static void teardown(struct run *r, const struct error *why)
{
	put(r, why == NULL ? "|" : "/");
	r->why = why == NULL ? 0 : why->code;
}

static void failed(struct run *r, const struct stage *s, const struct error *err)
{
	(void)s;
	(void)err;
	put(r, "!");
}

static const struct stage_hooks hooks = { begin, end, teardown, failed };

static int go(struct run *r, struct error *err)
{
	return stages_run(stages, ARRAY_SIZE(stages), r, &hooks, err);
}

Test(stage, all_go_up_and_down_in_reverse)
{
	struct run r = { .log = "" };

	cr_expect(go(&r, NULL) == 0);
	cr_expect_str_eq(r.log, "ABCD|dba");
}

Test(stage, a_failure_skips_all_but_always_and_unwinds_what_was_begun)
{
	struct run r = { .fail_b = 1 };
	struct error err = ERROR_INIT;

	cr_expect(go(&r, &err) == -EBUSY);
	cr_expect_str_eq(err.msg, "b is busy");
	cr_expect_str_eq(r.log, "AB?D/dba");
	cr_expect_eq(r.why, EBUSY);
}

Test(stage, unwanted_stages_are_passed_over)
{
	struct run r = { .without_c = true };

	cr_expect(go(&r, NULL) == 0);
	cr_expect_str_eq(r.log, "ABD|dba");
}

Test(stage, a_failed_teardown_is_an_error_but_not_before_the_first)
{
	struct run r = { .fail_undo_a = 1 };
	struct error err = ERROR_INIT;

	cr_expect(go(&r, &err) == -EIO);
	r = (struct run){ .fail_b = 1, .fail_undo_a = 1 };
	cr_expect(go(&r, &err) == -EBUSY);
	cr_expect_str_eq(r.log, "AB?D/dba!");
}
