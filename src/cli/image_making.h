/* SPDX-License-Identifier: MIT */
/*
 * What a person sees and can do while an image is being made: steps with their seconds, the
 * program's last lines when it failed, and an end by Ctrl-C, SIGTERM or SIGHUP that cleans up.
 */
#ifndef BMVM_CLI_IMAGE_MAKING_H
#define BMVM_CLI_IMAGE_MAKING_H

#include <signal.h>
#include <stdbool.h>

#include "base/cleanup.h"
#include "base/progress.h"
#include "base/watch.h"
#include "image/tool.h"

#define MAKING_LINES     20
#define MAKING_LINE_SIZE 256

/**
 * struct image_making - One image under way
 * @progress, @watch: for image_build() and its like
 * @bar, @verbose, @lines, @n_lines, @watches, @signal_fd, @timer_fd, @old_mask: private
 */
struct image_making {
	struct image_progress progress;
	struct watchset watch;
	struct progress bar;
	bool verbose;
	char lines[MAKING_LINES][MAKING_LINE_SIZE];
	size_t n_lines;
	struct watch watches[2];
	int signal_fd, timer_fd;
	sigset_t old_mask;
};

/**
 * image_making_begin() - Block the signals and prepare the display
 * @making:  must not move until image_making_done()
 * @verbose: show every line of the programs, instead of the last ones after a failure
 *
 * Return: 0; errno.
 */
int image_making_begin(struct image_making *making, bool verbose, struct error *err);

/**
 * image_making_end() - End the last step's line
 * @r: how the work ended; after -EIO (a program failed) its last lines are shown
 */
void image_making_end(struct image_making *making, int r);

/** image_making_done() - Give the signals back. */
void image_making_done(struct image_making *making);

#define AUTO_IMAGE_MAKING CLEANUP(image_making_done)

#endif
