/* SPDX-License-Identifier: MIT */
/* Running commands over a real sshd: codes, signals, streams, deadlines. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/watch.h"
#include "guest/exec.h"
#include "helper_sshd.h"

static struct sshd server;
static struct guest *guest;

static void setup(void)
{
	sshd_start(&server);
	guest = sshd_login(&server);
}

static void teardown(void)
{
	guest_close(guest);
	sshd_stop(&server);
}

TestSuite(exec, .init = setup, .fini = teardown, .timeout = 120);

#define ARGV(...) ((char *const[]){ __VA_ARGS__, NULL })
#define SH(text)  ARGV((char *)"sh", (char *)"-c", (char *)(text))

/* Runs argv with stdin from a text and its output in two files; the texts are in out and err. */
struct outcome {
	struct guest_result res;
	char out[4096];
	char err[4096];
};

static int file_with(const char *name, const char *text)
{
	int fd = open(sshd_path(&server, name), O_RDWR | O_CREAT | O_TRUNC, 0600);

	cr_assert(fd >= 0);
	cr_assert(fd_write_all(fd, text, strlen(text)) == 0);
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static void text_of(int fd, char *buf, size_t size)
{
	ssize_t n = pread(fd, buf, size - 1, 0);

	cr_assert(n >= 0);
	buf[n] = '\0';
}

static int run(struct guest_command *cmd, const char *input, struct outcome *o, struct error *err)
{
	AUTO_CLOSE int in = file_with("in", input);
	AUTO_CLOSE int out = file_with("out", "");
	AUTO_CLOSE int err_fd = file_with("err", "");
	int r;

	cmd->stdin_fd = in;
	cmd->stdout_fd = out;
	cmd->stderr_fd = err_fd;
	r = guest_run(guest, cmd, &o->res, NULL, err);
	text_of(out, o->out, sizeof(o->out));
	text_of(err_fd, o->err, sizeof(o->err));
	return r;
}

static struct outcome run_ok(char *const *argv, const char *input)
{
	struct guest_command cmd = GUEST_COMMAND_INIT;
	struct error err = ERROR_INIT;
	struct outcome o;

	cmd.argv = argv;
	cr_assert(run(&cmd, input, &o, &err) == 0, "%s", err.msg);
	cr_assert(o.res.started);
	return o;
}

Test(exec, output_input_and_code_pass)
{
	struct outcome o = run_ok(SH("tr a-z A-Z; echo oops >&2; exit 7"), "hello\n");

	cr_assert_str_eq(o.out, "HELLO\n");
	cr_assert_str_eq(o.err, "oops\n");
	cr_assert_eq(o.res.exit_code, 7);
	cr_assert_eq(o.res.signal, 0);
	cr_assert_eq(o.res.bytes_in, 6);
	cr_assert_eq(o.res.bytes_out, 6);
	cr_assert_eq(o.res.bytes_err, 5);
}

Test(exec, missing_program_is_127_with_a_clean_message)
{
	struct outcome o = run_ok(ARGV((char *)"no-such-program"), "");

	cr_assert_eq(o.res.exit_code, 127);
	cr_assert_str_eq(o.err, "no-such-program: command not found\n");
}

Test(exec, program_that_cannot_run_is_126)
{
	struct outcome o = run_ok(ARGV((char *)"/etc/passwd"), "");

	cr_assert_eq(o.res.exit_code, 126);
	cr_assert_str_eq(o.err, "/etc/passwd: Permission denied\n");
	o = run_ok(ARGV((char *)"/tmp"), "");
	cr_assert_eq(o.res.exit_code, 126);
	o = run_ok(ARGV((char *)"/no/such"), "");
	cr_assert_eq(o.res.exit_code, 127);
}

Test(exec, killed_by_signal_is_128_plus_n)
{
	struct outcome o = run_ok(SH("kill -SEGV $$"), "");

	cr_assert_eq(o.res.exit_code, 128 + SIGSEGV);
	cr_assert_eq(o.res.signal, SIGSEGV);
}

/* ---- what reaches CMD ---- */

Test(exec, long_arguments_go_through_a_file_that_is_removed)
{
	static char big[120 * 1024 + 1];
	AUTO_CLOSE int out = file_with("out", "");
	struct guest_command cmd = GUEST_COMMAND_INIT;
	struct error err = ERROR_INIT;
	struct guest_result res;
	char *text = NULL;

	for (size_t i = 0; i < sizeof(big) - 1; i++)
		big[i] = (char)(unsigned char)(1 + i % 255);
	cmd.argv = ARGV((char *)"printf", (char *)"%s", big);
	cmd.stdout_fd = out;
	cr_assert(guest_run(guest, &cmd, &res, NULL, &err) == 0, "%s", err.msg);
	cr_assert_eq(res.exit_code, 0);
	cr_assert(file_read_at(AT_FDCWD, sshd_path(&server, "out"), sizeof(big), &text, NULL,
			       &err) == 0,
		  "%s", err.msg);
	cr_assert_str_eq(text, big);
	free(text);
	cr_assert_str_eq(run_ok(SH("ls -a /tmp | grep '^[.]bmvm[0-9a-f]*$'"), "").out, "");
}

Test(exec, environment_and_folder_are_set)
{
	struct guest_command cmd = GUEST_COMMAND_INIT;
	struct error err = ERROR_INIT;
	struct outcome o;

	cmd.argv = SH("echo \"$A\"; pwd");
	cmd.env = ARGV((char *)"A=it's \"$HOME\"");
	cmd.workdir = "/usr";
	cr_assert(run(&cmd, "", &o, &err) == 0, "%s", err.msg);
	cr_assert_str_eq(o.out, "it's \"$HOME\"\n/usr\n");
}

Test(exec, missing_folder_is_an_error)
{
	struct guest_command cmd = GUEST_COMMAND_INIT;
	struct error err = ERROR_INIT;
	struct outcome o;

	cmd.argv = ARGV((char *)"true");
	cmd.workdir = "/no/such";
	cr_assert_eq(run(&cmd, "", &o, &err), -ENOENT);
	cr_assert(strstr(err.msg, "/no/such") != NULL, "%s", err.msg);
	cr_assert(!o.res.started);
}

Test(exec, login_shell_that_runs_nothing_is_named)
{
	struct guest_command cmd = GUEST_COMMAND_INIT;
	struct error err = ERROR_INIT;
	struct outcome o;
	char line[512];

	(void)snprintf(line, sizeof(line), "command=\"echo No logins.; exit 1\" %s",
		       server.client.public_line);
	close(file_with("authorized_keys", line));
	guest_close(guest);
	guest = sshd_login(&server);
	cmd.argv = ARGV((char *)"true");
	cr_assert_eq(run(&cmd, "", &o, &err), -ENOEXEC);
	cr_assert(strstr(err.msg, "code 1") != NULL && strstr(err.msg, "No logins.") != NULL, "%s",
		  err.msg);
	cr_assert_str_eq(o.out, "");
}

Test(exec, the_login_shell_itself_can_be_run)
{
	struct guest_command cmd = GUEST_COMMAND_INIT;
	struct error err = ERROR_INIT;
	struct outcome o;

	cr_assert(run(&cmd, "echo from-stdin; exit 5\n", &o, &err) == 0, "%s", err.msg);
	cr_assert(strstr(o.out, "from-stdin\n") != NULL);
	cr_assert_eq(o.res.exit_code, 5);
}

/* ---- streams ---- */

Test(exec, no_descriptors_at_all)
{
	struct guest_command cmd = GUEST_COMMAND_INIT;
	struct guest_result res;
	struct error err = ERROR_INIT;

	cmd.argv = SH("cat; echo lost; echo lost >&2; exit 4");
	cr_assert(guest_run(guest, &cmd, &res, NULL, &err) == 0, "%s", err.msg);
	cr_assert_eq(res.exit_code, 4);
}

Test(exec, nul_bytes_and_missing_newlines_pass)
{
	AUTO_CLOSE int in = open(sshd_path(&server, "nul"), O_RDWR | O_CREAT, 0600);
	AUTO_CLOSE int out = file_with("out", "");
	struct guest_command cmd = GUEST_COMMAND_INIT;
	struct guest_result res;
	char bytes[1024], back[2048];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i % 256);
	cr_assert(write(in, bytes, sizeof(bytes)) == (ssize_t)sizeof(bytes));
	lseek(in, 0, SEEK_SET);
	cmd.argv = ARGV((char *)"cat");
	cmd.stdin_fd = in;
	cmd.stdout_fd = out;
	cr_assert(guest_run(guest, &cmd, &res, NULL, NULL) == 0);
	cr_assert_eq(pread(out, back, sizeof(back), 0), (ssize_t)sizeof(bytes));
	cr_assert(memcmp(bytes, back, sizeof(bytes)) == 0);
}

/* A child that copies @mib MiB of a pattern into @fd, or checks it coming from @fd slowly. */
static unsigned char pattern_at(size_t i)
{
	return (unsigned char)(i * 2654435761U >> 13);
}

static pid_t writer(int fd, size_t mib)
{
	pid_t pid = fork();

	if (pid == 0) {
		static unsigned char block[65536];

		for (size_t at = 0; at < mib << 20; at += sizeof(block)) {
			for (size_t i = 0; i < sizeof(block); i++)
				block[i] = pattern_at(at + i);
			if (fd_write_all(fd, block, sizeof(block)) < 0)
				_exit(1);
		}
		_exit(0);
	}
	close(fd);
	return pid;
}

static pid_t checker(int fd, size_t mib)
{
	pid_t pid = fork();

	if (pid == 0) {
		static unsigned char block[65536];
		size_t at = 0;
		ssize_t n;

		while ((n = read(fd, block, sizeof(block))) > 0) {
			for (size_t i = 0; i < (size_t)n; i++, at++) {
				if (block[i] != pattern_at(at))
					_exit(1);
			}
			if (at % 7 == 0)
				usleep(2000); /* now and then slower than the guest */
		}
		_exit(at == mib << 20 ? 0 : 2);
	}
	close(fd);
	return pid;
}

static void wait_for_success(pid_t pid, const char *who)
{
	int status = 0;

	cr_assert(waitpid(pid, &status, 0) == pid);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: status %x", who, status);
}

static void round_trip(bool use_sockets)
{
	enum { MIB = 64 };
	struct guest_command cmd = GUEST_COMMAND_INIT;
	struct guest_result res;
	struct error err = ERROR_INIT;
	struct rusage usage;
	int in[2], out[2];
	pid_t from, to;

	cr_assert((use_sockets ? socketpair(AF_UNIX, SOCK_STREAM, 0, in) : pipe2(in, O_CLOEXEC)) ==
		  0);
	cr_assert((use_sockets ? socketpair(AF_UNIX, SOCK_STREAM, 0, out)
			       : pipe2(out, O_CLOEXEC)) == 0);
	to = fork();
	if (to == 0) {
		close(in[0]);
		close(in[1]);
		close(out[1]);
		wait_for_success(checker(out[0], MIB), "checker");
		_exit(0);
	}
	close(out[0]);
	from = fork();
	if (from == 0) {
		close(in[0]);
		close(out[1]);
		wait_for_success(writer(in[1], MIB), "writer");
		_exit(0);
	}
	close(in[1]);
	cmd.argv = ARGV((char *)"cat");
	cmd.stdin_fd = in[0];
	cmd.stdout_fd = out[1];
	cr_assert(guest_run(guest, &cmd, &res, NULL, &err) == 0, "%s", err.msg);
	cr_assert_eq(res.exit_code, 0);
	cr_assert_eq(res.bytes_in, (uint64_t)MIB << 20);
	cr_assert_eq(res.bytes_out, (uint64_t)MIB << 20);
	cr_assert((fcntl(in[0], F_GETFL) & O_NONBLOCK) == 0);
	cr_assert((fcntl(out[1], F_GETFL) & O_NONBLOCK) == 0);
	close(in[0]);
	close(out[1]);
	wait_for_success(from, "writer");
	wait_for_success(to, "checker");
	cr_assert(getrusage(RUSAGE_SELF, &usage) == 0);
#ifndef __SANITIZE_ADDRESS__
	cr_assert_lt(usage.ru_maxrss, 32 * 1024, "%ld KiB", usage.ru_maxrss);
#endif
}

Test(exec, much_data_makes_the_round_trip_through_pipes_in_little_memory)
{
	round_trip(false);
}

Test(exec, much_data_makes_the_round_trip_through_sockets)
{
	round_trip(true);
}

Test(exec, closed_stdout_ends_the_command_as_in_a_pipeline)
{
	struct guest_command cmd = GUEST_COMMAND_INIT;
	struct guest_result res;
	struct error err = ERROR_INIT;
	uint64_t start = clock_now_ns();
	int out[2];

	cr_assert(pipe2(out, O_CLOEXEC) == 0);
	close(out[0]);
	cmd.argv = ARGV((char *)"yes");
	cmd.stdout_fd = out[1];
	cr_assert(guest_run(guest, &cmd, &res, NULL, &err) == 0, "%s", err.msg);
	cr_assert(res.stdout_closed);
	cr_assert_eq(res.signal, SIGPIPE);
	cr_assert_eq(res.exit_code, 128 + SIGPIPE);
	cr_assert_lt(clock_seconds_since(start), 20.0);
}

Test(exec, closed_stdout_ends_a_command_that_ignores_it)
{
	struct guest_command cmd = GUEST_COMMAND_INIT;
	struct guest_result res;
	int out[2];

	cr_assert(pipe2(out, O_CLOEXEC) == 0);
	close(out[0]);
	cmd.argv = SH("trap '' PIPE; while :; do echo x; done");
	cmd.stdout_fd = out[1];
	cr_assert(guest_run(guest, &cmd, &res, NULL, NULL) == 0);
	cr_assert(res.stdout_closed);
	cr_assert_eq(res.exit_code, 128 + SIGPIPE);
}

Test(exec, closed_stdout_of_a_quiet_command_does_not_matter)
{
	struct guest_command cmd = GUEST_COMMAND_INIT;
	struct guest_result res;
	int out[2];

	cr_assert(pipe2(out, O_CLOEXEC) == 0);
	close(out[0]);
	cmd.argv = SH("sleep 1; exit 3");
	cmd.stdout_fd = out[1];
	cr_assert(guest_run(guest, &cmd, &res, NULL, NULL) == 0);
	cr_assert(!res.stdout_closed);
	cr_assert_eq(res.exit_code, 3);
}

Test(exec, full_disk_under_stdout_is_an_error)
{
	AUTO_CLOSE int full = open("/dev/full", O_WRONLY);
	struct guest_command cmd = GUEST_COMMAND_INIT;
	struct guest_result res;
	struct error err = ERROR_INIT;

	cmd.argv = SH("echo x; sleep 100");
	cmd.stdout_fd = full;
	cr_assert_eq(guest_run(guest, &cmd, &res, NULL, &err), -ENOSPC);
	cr_assert(strstr(err.msg, "stdout") != NULL);
}

Test(exec, output_of_what_is_left_behind_is_cut_but_no_earlier_byte)
{
	uint64_t start = clock_now_ns();
	struct outcome o = run_ok(
		SH("sleep 60 & i=0; while [ $i -lt 300 ]; do echo line$i; i=$((i + 1)); done"), "");
	char last[16] = "line299\n";

	cr_assert_lt(clock_seconds_since(start), 30.0);
	cr_assert_eq(o.res.bytes_out, 10 * 6 + 90 * 7 + 200 * 8);
	cr_assert_str_eq(o.out + strlen(o.out) - strlen(last), last);
}

Test(exec, command_that_closes_its_output_is_waited_for)
{
	uint64_t start = clock_now_ns();
	struct outcome o = run_ok(SH("exec > /dev/null 2>&1 < /dev/null; sleep 2; exit 9"), "x");

	cr_assert_eq(o.res.exit_code, 9);
	cr_assert_gt(clock_seconds_since(start), 1.9);
}

Test(exec, command_that_reads_nothing_ends_anyway)
{
	struct guest_command cmd = GUEST_COMMAND_INIT;
	struct guest_result res;
	AUTO_CLOSE int zero = open("/dev/zero", O_RDONLY);

	cmd.argv = SH("exit 6");
	cmd.stdin_fd = zero;
	cr_assert(guest_run(guest, &cmd, &res, NULL, NULL) == 0);
	cr_assert_eq(res.exit_code, 6);
}

/* ---- deadlines and signals ---- */

static struct guest_result run_until(const char *text, unsigned int seconds)
{
	struct guest_command cmd = GUEST_COMMAND_INIT;
	struct guest_result res;
	struct error err = ERROR_INIT;

	cmd.argv = SH(text);
	cmd.deadline_ns = deadline_in_s(seconds);
	cr_assert(guest_run(guest, &cmd, &res, NULL, &err) == 0, "%s", err.msg);
	return res;
}

Test(exec, timeout_sends_term)
{
	uint64_t start = clock_now_ns();
	struct guest_result res = run_until("sleep 100; exit 1", 2);

	cr_assert(res.timed_out);
	cr_assert_eq(res.signal, SIGTERM);
	cr_assert(clock_seconds_since(start) >= 2.0 && clock_seconds_since(start) < 11.5);
}

Test(exec, timeout_lets_the_command_clean_up)
{
	struct guest_result res = run_until("trap 'exit 42' TERM; while :; do sleep 0.1; done", 2);

	cr_assert(res.timed_out);
	cr_assert_eq(res.exit_code, 42);
}

Test(exec, timeout_kills_what_ignores_term)
{
	uint64_t start = clock_now_ns();
	struct guest_result res = run_until("trap '' TERM; while :; do sleep 1; done", 1);

	cr_assert(res.timed_out);
	cr_assert_eq(res.signal, SIGKILL);
	cr_assert(clock_seconds_since(start) >= 11.0 && clock_seconds_since(start) < 20.5);
}

Test(exec, commands_that_end_in_time_are_not_timed_out)
{
	cr_assert(!run_until("exit 0", 30).timed_out);
}

/* A timer as a watch: what it does each time it fires. */
struct alarm {
	struct watch watch;
	struct watchset set;
	int fired;
	int signals[4];
	int result[4];
};

static int on_alarm(void *data, struct error *err)
{
	struct alarm *a = data;
	uint64_t n;
	int i = a->fired++;

	cr_assert(read(a->watch.fd, &n, sizeof(n)) == (ssize_t)sizeof(n));
	if (i > 3)
		return 0;
	if (a->signals[i] != 0)
		guest_run_signal(guest, a->signals[i]);
	return a->result[i] < 0 ? error_set(err, -a->result[i], "interrupted") : 0;
}

static void set_alarm(struct alarm *a, int seconds)
{
	struct itimerspec when = { .it_value.tv_sec = seconds, .it_interval.tv_sec = 1 };

	a->watch = (struct watch){ timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), on_alarm, a };
	cr_assert(a->watch.fd >= 0 && timerfd_settime(a->watch.fd, 0, &when, NULL) == 0);
	a->set = (struct watchset){ &a->watch, 1 };
}

Test(exec, a_watch_can_end_the_wait)
{
	struct alarm alarm = { .result = { -ECANCELED } };
	struct guest_command cmd = GUEST_COMMAND_INIT;
	struct guest_result res;
	struct error err = ERROR_INIT;
	uint64_t start = clock_now_ns();

	set_alarm(&alarm, 1);
	cmd.argv = ARGV((char *)"sleep", (char *)"100");
	cr_assert_eq(guest_run(guest, &cmd, &res, &alarm.set, &err), -ECANCELED);
	cr_assert_str_eq(err.msg, "interrupted");
	cr_assert_lt(clock_seconds_since(start), 10.0);
	/* The connection is still good for the next command. */
	cr_assert_eq(run_ok(SH("exit 2"), "").res.exit_code, 2);
}

Test(exec, signals_reach_the_whole_process_group)
{
	struct alarm alarm = { .signals = { SIGUSR1 } };
	struct guest_command cmd = GUEST_COMMAND_INIT;
	struct guest_result res;
	struct error err = ERROR_INIT;
	AUTO_CLOSE int out = file_with("out", "");
	char text[256];

	set_alarm(&alarm, 2);
	cmd.argv =
		SH("(trap 'echo child; exit' USR1; while :; do sleep 0.1; done) &\n"
		   "trap 'wait; echo parent; exit 33' USR1; while :; do sleep 0.1; done");
	cmd.stdout_fd = out;
	cr_assert(guest_run(guest, &cmd, &res, &alarm.set, &err) == 0, "%s", err.msg);
	cr_assert_eq(res.exit_code, 33);
	text_of(out, text, sizeof(text));
	cr_assert_str_eq(text, "child\nparent\n");
}

Test(exec, several_signals_arrive_in_order)
{
	struct alarm alarm = { .signals = { SIGUSR1, SIGUSR2, SIGTERM } };
	struct guest_command cmd = GUEST_COMMAND_INIT;
	struct guest_result res;
	AUTO_CLOSE int out = file_with("out", "");
	char text[256];

	set_alarm(&alarm, 2);
	cmd.argv =
		SH("trap 'echo 1' USR1; trap 'echo 2' USR2; trap 'echo end; exit' TERM\n"
		   "while :; do sleep 0.1; done");
	cmd.stdout_fd = out;
	cr_assert(guest_run(guest, &cmd, &res, &alarm.set, NULL) == 0);
	text_of(out, text, sizeof(text));
	cr_assert_str_eq(text, "1\n2\nend\n");
}

Test(exec, a_blocked_stdout_stops_neither_signals_nor_watches)
{
	struct alarm alarm = { .signals = { SIGTERM }, .result = { 0, 0, -ECANCELED } };
	struct guest_command cmd = GUEST_COMMAND_INIT;
	struct guest_result res;
	uint64_t start = clock_now_ns();
	int out[2];

	cr_assert(pipe2(out, O_CLOEXEC) == 0);
	set_alarm(&alarm, 1);
	cmd.argv = ARGV((char *)"yes");
	cmd.stdout_fd = out[1];
	cr_assert_eq(guest_run(guest, &cmd, &res, &alarm.set, NULL), -ECANCELED);
	cr_assert_lt(clock_seconds_since(start), 20.0);
	cr_assert_str_eq(run_ok(SH("pgrep -x yes || echo gone"), "").out, "gone\n");
}

Test(exec, a_blocked_stdout_does_not_stop_stdin)
{
	struct alarm alarm = { .result = { 0, 0, -ECANCELED } };
	struct guest_command cmd = GUEST_COMMAND_INIT;
	struct guest_result res;
	AUTO_CLOSE int in = file_with("in", "the input arrived");
	char script[256], text[64];
	int out[2];

	cr_assert(pipe2(out, O_CLOEXEC) == 0);
	set_alarm(&alarm, 1);
	(void)snprintf(script, sizeof(script), "yes & cat > %s; wait", sshd_path(&server, "got"));
	cmd.argv = SH(script);
	cmd.stdin_fd = in;
	cmd.stdout_fd = out[1];
	cr_assert_eq(guest_run(guest, &cmd, &res, &alarm.set, NULL), -ECANCELED);
	{
		AUTO_CLOSE int got = open(sshd_path(&server, "got"), O_RDONLY);

		text_of(got, text, sizeof(text));
	}
	cr_assert_str_eq(text, "the input arrived");
}

/* ---- health ---- */

Test(exec, a_silent_command_is_not_unresponsive)
{
	struct guest_command cmd = GUEST_COMMAND_INIT;
	struct guest_result res;
	struct error err = ERROR_INIT;

	cmd.argv = SH("sleep 4; exit 8");
	cmd.unresponsive_s = 1;
	cr_assert(guest_run(guest, &cmd, &res, NULL, &err) == 0, "%s", err.msg);
	cr_assert_eq(res.exit_code, 8);
}

static pid_t session_pid(void)
{
	return (pid_t)atoi(run_ok(SH("echo $PPID"), "").out);
}

Test(exec, a_frozen_guest_is_unresponsive)
{
	struct guest_command cmd = GUEST_COMMAND_INIT;
	struct guest_result res;
	struct error err = ERROR_INIT;
	uint64_t start;
	pid_t pid = session_pid();

	cr_assert(pid > 1 && kill(pid, SIGSTOP) == 0);
	start = clock_now_ns();
	cmd.argv = ARGV((char *)"true");
	cmd.unresponsive_s = 2;
	cr_assert_eq(guest_run(guest, &cmd, &res, NULL, &err), -ETIMEDOUT);
	cr_assert(strstr(err.msg, "guest unresponsive") != NULL, "%s", err.msg);
	cr_assert_lt(clock_seconds_since(start), 15.0);
	cr_assert_eq(guest_ping(guest, deadline_in_ms(300), NULL, &err), -ETIMEDOUT);
	kill(pid, SIGCONT);
	cr_assert(guest_ping(guest, deadline_in_s(10), NULL, &err) == 0, "%s", err.msg);
}

Test(exec, a_broken_connection_is_said)
{
	struct guest_command cmd = GUEST_COMMAND_INIT;
	struct guest_result res;
	struct error err = ERROR_INIT;

	cmd.argv = SH("kill -9 $PPID; sleep 100");
	cr_assert_eq(guest_run(guest, &cmd, &res, NULL, &err), -ECONNRESET);
	cr_assert(strstr(err.msg, "connection") != NULL, "%s", err.msg);
	cr_assert_eq(guest_run(guest, &cmd, &res, NULL, &err), -ECONNRESET);
	cr_assert_eq(guest_ping(guest, deadline_in_s(1), NULL, &err), -ECONNRESET);
}

/* ---- captures ---- */

Test(exec, captures_pass_arguments_and_words)
{
	struct error err = ERROR_INIT;
	char *out = NULL;

	cr_assert(guest_capture(guest, "printf '%s|' \"$@\"", ARGV((char *)"a b", (char *)"$c'"),
				deadline_in_s(20), &out, NULL, &err) == 0,
		  "%s", err.msg);
	cr_assert_str_eq(out, "a b|$c'|");
	free(out);
	cr_assert_eq(guest_capture(guest, "echo bad luck >&2; exit 3", NULL, deadline_in_s(20),
				   NULL, NULL, &err),
		     -EIO);
	cr_assert_str_eq(err.msg, "exit code 3 in the guest: bad luck");
	cr_assert_eq(guest_capture(guest, "sleep 100", NULL, deadline_in_s(1), NULL, NULL, &err),
		     -ETIMEDOUT);
	cr_assert_eq(guest_capture(guest, "yes", NULL, deadline_in_s(20), &out, NULL, &err),
		     -EFBIG);
}

/* ---- terminals ---- */

/* A pseudo-terminal; on it a child types what is in @typed, each byte after a moment. */
static int open_terminal(int *ret_slave)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct winsize ws = { .ws_row = 33, .ws_col = 77 };

	cr_assert(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
	*ret_slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	cr_assert(*ret_slave >= 0 && ioctl(*ret_slave, TIOCSWINSZ, &ws) == 0);
	return master;
}

static struct guest_result on_terminal(char *const *argv, const char *typed, char *screen,
				       size_t size)
{
	struct guest_command cmd = GUEST_COMMAND_INIT;
	struct guest_result res;
	struct error err = ERROR_INIT;
	struct termios before, after;
	int slave, master = open_terminal(&slave);
	size_t len = 0;
	pid_t pid;

	if (geteuid() != 0) {
		fprintf(stderr, "skipped: sshd needs root to hand out terminals\n");
		cr_skip_test("sshd needs root to hand out terminals");
	}
	cr_assert(tcgetattr(slave, &before) == 0);
	pid = fork();
	if (pid == 0) {
		sleep(2);
		for (; *typed != '\0'; typed++) {
			usleep(20000);
			if (write(master, typed, 1) != 1)
				_exit(1);
		}
		_exit(0);
	}
	cmd.argv = argv;
	cmd.stdin_fd = slave;
	cmd.stdout_fd = slave;
	cmd.stderr_fd = slave;
	cmd.tty = true;
	cmd.term = "vt100";
	cr_assert(guest_run(guest, &cmd, &res, NULL, &err) == 0, "%s", err.msg);
	waitpid(pid, NULL, 0);
	cr_assert(tcgetattr(slave, &after) == 0);
	cr_assert_eq(before.c_lflag, after.c_lflag);
	cr_assert_eq(before.c_oflag, after.c_oflag);
	cr_assert_eq(before.c_iflag, after.c_iflag);
	fd_set_nonblock(master);
	while (len < size - 1) {
		ssize_t n = read(master, screen + len, size - 1 - len);

		if (n <= 0)
			break;
		len += (size_t)n;
	}
	screen[len] = '\0';
	close(slave);
	close(master);
	return res;
}

Test(exec, a_terminal_has_type_and_size_and_shows_no_marker)
{
	char screen[4096];
	struct guest_result res = on_terminal(
		SH("test -t 0 && test -t 1 && test -t 2 && echo $TERM; stty size; exit 3"), "",
		screen, sizeof(screen));

	cr_assert_eq(res.exit_code, 3);
	cr_assert_str_eq(screen, "vt100\r\n33 77\r\n");
}

Test(exec, keys_typed_on_a_terminal_reach_the_command)
{
	char screen[4096];
	struct guest_result res = on_terminal(SH("read x; echo got $x; sleep 100"), "word\r\003",
					      screen, sizeof(screen));

	cr_assert(strstr(screen, "got word\r\n") != NULL, "%s", screen);
	cr_assert_eq(res.signal, SIGINT);
}

Test(exec, tilde_dot_ends_a_session)
{
	char screen[4096];
	struct guest_result res = on_terminal(ARGV((char *)"cat"), "a\r~.", screen, sizeof(screen));

	cr_assert(res.escaped);
	cr_assert_eq(res.exit_code, 128 + SIGHUP);
}
