/* SPDX-License-Identifier: MIT */
/* Deadlines, signals and the health of a guest, over a real sshd. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/watch.h"
#include "guest/copy.h"
#include "helper_exec.h"

TestSuite(exec_signals, .init = exec_setup, .fini = exec_teardown, .timeout = 120);

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

Test(exec_signals, timeout_sends_term)
{
	uint64_t start = clock_now_ns();
	struct guest_result res = run_until("sleep 100; exit 1", 2);

	cr_assert(res.timed_out);
	cr_assert_eq(res.signal, SIGTERM);
	cr_assert(clock_seconds_since(start) >= 2.0 && clock_seconds_since(start) < 11.5);
}

Test(exec_signals, timeout_lets_the_command_clean_up)
{
	struct guest_result res = run_until("trap 'exit 42' TERM; while :; do sleep 0.1; done", 2);

	cr_assert(res.timed_out);
	cr_assert_eq(res.exit_code, 42);
}

Test(exec_signals, timeout_kills_what_ignores_term)
{
	uint64_t start = clock_now_ns();
	struct guest_result res = run_until("trap '' TERM; while :; do sleep 1; done", 1);

	cr_assert(res.timed_out);
	cr_assert_eq(res.signal, SIGKILL);
	cr_assert(clock_seconds_since(start) >= 11.0 && clock_seconds_since(start) < 20.5);
}

Test(exec_signals, commands_that_end_in_time_are_not_timed_out)
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

Test(exec_signals, a_watch_can_end_the_wait)
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

Test(exec_signals, signals_reach_the_whole_process_group)
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

Test(exec_signals, several_signals_arrive_in_order)
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

Test(exec_signals, a_blocked_stdout_stops_neither_signals_nor_watches)
{
	struct alarm alarm = { .signals = { SIGTERM }, .result = { 0, 0, -ECANCELED } };
	struct guest_command cmd = GUEST_COMMAND_INIT;
	struct guest_result res;
	uint64_t start = clock_now_ns();
	int out[2];

	cr_assert(pipe2(out, O_CLOEXEC) == 0);
	set_alarm(&alarm, 1);
	cmd.argv = ARGV((char *)"yes", (char *)"it is the blocked one");
	cmd.stdout_fd = out[1];
	cr_assert_eq(guest_run(guest, &cmd, &res, &alarm.set, NULL), -ECANCELED);
	cr_assert_lt(clock_seconds_since(start), 20.0);
	cr_assert_str_eq(run_ok(SH("for i in $(seq 100); do\n"
				   "  pgrep -f '^yes it is the blocked one' || break\n"
				   "  sleep 0.1\n"
				   "done > /dev/null\n"
				   "pgrep -f '^yes it is the blocked one' || echo gone"),
				"")
				 .out,
			 "gone\n");
}

Test(exec_signals, a_blocked_stdout_does_not_stop_stdin)
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

static void be_patient_for(unsigned int seconds)
{
	guest_close(guest);
	guest = sshd_login_patient(&server, seconds);
}

Test(exec_signals, a_silent_command_is_not_unresponsive)
{
	struct guest_command cmd = GUEST_COMMAND_INIT;
	struct guest_result res;
	struct error err = ERROR_INIT;

	cmd.argv = SH("sleep 4; exit 8");
	be_patient_for(1);
	cr_assert(guest_run(guest, &cmd, &res, NULL, &err) == 0, "%s", err.msg);
	cr_assert_eq(res.exit_code, 8);
}

static pid_t session_pid(void)
{
	return (pid_t)atoi(run_ok(SH("echo $PPID"), "").out);
}

static pid_t freeze_guest(void)
{
	pid_t pid;

	be_patient_for(2);
	pid = session_pid();
	cr_assert(pid > 1 && kill(pid, SIGSTOP) == 0);
	return pid;
}

Test(exec_signals, a_frozen_guest_is_unresponsive)
{
	struct guest_command cmd = GUEST_COMMAND_INIT;
	struct guest_result res;
	struct error err = ERROR_INIT;
	uint64_t start;
	pid_t pid;

	pid = freeze_guest();
	start = clock_now_ns();
	cmd.argv = ARGV((char *)"true");
	cr_assert_eq(guest_run(guest, &cmd, &res, NULL, &err), -ETIMEDOUT);
	cr_assert(strstr(err.msg, "guest unresponsive") != NULL, "%s", err.msg);
	cr_assert_lt(clock_seconds_since(start), 15.0);
	cr_assert_eq(guest_ping(guest, deadline_in_ms(300), NULL, &err), -ETIMEDOUT);
	kill(pid, SIGCONT);
	cr_assert(guest_ping(guest, deadline_in_s(10), NULL, &err) == 0, "%s", err.msg);
}

Test(exec_signals, a_guest_that_freezes_during_a_copy_is_unresponsive)
{
	struct error err = ERROR_INIT;
	uint64_t start;
	pid_t pid;

	pid = freeze_guest();
	start = clock_now_ns();
	cr_assert_eq(guest_copy_in(guest, "/etc/passwd", sshd_path(&server, "copy"), DEADLINE_NEVER,
				   NULL, &err),
		     -ETIMEDOUT);
	cr_assert(strstr(err.msg, "guest unresponsive") != NULL, "%s", err.msg);
	cr_assert_lt(clock_seconds_since(start), 15.0);
	kill(pid, SIGCONT);
}

Test(exec_signals, a_broken_connection_is_said)
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
