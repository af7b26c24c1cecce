/* SPDX-License-Identifier: MIT */
#include "run/console.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"

/* Each test is a process of its own, so its streams may be replaced. */
static void replace(int fd, const char *path, int flags)
{
	AUTO_CLOSE int new = open(path, flags | O_CLOEXEC);

	cr_assert_geq(new, 0);
	cr_assert_eq(dup2(new, fd), fd);
}

Test(console, output_that_cannot_be_written_is_an_error, .timeout = 30)
{
	struct error err = ERROR_INIT;
	int pair[2];

	replace(STDIN_FILENO, "/dev/null", O_RDONLY);
	replace(STDOUT_FILENO, "/dev/full", O_WRONLY);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	cr_assert_eq(write(pair[1], "hello", 5), 5);
	cr_expect_eq(console_relay(pair[0], &err), -ENOSPC);
	cr_expect_not_null(strstr(err.msg, "stdout: No space left"), "%s", err.msg);
}

Test(console, the_end_of_the_vm_is_none, .timeout = 30)
{
	struct error err = ERROR_INIT;
	int pair[2];

	replace(STDIN_FILENO, "/dev/null", O_RDONLY);
	replace(STDOUT_FILENO, "/dev/null", O_WRONLY);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	cr_assert_eq(write(pair[1], "hello", 5), 5);
	close_fd(&pair[1]);
	cr_expect_eq(console_relay(pair[0], &err), 0, "%s", err.msg);
}
