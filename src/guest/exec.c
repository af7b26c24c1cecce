/* SPDX-License-Identifier: MIT */
#include "guest/exec.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/watch.h"
#include "guest/blob.h"
#include "guest/job.h"
#include "guest/pipe.h"
#include "guest/script.h"
#include "guest/session_private.h"

#define CAPTURE_MAX ((size_t)1024 * 1024)
#define UPLOAD_S    60

/* ---- the command string ---- */

/* A script too long for an argument goes ahead into a file, which it removes when it starts. */
static int upload_script(struct guest *g, const char *text, const char *token, char **ret,
			 const struct watchset *ws, struct error *err)
{
	struct guest_pipe pipe = GUEST_PIPE_INIT;
	AUTO_FREE char *path = NULL;
	char *argv[2] = { NULL, NULL };
	int r;

	if (asprintf(&path, "/tmp/.%s", token) < 0) {
		path = NULL;
		return error_set(err, ENOMEM, "out of memory");
	}
	argv[0] = path;
	pipe.script = "umask 077; set -C; exec cat > \"$1\"\n";
	pipe.argv = argv;
	pipe.input = text;
	pipe.input_len = strlen(text);
	pipe.deadline_ns = deadline_in_s(UPLOAD_S);
	r = guest_pipe_check(g, &pipe, ws, err);
	if (r < 0)
		return error_prefix(err, r, "sending the command to the guest");
	*ret = script_from_file(path);
	return *ret != NULL ? 0 : error_set(err, ENOMEM, "out of memory");
}

static int prepare(struct guest *g, const struct guest_command *cmd, const char *token, char **ret,
		   const struct watchset *ws, struct error *err)
{
	AUTO_FREE char *text = NULL;
	int r;

	if (cmd->argv == NULL) {
		*ret = NULL;
		return 0;
	}
	r = script_job(cmd, token, &text, err);
	if (r < 0)
		return r;
	*ret = script_inline(text);
	if (*ret != NULL)
		return 0;
	if (errno != EFBIG)
		return error_set(err, ENOMEM, "out of memory");
	return upload_script(g, text, token, ret, ws, err);
}

/* ---- running it ---- */

static int run_job(struct guest *g, const struct guest_command *cmd, struct guest_result *ret,
		   const struct watchset *ws, struct error *err)
{
	AUTO_FREE char *command = NULL;
	struct marker marker;
	struct job job;
	int r = marker_init(&marker, err);

	if (r < 0)
		return r;
	r = prepare(g, cmd, marker.token, &command, ws, err);
	if (r < 0) {
		marker_done(&marker);
		return r;
	}
	r = job_open(&job, g, cmd, command, &marker, err);
	if (r == 0) {
		g->job = &job;
		r = job_run(&job, ret, ws, err);
		g->job = NULL;
	}
	job_done(&job);
	return r;
}

int guest_run(struct guest *g, const struct guest_command *cmd, struct guest_result *ret,
	      const struct watchset *ws, struct error *err)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct sigaction before;
	int r;

	memset(ret, 0, sizeof(*ret));
	(void)sigaction(SIGPIPE, &ignore, &before);
	r = run_job(g, cmd, ret, ws, err);
	(void)sigaction(SIGPIPE, &before, NULL);
	return r;
}

void guest_run_signal(struct guest *g, int sig)
{
	if (g->job != NULL)
		killer_add(&g->job->killer, sig);
}

void guest_run_resize(struct guest *g)
{
	if (g->job != NULL)
		g->job->resized = true;
}

void guest_run_restore_terminal(struct guest *g)
{
	if (g->job != NULL)
		terminal_restore(&g->job->terminal);
}

/* ---- captures ---- */

/* NOLINTNEXTLINE(readability-function-size): one parameter more than usual, in usual places */
int guest_capture(struct guest *g, const char *script, char *const *argv, uint64_t deadline_ns,
		  char **ret_out, const struct watchset *ws, struct error *err)
{
	struct guest_pipe pipe = GUEST_PIPE_INIT;
	struct blob out = BLOB_INIT;
	int r;

	pipe.script = script;
	pipe.argv = argv;
	pipe.deadline_ns = deadline_ns;
	pipe.on_output = blob_take;
	pipe.data = &out;
	r = blob_init(&out, err);
	if (r == 0)
		r = guest_pipe_check(g, &pipe, ws, err);
	if (r == 0 && ret_out != NULL)
		*ret_out = TAKE_PTR(out.text);
	blob_done(&out);
	return r;
}
