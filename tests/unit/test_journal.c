/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "host/journal.h"

static char dir[32];
static int dir_fd;

static void setup(void)
{
	(void)snprintf(dir, sizeof(dir), "/tmp/bmvm-journal-XXXXXX");
	cr_assert(mkdtemp(dir) != NULL);
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void teardown(void)
{
	(void)close(dir_fd);
	cr_assert(file_remove_tree_at(AT_FDCWD, dir, NULL) == 0);
}

TestSuite(journal, .init = setup, .fini = teardown);

struct seen {
	char ops[256];
	int answer_for_b;
	bool same_boot;
};

static int remember(void *data, struct json_object *record, bool same_boot, struct error *err)
{
	struct seen *s = data;
	const char *op = json_str_or(record, "op", "?");

	strcat(s->ops, op);
	s->same_boot = same_boot;
	if (strcmp(op, "b") == 0 && s->answer_for_b < 0)
		return error_set(err, -s->answer_for_b, "b failed");
	return strcmp(op, "b") == 0 ? s->answer_for_b : 0;
}

static void write_abc(const char *boot)
{
	AUTO_JOURNAL struct journal j = JOURNAL_INIT;

	cr_assert(journal_open(dir_fd, boot, &j, NULL) == 0);
	cr_assert(journal_intend(&j, "a", json_new_object(), NULL) == 1);
	cr_assert(journal_intend(&j, "b", json_new_object(), NULL) == 2);
	cr_assert(journal_intend(&j, "c", json_new_object(), NULL) == 3);
}

static int walk(const char *boot, struct seen *s, struct error *err)
{
	AUTO_JOURNAL struct journal j = JOURNAL_INIT;

	cr_assert(journal_open(dir_fd, boot, &j, NULL) == 0);
	return journal_walk_back(&j, remember, s, err);
}

Test(journal, walks_back_from_the_last_and_only_once)
{
	struct seen s = { .ops = "" };

	write_abc("boot");
	cr_expect(walk("boot", &s, NULL) == 0);
	cr_expect_str_eq(s.ops, "cba");
	cr_expect(s.same_boot);
	s.ops[0] = '\0';
	cr_expect(walk("boot", &s, NULL) == 0);
	cr_expect_str_eq(s.ops, "");
}

Test(journal, goes_on_after_a_failure_and_offers_the_failed_one_again)
{
	struct seen s = { .answer_for_b = -EBUSY };
	struct error err = ERROR_INIT;

	write_abc("boot");
	cr_expect(walk("boot", &s, &err) == -EBUSY);
	cr_expect_str_eq(s.ops, "cba");
	cr_expect_str_eq(err.msg, "b failed");
	s = (struct seen){ .answer_for_b = 0 };
	cr_expect(walk("boot", &s, NULL) == 0);
	cr_expect_str_eq(s.ops, "b");
}

Test(journal, what_is_left_in_place_on_purpose_stays_recorded)
{
	struct seen s = { .answer_for_b = 1 };

	write_abc("boot");
	cr_expect(walk("boot", &s, NULL) == 0);
	s.ops[0] = '\0';
	cr_expect(walk("boot", &s, NULL) == 0);
	cr_expect_str_eq(s.ops, "b");
}

Test(journal, tells_records_of_an_earlier_boot)
{
	struct seen s = { .ops = "" };

	write_abc("earlier");
	cr_expect(walk("now", &s, NULL) == 0);
	cr_expect_str_eq(s.ops, "cba");
	cr_expect_not(s.same_boot);
}

/* Cut the file after every possible byte: each prefix must read as the whole records in it. */
Test(journal, a_torn_end_loses_only_the_torn_record)
{
	AUTO_FREE char *text = NULL;
	size_t len = 0;

	write_abc("boot");
	cr_assert(file_read_at(dir_fd, "journal", 65536, &text, &len, NULL) == 0);
	for (size_t cut = 0; cut <= len; cut++) {
		struct seen s = { .ops = "" };
		size_t whole = 0;
		AUTO_JOURNAL struct journal j = JOURNAL_INIT;

		for (size_t i = 0; i < cut; i++)
			whole += text[i] == '\n' ? 1 : 0;
		/* a record that lacks nothing but its newline counts */
		if (cut < len && text[cut] == '\n')
			whole++;
		cr_assert(file_write_atomic_at(dir_fd, "journal", text, cut, 0600, NULL) == 0);
		cr_assert(journal_open(dir_fd, "boot", &j, NULL) == 0);
		cr_assert(journal_intend(&j, "z", json_new_object(), NULL) == (int64_t)whole + 1);
		cr_assert(journal_walk_back(&j, remember, &s, NULL) == 0);
		cr_assert(strlen(s.ops) == whole + 1 && s.ops[0] == 'z', "cut at %zu: %s", cut,
			  s.ops);
	}
}
