/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "tests/unit/helper_tree.h"

/* argv of `sh -c SCRIPT`; the words are the compound literal's own. */
#define SHELL(script) ((char *[]){ (char[]){ "sh" }, (char[]){ "-c" }, (char[]){ script }, NULL })

static const char shell[] = "/bin/sh";

static int exit_code(struct process *p)
{
	int status = -1;

	cr_assert_eq(process_wait(p, deadline_in_s(20), &status), 0);
	process_done(p);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void read_all(int fd, char *buf, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, buf + len, size - 1 - len)) > 0)
		len += (size_t)n;
	buf[len] = '\0';
}

/* Until @pid is gone or a zombie; false after 10 s. */
static bool is_gone(pid_t pid)
{
	AUTO_CLOSE int proc = open("/proc", O_PATH | O_DIRECTORY);
	uint64_t start;

	for (int i = 0; i < 1000; i++) {
		if (process_start_time(proc, pid, &start) == -ESRCH)
			return true;
		clock_sleep_ms(10);
	}
	return false;
}

Test(process, exit_codes_and_signals_come_back)
{
	struct spawn s = { .path = shell, .argv = SHELL("exit 7") };
	struct process p;
	char text[64];

	cr_assert_eq(process_spawn(&s, &p, NULL), 0);
	cr_expect_eq(exit_code(&p), 7);
	s.argv = SHELL("kill -9 $$");
	cr_assert_eq(process_spawn(&s, &p, NULL), 0);
	cr_expect_eq(exit_code(&p), 137);
	cr_expect_eq(process_wait(&p, 0, NULL), -ECHILD);
	cr_expect_str_eq(process_status_text(9, text, sizeof(text)), "signal 9 (Killed)");
	cr_expect_str_eq(process_status_text(7 << 8, text, sizeof(text)), "exit code 7");
}

Test(process, a_missing_program_is_reported_by_spawn)
{
	struct spawn s = { .path = "/proc/none/program", .argv = SHELL("") };
	struct process p = PROCESS_INIT;
	struct error err = ERROR_INIT;

	cr_expect_eq(process_spawn(&s, &p, &err), -ENOENT);
	cr_expect_str_eq(err.msg, "start /proc/none/program: No such file or directory");
	cr_expect_eq(waitpid(-1, NULL, WNOHANG), -1, "reaped");
	cr_expect_eq(errno, ECHILD);
}

static int refuse(void *data, struct error *err)
{
	return error_set(err, EACCES, "no %s", (const char *)data);
}

Test(process, failure_of_prepare_is_reported_by_spawn_or_release)
{
	char word[] = "way";
	struct spawn s = {
		.path = shell, .argv = SHELL("exit 0"), .prepare = refuse, .prepare_data = word
	};
	struct process p = PROCESS_INIT;
	struct error err = ERROR_INIT;

	cr_expect_eq(process_spawn(&s, &p, &err), -EACCES);
	cr_expect_str_eq(err.msg, "no way");
	s.hold = true;
	err = (struct error)ERROR_INIT;
	cr_assert_eq(process_spawn(&s, &p, &err), 0);
	cr_assert(is_gone(p.pid));
	cr_expect_eq(process_release(&p, &err), -EACCES, "and no SIGPIPE");
	cr_expect_str_eq(err.msg, "no way");
	cr_expect_eq(p.pid, 0, "reaped");
}

/* ---- descriptors ---- */

/* Two pipes whose write ends have the numbers @a and @b here. */
static void pipes_at(int a, int b, int *read_a, int *read_b)
{
	int v[2];

	cr_assert_eq(pipe2(v, O_CLOEXEC), 0);
	*read_a = fcntl(v[0], F_DUPFD_CLOEXEC, 100);
	cr_assert_eq(dup2(v[1], a), a);
	(void)close(v[1]);
	(void)close(v[0]);
	cr_assert_eq(pipe2(v, O_CLOEXEC), 0);
	*read_b = fcntl(v[0], F_DUPFD_CLOEXEC, 100);
	cr_assert_eq(dup2(v[1], b), b);
	(void)close(v[1]);
	(void)close(v[0]);
}

Test(process, descriptors_that_change_places_do_not_clash)
{
	int from_a, from_b;
	char text[64];
	struct spawn_fd fds[] = { { 40, 41 }, { 41, 40 }, { 40, 1 }, { 41, 63 } };
	struct spawn s = { .path = "/bin/bash",
			   .argv = SHELL("echo one; echo b >&40; echo a >&41; echo c >&63"),
			   .fds = fds,
			   .n_fds = 4 };
	struct process p;

	if (access(s.path, X_OK) < 0)
		cr_skip("no bash, and dash knows descriptors of one digit only");
	pipes_at(40, 41, &from_a, &from_b);
	cr_assert_eq(process_spawn(&s, &p, NULL), 0);
	cr_expect_eq(exit_code(&p), 0);
	(void)close(40);
	(void)close(41);
	read_all(from_a, text, sizeof(text));
	cr_expect_str_eq(text, "one\na\n");
	read_all(from_b, text, sizeof(text));
	cr_expect_str_eq(text, "b\nc\n");
}

Test(process, nothing_else_is_inherited)
{
	int from_a, from_b, open_here = dup(2);
	char text[256];
	struct spawn_fd fds[] = { { 40, 1 }, { 41, 5 } };
	struct spawn s = { .path = shell,
			   .argv = SHELL("ls /proc/$$/fd; readlink /proc/$$/fd/0 /proc/$$/fd/2"),
			   .fds = fds,
			   .n_fds = 2 };
	struct process p;

	cr_assert_geq(open_here, 0);
	pipes_at(40, 41, &from_a, &from_b);
	cr_assert_eq(process_spawn(&s, &p, NULL), 0);
	cr_expect_eq(exit_code(&p), 0);
	(void)close(40);
	read_all(from_a, text, sizeof(text));
	cr_expect_str_eq(text, "0\n1\n2\n5\n/dev/null\n/dev/null\n");
}

Test(process, a_descriptor_number_out_of_range_is_refused)
{
	struct spawn_fd fds[] = { { 2, 64 } };
	struct spawn s = { .path = shell, .argv = SHELL("exit 0"), .fds = fds, .n_fds = 1 };
	struct process p = PROCESS_INIT;

	cr_expect_eq(process_spawn(&s, &p, NULL), -EBADF);
	fds[0] = (struct spawn_fd){ 99, 3 };
	cr_expect_eq(process_spawn(&s, &p, NULL), -EBADF, "nothing is open there");
}

Test(process, signals_ignored_here_are_not_ignored_there)
{
	struct spawn s = { .path = shell, .argv = SHELL("kill -TERM $$; exit 3") };
	struct process p;

	(void)signal(SIGTERM, SIG_IGN);
	cr_assert_eq(process_spawn(&s, &p, NULL), 0);
	cr_expect_eq(exit_code(&p), 128 + SIGTERM);
}

/* ---- holding ---- */

static struct spawn touch_file(char **argv, char *file)
{
	static char name[] = "touch";

	argv[0] = name;
	argv[1] = file;
	argv[2] = NULL;
	return (struct spawn){ .path = "/usr/bin/touch", .argv = argv, .hold = true };
}

Test(process, a_held_child_starts_only_when_released)
{
	char *root = tree_new();
	AUTO_FREE char *file = path_join(root, "made");
	char *argv[3];
	struct spawn s = touch_file(argv, file);
	struct process p;

	cr_assert_eq(process_spawn(&s, &p, NULL), 0);
	clock_sleep_ms(50);
	cr_expect_neq(access(file, F_OK), 0, "not yet");
	cr_expect_eq(process_wait(&p, 0, NULL), -ETIMEDOUT, "it is there, waiting");
	cr_assert_eq(process_release(&p, NULL), 0);
	cr_expect_eq(exit_code(&p), 0);
	cr_expect_eq(access(file, F_OK), 0);
	tree_remove(root);
}

Test(process, a_held_child_that_was_killed_is_no_success)
{
	char *root = tree_new();
	AUTO_FREE char *file = path_join(root, "made");
	char *argv[3];
	struct spawn s = touch_file(argv, file);
	struct process p;

	cr_assert_eq(process_spawn(&s, &p, NULL), 0);
	cr_assert_eq(process_signal(&p, SIGKILL), 0);
	cr_assert(is_gone(p.pid));
	cr_expect_eq(process_release(&p, NULL), -EIO, "and no SIGPIPE");
	cr_expect_neq(access(file, F_OK), 0);
	tree_remove(root);
}

/* A process that starts one with @s and dies by SIGKILL; returns the pid of what it started. */
static pid_t orphan(const struct spawn *s)
{
	pid_t *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		struct process p;

		if (process_spawn(s, &p, NULL) < 0)
			_exit(1);
		*shared = p.pid;
		(void)raise(SIGKILL);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFSIGNALED(status), "the holder could not start its child");
	return *shared;
}

Test(process, a_dying_holder_releases_nothing)
{
	char *root = tree_new();
	AUTO_FREE char *file = path_join(root, "made");
	char *argv[3];
	struct spawn s = touch_file(argv, file);

	cr_expect(is_gone(orphan(&s)));
	cr_expect_neq(access(file, F_OK), 0);
	tree_remove(root);
}

Test(process, a_child_dies_with_its_parent_if_so_wished)
{
	struct spawn s = { .path = shell, .argv = SHELL("sleep 60"), .die_with_us = true };
	pid_t pid;

	cr_expect(is_gone(orphan(&s)));
	s.die_with_us = false;
	s.argv = SHELL("exec sleep 60");
	pid = orphan(&s);
	clock_sleep_ms(100);
	cr_expect_eq(kill(pid, 0), 0, "else it lives on");
	cr_expect_eq(kill(pid, SIGKILL), 0);
}

/* ---- stopping ---- */

Test(process, waiting_is_bounded_and_leaves_the_child_alone)
{
	struct spawn s = { .path = shell, .argv = SHELL("sleep 60") };
	struct process p;

	cr_assert_eq(process_spawn(&s, &p, NULL), 0);
	cr_expect_eq(process_wait(&p, deadline_in_ms(50), NULL), -ETIMEDOUT);
	cr_expect_eq(process_signal(&p, 0), 0);
	cr_expect_eq(process_stop(&p, 0, deadline_in_s(10)), 0);
	cr_expect_eq(p.pid, 0);
	cr_expect_eq(process_signal(&p, 0), -ESRCH);
	cr_expect_eq(process_stop(&p, 0, 0), 0, "again is fine");
	process_done(&p);
}

Test(process, stop_asks_first_and_kills_then)
{
	struct spawn s = { .path = shell,
			   .argv = SHELL(
				   "trap '' TERM; touch \"$T/up\"; while :; do sleep 1; done") };
	char *root = tree_new();
	AUTO_FREE char *up = path_join(root, "up");
	struct process p;

	cr_assert_eq(setenv("T", root, 1), 0);
	cr_assert_eq(process_spawn(&s, &p, NULL), 0);
	for (int i = 0; i < 500 && access(up, F_OK) < 0; i++)
		clock_sleep_ms(10);
	cr_expect_eq(process_stop(&p, 100, deadline_in_s(20)), 0);
	cr_expect_eq(p.pid, 0);
	process_done(&p);
	tree_remove(root);
}

/* ---- running to the end ---- */

Test(process, output_is_kept_byte_for_byte)
{
	struct process_output o;
	char with_nul[] = { 'a', '\0', 'b', '\n' };

	cr_assert_eq(process_run(SHELL("printf 'a\\000b\\n'; echo trouble >&2; exit 3"),
				 deadline_in_s(20), 4096, &o, NULL),
		     0);
	cr_expect_eq(o.out_len, sizeof(with_nul));
	cr_expect_arr_eq(o.out, with_nul, sizeof(with_nul));
	cr_expect_str_eq(o.err_tail, "trouble");
	cr_expect_eq(WEXITSTATUS(o.status), 3);
	process_output_done(&o);
	cr_assert_eq(process_run(SHELL("cat"), deadline_in_s(20), 4096, &o, NULL), 0);
	cr_expect_eq(o.out_len, 0, "stdin is empty");
	cr_expect_str_eq(o.out, "");
	process_output_done(&o);
}

Test(process, too_much_output_or_time_ends_it)
{
	struct process_output o;
	struct error err = ERROR_INIT;

	cr_expect_eq(process_run(SHELL("head -c 100 /dev/zero"), deadline_in_s(20), 100, &o, NULL),
		     0);
	process_output_done(&o);
	cr_expect_eq(process_run(SHELL("exec yes"), deadline_in_s(20), 100000, &o, &err), -EFBIG);
	cr_expect_eq(process_run(SHELL("exec sleep 60"), deadline_in_ms(100), 10, &o, &err),
		     -ETIMEDOUT);
	cr_expect(strstr(err.msg, "did not end in time") != NULL, "%s", err.msg);
	cr_expect_eq(waitpid(-1, NULL, WNOHANG), -1, "both are reaped");
}

/* A child that keeps the pipe holds nobody up, and is not left behind. */
Test(process, what_it_leaves_running_is_ended_with_it)
{
	uint64_t begin = clock_now_ns();
	struct process_output o;

	cr_assert_eq(process_run(SHELL("sleep 300 & echo $!"), deadline_in_s(60), 4096, &o, NULL),
		     0);
	cr_expect_eq(o.status, 0);
	cr_expect(is_gone((pid_t)atoi(o.out)), "%s", o.out);
	process_output_done(&o);
	cr_assert_eq(process_run(SHELL("echo out; setsid sleep 5 & echo end >&2"),
				 deadline_in_s(60), 4096, &o, NULL),
		     0);
	cr_expect_str_eq(o.out, "out\n");
	cr_expect_str_eq(o.err_tail, "end");
	process_output_done(&o);
	cr_expect_lt(clock_now_ns() - begin, 4 * NS_PER_S);
}

Test(process, of_stderr_the_end_is_kept)
{
	struct process_output o;

	cr_assert_eq(process_run(SHELL("head -c 5000 /dev/zero >&2; echo the end >&2"),
				 deadline_in_s(20), 10, &o, NULL),
		     0);
	cr_expect_eq(strlen(o.err_tail), sizeof(o.err_tail) - 2, "full, less the newline");
	cr_expect_str_eq(o.err_tail + strlen(o.err_tail) - 8, "?the end", "NULs are shown");
	process_output_done(&o);
}

Test(process, check_turns_an_exit_code_into_an_error)
{
	struct error err = ERROR_INIT;

	cr_expect_eq(process_check(SHELL("exit 0"), deadline_in_s(20), &err), 0);
	cr_expect_eq(process_check(SHELL("echo bad >&2; exit 2"), deadline_in_s(20), &err), -EIO);
	cr_expect_str_eq(err.msg, "sh: exit code 2: bad");
	cr_expect_eq(process_check(SHELL("exit 2"), deadline_in_s(20), &err), -EIO);
	cr_expect_str_eq(err.msg, "sh: exit code 2");
	char *none[] = { (char[]){ "no-such-program-here" }, NULL };

	cr_expect_eq(process_check(none, deadline_in_s(20), &err), -ENOENT);
}

/* ---- identity ---- */

Test(process, start_time_is_field_22_whatever_the_name)
{
	static const char tail[] = "4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22222 23 24\n";
	char *root = tree_new();
	AUTO_CLOSE int proc = -1;
	uint64_t start = 0;

	tree_file(root, "1/stat", "1 (plain) S %s", tail);
	tree_file(root, "2/stat", "2 (a) Z 1 2) R %s", tail);
	tree_file(root, "3/stat", "3 (gone) Z %s", tail);
	tree_file(root, "4/stat", "4 (short) S 4 5\n");
	tree_file(root, "5/stat", "nonsense");
	tree_dir(root, "6/stat");
	proc = open(root, O_PATH | O_DIRECTORY);
	cr_expect_eq(process_start_time(proc, 1, &start), 0);
	cr_expect_eq(start, 22222);
	start = 0;
	cr_expect_eq(process_start_time(proc, 2, &start), 0);
	cr_expect_eq(start, 22222);
	cr_expect_eq(process_start_time(proc, 3, &start), -ESRCH);
	cr_expect_eq(process_start_time(proc, 4, &start), -EIO);
	cr_expect_eq(process_start_time(proc, 5, &start), -EIO);
	cr_expect_eq(process_start_time(proc, 6, &start), -EINVAL, "unreadable is not gone");
	cr_expect_eq(process_start_time(proc, 7, &start), -ESRCH);
	tree_remove(root);
}

Test(process, only_the_very_process_is_killed)
{
	AUTO_CLOSE int proc = open("/proc", O_PATH | O_DIRECTORY);
	struct spawn s = { .path = shell, .argv = SHELL("sleep 60") };
	struct process p;
	uint64_t start = 0;

	cr_assert_eq(process_spawn(&s, &p, NULL), 0);
	cr_assert_eq(process_start_time(proc, p.pid, &start), 0);
	cr_expect_eq(process_kill_identity(proc, p.pid, start + 1, deadline_in_s(10)), 0);
	cr_expect_eq(process_wait(&p, deadline_in_ms(50), NULL), -ETIMEDOUT, "it lives");
	cr_expect_eq(process_kill_identity(proc, p.pid, start, deadline_in_s(10)), 1);
	cr_expect_eq(process_kill_identity(proc, p.pid, start, deadline_in_s(10)), 0, "a zombie");
	cr_expect_eq(exit_code(&p), 137);
	cr_expect_eq(process_kill_identity(proc, 0, start, deadline_in_s(10)), 0);
	cr_expect_eq(process_kill_identity(proc, -1, start, deadline_in_s(10)), 0);
}

Test(process, a_process_that_cannot_be_looked_at_is_not_called_gone)
{
	char *root = tree_new();
	AUTO_CLOSE int proc = -1;
	char path[32];

	(void)snprintf(path, sizeof(path), "%d/stat", (int)getpid());
	tree_file(root, path, "nonsense");
	proc = open(root, O_PATH | O_DIRECTORY);
	cr_expect_eq(process_kill_identity(proc, getpid(), 1, deadline_in_s(1)), -EIO);
	tree_remove(root);
}

Test(process, programs_are_found_as_a_shell_would)
{
	char *root = tree_new();
	AUTO_FREE char *bin = path_join(root, "bin");
	AUTO_FREE char *more = path_join(root, "more");
	AUTO_FREE char *path = NULL;
	char *found;

	tree_program(root, "bin/tool");
	tree_program(root, "more/helper");
	tree_file(root, "bin/data", "no program\n");
	tree_dir(root, "bin/folder");
	cr_assert(asprintf(&path, "relative::%s", bin) > 0);
	cr_assert_eq(setenv("PATH", path, 1), 0);
	found = process_find_program("tool", NULL);
	cr_assert_not_null(found);
	cr_expect(strncmp(found, bin, strlen(bin)) == 0);
	free(found);
	cr_expect_null(process_find_program("data", NULL));
	cr_expect_null(process_find_program("folder", NULL));
	cr_expect_null(process_find_program("helper", NULL));
	found = process_find_program("helper", more);
	cr_expect_not_null(found);
	free(found);
	cr_expect_null(process_find_program("/nonexistent/tool", bin));
	tree_remove(root);
}
