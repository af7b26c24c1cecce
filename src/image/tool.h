/* SPDX-License-Identifier: MIT */
/*
 * A host program that works for long: its output is followed line by line, and the wait for it can
 * be ended from outside. For short ones base/process.h has process_run().
 */
#ifndef BMVM_IMAGE_TOOL_H
#define BMVM_IMAGE_TOOL_H

#include "base/strv.h"
#include "base/watch.h"

struct error;

/**
 * struct image_progress - Where a long operation tells how far it is
 * @step:  a step begins; NULL: nobody wants to know
 * @line:  one line of a program's own output, without its end; foreign text; NULL likewise
 * @data:  passed to them
 * @index: of the step, from 1; kept by image_step()
 * @total: steps in all; set by the operation before its first step
 */
struct image_progress {
	void (*step)(void *data, const struct image_progress *progress, const char *title);
	void (*line)(void *data, const char *line);
	void *data;
	size_t index;
	size_t total;
};

/** image_steps() - Begin anew with @total steps; @progress may be NULL, here and below. */
void image_steps(struct image_progress *progress, size_t total);

/** image_step() - The next step begins. */
void image_step(struct image_progress *progress, const char *title);

/** tool_args() - Append copies of the strings up to a NULL. */
void tool_args(struct strv *argv, ...) __attribute__((sentinel));

/**
 * struct tool - What to run
 * @argv:    argv[0] is a path, or a name looked up in PATH
 * @envp:    environment, NULL for this process's own
 * @dir:     folder to work in, NULL: this process's own
 * @line:    called with every line of stdout and stderr ('\r' ends one too); NULL: none
 * @data:    passed to it
 * @watch:   looked at while waiting; NULL: nothing ends the wait early
 * @lock_fd: inherited by the program and all it starts, so that a lock on it lives as long as they;
 *           0: none
 */
struct tool {
	char *const *argv;
	char *const *envp;
	const char *dir;
	void (*line)(void *data, const char *line);
	void *data;
	const struct watchset *watch;
	int lock_fd;
};

/**
 * tool_run() - Run it to its end
 *
 * stdin is /dev/null. When a watch ends the wait, the program's process group gets SIGTERM and, if
 * it is still there 5 s later, SIGKILL; it and its helpers are gone when this returns. It dies with
 * this process. Return: 0 it ended with code 0; -EIO it failed, with its last lines in @err;
 * -ENOENT no such program; the negative return of a watch; other errno.
 */
int tool_run(const struct tool *tool, struct error *err);

/**
 * tool_convert() - Copy a disk with everything it stands on into a new qcow2 file
 * @from, @format: source, absolute path, and its format
 * @to:            new file
 * @progress:      told that this step begins; NULL: nobody
 * @watch:         as in struct tool
 *
 * Return: as tool_run().
 */
int tool_convert(const char *from, const char *format, const char *to,
		 struct image_progress *progress, const struct watchset *watch, struct error *err);

#endif
