/* SPDX-License-Identifier: MIT */
#include "guest/docker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/embed.h"
#include "base/error.h"
#include "base/file.h"
#include "base/strv.h"
#include "guest/copy.h"
#include "guest/exec.h"
#include "guest/pipe.h"

#define SCRIPT_PATH   "/tmp/bmvm-docker.sh"
#define USER_SCRIPT   "/tmp/bmvm-docker-user.sh"
#define SCRIPT_CAP    ((size_t)4 << 20)
#define CODE_HOPELESS 3

extern const char guest_docker_text[] __attribute__((visibility("hidden")));
EMBED(guest_docker_text, "scripts/guest/docker.sh");

/*
 * "$1" is run as root. What comes back: its exit code, who we are, its first line of output, the
 * last lines it said.
 */
static const char wrapper[] =
	"file=$1; proxy=$2; mirror=$3; shift 3\n"
	"sudo=; [ \"$(id -u)\" = 0 ] || sudo='sudo -n'\n"
	"code=0\n"
	"$sudo env BMVM_DOCKER_PROXY=\"$proxy\" BMVM_DOCKER_MIRROR=\"$mirror\" "
	"\"$file\" \"$@\" > \"$file.out\" 2> \"$file.err\" < /dev/null || "
	"code=$?\n"
	"echo \"$code\"; id -u; head -n 1 \"$file.out\"\n"
	"echo; tail -n 8 \"$file.err\" | tail -c 1500\n";

/* The next line of *@text, which goes on behind it. */
static const char *take_line(char **text)
{
	char *line = *text, *end = strchr(line, '\n');

	if (end == NULL) {
		*text = line + strlen(line);
		return line;
	}
	*end = '\0';
	*text = end + 1;
	return line;
}

static void trim_end(char *text)
{
	size_t n = strlen(text);

	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
		text[--n] = '\0';
}

/* A message is one line. */
static void join_lines(char *text)
{
	for (char *p = text; *p != '\0'; p++) {
		if (*p == '\n')
			*p = ' ';
	}
}

/* sudo grumbles beside other failures too, of the host's name for one: only its refusals count. */
static bool is_refusal(const char *words)
{
	static const char *const refusals[] = {
		"sudo: a password is required",    "sudo: interactive authentication is required",
		"you must have a tty to run sudo", "sudo: not found",
		"sudo: command not found",         "not in the sudoers",
		"is not allowed to execute",       "is not allowed to run sudo",
	};

	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		if (strstr(words, refusals[i]) != NULL)
			return true;
	}
	return false;
}

static int judge(int code, char *words, struct error *err)
{
	join_lines(words);
	if (code == 0)
		return 0;
	if (code != CODE_HOPELESS && is_refusal(words))
		return error_hint(err, error_set(err, EPERM, "%.500s", words),
				  "let the user use sudo without a password, or set ssh_user to "
				  "root");
	if (code == CODE_HOPELESS)
		return error_set(err, ENOTSUP, "%.1500s", words);
	return error_set(err, EIO, "%.1500s (exit code %d)", words[0] != '\0' ? words : "it failed",
			 code);
}

/* Run @file of the guest as root. @ret_line: its first line of output, NULL if not wanted. */
static int run_as_root(struct guest_docker *d, const char *file, const char *const *words,
		       char *ret_line, struct error *err)
{
	AUTO_STRV struct strv argv = STRV_INIT;
	AUTO_FREE char *text = NULL;
	char *rest;
	const char *line;
	int r, code;

	strv_add(&argv, file);
	strv_add(&argv, d->proxy != NULL ? d->proxy : "");
	strv_add(&argv, d->mirror != NULL ? d->mirror : "");
	for (; words != NULL && *words != NULL; words++)
		strv_add(&argv, *words);
	if (strv_error(&argv) < 0)
		return error_set(err, ENOMEM, "out of memory");
	r = guest_capture(d->g, wrapper, argv.v, d->deadline_ns, &text, d->ws, err);
	if (r < 0)
		return r;
	rest = text;
	code = (int)strtol(take_line(&rest), NULL, 10);
	d->sudo = strcmp(take_line(&rest), "0") != 0;
	line = take_line(&rest);
	if (ret_line != NULL)
		(void)snprintf(ret_line, 128, "%.127s", line);
	trim_end(rest);
	return judge(code, rest[0] == '\n' ? rest + 1 : rest, err);
}

static int put_script(struct guest_docker *d, struct error *err)
{
	const struct guest_file file = {
		.path = SCRIPT_PATH,
		.data = guest_docker_text,
		.len = strlen(guest_docker_text),
		.mode = 0755,
	};
	int r = d->ready ? 0 : guest_write_file(d->g, &file, d->deadline_ns, d->ws, err);

	if (r == 0)
		d->ready = true;
	return r;
}

static int act(struct guest_docker *d, const char *action, const char *argument, char *ret_line,
	       struct error *err)
{
	const char *const words[] = { action, argument, NULL };
	int r = put_script(d, err);

	return r < 0 ? r : run_as_root(d, SCRIPT_PATH, words, ret_line, err);
}

int guest_docker_probe(struct guest_docker *d, struct error *err)
{
	char line[128] = "";
	int r = act(d, "probe", NULL, line, err);

	if (r < 0)
		return error_prefix(err, r, "look for Docker in the guest");
	d->version[0] = '\0';
	if (strncmp(line, "answers ", 8) == 0) {
		d->state = GUEST_DOCKER_ANSWERS;
		(void)snprintf(d->version, sizeof(d->version), "%.63s", line + 8);
	} else {
		d->state =
			strcmp(line, "stopped") == 0 ? GUEST_DOCKER_STOPPED : GUEST_DOCKER_MISSING;
	}
	return 0;
}

int guest_docker_install(struct guest_docker *d, struct error *err)
{
	int r = act(d, "install", NULL, NULL, err);

	return r < 0 ? error_prefix(err, r, "install Docker in the guest") : 0;
}

int guest_docker_start(struct guest_docker *d, struct error *err)
{
	int r = act(d, "start", NULL, NULL, err);

	return r < 0 ? error_prefix(err, r, "start Docker in the guest") : 0;
}

int guest_docker_prove(struct guest_docker *d, struct error *err)
{
	int r = act(d, "prove", NULL, NULL, err);

	return r < 0 ? error_prefix(err, r, "run a container in the guest") : 0;
}

int guest_docker_gpu(struct guest_docker *d, const char *vendor, struct error *err)
{
	return act(d, "gpu", vendor, NULL, err);
}

int guest_docker_script(struct guest_docker *d, const char *path, struct error *err)
{
	AUTO_FREE char *text = NULL;
	struct guest_file file = { .path = USER_SCRIPT, .mode = 0755 };
	int r = file_read_at(AT_FDCWD, path, SCRIPT_CAP, &text, &file.len, err);

	file.data = text;
	if (r == 0)
		r = guest_write_file(d->g, &file, d->deadline_ns, d->ws, err);
	if (r == 0)
		r = run_as_root(d, USER_SCRIPT, NULL, NULL, err);
	return r < 0 ? error_prefix(err, r, "%s", path) : 0;
}

int guest_docker_load(struct guest_docker *d, const char *path, struct error *err)
{
	static const char script[] =
		"sudo=; [ \"$(id -u)\" = 0 ] || sudo='sudo -n'\n"
		"exec $sudo docker load -q\n";
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct guest_pipe pipe = GUEST_PIPE_INIT;
	struct pipe_result res = { .exit_code = 0 };
	int r;

	if (fd < 0)
		return error_errno(err, "open %s", path);
	pipe.script = script;
	pipe.input_fd = fd;
	r = guest_pipe_run(d->g, &pipe, &res, d->ws, err);
	if (r < 0)
		return error_prefix(err, r, "load %s", path);
	if (res.exit_code != 0)
		return error_set(err, EIO, "load %s: %s (exit code %d)", path,
				 res.words[0] != '\0' ? res.words : "docker load failed",
				 res.exit_code);
	return 0;
}
