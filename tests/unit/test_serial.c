/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "tests/unit/helper_tree.h"
#include "vm/serial.h"
#include "vm/serial_ring.h"
#include "vm/tail.h"

/* A relay with the guest's end of its socket in our hand. */
struct desk {
	char *root;
	int dir_fd;
	int guest;
	struct serial serial;
};

static void open_desk(struct desk *d, size_t capacity)
{
	struct error err = ERROR_INIT;
	int pair[2];

	d->root = tree_new();
	d->dir_fd = open(d->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	d->guest = pair[1];
	cr_assert_eq(serial_open(&d->serial, d->dir_fd, capacity, pair[0], &err), 0, "%s", err.msg);
}

static void close_desk(struct desk *d)
{
	serial_done(&d->serial);
	close_fd(&d->guest);
	close_fd(&d->dir_fd);
	tree_remove(d->root);
}

static int attach(struct desk *d, size_t backlog)
{
	int pair[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	cr_assert_eq(serial_attach(&d->serial, pair[0], NULL), 0);
	serial_send_backlog(&d->serial, pair[0], backlog);
	return pair[1];
}

static bool is_ready(const struct serial *s)
{
	struct pollfd pfd = { .fd = serial_poll_fd(s), .events = POLLIN };

	return poll(&pfd, 1, 0) == 1;
}

/* What a client or the guest has been sent so far. */
static char *received(int fd)
{
	static char buf[1 << 20];
	ssize_t n = recv(fd, buf, sizeof(buf) - 1, MSG_DONTWAIT);

	buf[n > 0 ? n : 0] = '\0';
	return buf;
}

static void say(struct desk *d, const char *text)
{
	cr_assert_eq(write(d->guest, text, strlen(text)), (ssize_t)strlen(text));
	cr_assert(is_ready(&d->serial));
	cr_assert_eq(serial_process(&d->serial), 0);
}

Test(serial, what_the_guest_says_is_kept_and_relayed)
{
	struct desk d;
	AUTO_FREE char *text = NULL;
	AUTO_CLOSE int client = -1;

	open_desk(&d, 4096);
	say(&d, "one\r\ntwo\r\n");
	client = attach(&d, 5);
	cr_expect_str_eq(received(client), "two\r\n");
	say(&d, "three\r\n");
	cr_expect_str_eq(received(client), "three\r\n");
	cr_expect_eq(serial_seen(&d.serial), 17);
	cr_assert_eq(serial_tail(d.dir_fd, 2, &text, NULL), 0);
	cr_expect_str_eq(text, "two\nthree");
	cr_expect_not(is_ready(&d.serial), "nothing to do must not look ready");
	close_desk(&d);
}

Test(serial, the_ring_keeps_the_newest_bytes)
{
	struct desk d;
	AUTO_FREE char *raw = NULL;
	char line[32];
	size_t len = 0, total = 0;

	open_desk(&d, 100);
	for (int i = 0; i < 50; i++) {
		(void)snprintf(line, sizeof(line), "line %d\n", i);
		total += strlen(line);
		say(&d, line);
	}
	cr_assert_eq(serial_raw(d.dir_fd, &raw, &len, NULL), 0);
	cr_expect_eq(len, 100);
	cr_expect_eq(serial_seen(&d.serial), total);
	cr_expect_str_eq(raw + len - 16, "line 48\nline 49\n");
	close_desk(&d);
}

Test(serial, one_chunk_larger_than_the_ring_leaves_its_end)
{
	struct desk d;
	AUTO_FREE char *raw = NULL;
	size_t len = 0;

	open_desk(&d, 10);
	say(&d, "abcdefghijklmnopqrstuvwxyz");
	cr_assert_eq(serial_raw(d.dir_fd, &raw, &len, NULL), 0);
	cr_expect_str_eq(raw, "qrstuvwxyz");
	close_desk(&d);
}

Test(serial, a_stalled_client_loses_data_and_blocks_nobody)
{
	struct desk d;
	AUTO_CLOSE int stalled = -1;
	AUTO_CLOSE int awake = -1;
	static char block[16385];
	const size_t rounds = 200; /* 3 MiB, far above what a socket buffers */
	char *got;

	open_desk(&d, 4096);
	stalled = attach(&d, 0);
	awake = attach(&d, 0);
	memset(block, 'x', sizeof(block) - 1);
	for (size_t i = 0; i < rounds; i++) {
		say(&d, block);
		cr_assert_eq(strlen(received(awake)), sizeof(block) - 1);
	}
	cr_expect_eq(serial_seen(&d.serial), rounds * (sizeof(block) - 1));
	got = received(stalled);
	cr_expect_lt(strlen(got), rounds * (sizeof(block) - 1));
	while (recv(stalled, block, sizeof(block), MSG_DONTWAIT) > 0)
		;
	say(&d, "awake again\n");
	got = received(stalled);
	cr_expect(strstr(got, " bytes lost]\r\nawake again\n") != NULL, "\"%s\"", got);
	close_desk(&d);
}

Test(serial, input_reaches_the_guest_and_waits_for_it)
{
	struct desk d;
	AUTO_CLOSE int client = -1;
	static char block[65536];
	size_t sent = 0, got = 0;

	open_desk(&d, 4096);
	client = attach(&d, 0);
	cr_assert_eq(write(client, "ls\n", 3), 3);
	cr_assert_eq(serial_process(&d.serial), 0);
	cr_expect_str_eq(received(d.guest), "ls\n");
	/* the guest stops reading: all of it must wait, none be lost, and nobody spin */
	cr_assert_eq(fcntl(client, F_SETFL, O_NONBLOCK), 0);
	for (;;) {
		ssize_t n;

		for (size_t i = 0; i < sizeof(block); i++)
			block[i] = (char)('a' + (sent + i) % 26);
		n = write(client, block, sizeof(block));
		if (n < 0 && !is_ready(&d.serial))
			break;
		sent += n > 0 ? (size_t)n : 0;
		cr_assert_eq(serial_process(&d.serial), 0);
	}
	cr_assert_gt(sent, 65536);
	while (got < sent) {
		ssize_t n = recv(d.guest, block, sizeof(block), MSG_DONTWAIT);

		for (ssize_t i = 0; i < n; i++)
			cr_assert_eq(block[i], (char)('a' + (got + (size_t)i) % 26));
		got += n > 0 ? (size_t)n : 0;
		cr_assert(n > 0 || is_ready(&d.serial), "%zu of %zu", got, sent);
		cr_assert_eq(serial_process(&d.serial), 0);
	}
	close_desk(&d);
}

Test(serial, a_client_that_leaves_is_forgotten)
{
	struct desk d;
	int client;

	open_desk(&d, 4096);
	for (int i = 0; i < 3 * SERIAL_CLIENTS_MAX; i++) {
		client = attach(&d, 0);
		cr_assert_eq(write(client, "q", 1), 1);
		close_fd(&client);
		while (is_ready(&d.serial))
			cr_assert_eq(serial_process(&d.serial), 0);
		cr_assert_eq(d.serial.n_clients, 0);
	}
	cr_expect_eq(strlen(received(d.guest)), 3 * SERIAL_CLIENTS_MAX);
	close_desk(&d);
}

Test(serial, there_is_room_for_so_many_clients_only)
{
	struct desk d;
	struct error err = ERROR_INIT;
	int pair[2];
	int clients[SERIAL_CLIENTS_MAX];

	open_desk(&d, 4096);
	for (size_t i = 0; i < SERIAL_CLIENTS_MAX; i++)
		clients[i] = attach(&d, 0);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	cr_expect_eq(serial_attach(&d.serial, pair[0], &err), -EUSERS);
	cr_expect_str_eq(err.msg, "8 consoles are attached already");
	cr_expect_eq(write(pair[0], "no", 2), 2, "the refused client must still be told");
	close_fd(&pair[0]);
	say(&d, "all\n");
	for (size_t i = 0; i < SERIAL_CLIENTS_MAX; i++) {
		cr_expect_str_eq(received(clients[i]), "all\n");
		close_fd(&clients[i]);
	}
	close_fd(&pair[1]);
	close_desk(&d);
}

Test(serial, the_end_of_the_guest_is_told)
{
	struct desk d;
	AUTO_CLOSE int client = -1;

	open_desk(&d, 4096);
	client = attach(&d, 0);
	cr_assert_eq(write(d.guest, "last words", 10), 10);
	close_fd(&d.guest);
	cr_expect_eq(serial_process(&d.serial), 1);
	cr_expect_str_eq(received(client), "last words");
	cr_assert_eq(write(client, "x", 1), 1);
	cr_expect_eq(serial_process(&d.serial), 1);
	cr_expect_not(is_ready(&d.serial));
	close_desk(&d);
}

Test(serial, the_file_is_private_and_replaces_an_older_one)
{
	struct desk d;
	struct stat st;
	int fd;

	d.root = tree_new();
	tree_file(d.root, SERIAL_FILE, "old");
	d.dir_fd = open(d.root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_eq(serial_ring_create(d.dir_fd, SERIAL_FILE, 4096, &fd, NULL), 0);
	cr_assert_eq(fstat(fd, &st), 0);
	cr_expect_eq(st.st_mode & 07777, 0600);
	cr_expect_eq(st.st_size, 64 + 4096);
	close_fd(&fd);
	close_fd(&d.dir_fd);
	tree_remove(d.root);
}

Test(serial, no_file_a_foreign_file_and_a_torn_file_are_errors)
{
	static const char *const foreign[] = {
		"",
		"BMVMSER1",
		("hello, this is not a ring at all; it is longer than a header, though, by a few "
		 "bytes"),
	};
	AUTO_FREE char *text = NULL;
	char *root = tree_new();
	int dir_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct error err = ERROR_INIT;

	cr_expect_eq(serial_tail(dir_fd, 0, &text, &err), -ENOENT);
	for (size_t i = 0; i < ARRAY_SIZE(foreign); i++) {
		tree_file(root, SERIAL_FILE, "%s", foreign[i]);
		cr_expect_eq(serial_tail(dir_fd, 0, &text, &err), -EINVAL, "%zu", i);
	}
	close_fd(&dir_fd);
	tree_remove(root);
}

/* ---- foreign text ---- */

Test(text, control_sequences_do_not_reach_a_terminal)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "plain\ttext\n", "plain\ttext\n" },
		{ "a\r\nb", "a\nb" },
		{ "\033[1;31mred\033[0m", "red" },
		{ "\033]0;title\amore", "more" },
		{ "\033]52;c;ZXZpbA==\033\\x", "x" },
		{ "\033]never ended\nnext", "\nnext" },
		{ "\033(B\033=x", "x" },
		{ "end\033", "end" },
		{ "end\033[", "end" },
		{ "bell\a nul-free \001", "bell? nul-free ?" },
		{ "caf\xc3\xa9 \xe2\x82\xac", "caf\xc3\xa9 \xe2\x82\xac" },
		{ "\xff\xfe", "??" },
		{ "\xc2\x9b"
		  "31m",
		  "??31m" },
		{ "cut \xe2\x82", "cut ??" },
		{ "\177", "?" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_FREE char *out = text_printable(rows[i].in, strlen(rows[i].in));

		cr_expect_str_eq(out, rows[i].out, "row %zu: \"%s\"", i, out);
	}
}

Test(text, a_nul_is_shown_and_does_not_end_the_text)
{
	AUTO_FREE char *out = text_printable("a\0b", 3);

	cr_expect_str_eq(out, "a?b");
}

Test(text, last_lines_are_counted_from_the_end)
{
	static const struct {
		const char *text;
		size_t lines;
		const char *rest;
	} rows[] = {
		{ "a\nb\nc\n", 1, "c\n" },
		{ "a\nb\nc", 2, "b\nc" },
		{ "a\nb\nc\n", 9, "a\nb\nc\n" },
		{ "a\nb\n", 0, "a\nb\n" },
		{ "", 3, "" },
		{ "\n\n", 1, "\n\n" },
		{ "a\nb\n\n\n", 1, "b\n\n\n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		cr_expect_str_eq(rows[i].text + text_last_lines(rows[i].text, strlen(rows[i].text),
								rows[i].lines),
				 rows[i].rest, "row %zu", i);
}

Test(tail, only_the_last_bytes_are_kept)
{
	AUTO_TAIL struct tail t = { .len = 0 };
	AUTO_FREE char *text = NULL;
	char line[32];

	for (int i = 0; i < 20000; i++) {
		(void)snprintf(line, sizeof(line), "line %d\n", i);
		tail_add(&t, line, strlen(line));
	}
	cr_expect_eq(t.len, TAIL_SIZE);
	text = tail_text(&t, 2);
	cr_expect_str_eq(text, "line 19998\nline 19999");
}

Test(tail, one_huge_write_leaves_its_end)
{
	AUTO_TAIL struct tail t = { .len = 0 };
	AUTO_FREE char *big = malloc(3 * TAIL_SIZE);

	memset(big, 'a', 3 * TAIL_SIZE);
	big[3 * TAIL_SIZE - 1] = 'z';
	tail_add(&t, "before", 6);
	tail_add(&t, big, 3 * TAIL_SIZE);
	cr_expect_eq(t.len, TAIL_SIZE);
	cr_expect_eq(t.data[0], 'a');
	cr_expect_eq(t.data[TAIL_SIZE - 1], 'z');
}

Test(tail, a_pipe_is_read_to_its_end)
{
	AUTO_TAIL struct tail t = { .len = 0 };
	AUTO_FREE char *text = NULL;
	int fds[2];

	cr_assert_eq(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
	cr_assert_eq(write(fds[1], "error: no\n", 10), 10);
	cr_expect_eq(tail_read(&t, fds[0]), 1);
	close_fd(&fds[1]);
	cr_expect_eq(tail_read(&t, fds[0]), 0);
	text = tail_text(&t, 0);
	cr_expect_str_eq(text, "error: no");
	close_fd(&fds[0]);
}
