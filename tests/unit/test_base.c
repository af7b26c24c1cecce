/* SPDX-License-Identifier: MIT */
/* The small ones: error, strv, clock, log. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/strv.h"

Test(error, is_one_line_from_the_outermost_context_in)
{
	struct error err = ERROR_INIT;

	cr_expect_eq(error_set(&err, EBUSY, "device %d", 3), -EBUSY);
	cr_expect_eq(err.code, EBUSY);
	cr_expect_eq(error_hint(&err, -EBUSY, "type %s", "this"), -EBUSY);
	cr_expect_eq(error_prefix(&err, -EBUSY, "bind %s", "x"), -EBUSY);
	cr_expect_str_eq(err.msg, "bind x: device 3");
	cr_expect_str_eq(err.hint, "type this");
	cr_expect_eq(error_set(&err, EIO, "other"), -EIO);
	cr_expect_str_eq(err.hint, "", "a new error has no hint yet");
	errno = ENOENT;
	cr_expect_eq(error_errno(&err, "open %s", "f"), -ENOENT);
	cr_expect_str_eq(err.msg, "open f: No such file or directory");
	errno = 0;
	cr_expect_eq(error_errno(&err, "odd"), -EIO, "never success");
}

Test(error, may_be_null_and_may_quote_itself)
{
	struct error err = ERROR_INIT;

	cr_expect_eq(error_set(NULL, EIO, "x"), -EIO);
	errno = EPERM;
	cr_expect_eq(error_errno(NULL, "x"), -EPERM);
	cr_expect_eq(error_prefix(NULL, -3, "x"), -3);
	cr_expect_eq(error_hint(NULL, -3, "x"), -3);
	error_set(&err, EIO, "inner");
	error_hint(&err, 0, "do it");
	error_hint(&err, 0, "first %s", err.hint);
	cr_expect_str_eq(err.hint, "first do it");
	error_set(&err, EIO, "outer (%s)", err.msg);
	cr_expect_str_eq(err.msg, "outer (inner)");
}

Test(error, too_long_a_message_is_cut_at_its_end)
{
	struct error err = ERROR_INIT;
	char text[3000];

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	error_set(&err, EIO, "%s", text);
	cr_expect_eq(strlen(err.msg), sizeof(err.msg) - 1);
	error_prefix(&err, 0, "context");
	cr_expect_eq(strlen(err.msg), sizeof(err.msg) - 1);
	cr_expect(strncmp(err.msg, "context: aaa", 12) == 0);
	error_prefix(&err, 0, "%s", text);
	cr_expect_eq(strlen(err.msg), sizeof(err.msg) - 1);
	error_hint(&err, 0, "%s", text);
	cr_expect_eq(strlen(err.hint), sizeof(err.hint) - 1);
}

Test(strv, is_null_terminated_and_owns_its_strings)
{
	AUTO_STRV struct strv sv = STRV_INIT;
	char word[] = "one";
	char *more[] = { (char[]){ "three" }, (char[]){ "four" }, NULL };
	AUTO_FREE char *joined = NULL;
	AUTO_FREE char *empty = strv_join(&sv, ",");

	cr_expect_str_eq(empty, "");
	cr_expect_null(sv.v);
	strv_add(&sv, word);
	word[0] = 'X';
	strv_addf(&sv, "t%s", "wo");
	strv_add_all(&sv, more);
	strv_add_all(&sv, NULL);
	strv_take(&sv, strdup("five"));
	cr_assert_eq(sv.n, 5);
	cr_expect_null(sv.v[5]);
	cr_expect(strv_contains(&sv, "one"));
	cr_expect_not(strv_contains(&sv, "Xne"));
	joined = strv_join(&sv, ", ");
	cr_expect_str_eq(joined, "one, two, three, four, five");
	cr_expect_eq(strv_error(&sv), 0);
	strv_done(&sv);
	cr_expect_eq(sv.n, 0);
	strv_add(&sv, "again");
	cr_expect_eq(sv.n, 1);
}

Test(strv, what_is_dropped_leaves_no_gap)
{
	AUTO_STRV struct strv sv = STRV_INIT;

	strv_add(&sv, "one");
	strv_add(&sv, "two");
	strv_add(&sv, "three");
	strv_drop(&sv, 1);
	cr_assert_eq(sv.n, 2);
	cr_expect_str_eq(sv.v[1], "three");
	strv_drop(&sv, 1);
	strv_drop(&sv, 0);
	cr_expect_eq(sv.n, 0);
	cr_expect_null(sv.v[0]);
}

Test(strv, a_failure_sticks)
{
	AUTO_STRV struct strv sv = STRV_INIT;

	strv_add(&sv, "one");
	strv_take(&sv, NULL);
	strv_add(&sv, "two");
	strv_take(&sv, strdup("freed, not kept"));
	cr_expect_eq(strv_error(&sv), -ENOMEM);
	cr_expect_eq(sv.n, 1);
	strv_done(&sv);
	cr_expect_eq(strv_error(&sv), 0);
}

Test(clock, deadlines_saturate_and_round_up)
{
	uint64_t now = clock_now_ns();
	int ms;

	cr_expect_eq(deadline_poll_ms(DEADLINE_NEVER), -1);
	cr_expect_eq(deadline_poll_ms(0), 0);
	cr_expect_eq(deadline_poll_ms(now), 0);
	cr_expect_gt(deadline_in_ms(0) + 1, now);
	cr_expect_eq(deadline_in_ms(UINT64_MAX), DEADLINE_NEVER - 1);
	cr_expect_eq(deadline_in_s(UINT64_MAX), DEADLINE_NEVER - 1);
	cr_expect_eq(deadline_poll_ms(DEADLINE_NEVER - 1), INT_MAX, "far away, but no \"never\"");
	ms = deadline_poll_ms(deadline_in_s(100));
	cr_expect(ms > 90000 && ms <= 100000, "%d", ms);
	ms = deadline_poll_ms(clock_now_ns() + 500 * 1000);
	cr_expect(ms <= 1, "%d: half a millisecond is one, not none", ms);
	cr_expect_eq(deadline_min(3, DEADLINE_NEVER), 3);
}

Test(clock, sleep_and_iso_time)
{
	uint64_t start = clock_now_ns();
	char iso[CLOCK_ISO_SIZE];

	clock_sleep_ms(20);
	cr_expect_geq(clock_now_ns() - start, 20 * NS_PER_MS);
	cr_expect_geq(clock_seconds_since(start), 0.02);
	clock_iso(iso);
	cr_expect_eq(strlen(iso), 20);
	cr_expect(iso[4] == '-' && iso[10] == 'T' && iso[19] == 'Z', "%s", iso);
}

/* What @write sends to stderr, without a terminal there. */
static void logged(void (*write_it)(void), char *buf, size_t size)
{
	int v[2], saved = dup(STDERR_FILENO);
	ssize_t n;

	cr_assert_eq(pipe2(v, O_CLOEXEC), 0);
	cr_assert_eq(dup2(v[1], STDERR_FILENO), STDERR_FILENO);
	write_it();
	cr_assert_eq(dup2(saved, STDERR_FILENO), STDERR_FILENO);
	(void)close(saved);
	(void)close(v[1]);
	n = read(v[0], buf, size - 1);
	buf[n > 0 ? n : 0] = '\0';
	(void)close(v[0]);
}

static void say_all(void)
{
	struct error err = ERROR_INIT;

	error_set(&err, EIO, "it broke");
	error_hint(&err, 0, "mend it");
	log_failure(&err);
	log_warning("careful");
	log_info("by the way");
	log_debug("not shown");
}

static void say_escapes(void)
{
	log_info(
		"a\x1b[31m\tb\nc\x7f \xc2\x9b"
		"31m \xc3\xa4");
}

Test(log, lines_have_a_name_and_a_level)
{
	char text[1024];

	logged(say_all, text, sizeof(text));
	cr_expect_str_eq(text,
			 "bmvm: error: it broke\nbmvm: hint: mend it\nbmvm: warning: careful\n"
			 "bmvm: by the way\n");
	log_set_level(LOG_LEVEL_WARNING);
	cr_expect_not(log_enabled(LOG_LEVEL_INFO));
	logged(say_all, text, sizeof(text));
	cr_expect_str_eq(text,
			 "bmvm: error: it broke\nbmvm: hint: mend it\nbmvm: warning: careful\n");
}

Test(log, control_characters_do_not_reach_the_terminal)
{
	char text[1024];

	logged(say_escapes, text, sizeof(text));
	cr_expect_str_eq(text,
			 "bmvm: a\\x1b[31m\tb\\x0ac\\x7f \\xc2\x9b"
			 "31m \xc3\xa4\n");
}
