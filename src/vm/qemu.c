/* SPDX-License-Identifier: MIT */
#include "vm/qemu.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "qmp/qmp.h"
#include "vm/qemu_private.h"

#define OUTPUT_PIPE_SIZE (1 << 20)
#define ERROR_LINES      4    /* of QEMU's stderr in our message */
#define PRESS_MS         3000 /* between two presses of the power button */
#define STEP_MS          5000

/* ---- waiting ---- */

static bool serve_watches(struct qemu *q, const struct pollfd *pfds, int *ret)
{
	for (size_t i = 0; i < q->watch.n; i++) {
		if (pfds[i].revents == 0)
			continue;
		*ret = q->watch.v[i].ready(q->watch.v[i].data, &q->watch_error);
		if (*ret < 0)
			return false;
	}
	return true;
}

/*
 * Wait until @fd is ready for @events or the process has ended, and serve the others meanwhile.
 * Return: 1 @fd is ready; 0 the deadline; -ESRCH the process has ended; what a watch returned.
 */
static int wait_ready(struct qemu *q, int fd, short events, uint64_t deadline_ns)
{
	enum { FD, PROCESS, OUTPUT, WATCHES };

	for (;;) {
		struct pollfd pfds[WATCHES + WATCH_MAX] = {
			[FD] = { .fd = fd, .events = events },
			[PROCESS] = { .fd = q->process.pidfd, .events = POLLIN },
			[OUTPUT] = { .fd = q->stderr_fd, .events = POLLIN },
		};
		int n, r = 0;

		for (size_t i = 0; i < q->watch.n; i++)
			pfds[WATCHES + i] =
				(struct pollfd){ .fd = q->watch.v[i].fd, .events = POLLIN };
		n = poll(pfds, WATCHES + q->watch.n, deadline_poll_ms(deadline_ns));
		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n < 0)
			continue;
		if (pfds[OUTPUT].revents != 0)
			qemu_read_output(q);
		if (!serve_watches(q, pfds + WATCHES, &r))
			return r;
		if (pfds[FD].revents != 0)
			return 1;
		if (pfds[PROCESS].revents != 0)
			return -ESRCH;
	}
}

/* qmp_wait_fn: a dead QEMU ends the call at once, even if somebody holds a copy of its socket. */
static int qmp_wait(void *data, int fd, short events, uint64_t deadline_ns)
{
	int r = wait_ready(data, fd, events, deadline_ns);

	return r == -ESRCH ? -ECONNRESET : r < 0 ? r : 0;
}

/* Wait for the end and reap. Return: 0; -ETIMEDOUT; what a watch returned. */
static int wait_end(struct qemu *q, uint64_t deadline_ns)
{
	int r = q->ended ? 0 : wait_ready(q, -1, 0, deadline_ns);

	if (q->ended)
		return 0;
	if (r != -ESRCH)
		return r < 0 ? r : -ETIMEDOUT;
	return qemu_reap(q) ? 0 : -ETIMEDOUT;
}

void qemu_read_output(struct qemu *q)
{
	if (q->stderr_fd >= 0 && tail_read(&q->output, q->stderr_fd) <= 0)
		close_fd(&q->stderr_fd); /* leaves the epoll set with it */
}

bool qemu_reap(struct qemu *q)
{
	if (!q->ended && q->process.pid > 0 && process_wait(&q->process, 0, &q->status) == 0) {
		q->ended = true;
		qemu_read_output(q);
		process_done(&q->process);
	}
	return q->ended;
}

char *qemu_describe_end(const struct qemu *q, size_t lines)
{
	AUTO_FREE char *output = tail_text(&q->output, lines);
	char how[64];
	char *text = NULL;
	bool quiet = output == NULL || output[0] == '\0';

	(void)process_status_text(q->status, how, sizeof(how));
	if (asprintf(&text, "QEMU ended with %s%s%s", how, quiet ? "" : ": ", quiet ? "" : output) <
	    0)
		return NULL;
	return text;
}

/* ---- starting ---- */

static int add_to_epoll(const struct qemu *q, int fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data = { .fd = fd } };

	return epoll_ctl(q->epoll_fd, EPOLL_CTL_ADD, fd, &e) < 0 ? -errno : 0;
}

static int open_output(struct qemu *q, int *ret_write_fd, struct error *err)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_errno(err, "pipe");
	q->stderr_fd = fds[0];
	*ret_write_fd = fds[1];
	(void)fcntl(fds[0], F_SETPIPE_SZ, OUTPUT_PIPE_SIZE); /* the default does, too */
	if (fd_set_nonblock(q->stderr_fd) < 0)
		return error_errno(err, "O_NONBLOCK");
	return 0;
}

/* QEMU sees no secrets of our environment; the two variables find its modules in odd places. */
static void make_environment(struct strv *env)
{
	static const char *const kept[] = { "QEMU_MODULE_DIR", "LD_LIBRARY_PATH" };

	strv_add(env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	strv_add(env, "LC_ALL=C");
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		const char *value = getenv(kept[i]);

		if (value != NULL)
			strv_addf(env, "%s=%s", kept[i], value);
	}
}

static int spawn_held(struct qemu *q, const struct strv *argv, const struct vm_fds *fds,
		      struct jail *jail, struct error *err)
{
	AUTO_STRV struct strv env = STRV_INIT;
	AUTO_CLOSE int write_fd = -1;
	struct spawn_fd all[VM_FDS_MAX + 2];
	size_t n = 0;
	int r = open_output(q, &write_fd, err);

	if (r < 0)
		return r;
	make_environment(&env);
	if (strv_error(&env) < 0)
		return error_set(err, ENOMEM, "out of memory");
	all[n++] = (struct spawn_fd){ .parent = write_fd, .child = 1 };
	all[n++] = (struct spawn_fd){ .parent = write_fd, .child = 2 };
	for (size_t i = 0; i < fds->n; i++)
		all[n++] = fds->v[i];

	struct spawn s = {
		.path = argv->v[0],
		.argv = argv->v,
		.envp = env.v,
		.fds = all,
		.n_fds = n,
		.hold = true,
		.new_session = true,
		.die_with_us = true,
		.prepare = jail != NULL ? jail_enter : NULL,
		.prepare_data = jail,
	};

	return process_spawn(&s, &q->process, err);
}

int qemu_spawn(struct qemu *q, const struct strv *argv, const struct vm_fds *fds, struct jail *jail,
	       struct error *err)
{
	int r;

	*q = (struct qemu)QEMU_INIT;
	q->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (q->epoll_fd < 0)
		return error_errno(err, "epoll");
	r = spawn_held(q, argv, fds, jail, err);
	if (r == 0)
		r = add_to_epoll(q, q->process.pidfd);
	if (r == 0)
		r = add_to_epoll(q, q->stderr_fd);
	if (r < 0) {
		qemu_done(q);
		return error_prefix(err, r, "start QEMU");
	}
	return 0;
}

int qemu_release(struct qemu *q, struct error *err)
{
	int r = process_release(&q->process, err);

	if (r < 0) {
		q->ended = true;
		q->gone_told = true;
		return error_prefix(err, r, "start QEMU");
	}
	return 0;
}

/* ---- speaking ---- */

int qemu_qmp_failed(struct qemu *q, int r, const struct qmp_error *why, const char *doing,
		    struct error *err)
{
	AUTO_FREE char *text = NULL;

	if (q->watch_error.code != 0) {
		if (err != NULL)
			*err = q->watch_error;
		q->watch_error.code = 0;
		return r;
	}
	if (r == -ECONNRESET && wait_end(q, deadline_in_ms(2000)) == 0) {
		text = qemu_describe_end(q, ERROR_LINES);
		return error_set(err, EIO, "%s: %s", doing, text == NULL ? "QEMU ended" : text);
	}
	text = text_printable(why->desc, strlen(why->desc));
	return error_set(err, -r, "%s: %s", doing, text == NULL ? strerror(-r) : text);
}

/* Whether QEMU ended for want of memory, which may be there the next time. */
static bool lacked_memory(const struct qemu *q)
{
	static const char *const words[] = { "allocate memory", "guest RAM", "memory pages",
					     "preallocat" };
	AUTO_FREE char *output = tail_text(&q->output, ERROR_LINES);

	for (size_t i = 0; output != NULL && i < ARRAY_SIZE(words); i++) {
		if (strstr(output, words[i]) != NULL)
			return true;
	}
	return false;
}

/* One that ends by itself before its greeting has judged its arguments; a killed one has not. */
static int handshake_failed(struct qemu *q, int r, const struct qmp_error *why, struct error *err)
{
	r = qemu_qmp_failed(q, r, why, "connect to QEMU", err);
	if (r != -EIO || !q->ended || !WIFEXITED(q->status))
		return r;
	r = lacked_memory(q) ? -ENOMEM : -EINVAL;
	if (err != NULL)
		err->code = -r;
	return r;
}

int qemu_connect(struct qemu *q, int fd, uint64_t deadline_ns, struct error *err)
{
	struct qmp_error why = { 0 };
	int r = qmp_attach(fd, &q->qmp, &why);

	if (r < 0)
		return error_set(err, -r, "QMP: %s", why.desc);
	qmp_set_wait(q->qmp, qmp_wait, q);
	r = qmp_handshake(q->qmp, deadline_ns, &why);
	if (r < 0)
		return handshake_failed(q, r, &why, err);
	r = add_to_epoll(q, qmp_fd(q->qmp));
	return r < 0 ? error_set(err, -r, "epoll: %s", strerror(-r)) : 0;
}

void qemu_set_watch(struct qemu *q, struct watchset watch)
{
	q->watch = watch;
	if (q->watch.n > WATCH_MAX)
		q->watch.n = WATCH_MAX;
}

int qemu_poll_fd(const struct qemu *q)
{
	return q->epoll_fd;
}

int qemu_execute(struct qemu *q, const char *command, struct json_object *args,
		 uint64_t deadline_ns, struct json_object **ret, struct error *err)
{
	struct qmp_error why = { 0 };
	int r;

	if (q->qmp == NULL)
		return error_set(err, ENOTCONN, "%s: QEMU is not connected", command);
	r = qmp_execute(q->qmp, command, args, deadline_ns, ret, &why);
	return r < 0 ? qemu_qmp_failed(q, r, &why, command, err) : 0;
}

/* ---- ending ---- */

/* The guest is asked only if it can hear: a paused one never answers the power button. */
static bool power_button(struct qemu *q, uint64_t deadline_ns)
{
	AUTO_JSON struct json_object *status = NULL;

	if (qemu_execute(q, "query-status", NULL, deadline_ns, &status, NULL) < 0)
		return false;
	if (strcmp(json_str_or(status, "status", ""), "running") != 0)
		return false;
	return qemu_execute(q, "system_powerdown", NULL, deadline_ns, NULL, NULL) == 0;
}

/* One step of the stairs. A watch that wants to get on shortens it and is not asked again. */
static bool ends_by(struct qemu *q, uint64_t deadline_ns)
{
	int r = wait_end(q, deadline_ns);

	if (r < 0 && r != -ETIMEDOUT)
		q->watch.n = 0;
	return r == 0;
}

/* Pressed again and again: a guest that is still booting misses what nobody there listens for yet.
 */
static bool powers_down(struct qemu *q, uint64_t deadline_ns)
{
	bool pressed = false;

	while (deadline_poll_ms(deadline_ns) != 0 && power_button(q, deadline_ns)) {
		pressed = true;
		if (ends_by(q, deadline_min(deadline_ns, deadline_in_ms(PRESS_MS))))
			return true;
		if (q->watch_error.code != 0)
			return false;
	}
	/* one that can no longer be asked may be on its way out */
	return pressed && ends_by(q, deadline_min(deadline_ns, deadline_in_ms(PRESS_MS)));
}

static enum qemu_ending stop_politely(struct qemu *q, unsigned int powerdown_ms, uint64_t soft_ns)
{
	bool reachable = q->qmp != NULL && qmp_state(q->qmp) == QMP_STATE_READY;
	uint64_t step = deadline_min(deadline_in_ms(powerdown_ms), soft_ns);

	if (reachable && powerdown_ms > 0 && powers_down(q, step))
		return QEMU_ENDED_POWERDOWN;
	step = deadline_min(deadline_in_ms(STEP_MS), soft_ns);
	if (reachable && !qemu_reap(q)) {
		(void)qemu_execute(q, "quit", NULL, step, NULL,
				   NULL); /* it may end before it answers */
		if (ends_by(q, step))
			return QEMU_ENDED_QUIT;
	}
	step = deadline_min(deadline_in_ms(STEP_MS), soft_ns);
	if (process_signal(&q->process, SIGTERM) == 0 && ends_by(q, step))
		return QEMU_ENDED_TERM;
	return QEMU_ENDED_KILL;
}

/* The polite steps share two thirds of what is left, so that KILL can be waited for. */
static uint64_t soft_deadline(uint64_t deadline_ns)
{
	uint64_t now = clock_now_ns();

	if (deadline_ns == DEADLINE_NEVER || deadline_ns <= now)
		return deadline_ns;
	return now + (deadline_ns - now) / 3 * 2;
}

int qemu_stop(struct qemu *q, unsigned int powerdown_ms, uint64_t deadline_ns,
	      enum qemu_ending *ret, struct error *err)
{
	struct watchset watch = q->watch;
	enum qemu_ending ending = QEMU_ENDED_BEFORE;
	bool held = q->process.gate_fd >= 0;
	int r = 0;

	if (!qemu_reap(q) && q->process.pid > 0) {
		ending = held ? QEMU_ENDED_KILL
			      : stop_politely(q, powerdown_ms, soft_deadline(deadline_ns));
		if (!q->ended) {
			(void)process_signal(&q->process, SIGKILL);
			r = wait_end(q, deadline_ns);
			if (r < 0 && r != -ETIMEDOUT) {
				q->watch.n = 0;
				r = wait_end(q, deadline_ns);
			}
		}
	}
	q->watch = watch;
	q->watch_error.code = 0;
	if (r < 0)
		return error_set(err, -r, "QEMU (pid %d) does not end: %s", (int)q->process.pid,
				 strerror(-r));
	if (ret != NULL)
		*ret = ending;
	return 0;
}

const char *qemu_ending_text(enum qemu_ending ending)
{
	switch (ending) {
	case QEMU_ENDED_BEFORE:
		return "by itself";
	case QEMU_ENDED_POWERDOWN:
		return "after the power button";
	case QEMU_ENDED_QUIT:
		return "after quit";
	case QEMU_ENDED_TERM:
		return "after SIGTERM";
	case QEMU_ENDED_KILL:
		return "after SIGKILL";
	}
	return "?";
}

void qemu_done(struct qemu *q)
{
	if (q->process.pid > 0)
		(void)process_stop(&q->process, 0, deadline_in_s(10));
	qmp_close(q->qmp);
	process_done(&q->process);
	close_fd(&q->stderr_fd);
	close_fd(&q->epoll_fd);
	tail_done(&q->output);
	*q = (struct qemu)QEMU_INIT;
}
