/* SPDX-License-Identifier: MIT */
#include "guest/job.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/watch.h"
#include "guest/session_private.h"
#include "guest/wait.h"

#define QUIET_TRIPS  3
#define QUIET_MIN_NS (100 * NS_PER_MS)
#define LEFTOVER_MAX ((uint64_t)64 * 1024 * 1024)

static const struct {
	int sig;
	unsigned int wait_s;
} ending_steps[] = {
	[ENDING_PIPE] = { SIGPIPE, 2 },
	[ENDING_TERM] = { SIGTERM, 10 },
	[ENDING_KILL] = { SIGKILL, 10 },
};

/* ---- output ---- */

static enum channel_stream marker_stream(const struct job *j)
{
	return j->cmd->tty ? STREAM_OUT : STREAM_ERR;
}

static size_t gather(struct job *j, const char *buf, size_t len)
{
	size_t room = sizeof(j->words) - 1 - j->words_len;
	size_t n = len < room ? len : room;

	memcpy(j->words + j->words_len, buf, n);
	j->words_len += n;
	return len;
}

/* Only digits, maybe behind one dash: it becomes part of a command. */
static bool is_target(const char *word)
{
	size_t dash = word[0] == '-' ? 1 : 0;
	size_t digits = strspn(word + dash, "0123456789");

	return digits > 0 && word[dash + digits] == '\0';
}

static size_t feed_marker(struct job *j, const char *buf, size_t len)
{
	struct outlet *to = j->cmd->tty ? &j->out : &j->err;
	size_t used;

	if (marker_feed(&j->marker, buf, len, &used) < 0 && j->failed == 0)
		j->failed = error_set(&j->why, EPROTO,
				      "the guest's login shell prints too much before the command");
	if (!j->marker.found)
		return used;
	if (is_target(j->marker.word)) {
		j->killer.target = j->marker.word;
		j->res->started = true;
		(void)outlet_keep(to, j->marker.prelude, j->marker.prelude_len);
	}
	return used;
}

static size_t on_data(void *data, enum channel_stream stream, const char *buf, size_t len)
{
	struct job *j = data;
	size_t used = 0;

	if (j->collecting)
		return gather(j, buf, len);
	if (!j->marker.found) {
		/* The other stream waits: should CMD never start, it holds the reason. */
		if (stream != marker_stream(j))
			return 0;
		used = feed_marker(j, buf, len);
		if (used < len && !j->marker.found)
			used = len;
	}
	used += outlet_take(stream == STREAM_OUT ? &j->out : &j->err, buf + used, len - used);
	j->seen += used;
	return used;
}

static int pull(struct job *j, struct error *err)
{
	int r = 0;

	if (j->out.kept != NULL)
		outlet_flush(&j->out);
	if (j->err.kept != NULL)
		outlet_flush(&j->err);
	if (j->main.held[STREAM_ERR])
		r = guest_channel_pull(&j->main, STREAM_ERR, err);
	if (r == 0 && j->main.held[STREAM_OUT])
		r = guest_channel_pull(&j->main, STREAM_OUT, err);
	return r;
}

/* ---- ending CMD ---- */

static void begin_ending(struct job *j, enum ending_step step)
{
	if (step <= j->ending)
		return;
	j->ending = step;
	if (step >= ENDING_LOST)
		return;
	killer_add(&j->killer, ending_steps[step].sig);
	j->ending_ns = deadline_in_s(ending_steps[step].wait_s);
	/* A command still starting gets its signals when it has; a bare login shell never can. */
	if (j->cmd->argv == NULL)
		j->ending = ENDING_LOST;
}

static void watch_outlets(struct job *j)
{
	if (j->out.error == 0 || j->ending != ENDING_NONE)
		return;
	if (j->out.error == -EPIPE) {
		j->res->stdout_closed = true;
		begin_ending(j, ENDING_PIPE);
		return;
	}
	j->failed = error_set(&j->why, -j->out.error, "write stdout: %s", strerror(-j->out.error));
	begin_ending(j, ENDING_TERM);
}

static void watch_clock(struct job *j)
{
	uint64_t now = clock_now_ns();

	if (!j->res->timed_out && now >= j->cmd->deadline_ns) {
		j->res->timed_out = true;
		if (j->main.has_status)
			j->drained = true; /* CMD was in time; who reads its output was not */
		else
			begin_ending(j, ENDING_TERM);
	}
	if (j->ending != ENDING_NONE && j->ending < ENDING_LOST && now >= j->ending_ns)
		begin_ending(j, j->ending + 1);
}

/* ---- what CMD leaves behind ---- */

/*
 * CMD has ended, but something it left behind keeps its output open. sshd sends what is in the
 * pipes in the same loop that answers requests: when answers come and no output with them, several
 * times, there is none.
 */
static int watch_leftovers(struct job *j, struct error *err)
{
	int r;

	if (!j->main.has_status || j->drained || guest_channel_is_over(&j->main))
		return 0;
	if (j->status_ns == 0) {
		j->status_ns = clock_now_ns();
		j->status_seen = j->seen;
		j->quiet_seen = j->seen;
	}
	if (j->seen - j->status_seen > LEFTOVER_MAX)
		j->drained = true;
	if (j->out.blocked || j->err.blocked) {
		j->quiet = 0;
		return 0;
	}
	r = guest_probe(j->g, err);
	if (r <= 0)
		return r;
	j->quiet = j->seen == j->quiet_seen ? j->quiet + 1 : 0;
	j->quiet_seen = j->seen;
	if (j->quiet >= QUIET_TRIPS && clock_now_ns() - j->status_ns >= QUIET_MIN_NS)
		j->drained = true;
	return 0;
}

/* ---- the loop ---- */

static void on_started(struct job *j)
{
	j->started = true;
	if (j->cmd->argv == NULL)
		j->res->started = true;
	if (!j->cmd->tty)
		return;
	terminal_raw(&j->terminal, j->cmd->stdin_fd);
	j->in.escapes = j->terminal.raw;
}

static void resize(struct job *j)
{
	int columns, rows;

	j->resized = false;
	if (!j->cmd->tty || !j->started)
		return;
	terminal_size(j->cmd->stdin_fd, j->cmd->stdout_fd, &columns, &rows);
	(void)ssh_channel_change_pty_size(j->main.ssh, columns, rows);
}

static bool takes_input(const struct job *j)
{
	return j->started && !j->main.has_status && j->ending == ENDING_NONE;
}

/* Everything that can be done without waiting. Return: 1 more can be done at once; 0; < 0. */
static int advance(struct job *j, struct error *err)
{
	int more = 0;
	int r = guest_channel_step(&j->main, err);

	if (r < 0)
		return r;
	if (r > 0 && !j->started)
		on_started(j);
	if (r > 0 && j->resized)
		resize(j);
	if (r > 0 && takes_input(j)) {
		more = inlet_step(&j->in, &j->main, j->in_ready, err);
		if (more < 0)
			return more;
	}
	r = pull(j, err);
	watch_outlets(j);
	watch_clock(j);
	if (r == 0)
		r = killer_step(&j->killer, err);
	if (r == 0)
		r = watch_leftovers(j, err);
	if (r < 0)
		return r;
	return more || (takes_input(j) && inlet_can_go(&j->in, &j->main));
}

static bool is_over(const struct job *j)
{
	bool blocked = j->out.kept != NULL || j->err.kept != NULL;

	if (j->ending == ENDING_LOST || j->in.quit || j->drained)
		return true;
	if (j->failed < 0 && j->ending == ENDING_NONE)
		return true;
	if (j->main.closed && !j->marker.found)
		return true;
	return !blocked && guest_channel_is_over(&j->main);
}

static uint64_t next_deadline(const struct job *j)
{
	uint64_t at = DEADLINE_NEVER;

	if (!j->res->timed_out)
		at = deadline_min(at, j->cmd->deadline_ns);
	if (j->ending != ENDING_NONE)
		at = deadline_min(at, j->ending_ns);
	if (j->main.has_status)
		at = deadline_min(at, deadline_in_ms(20)); /* counting quiet round trips */
	return at;
}

static int turn(struct job *j, const struct watchset *ws, struct error *err)
{
	struct wait w = { .n = 0 };
	size_t in_at = 0;
	bool in_polled;
	int r = advance(j, err);

	if (r < 0)
		return r;
	if (is_over(j))
		return 1;
	w.deadline_ns = r > 0 ? 0 : next_deadline(j);
	in_polled = takes_input(j) && inlet_wants_poll(&j->in);
	if (in_polled)
		in_at = wait_add(&w, j->in.io.fd, POLLIN);
	if (j->out.blocked && j->out.error == 0)
		(void)wait_add(&w, j->out.io.fd, POLLOUT);
	if (j->err.blocked && j->err.error == 0)
		(void)wait_add(&w, j->err.io.fd, POLLOUT);
	r = guest_wait(j->g, &w, ws, err);
	j->in_ready = in_polled && w.fds[in_at].revents != 0;
	return r;
}

/* ---- the outcome ---- */

static const char *one_line(char *text)
{
	size_t n = strlen(text);

	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
		text[--n] = '\0';
	for (char *p = text; *p != '\0'; p++) {
		if ((unsigned char)*p < ' ' || (unsigned char)*p >= 0x7f)
			*p = *p == '\n' ? ' ' : '?';
	}
	return text;
}

/* CMD never ran: what did the login shell, or the job script, say? */
static int not_started(struct job *j, struct error *err)
{
	bool in_folder = !j->marker.found || strcmp(j->marker.word, "workdir") != 0;

	j->collecting = true;
	(void)gather(j, j->marker.prelude, j->marker.prelude_len);
	(void)guest_channel_pull(&j->main, STREAM_OUT, NULL);
	j->words[j->words_len] = '\0';
	if (!in_folder)
		return error_set(err, ENOENT, "working folder %s: cannot be entered in the guest",
				 j->cmd->workdir);
	return error_set(err, ENOEXEC,
			 "the guest's login shell ended with code %d instead of running the "
			 "command%s%s",
			 j->main.exit_code, j->words[0] != '\0' ? ": " : "", one_line(j->words));
}

static void ended_by(struct guest_result *res, int sig)
{
	res->signal = sig;
	res->exit_code = 128 + sig;
}

static int conclude(struct job *j, struct error *err)
{
	struct guest_result *res = j->res;

	res->exit_code = j->main.exit_code;
	res->signal = j->main.killed ? j->main.exit_signal : 0;
	if (j->failed < 0) {
		if (err != NULL)
			*err = j->why;
		return j->failed;
	}
	if (j->in.quit) {
		res->escaped = true;
		ended_by(res, SIGHUP);
		return 0;
	}
	if (j->main.has_status && res->started) {
		if (res->stdout_closed && j->main.killed)
			ended_by(res, SIGPIPE);
		return 0;
	}
	if (res->timed_out || res->stdout_closed) {
		ended_by(res, res->timed_out ? SIGKILL : SIGPIPE);
		return 0;
	}
	if (j->main.has_status)
		return not_started(j, err);
	return error_set(err, ECONNRESET, "the guest ended the command without saying how");
}

int job_open(struct job *j, struct guest *g, const struct guest_command *cmd, const char *command,
	     const struct marker *marker, struct error *err)
{
	struct channel_request request = { .command = command, .on_data = on_data, .data = j };
	int r;

	memset(j, 0, sizeof(*j));
	j->g = g;
	j->cmd = cmd;
	j->marker = *marker;
	j->marker.found = cmd->argv == NULL;
	j->terminal = (struct terminal)TERMINAL_INIT;
	j->in_ready = true;
	killer_init(&j->killer, g);
	outlet_open(&j->out, cmd->stdout_fd);
	outlet_open(&j->err, cmd->tty ? -1 : cmd->stderr_fd);
	r = inlet_open(&j->in, cmd->stdin_fd);
	if (r < 0)
		return error_set(err, -r, "out of memory");
	if (cmd->tty) {
		request.term = cmd->term != NULL ? cmd->term : "dumb";
		terminal_size(cmd->stdin_fd, cmd->stdout_fd, &request.columns, &request.rows);
	}
	guest_channel_start(&j->main, g, &request);
	return 0;
}

int job_run(struct job *j, struct guest_result *ret, const struct watchset *ws, struct error *err)
{
	int r;

	j->res = ret;
	do
		r = turn(j, ws, err);
	while (r == 0);
	terminal_restore(&j->terminal);
	if (r > 0)
		r = conclude(j, err);
	ret->bytes_in = j->in.bytes;
	ret->bytes_out = j->out.bytes;
	ret->bytes_err = j->err.bytes;
	return r;
}

void job_done(struct job *j)
{
	terminal_restore(&j->terminal);
	killer_done(&j->killer);
	guest_channel_done(&j->main);
	inlet_done(&j->in);
	outlet_done(&j->out);
	outlet_done(&j->err);
	marker_done(&j->marker);
}
