/* SPDX-License-Identifier: MIT */
#include "run/front.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "run/channel.h"
#include "run/guardian.h"

#define SEND_SECONDS 10

int front_init(struct front *f, struct progress *progress, struct error *err)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH };
	sigset_t set;

	struct itimerspec second = { { .tv_sec = 1 }, { .tv_sec = 1 } };

	*f = (struct front){ .fd = -1, .signal_fd = -1, .timer_fd = -1, .progress = progress };
	(void)sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		(void)sigaddset(&set, signals[i]);
	(void)sigprocmask(SIG_BLOCK, &set, &f->old_mask);
	(void)signal(SIGPIPE, SIG_IGN);
	f->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	f->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (f->signal_fd < 0 || f->timer_fd < 0 ||
	    timerfd_settime(f->timer_fd, 0, &second, NULL) < 0)
		return error_errno(err, "signal and timer descriptors");
	return 0;
}

int front_start_guardian(struct front *f, const struct machine_spec *spec, struct error *err)
{
	pid_t pid = guardian_start(spec, &f->fd, err);

	if (pid < 0)
		return (int)pid;
	f->pid = pid;
	return 0;
}

/* ---- events ---- */

static int lost_guardian(struct front *f, struct error *err)
{
	f->lost = true;
	close_fd(&f->fd);
	return error_set(err, ECONNRESET, "the guardian process of the VM is gone");
}

static int take_event(struct front *f, const char *event, struct json_object *message,
		      struct error *err)
{
	const char *serial = json_str_or(message, "serial", NULL);

	if (strcmp(event, "gone") != 0 && strcmp(event, "destroy") != 0)
		return 0;
	if (!f->vm_gone && !f->destroyed) {
		(void)snprintf(f->gone_text, sizeof(f->gone_text), "%s",
			       json_str_or(message, "text", "the VM ended"));
		f->gone_serial = serial != NULL ? strdup(serial) : NULL;
	}
	if (strcmp(event, "gone") == 0)
		f->vm_gone = true;
	else
		f->destroyed = true;
	return f->phase == FRONT_TEARDOWN ? 0 : error_set(err, ECONNRESET, "%s", f->gone_text);
}

static int on_guardian(void *data, struct error *err)
{
	struct front *f = data;
	struct json_object *message = NULL;
	const char *event;
	int r = channel_receive(f->fd, &message, NULL);

	if (r == -EAGAIN)
		return 0;
	if (r < 0)
		return lost_guardian(f, err);
	event = json_str_or(message, "event", NULL);
	if (event != NULL) {
		r = take_event(f, event, message, err);
		(void)json_object_put(message);
		return r;
	}
	(void)json_object_put(f->reply);
	f->reply = message;
	return 0;
}

static int end_by_signal(struct front *f, int sig, struct error *err)
{
	if (f->phase == FRONT_TEARDOWN) {
		log_warning("cleaning up; this cannot be skipped");
		return 0;
	}
	f->caught = sig;
	return error_set(err, EINTR, "ended by signal %d (%s)", sig, strsignal(sig));
}

static int on_signal(void *data, struct error *err)
{
	struct front *f = data;
	struct signalfd_siginfo info;
	int sig;

	if (read(f->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return 0;
	sig = (int)info.ssi_signo;
	if (sig == SIGWINCH ||
	    (sig == SIGINT && f->phase == FRONT_WORKLOAD && f->interrupts++ == 0)) {
		if (f->on_signal != NULL)
			f->on_signal(f->on_signal_data, sig);
		return 0;
	}
	return end_by_signal(f, sig, err);
}

static int on_timer(void *data, struct error *err)
{
	struct front *f = data;
	uint64_t ticks;

	(void)err;
	if (read(f->timer_fd, &ticks, sizeof(ticks)) == (ssize_t)sizeof(ticks))
		progress_tick(f->progress);
	return 0;
}

struct watchset front_watchset(struct front *f)
{
	f->watches[0] = (struct watch){ f->fd, on_guardian, f };
	f->watches[1] = (struct watch){ f->signal_fd, on_signal, f };
	f->watches[2] = (struct watch){ f->timer_fd, on_timer, f };
	return (struct watchset){ f->watches, ARRAY_SIZE(f->watches) };
}

/* ---- requests ---- */

static int wait_once(struct front *f, uint64_t deadline_ns, struct error *err)
{
	struct watchset set = front_watchset(f);
	struct pollfd pfds[3];

	for (size_t i = 0; i < set.n; i++)
		pfds[i] = (struct pollfd){ .fd = set.v[i].fd, .events = POLLIN };
	if (poll(pfds, set.n, deadline_poll_ms(deadline_ns)) < 0 && errno != EINTR)
		return error_errno(err, "poll");
	for (size_t i = 0; i < set.n; i++) {
		int r = pfds[i].revents != 0 ? set.v[i].ready(set.v[i].data, err) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

int front_pause(struct front *f, uint64_t deadline_ns, struct error *err)
{
	int r = 0;

	while (r == 0 && deadline_poll_ms(deadline_ns) != 0)
		r = wait_once(f, deadline_ns, err);
	return r;
}

static int read_reply(struct json_object *reply, struct error *err)
{
	const char *hint = json_str_or(reply, "hint", "");
	int r;

	if (json_bool_or(reply, "ok", false))
		return 0;
	r = error_set(err, (int)json_u64_or(reply, "code", EIO), "%s",
		      json_str_or(reply, "error", "the guardian failed"));
	return hint[0] != '\0' ? error_hint(err, r, "%s", hint) : r;
}

/* Nothing else can be asked of a guardian that hangs in the teardown: its journal is undone here.
 */
static int no_answer(struct front *f, struct error *err)
{
	if (f->phase == FRONT_TEARDOWN && f->pid > 0) {
		log_warning("the VM's guardian process does not answer: ending it");
		(void)kill(f->pid, SIGKILL);
		(void)lost_guardian(f, NULL);
	}
	return error_set(err, ETIMEDOUT, "the guardian does not answer");
}

int front_request(struct front *f, const char *what, struct json_object *args, uint64_t deadline_ns,
		  struct json_object **ret, struct error *err)
{
	AUTO_JSON struct json_object *o = args != NULL ? args : json_new_object();
	AUTO_JSON struct json_object *reply = NULL;
	uint64_t id = ++f->next_id;
	int r;

	if (f->fd < 0)
		return error_set(err, ECONNRESET, "the guardian process of the VM is gone");
	json_add_str(o, "do", what);
	json_add_u64(o, "id", id);
	r = channel_send(f->fd, o, deadline_in_s(SEND_SECONDS), err);
	if (r < 0)
		return lost_guardian(f, err);
	/* answers to requests that were given up are dropped by their id */
	while (f->reply == NULL || json_u64_or(f->reply, "id", 0) != id) {
		(void)json_object_put(TAKE_PTR(f->reply));
		r = wait_once(f, deadline_ns, err);
		if (r == 0 && f->reply == NULL && deadline_poll_ms(deadline_ns) == 0)
			r = no_answer(f, err);
		if (r < 0)
			return r;
	}
	reply = TAKE_PTR(f->reply);
	r = read_reply(reply, err);
	if (r == 0 && ret != NULL)
		*ret = TAKE_PTR(reply);
	return r;
}

void front_note(struct front *f, const char *key, struct json_object *value)
{
	AUTO_JSON struct json_object *o = json_new_object();

	json_add_str(o, "do", "note");
	json_add_str(o, "key", key);
	json_add(o, "value", value);
	if (f->fd >= 0)
		(void)channel_send(f->fd, o, deadline_in_s(SEND_SECONDS), NULL);
}

void front_stage(struct front *f, const char *name, double seconds)
{
	AUTO_JSON struct json_object *o = json_new_object();

	json_add_str(o, "do", "stage");
	json_add_str(o, "name", name);
	json_add_seconds(o, "seconds", seconds);
	if (f->fd >= 0)
		(void)channel_send(f->fd, o, deadline_in_s(SEND_SECONDS), NULL);
}

void front_wait_guardian(struct front *f, uint64_t deadline_ns)
{
	while (f->pid > 0) {
		pid_t pid = waitpid(f->pid, NULL, WNOHANG);

		if (pid == f->pid || (pid < 0 && errno != EINTR))
			f->pid = 0;
		else if (deadline_poll_ms(deadline_ns) == 0)
			return;
		else
			clock_sleep_ms(5);
	}
}

void front_done(struct front *f)
{
	close_fd(&f->fd);
	close_fd(&f->signal_fd);
	close_fd(&f->timer_fd);
	free(f->gone_serial);
	(void)json_object_put(f->reply);
	(void)sigprocmask(SIG_SETMASK, &f->old_mask, NULL);
}
