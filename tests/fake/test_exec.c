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
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
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
