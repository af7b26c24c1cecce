/* SPDX-License-Identifier: MIT */
/* Running commands over a real sshd: how they start and how they end. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "helper_exec.h"

TestSuite(exec, .init = exec_setup, .fini = exec_teardown, .timeout = 120);

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
