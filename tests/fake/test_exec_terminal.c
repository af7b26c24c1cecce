/* SPDX-License-Identifier: MIT */
/* A command on a terminal of its own, over a real sshd and a pseudo-terminal. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/file.h"
#include "helper_exec.h"

TestSuite(exec_terminal, .init = exec_setup, .fini = exec_teardown, .timeout = 120);

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

Test(exec_terminal, a_terminal_has_type_and_size_and_shows_no_marker)
{
	char screen[4096];
	struct guest_result res = on_terminal(
		SH("test -t 0 && test -t 1 && test -t 2 && echo $TERM; stty size; exit 3"), "",
		screen, sizeof(screen));

	cr_assert_eq(res.exit_code, 3);
	cr_assert_str_eq(screen, "vt100\r\n33 77\r\n");
}

Test(exec_terminal, keys_typed_on_a_terminal_reach_the_command)
{
	char screen[4096];
	struct guest_result res =
		on_terminal(SH("read x; echo got $x; exit 3"), "word\r", screen, sizeof(screen));

	cr_assert(strstr(screen, "got word\r\n") != NULL, "%s", screen);
	cr_assert_eq(res.exit_code, 3);
}

/* Typed alone: a terminal forgets at Ctrl-C what was typed before and not yet read. */
Test(exec_terminal, ctrl_c_on_a_terminal_interrupts_the_command)
{
	char screen[4096];
	struct guest_result res = on_terminal(SH("sleep 100"), "\003", screen, sizeof(screen));

	cr_assert_eq(res.signal, SIGINT);
}

Test(exec_terminal, tilde_dot_ends_a_session)
{
	char screen[4096];
	struct guest_result res = on_terminal(ARGV((char *)"cat"), "a\r~.", screen, sizeof(screen));

	cr_assert(res.escaped);
	cr_assert_eq(res.exit_code, 128 + SIGHUP);
}
