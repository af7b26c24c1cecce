/* SPDX-License-Identifier: MIT */
/*
 * Descriptors that every long wait looks at beside its own: signals, the guardian, a deadline's
 * cancel button. A wait deep in a module stays interruptible without knowing by whom.
 */
#ifndef BMVM_BASE_WATCH_H
#define BMVM_BASE_WATCH_H

#include <stddef.h>

struct error;

/**
 * struct watch - One such descriptor
 * @fd:    polled for POLLIN (and POLLHUP, POLLERR); -1: skipped
 * @ready: called when it is ready, must consume what it announces; a negative return ends the wait,
 *         which then fails with that value and @err
 * @data:  passed to it
 */
struct watch {
	int fd;
	int (*ready)(void *data, struct error *err);
	void *data;
};

/** struct watchset - What a wait also looks at; at most WATCH_MAX entries. */
struct watchset {
	const struct watch *v;
	size_t n;
};

#define WATCH_MAX 6

#endif
