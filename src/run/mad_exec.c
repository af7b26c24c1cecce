/* SPDX-License-Identifier: MIT */
/* Commands in the guest with their output in a log: see mad.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/strv.h"
#include "run/mad.h"
#include "workload/words.h"

/* Docker is root's. */
static void add_words(const struct mad *m, const struct strv *argv, struct strv *ret)
{
	if (m->run->docker.sudo) {
		strv_add(ret, "sudo");
		strv_add(ret, "-n");
	}
	for (size_t i = 0; i < argv->n; i++)
		strv_add(ret, argv->v[i]);
}

static int say_command(struct live_log *log, const struct mad_command *cmd, struct error *err)
{
	AUTO_FREE char *text = cmd->shown == NULL ? words_text(cmd->argv->v) : strdup(cmd->shown);

	if (text == NULL)
		return error_set(err, ENOMEM, "out of memory");
	return live_log_say(log, err, "> %s\n", text);
}

/* What the front always looks at, and the log's pipe. */
static struct watchset watches(struct mad *m, struct live_log *log, struct watch v[WATCH_MAX])
{
	struct watchset ws = front_watchset(&m->run->front);

	memcpy(v, ws.v, ws.n * sizeof(*v));
	v[ws.n] = live_log_watch(log);
	return (struct watchset){ .v = v, .n = ws.n + 1 };
}

int mad_exec(struct mad *m, struct live_log *log, const struct mad_command *cmd,
	     struct guest_result *ret, struct error *err)
{
	AUTO_STRV struct strv argv = STRV_INIT;
	struct guest_command command = GUEST_COMMAND_INIT;
	struct watch v[WATCH_MAX];
	struct watchset ws = watches(m, log, v);
	struct error why = ERROR_INIT;
	int r, settled;

	*ret = (struct guest_result){ .exit_code = -1 };
	add_words(m, cmd->argv, &argv);
	if (strv_error(&argv) < 0)
		return error_set(err, ENOMEM, "out of memory");
	r = cmd->quiet ? 0 : say_command(log, cmd, err);
	if (r < 0)
		return r;
	command.argv = argv.v;
	command.workdir = m->folder;
	command.deadline_ns = cmd->deadline_ns;
	if (!cmd->quiet) {
		command.stdout_fd = log->in_fd;
		command.stderr_fd = log->in_fd;
	}
	r = guest_run(m->run->guest, &command, ret, &ws, err);
	/* what came before the end belongs into the log, whatever the end was */
	ws = front_watchset(&m->run->front);
	settled = live_log_settle(log, r == 0 ? &ws : NULL, r == 0 ? err : &why);
	return r < 0 ? r : settled;
}

int mad_capture(struct mad *m, const struct strv *words, uint64_t deadline_ns, char *ret,
		size_t size, struct error *err)
{
	AUTO_STRV struct strv argv = STRV_INIT;
	AUTO_FREE char *text = NULL;
	struct watchset ws = front_watchset(&m->run->front);
	int r;

	ret[0] = '\0';
	strv_add(&argv, m->folder);
	add_words(m, words, &argv);
	if (strv_error(&argv) < 0)
		return error_set(err, ENOMEM, "out of memory");
	r = guest_capture(m->run->guest, "cd \"$1\" && shift && exec \"$@\"\n", argv.v, deadline_ns,
			  &text, &ws, err);
	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	(void)snprintf(ret, size, "%s", text);
	return 0;
}

int mad_docker_answers(struct mad *m, struct error *err)
{
	AUTO_STRV struct strv argv = STRV_INIT;
	struct error why = ERROR_INIT;
	char version[128];
	int r;

	strv_add(&argv, "docker");
	strv_add(&argv, "version");
	strv_add(&argv, "--format={{.Server.Version}}");
	if (strv_error(&argv) < 0)
		return error_set(err, ENOMEM, "out of memory");
	r = mad_capture(m, &argv, deadline_in_s(MAD_ANSWER_SECONDS), version, sizeof(version),
			&why);
	if (r == 0 && version[0] != '\0')
		return 0;
	if (r == -EINTR || r == -ECONNRESET) {
		*err = why;
		return r;
	}
	return error_set(err, EIO, "Docker in the guest no longer answers: %s",
			 why.msg[0] != '\0' ? why.msg : "no version");
}
