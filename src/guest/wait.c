/* SPDX-License-Identifier: MIT */
#include "guest/wait.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/watch.h"

size_t wait_add(struct wait *w, int fd, short events)
{
	assert(w->n < WAIT_MAX);
	w->fds[w->n] = (struct pollfd){ .fd = fd, .events = events };
	return w->n++;
}

static int serve(const struct pollfd *fds, const struct watchset *ws, struct error *err)
{
	for (size_t i = 0; i < ws->n; i++) {
		int r;

		if (fds[i].revents == 0)
			continue;
		r = ws->v[i].ready(ws->v[i].data, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int wait_poll(struct wait *w, const struct watchset *ws, struct error *err)
{
	static const struct watchset none = { .n = 0 };
	struct pollfd fds[WATCH_MAX + WAIT_MAX];
	size_t n;

	if (ws == NULL)
		ws = &none;
	assert(ws->n <= WATCH_MAX);
	for (n = 0; n < ws->n; n++)
		fds[n] = (struct pollfd){ .fd = ws->v[n].fd, .events = POLLIN };
	memcpy(fds + n, w->fds, w->n * sizeof(fds[0]));
	if (poll(fds, n + w->n, deadline_poll_ms(w->deadline_ns)) < 0) {
		if (errno != EINTR)
			return error_errno(err, "poll");
		for (size_t i = 0; i < n + w->n; i++)
			fds[i].revents = 0;
	}
	memcpy(w->fds, fds + n, w->n * sizeof(fds[0]));
	return serve(fds, ws, err);
}
