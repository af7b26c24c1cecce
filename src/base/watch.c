/* SPDX-License-Identifier: MIT */
#include "base/watch.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>

#include "base/clock.h"
#include "base/error.h"

int watch_serve(const struct watchset *ws, uint64_t deadline_ns, struct error *err)
{
	struct pollfd fds[WATCH_MAX];
	size_t n = ws == NULL ? 0 : ws->n;

	assert(n <= WATCH_MAX);
	for (size_t i = 0; i < n; i++)
		fds[i] = (struct pollfd){ .fd = ws->v[i].fd, .events = POLLIN };
	if (poll(fds, n, deadline_poll_ms(deadline_ns)) < 0)
		return errno == EINTR ? 0 : error_errno(err, "poll");
	for (size_t i = 0; i < n; i++) {
		int r = fds[i].revents == 0 ? 0 : ws->v[i].ready(ws->v[i].data, err);

		if (r < 0)
			return r;
	}
	return 0;
}
