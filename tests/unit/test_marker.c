/* SPDX-License-Identifier: MIT */
/* Finding the start of CMD's output in what a login shell writes. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "guest/marker.h"
#include "guest/terminal.h"

static struct marker marker;

static void setup(void)
{
	cr_assert(marker_init(&marker, NULL) == 0);
}

static void teardown(void)
{
	marker_done(&marker);
}

TestSuite(marker, .init = setup, .fini = teardown);

Test(marker, is_found_however_the_stream_is_cut)
{
	char text[256];
	size_t total;

	(void)snprintf(text, sizeof(text), "motd\n%s -123\nCMD says %s -9\n", marker.token,
		       marker.token);
	total = strlen(text);
	for (size_t piece = 1; piece <= total; piece++) {
		size_t at = 0;

		marker.found = false;
		marker.prelude_len = 0;
		while (!marker.found && at < total) {
			size_t len = total - at < piece ? total - at : piece, used;

			cr_assert(marker_feed(&marker, text + at, len, &used) == 0);
			cr_assert(marker.found || used == len);
			at += used;
		}
		cr_assert(marker.found);
		cr_assert_str_eq(marker.word, "-123");
		cr_assert_eq(marker.prelude_len, 5);
		cr_assert(memcmp(marker.prelude, "motd\n", 5) == 0);
		cr_assert(strncmp(text + at, "CMD says", 8) == 0);
	}
}

Test(marker, terminal_line_ends_are_understood)
{
	char text[256];
	size_t used;

	(void)snprintf(text, sizeof(text), "%s -7\r\n$ ", marker.token);
	cr_assert(marker_feed(&marker, text, strlen(text), &used) == 0);
	cr_assert(marker.found);
	cr_assert_str_eq(marker.word, "-7");
	cr_assert_eq(used, strlen(text) - 2);
}

Test(marker, endless_preludes_are_refused)
{
	static char noise[MARKER_PRELUDE_MAX];
	size_t used;

	memset(noise, 'x', sizeof(noise));
	cr_assert(marker_feed(&marker, noise, sizeof(noise) - 1, &used) == 0);
	cr_assert_eq(marker_feed(&marker, noise, 10, &used), -EPROTO);
}

Test(marker, tokens_differ)
{
	struct marker other;

	cr_assert(marker_init(&other, NULL) == 0);
	cr_assert_str_neq(marker.token, other.token);
	marker_done(&other);
}

static void check_escape(const char *in, const char *want, bool want_quit)
{
	char out[64];

	for (size_t piece = 1; piece <= strlen(in); piece++) {
		enum escape_state state = ESCAPE_LINE_START;
		bool quit = false;
		size_t n = 0;

		for (size_t at = 0; at < strlen(in) && !quit; at += piece) {
			size_t len = strlen(in) - at < piece ? strlen(in) - at : piece;

			n += escape_filter(&state, in + at, len, out + n, &quit);
		}
		out[n] = '\0';
		cr_assert_str_eq(out, want, "%s in pieces of %zu", in, piece);
		cr_assert_eq(quit, want_quit, "%s", in);
	}
}

Test(escape, tilde_dot_quits_only_at_the_start_of_a_line)
{
	check_escape("~.", "", true);
	check_escape("ls\r~.x", "ls\r", true);
	check_escape("ls\n~.", "ls\n", true);
	check_escape("a~.", "a~.", false);
	check_escape("~~.", "~.", false);
	check_escape("~a", "~a", false);
	check_escape("~\r~.", "~\r", true);
	check_escape("x~~", "x~~", false);
}
