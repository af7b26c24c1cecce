/* SPDX-License-Identifier: MIT */
#include "helper_exec.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"

struct sshd server;
struct guest *guest;

void exec_setup(void)
{
	sshd_start(&server);
	guest = sshd_login(&server);
}

void exec_teardown(void)
{
	guest_close(guest);
	sshd_stop(&server);
}

int file_with(const char *name, const char *text)
{
	int fd = open(sshd_path(&server, name), O_RDWR | O_CREAT | O_TRUNC, 0600);

	cr_assert(fd >= 0);
	cr_assert(fd_write_all(fd, text, strlen(text)) == 0);
	lseek(fd, 0, SEEK_SET);
	return fd;
}

void text_of(int fd, char *buf, size_t size)
{
	ssize_t n = pread(fd, buf, size - 1, 0);

	cr_assert(n >= 0);
	buf[n] = '\0';
}

int run(struct guest_command *cmd, const char *input, struct outcome *o, struct error *err)
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

struct outcome run_ok(char *const *argv, const char *input)
{
	struct guest_command cmd = GUEST_COMMAND_INIT;
	struct error err = ERROR_INIT;
	struct outcome o;

	cmd.argv = argv;
	cr_assert(run(&cmd, input, &o, &err) == 0, "%s", err.msg);
	cr_assert(o.res.started);
	return o;
}
