/* SPDX-License-Identifier: MIT */
/*
 * One poll(2) over a module's own descriptors and the caller's watches: the only place where the
 * guest modules sleep.
 */
#ifndef BMVM_GUEST_WAIT_H
#define BMVM_GUEST_WAIT_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct watchset;

#define WAIT_MAX 6

/**
 * struct wait - What to wait for
 * @fds:         as for poll(2); @n of them
 * @deadline_ns: the wait ends then, which is no error
 */
struct wait {
	struct pollfd fds[WAIT_MAX];
	size_t n;
	uint64_t deadline_ns;
};

/** wait_add() - Add a descriptor. Return: its index in @fds. */
size_t wait_add(struct wait *w, int fd, short events);

/**
 * wait_poll() - Wait until something happens, once
 * @ws: served first; NULL: none
 *
 * Return: 0, with revents filled, also when the deadline passed or a signal came; what a watch
 * returned; -errno of poll.
 */
int wait_poll(struct wait *w, const struct watchset *ws, struct error *err);

#endif
