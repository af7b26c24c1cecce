/* SPDX-License-Identifier: MIT */
#include "cli/image_making.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#include "base/error.h"
#include "base/log.h"

/* A signal ends the work: -EINTR out of whatever waits. */
static int take_signal(void *data, struct error *err)
{
	const struct image_making *making = data;
	struct signalfd_siginfo info;

	if (read(making->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return 0;
	return error_set(err, EINTR, "ended by signal %u (%s)", info.ssi_signo,
			 strsignal((int)info.ssi_signo));
}

static int take_tick(void *data, struct error *err)
{
	struct image_making *making = data;
	uint64_t ticks;

	(void)err;
	if (read(making->timer_fd, &ticks, sizeof(ticks)) == (ssize_t)sizeof(ticks))
		progress_tick(&making->bar);
	return 0;
}

static void begin_step(void *data, const struct image_progress *progress, const char *title)
{
	struct image_making *making = data;

	if (making->bar.open)
		(void)progress_end(&making->bar, true);
	making->bar.total = progress->total;
	progress_begin(&making->bar, progress->index, title);
}

static void take_line(void *data, const char *line)
{
	struct image_making *making = data;
	char *slot = making->lines[making->n_lines++ % MAKING_LINES];

	(void)snprintf(slot, MAKING_LINE_SIZE, "%s", line);
	if (making->verbose)
		log_info("%s", line);
}

static int open_signals(struct image_making *making, struct error *err)
{
	sigset_t mask;

	(void)sigemptyset(&mask);
	(void)sigaddset(&mask, SIGINT);
	(void)sigaddset(&mask, SIGTERM);
	(void)sigaddset(&mask, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &mask, &making->old_mask) < 0)
		return error_errno(err, "block signals");
	making->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	return making->signal_fd < 0 ? error_errno(err, "signalfd") : 0;
}

static int open_timer(struct image_making *making, struct error *err)
{
	static const struct itimerspec each_second = { { 1, 0 }, { 1, 0 } };

	making->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (making->timer_fd < 0 || timerfd_settime(making->timer_fd, 0, &each_second, NULL) < 0)
		return error_errno(err, "timer");
	return 0;
}

int image_making_begin(struct image_making *making, bool verbose, struct error *err)
{
	int r;

	*making = (struct image_making){ .verbose = verbose, .signal_fd = -1, .timer_fd = -1 };
	progress_init(&making->bar, 0, false);
	/* lines would be drawn into the running step's line */
	making->bar.terminal = making->bar.terminal && !verbose;
	making->progress = (struct image_progress){
		.step = begin_step,
		.line = take_line,
		.data = making,
	};
	r = open_signals(making, err);
	if (r == 0)
		r = open_timer(making, err);
	making->watches[0] = (struct watch){ making->signal_fd, take_signal, making };
	making->watches[1] = (struct watch){ making->timer_fd, take_tick, making };
	making->watch = (struct watchset){ making->watches, ARRAY_SIZE(making->watches) };
	return r;
}

void image_making_end(struct image_making *making, int r)
{
	size_t first = making->n_lines > MAKING_LINES ? making->n_lines - MAKING_LINES : 0;

	if (making->bar.open)
		(void)progress_end(&making->bar, r == 0);
	if (r != -EIO || making->verbose)
		return;
	for (size_t i = first; i < making->n_lines; i++)
		log_info("| %s", making->lines[i % MAKING_LINES]);
}

void image_making_done(struct image_making *making)
{
	close_fd(&making->signal_fd);
	close_fd(&making->timer_fd);
	(void)sigprocmask(SIG_SETMASK, &making->old_mask, NULL);
}
