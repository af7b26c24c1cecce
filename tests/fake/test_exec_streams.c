/* SPDX-License-Identifier: MIT */
/* The streams of a command over a real sshd: every byte, both ways, no waiting for the slow. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "helper_exec.h"

TestSuite(exec_streams, .init = exec_setup, .fini = exec_teardown, .timeout = 120);

Test(exec_streams, no_descriptors_at_all)
{
	struct guest_command cmd = GUEST_COMMAND_INIT;
	struct guest_result res;
	struct error err = ERROR_INIT;

	cmd.argv = SH("cat; echo lost; echo lost >&2; exit 4");
	cr_assert(guest_run(guest, &cmd, &res, NULL, &err) == 0, "%s", err.msg);
	cr_assert_eq(res.exit_code, 4);
}

Test(exec_streams, nul_bytes_and_missing_newlines_pass)
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
#ifndef BMVM_SANITIZE
	cr_assert_lt(usage.ru_maxrss, 32 * 1024, "%ld KiB", usage.ru_maxrss);
#endif
}

Test(exec_streams, much_data_makes_the_round_trip_through_pipes_in_little_memory)
{
	round_trip(false);
}

Test(exec_streams, much_data_makes_the_round_trip_through_sockets)
{
	round_trip(true);
}

Test(exec_streams, closed_stdout_ends_the_command_as_in_a_pipeline)
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

Test(exec_streams, closed_stdout_ends_a_command_that_ignores_it)
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

Test(exec_streams, closed_stdout_of_a_quiet_command_does_not_matter)
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

Test(exec_streams, full_disk_under_stdout_is_an_error)
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

Test(exec_streams, output_of_what_is_left_behind_is_cut_but_no_earlier_byte)
{
	uint64_t start = clock_now_ns();
	struct outcome o = run_ok(
		SH("sleep 60 & i=0; while [ $i -lt 300 ]; do echo line$i; i=$((i + 1)); done"), "");
	char last[16] = "line299\n";

	cr_assert_lt(clock_seconds_since(start), 30.0);
	cr_assert_eq(o.res.bytes_out, 10 * 6 + 90 * 7 + 200 * 8);
	cr_assert_str_eq(o.out + strlen(o.out) - strlen(last), last);
}

Test(exec_streams, command_that_closes_its_output_is_waited_for)
{
	uint64_t start = clock_now_ns();
	struct outcome o = run_ok(SH("exec > /dev/null 2>&1 < /dev/null; sleep 2; exit 9"), "x");

	cr_assert_eq(o.res.exit_code, 9);
	cr_assert_gt(clock_seconds_since(start), 1.9);
}

Test(exec_streams, command_that_reads_nothing_ends_anyway)
{
	struct guest_command cmd = GUEST_COMMAND_INIT;
	struct guest_result res;
	AUTO_CLOSE int zero = open("/dev/zero", O_RDONLY);

	cmd.argv = SH("exit 6");
	cmd.stdin_fd = zero;
	cr_assert(guest_run(guest, &cmd, &res, NULL, NULL) == 0);
	cr_assert_eq(res.exit_code, 6);
}
