/* SPDX-License-Identifier: MIT */
/* qmp/frame: whole lines out of bytes torn anywhere, and the cap on a line. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "qmp/frame.h"

static void feed(struct qmp_frame *f, const char *bytes, size_t n)
{
	while (n > 0) {
		char *room = NULL;
		size_t size = 0;

		cr_assert(eq(int, qmp_frame_reserve(f, &room, &size), 0));
		cr_assert(ge(sz, size, QMP_FRAME_CHUNK));
		size = size < n ? size : n;
		memcpy(room, bytes, size);
		qmp_frame_commit(f, size);
		bytes += size;
		n -= size;
	}
}

static void expect_line(struct qmp_frame *f, const char *text, size_t n)
{
	const char *line = NULL;
	size_t len = 0;

	cr_assert(eq(int, qmp_frame_next(f, &line, &len), 1));
	cr_assert(eq(sz, len, n));
	cr_assert(memcmp(line, text, n) == 0);
}

static void expect_none(struct qmp_frame *f)
{
	const char *line = NULL;
	size_t len = 0;

	cr_assert(eq(int, qmp_frame_next(f, &line, &len), 0));
}

Test(qmp_frame, empty_buffer_has_no_line)
{
	struct qmp_frame f;

	qmp_frame_init(&f, 100);
	expect_none(&f);
	cr_expect(eq(sz, qmp_frame_rest(&f), 0));
	qmp_frame_done(&f);
	qmp_frame_done(&f);
}

Test(qmp_frame, lines_are_whole_wherever_the_bytes_are_torn)
{
	static const char wire[] = "{\"a\": 1}\r\n\n{\"b\": 2}\n{\"c\"";
	const size_t n = sizeof(wire) - 1;

	for (size_t first = 0; first <= n; first++) {
		for (size_t second = first; second <= n; second++) {
			const size_t cuts[] = { 0, first, second, n };
			struct qmp_frame f;
			char got[sizeof(wire)] = "";
			size_t lines = 0;

			qmp_frame_init(&f, 100);
			for (size_t i = 0; i < 3; i++) {
				const char *line = NULL;
				size_t len = 0;

				feed(&f, wire + cuts[i], cuts[i + 1] - cuts[i]);
				while (qmp_frame_next(&f, &line, &len) == 1) {
					strncat(got, line, len);
					strcat(got, "|");
					lines++;
				}
			}
			cr_assert(eq(str, got, (char *)"{\"a\": 1}||{\"b\": 2}|"),
				  "torn at %zu, %zu", first, second);
			cr_assert(eq(sz, lines, 3));
			cr_assert(eq(sz, qmp_frame_rest(&f), strlen("{\"c\"")));
			qmp_frame_done(&f);
		}
	}
}

Test(qmp_frame, one_byte_at_a_time)
{
	struct qmp_frame f;

	qmp_frame_init(&f, 100);
	for (const char *p = "{\"execute\": 1}\r"; *p != '\0'; p++) {
		feed(&f, p, 1);
		expect_none(&f);
	}
	feed(&f, "\n", 1);
	expect_line(&f, "{\"execute\": 1}", 14);
	expect_none(&f);
	qmp_frame_done(&f);
}

Test(qmp_frame, only_a_final_carriage_return_is_stripped)
{
	struct qmp_frame f;

	qmp_frame_init(&f, 100);
	feed(&f, "a\rb\r\r\n\r\n", 8);
	expect_line(&f, "a\rb\r", 4);
	expect_line(&f, "", 0);
	expect_none(&f);
	qmp_frame_done(&f);
}

Test(qmp_frame, embedded_nul_is_part_of_the_line)
{
	struct qmp_frame f;

	qmp_frame_init(&f, 100);
	feed(&f, "a\0b\n", 4);
	expect_line(&f, "a\0b", 3);
	qmp_frame_done(&f);
}

Test(qmp_frame, line_of_exactly_the_cap_passes)
{
	struct qmp_frame f;

	qmp_frame_init(&f, 5);
	feed(&f, "12345", 5);
	expect_none(&f);
	feed(&f, "\n", 1);
	expect_line(&f, "12345", 5);
	qmp_frame_done(&f);
}

Test(qmp_frame, line_above_the_cap_fails_with_or_without_its_newline)
{
	static const char *const wire[] = { "123456", "123456\n", "123456\nok\n" };

	for (size_t i = 0; i < sizeof(wire) / sizeof(wire[0]); i++) {
		struct qmp_frame f;
		const char *line = NULL;
		size_t len = 0;

		qmp_frame_init(&f, 5);
		feed(&f, "ok\n", 3);
		feed(&f, wire[i], strlen(wire[i]));
		expect_line(&f, "ok", 2);
		cr_expect(eq(int, qmp_frame_next(&f, &line, &len), -EMSGSIZE), "case %zu", i);
		qmp_frame_done(&f);
	}
}

Test(qmp_frame, large_line_arrives_whole_and_its_memory_is_given_back)
{
	const size_t n = 1000 * 1000;
	char *text = malloc(n);
	struct qmp_frame f;
	char *room = NULL;
	size_t size = 0;

	cr_assert(text != NULL);
	for (size_t i = 0; i < n; i++)
		text[i] = (char)('a' + i % 26);
	qmp_frame_init(&f, n);
	feed(&f, text, n);
	expect_none(&f);
	feed(&f, "\n{}\n", 4);
	expect_line(&f, text, n);
	expect_line(&f, "{}", 2);
	cr_expect(ge(sz, f.size, n));
	cr_assert(eq(int, qmp_frame_reserve(&f, &room, &size), 0));
	cr_expect(le(sz, f.size, 64 * 1024));
	qmp_frame_done(&f);
	free(text);
}
