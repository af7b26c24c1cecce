/* SPDX-License-Identifier: MIT */
#include "run/run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "run/devices.h"
#include "run/docker.h"
#include "run/pipeline.h"
#include "run/results.h"
#include "run/task.h"

static void forward_signal(void *data, int sig)
{
	struct run *r = data;

	if (sig == SIGWINCH)
		guest_run_resize(r->guest);
	else
		guest_run_signal(r->guest, sig);
}

static bool wants_tty(const struct run_options *o)
{
	if (o->tty != TTY_AUTO)
		return o->tty == TTY_YES;
	return isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0 &&
	       isatty(STDERR_FILENO) != 0;
}

/* A kill that CMD did not ask for is most often the guest's OOM killer: say so. */
static void note_oom(struct run *r)
{
	AUTO_JSON struct json_object *reply = NULL;
	const char *text;

	if (r->result.exit_code != 128 + SIGKILL || r->result.timed_out ||
	    front_request(&r->front, "serial", NULL, deadline_in_s(10), &reply, NULL) < 0)
		return;
	text = json_str_or(reply, "text", "");
	if (strstr(text, "Out of memory") == NULL && strstr(text, "oom-kill") == NULL)
		return;
	log_warning("the guest ran out of memory and killed a process; give it more: --memory");
	front_note(&r->front, "out_of_memory", json_object_new_boolean(1));
}

static int stage_workload(struct run *r, struct error *err)
{
	struct watchset ws = front_watchset(&r->front);
	struct run_options *o = r->o;
	struct guest_command cmd = GUEST_COMMAND_INIT;
	int ret;

	cmd.argv = o->cmd;
	cmd.env = o->env.v;
	cmd.workdir = o->workdir;
	cmd.stdin_fd = STDIN_FILENO;
	cmd.stdout_fd = STDOUT_FILENO;
	cmd.stderr_fd = STDERR_FILENO;
	cmd.tty = wants_tty(o);
	cmd.term = getenv("TERM");
	if (o->timeout_s > 0)
		cmd.deadline_ns = deadline_in_s(o->timeout_s);
	progress_yield(&r->progress);
	r->front.on_signal = forward_signal;
	r->front.on_signal_data = r;
	r->front.phase = FRONT_WORKLOAD;
	ret = guest_run(r->guest, &cmd, &r->result, &ws, err);
	guest_run_restore_terminal(r->guest);
	r->front.phase = FRONT_PREPARE;
	r->ran = r->result.started;
	if (ret == 0)
		note_oom(r);
	if (r->result.timed_out)
		log_warning("timed out after %u s", o->timeout_s);
	return ret;
}

static const struct stage stages[] = {
	{ "validate", "Validate", NULL, stage_validate, NULL, false },
	{ "create", "Create the VM", NULL, stage_create, stage_create_undo, false },
	{ "devices", "Take the devices", stage_devices_wanted, stage_devices, NULL, false },
	{ "start", "Start the VM", NULL, stage_start, stage_start_undo, false },
	{ "prepare", "Prepare the guest", stage_prepare_wanted, stage_prepare, NULL, false },
	{ "docker", "Set up Docker", stage_docker_wanted, stage_docker, NULL, false },
	{ "command", "Run the command", NULL, stage_workload, NULL, false },
	{ "results", "Collect results", stage_results_wanted, stage_results, NULL, true },
};

int run_command(struct run_options *o)
{
	static const struct task task = { .stages = stages, .n_stages = ARRAY_SIZE(stages) };

	return task_run(o, &task);
}
