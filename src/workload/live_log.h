/* SPDX-License-Identifier: MIT */
/*
 * The log of a build or a run: a file that has each byte as soon as it came, and, when wanted, the
 * screen.
 *
 * What programs in the guest write goes through a pipe, whose reading end is a watch of the wait
 * that runs them. The screen is fed from the file, so that a stalled reader of it holds up
 * neither log nor program.
 *
 * The file is locked, flock(2), as long as a copy of its descriptor is open: logs have fixed names,
 * and another run in the same folder must not take the name of one that is still being written.
 */
#ifndef BMVM_WORKLOAD_LIVE_LOG_H
#define BMVM_WORKLOAD_LIVE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/watch.h"

/**
 * struct live_log - One log; start from LIVE_LOG_INIT
 * @fd:        the file, read and written, and its lock
 * @in_fd:     where programs write; give it as stdout and stderr to guest_run()
 * @out_fd:    the other end of that pipe
 * @screen_fd: borrowed; -1: no screen, or nobody reads it any more
 * @written, @shown: bytes in the file; of these on the screen
 */
struct live_log {
	int fd;
	int in_fd;
	int out_fd;
	int screen_fd;
	off_t written;
	off_t shown;
};

#define LIVE_LOG_INIT                                                                              \
	{                                                                                          \
		.fd = -1, .in_fd = -1, .out_fd = -1, .screen_fd = -1                               \
	}

/**
 * live_log_open() - Begin a log, replacing an older one of that name
 * @dir_fd, @name: a symbolic link there is replaced, not followed; as root, the log belongs to the
 *                 folder's owner
 * @screen_fd:     borrowed until live_log_done(), may block; -1: none
 *
 * Return: 0; -EBUSY another run writes a log of that name now; errno of making the file or
 * the pipe.
 */
int live_log_open(struct live_log *log, int dir_fd, const char *name, int screen_fd,
		  struct error *err);

/**
 * live_log_numbered() - Another name for a log whose own another run has
 * @end: what names of its kind end with, ".run.live.log"; the number is put before it
 *
 * Return: owned by the caller; NULL without memory.
 */
char *live_log_numbered(const char *name, const char *end, unsigned int number);

/**
 * live_log_watch() - The watch that takes what came through the pipe
 *
 * Its error is that of writing the file (a full disk), which ends the wait.
 */
struct watch live_log_watch(struct live_log *log);

/** live_log_say() - Write a text of our own, newline included in @fmt. Return: 0; errno. */
int live_log_say(struct live_log *log, struct error *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * live_log_settle() - Take what is left in the pipe and show all of it
 * @ws: served while the screen is waited for, as long as it takes; NULL: that is not waited for
 *
 * To be called when a program has ended. Return: 0; errno of the file; what a watch returned.
 */
int live_log_settle(struct live_log *log, const struct watchset *ws, struct error *err);

/** live_log_done() - Close; nothing is lost that was settled. */
void live_log_done(struct live_log *log);

#define AUTO_LIVE_LOG CLEANUP(live_log_done)

#endif
