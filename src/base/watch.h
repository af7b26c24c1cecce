/* SPDX-License-Identifier: MIT */
/*
 * Descriptors that every long wait looks at beside its own: signals, the guardian, a deadline's
 * cancel button. A wait deep in a module stays interruptible without knowing by whom.
 */
#ifndef BMVM_BASE_WATCH_H
#define BMVM_BASE_WATCH_H

#include <stddef.h>
#include <stdint.h>

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

/**
 * watch_serve() - Wait for one of them and let it act
 * @ws:          NULL: only waits
 * @deadline_ns: absolute; 0: does not wait
 *
 * Return: 0 something acted, or the deadline passed; what a watch returned; errno of poll(2).
 */
int watch_serve(const struct watchset *ws, uint64_t deadline_ns, struct error *err);

#endif
