/* SPDX-License-Identifier: MIT */
/* The command string and the job script, run by whatever shells are installed. */
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/process.h"
#include "guest/exec.h"
#include "guest/script.h"

#define TOKEN "bmvmtoken"

/* Login shells users have; csh and fish are not POSIX shells at all. */
static const char *const login_shells[] = { "sh",   "bash", "dash", "zsh", "fish",
					    "tcsh", "csh",  "mksh", "ksh" };

/* Programs that may be `sh` in the guest. */
static const char *const posix_shells[] = { "dash", "bash", "mksh", "ksh", "busybox" };

struct result {
	char out[8192];
	size_t out_len;
	char err[8192];
	int status;
};

static size_t drain(int fd, char *buf, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len < size - 1 && (n = read(fd, buf + len, size - 1 - len)) > 0)
		len += (size_t)n;
	buf[len] = '\0';
	close(fd);
	return len;
}

/* Runs SHELL -c COMMAND in a session of its own, as sshd does; "sh" is looked up in @path. */
static struct result run(const char *shell, const char *command, const char *path)
{
	AUTO_FREE char *program = process_find_program(shell, NULL);
	struct result res = { .status = 0 };
	int out[2], err[2];
	pid_t pid;

	cr_assert(program != NULL && pipe(out) == 0 && pipe(err) == 0);
	pid = fork();
	if (pid == 0) {
		(void)setsid();
		(void)dup2(out[1], 1);
		(void)dup2(err[1], 2);
		if (path != NULL)
			(void)setenv("PATH", path, 1);
		(void)setenv("HOME", "/dev/null", 1);
		execl(program, shell, "-c", command, (char *)NULL);
		_exit(99);
	}
	close(out[1]);
	close(err[1]);
	res.out_len = drain(out[0], res.out, sizeof(res.out));
	(void)drain(err[0], res.err, sizeof(res.err));
	waitpid(pid, &res.status, 0);
	return res;
}

static char *job(const struct guest_command *cmd)
{
	struct error err = ERROR_INIT;
	char *text = NULL;

	cr_assert(script_job(cmd, TOKEN, &text, &err) == 0, "%s", err.msg);
	return text;
}

static char *command_for(const char *const *argv)
{
	struct guest_command cmd = GUEST_COMMAND_INIT;
	AUTO_FREE char *text = NULL;
	char *command;

	cmd.argv = (char *const *)argv;
	text = job(&cmd);
	command = script_inline(text);
	cr_assert(command != NULL);
	return command;
}

/* All bytes but NUL, in an order that puts each special one beside others. */
static void all_bytes(char *buf)
{
	for (int i = 0; i < 255; i++)
		buf[i] = (char)(unsigned char)(1 + (i * 7) % 255);
	buf[255] = '\0';
}

Test(script, arguments_pass_every_login_shell_byte_for_byte)
{
	char bytes[256];
	const char *argv[] = { "printf", "%s\n",       bytes,      "",        "-n",     "--",
			       "it's",   "a\\'b\\\\c", "!history", "$(exit)", "`exit`", "\n",
			       "~",      "*",          "\\",       "%s%n",    "\\0101", NULL };
	char want[8192] = "";
	AUTO_FREE char *command = NULL;

	all_bytes(bytes);
	for (size_t i = 2; argv[i] != NULL; i++) {
		strcat(want, argv[i]);
		strcat(want, "\n");
	}
	command = command_for(argv);
	for (size_t i = 0; i < ARRAY_SIZE(login_shells); i++) {
		AUTO_FREE char *program = process_find_program(login_shells[i], NULL);
		struct result res;

		if (program == NULL)
			continue;
		res = run(login_shells[i], command, NULL);
		cr_assert(WIFEXITED(res.status) && WEXITSTATUS(res.status) == 0, "%s: %s",
			  login_shells[i], res.err);
		cr_assert_eq(res.out_len, strlen(want), "%s", login_shells[i]);
		cr_assert(memcmp(res.out, want, res.out_len) == 0, "%s", login_shells[i]);
	}
}

/* A folder whose "sh" is the given shell. */
static void make_sh(const char *program, char dir[64], char path[256])
{
	char link[128];

	(void)strcpy(dir, "/tmp/bmvm-script-XXXXXX");
	cr_assert(mkdtemp(dir) != NULL);
	(void)snprintf(link, sizeof(link), "%s/sh", dir);
	cr_assert(symlink(program, link) == 0);
	(void)snprintf(path, 256, "%s:/usr/bin:/bin", dir);
}

static void remove_sh(const char *dir)
{
	char link[128];

	(void)snprintf(link, sizeof(link), "%s/sh", dir);
	(void)unlink(link);
	(void)rmdir(dir);
}

static void check_posix_shell(const char *shell, const char *path)
{
	char bytes[256];
	const char *args[] = { "printf", "%s", bytes, NULL };
	const char *missing[] = { "no-such-program", NULL };
	const char *folder[] = { "/tmp", NULL };
	const char *group[] = { "sh", "-c", "kill -USR1 $$", NULL };
	AUTO_FREE char *c1 = NULL;
	AUTO_FREE char *c2 = NULL;
	AUTO_FREE char *c3 = NULL;
	AUTO_FREE char *c4 = NULL;
	struct result res;

	all_bytes(bytes);
	c1 = command_for(args);
	res = run("bash", c1, path);
	cr_assert_str_eq(res.out, bytes, "%s: %s", shell, res.err);
	c2 = command_for(missing);
	res = run("bash", c2, path);
	cr_assert_eq(WEXITSTATUS(res.status), 127, "%s", shell);
	cr_assert(strstr(res.err, "\nno-such-program: command not found\n") != NULL, "%s: %s",
		  shell, res.err);
	c3 = command_for(folder);
	res = run("bash", c3, path);
	cr_assert_eq(WEXITSTATUS(res.status), 126, "%s", shell);
	c4 = command_for(group);
	res = run("bash", c4, path);
	cr_assert(WIFSIGNALED(res.status) && WTERMSIG(res.status) == SIGUSR1, "%s", shell);
}

Test(script, job_runs_under_every_posix_shell)
{
	for (size_t i = 0; i < ARRAY_SIZE(posix_shells); i++) {
		AUTO_FREE char *program = process_find_program(posix_shells[i], NULL);
		char dir[64], path[256];

		if (program == NULL)
			continue;
		make_sh(program, dir, path);
		check_posix_shell(posix_shells[i], path);
		remove_sh(dir);
	}
}

Test(script, marker_names_the_process_group)
{
	const char *argv[] = { "sh", "-c", "echo $$", NULL };
	AUTO_FREE char *command = command_for(argv);
	struct result res = run("sh", command, NULL);
	char want[64];

	(void)snprintf(want, sizeof(want), TOKEN " -%d\n", atoi(res.out));
	cr_assert_str_eq(res.err, want);
}

Test(script, environment_and_folder_are_set)
{
	const char *argv[] = { "sh", "-c", "printf '%s|%s|%s' \"$A\" \"$B_2\" \"$PWD\"", NULL };
	const char *env[] = { "A=it's $HOME", "B_2=", "IFS=x", NULL };
	struct guest_command cmd = GUEST_COMMAND_INIT;
	AUTO_FREE char *text = NULL;
	AUTO_FREE char *command = NULL;
	struct result res;

	cmd.argv = (char *const *)argv;
	cmd.env = (char *const *)env;
	cmd.workdir = "/usr/bin";
	text = job(&cmd);
	command = script_inline(text);
	res = run("sh", command, NULL);
	cr_assert_str_eq(res.out, "it's $HOME||/usr/bin");
}

Test(script, missing_folder_is_told_apart)
{
	const char *argv[] = { "true", NULL };
	struct guest_command cmd = GUEST_COMMAND_INIT;
	AUTO_FREE char *text = NULL;
	AUTO_FREE char *command = NULL;
	struct result res;

	cmd.argv = (char *const *)argv;
	cmd.workdir = "/no such";
	text = job(&cmd);
	command = script_inline(text);
	res = run("sh", command, NULL);
	cr_assert(strstr(res.err, TOKEN " workdir\n") != NULL, "%s", res.err);
	cr_assert_eq(WEXITSTATUS(res.status), 125);
}

Test(script, bad_environment_names_are_refused)
{
	static const char *const bad[] = { "=x", "A", "1A=x", "A-B=x", "A B=x", "\xc3\xbc=x", "" };
	const char *argv[] = { "true", NULL };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct guest_command cmd = GUEST_COMMAND_INIT;
		const char *env[] = { bad[i], NULL };
		struct error err = ERROR_INIT;
		char *text = NULL;

		cmd.argv = (char *const *)argv;
		cmd.env = (char *const *)env;
		cr_assert_eq(script_job(&cmd, TOKEN, &text, &err), -EINVAL, "\"%s\"", bad[i]);
		cr_assert(strstr(err.msg, "environment") != NULL);
	}
}

Test(script, too_long_for_an_argument_is_said)
{
	AUTO_FREE char *text = calloc(1, SCRIPT_INLINE_MAX + 1);

	memset(text, 'x', SCRIPT_INLINE_MAX);
	errno = 0;
	cr_assert_null(script_inline(text));
	cr_assert_eq(errno, EFBIG);
}

Test(script, quoting_round_trips)
{
	static const char *const words[] = { "", "'", "''", "a'b", "\\'", "$x", "\n" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		char *text = NULL;
		AUTO_FREE char *command = NULL;
		size_t size;
		FILE *out = open_memstream(&text, &size);
		struct result res;

		script_quote(out, words[i]);
		(void)fclose(out);
		cr_assert(asprintf(&command, "printf %%s %s", text) > 0);
		free(text);
		res = run("sh", command, NULL);
		cr_assert_str_eq(res.out, words[i]);
	}
}
