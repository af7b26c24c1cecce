/* SPDX-License-Identifier: MIT */
/* The log of a model: complete in the file, shown on the screen, held up by nobody. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/unit/helper_tree.h"
#include "workload/live_log.h"

#define NAME "model.run.live.log"

static char *folder;
static int dir_fd = -1;

static void setup(void)
{
	folder = tree_new();
	dir_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(dir_fd, 0);
	(void)signal(SIGPIPE, SIG_IGN);
}

static void teardown(void)
{
	(void)close(dir_fd);
	free(folder);
}

TestSuite(live_log, .init = setup, .fini = teardown, .timeout = 30);

static void put(const struct live_log *log, const char *text)
{
	cr_assert_eq(write(log->in_fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void expect_file(const char *want)
{
	AUTO_FREE char *text = NULL;
	struct error err = ERROR_INIT;

	cr_assert_eq(file_read_at(dir_fd, NAME, 1 << 20, &text, NULL, &err), 0, "%s", err.msg);
	cr_expect_str_eq(text, want);
}

Test(live_log, has_what_came_at_once_and_in_order)
{
	AUTO_LIVE_LOG struct live_log log = LIVE_LOG_INIT;
	struct error err = ERROR_INIT;
	struct watch watch;
	struct watchset ws = { .v = &watch, .n = 1 };

	cr_assert_eq(live_log_open(&log, dir_fd, NAME, -1, &err), 0, "%s", err.msg);
	watch = live_log_watch(&log);
	cr_expect_eq(live_log_say(&log, &err, "> %s\n", "docker build"), 0);
	put(&log, "step 1\n");
	cr_expect_eq(watch_serve(&ws, UINT64_MAX, &err), 0);
	expect_file("> docker build\nstep 1\n");
	put(&log, "step 2, no newline");
	cr_expect_eq(live_log_settle(&log, NULL, &err), 0);
	expect_file("> docker build\nstep 1\nstep 2, no newline");
}

Test(live_log, an_older_log_and_a_link_are_replaced)
{
	AUTO_LIVE_LOG struct live_log log = LIVE_LOG_INIT;
	struct error err = ERROR_INIT;
	struct stat st;

	cr_assert_eq(symlinkat("victim", dir_fd, NAME), 0);
	cr_assert_eq(live_log_open(&log, dir_fd, NAME, -1, &err), 0, "%s", err.msg);
	cr_expect_eq(live_log_say(&log, &err, "new\n"), 0);
	cr_expect_neq(fstatat(dir_fd, "victim", &st, 0), 0);
	expect_file("new\n");
}

Test(live_log, that_another_run_writes_is_left_alone)
{
	AUTO_LIVE_LOG struct live_log first = LIVE_LOG_INIT, second = LIVE_LOG_INIT;
	struct error err = ERROR_INIT;
	int kept;

	cr_assert_eq(live_log_open(&first, dir_fd, NAME, -1, &err), 0, "%s", err.msg);
	cr_expect_eq(live_log_open(&second, dir_fd, NAME, -1, &err), -EBUSY);
	cr_expect_str_eq(err.msg, NAME " is the log of another run, under way now");
	cr_expect_eq(second.fd, -1);
	cr_expect_eq(live_log_say(&first, &err, "first\n"), 0);
	expect_file("first\n");
	/* as long as a copy of the descriptor is open */
	kept = fcntl(first.fd, F_DUPFD_CLOEXEC, 3);
	live_log_done(&first);
	cr_expect_eq(live_log_open(&second, dir_fd, NAME, -1, &err), -EBUSY);
	(void)close(kept);
	cr_expect_eq(live_log_open(&second, dir_fd, NAME, -1, &err), 0, "%s", err.msg);
	expect_file("");
}

Test(live_log, has_another_name_then)
{
	AUTO_FREE char *first = live_log_numbered(NAME, ".run.live.log", 2);
	AUTO_FREE char *other = live_log_numbered("x.log", ".run.live.log", 12);

	cr_expect_str_eq(first, "model.2.run.live.log");
	cr_expect_str_eq(other, "x.log.12");
}

static void race_for_it(void)
{
	pid_t pids[16];
	int gate[2], won[2];
	char c;

	cr_assert_eq(pipe(gate), 0);
	cr_assert_eq(pipe(won), 0);
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			struct live_log log = LIVE_LOG_INIT;

			(void)close(gate[1]);
			(void)!read(gate[0], &c, 1);
			c = live_log_open(&log, dir_fd, NAME, -1, NULL) == 0 ? 'w' : 'l';
			(void)!write(won[1], &c, 1);
			(void)pause();
		}
	}
	close_fd(&gate[1]);
	for (size_t i = 0, winners = 0; i < ARRAY_SIZE(pids); i++) {
		cr_assert_eq(read(won[0], &c, 1), 1);
		winners += c == 'w';
		cr_expect(i + 1 < ARRAY_SIZE(pids) || winners == 1, "%zu have it", winners);
	}
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		(void)kill(pids[i], SIGKILL);
		(void)waitpid(pids[i], NULL, 0);
	}
	for (size_t i = 0; i < 2; i++) {
		close_fd(&gate[i]);
		close_fd(&won[i]);
	}
}

/* Of several that want it at the same time exactly one gets it, a new one or an old one. */
Test(live_log, is_had_by_one_of_many)
{
	race_for_it();
	race_for_it();
}

Test(live_log, a_screen_that_nobody_reads_holds_up_nothing)
{
	AUTO_LIVE_LOG struct live_log log = LIVE_LOG_INIT;
	struct error err = ERROR_INIT;
	int screen[2];
	char seen[256 * 1024];
	size_t n = 0;

	cr_assert_eq(pipe(screen), 0);
	cr_assert_eq(live_log_open(&log, dir_fd, NAME, screen[1], &err), 0);
	for (int i = 0; i < 4000; i++)
		cr_assert_eq(live_log_say(&log, &err, "line %04d of what the model says\n", i), 0);
	cr_expect_eq(log.written, 4000 * 33);
	cr_expect_lt(log.shown, log.written);
	/* the reader comes back, and gets it all */
	cr_assert_eq(fd_set_nonblock(screen[0]), 0);
	while (n < 4000 * 33) {
		ssize_t got = read(screen[0], seen + n, sizeof(seen) - n);

		if (got > 0)
			n += (size_t)got;
		else
			cr_assert_eq(live_log_say(&log, &err, "%s", ""), 0);
	}
	cr_expect_eq(memcmp(seen + 3999 * 33, "line 3999 ", 10), 0);
	cr_expect_eq(live_log_settle(&log, NULL, &err), 0);
	/* and goes for good: only the screen ends */
	(void)close(screen[0]);
	cr_expect_eq(live_log_say(&log, &err, "more\n"), 0);
	cr_expect_eq(live_log_settle(&log, NULL, &err), 0);
	cr_expect_eq(log.screen_fd, -1);
	cr_expect_eq(log.written, 4000 * 33 + 5);
	(void)close(screen[1]);
}

Test(live_log, a_disk_that_is_full_ends_the_wait)
{
	AUTO_LIVE_LOG struct live_log log = LIVE_LOG_INIT;
	const struct rlimit small = { .rlim_cur = 10, .rlim_max = 10 };
	struct error err = ERROR_INIT;
	struct watch watch;
	struct watchset ws = { .v = &watch, .n = 1 };

	(void)signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(live_log_open(&log, dir_fd, NAME, -1, &err), 0);
	watch = live_log_watch(&log);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
	put(&log, "more than ten bytes\n");
	cr_expect_eq(watch_serve(&ws, UINT64_MAX, &err), -EFBIG);
	cr_expect_not_null(strstr(err.msg, "write the log"), "%s", err.msg);
}
