/* SPDX-License-Identifier: MIT */
#include "guest/banner.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "guest/wait.h"

#define SLOTS           4
#define RETRY_MS        100
#define INTERVAL_MIN_NS (NS_PER_S / 2)
#define INTERVAL_MAX_NS (5 * NS_PER_S)

struct attempt {
	int fd;
	bool connected;
	uint64_t since_ns;
};

struct race {
	unsigned short port;
	struct attempt slots[SLOTS];
	uint64_t start_ns;
	uint64_t next_ns;
	const char *seen; /* for the message, should nothing come of it */
	int won_fd;
};

static int open_socket(unsigned short port, struct error *err)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(port) };
	AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1;

	if (fd < 0)
		return error_errno(err, "socket");
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	/* A refusal may come at once or later; poll reports both alike. */
	(void)connect(fd, (struct sockaddr *)&addr, sizeof(addr));
	return TAKE_FD(fd);
}

/* A free slot, or else the one that has waited longest. */
static struct attempt *pick_slot(struct race *race)
{
	struct attempt *pick = &race->slots[0];

	for (size_t i = 0; i < SLOTS; i++) {
		struct attempt *a = &race->slots[i];

		if (a->fd < 0)
			return a;
		if (a->since_ns < pick->since_ns)
			pick = a;
	}
	return pick;
}

static int start_attempt(struct race *race, struct error *err)
{
	struct attempt *a = pick_slot(race);
	uint64_t now = clock_now_ns();
	uint64_t interval = (now - race->start_ns) / 20;

	close_fd(&a->fd);
	a->fd = open_socket(race->port, err);
	if (a->fd < 0)
		return a->fd;
	a->connected = false;
	a->since_ns = now;
	if (interval < INTERVAL_MIN_NS)
		interval = INTERVAL_MIN_NS;
	if (interval > INTERVAL_MAX_NS)
		interval = INTERVAL_MAX_NS;
	race->next_ns = now + interval;
	return 0;
}

static void give_up(struct race *race, struct attempt *a, const char *seen)
{
	close_fd(&a->fd);
	race->seen = seen;
	race->next_ns = deadline_min(race->next_ns, deadline_in_ms(RETRY_MS));
}

static void look(struct race *race, struct attempt *a)
{
	char head[4];
	ssize_t n;
	int code = 0;
	socklen_t size = sizeof(code);

	if (!a->connected) {
		if (getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &code, &size) < 0 || code != 0)
			give_up(race, a, "the port refuses connections");
		a->connected = true;
		return;
	}
	n = recv(a->fd, head, sizeof(head), MSG_PEEK | MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		give_up(race, a, "connections are closed at once");
	else if (n < (ssize_t)sizeof(head) || memcmp(head, "SSH-", sizeof(head)) != 0)
		give_up(race, a, "what answers does not speak SSH");
	else
		race->won_fd = TAKE_FD(a->fd);
}

static int run_race(struct race *race, uint64_t deadline_ns, const struct watchset *ws,
		    struct error *err)
{
	while (race->won_fd < 0) {
		struct wait w = { .n = 0 };
		uint64_t now = clock_now_ns();
		int r = 0;

		if (now >= deadline_ns)
			return error_set(err, ETIMEDOUT, "no SSH server answered in time (%s)",
					 race->seen);
		if (now >= race->next_ns)
			r = start_attempt(race, err);
		w.deadline_ns = deadline_min(race->next_ns, deadline_ns);
		for (size_t i = 0; i < SLOTS; i++)
			(void)wait_add(&w, race->slots[i].fd,
				       race->slots[i].connected ? POLLIN : POLLOUT);
		if (r == 0)
			r = wait_poll(&w, ws, err);
		if (r < 0)
			return r;
		for (size_t i = 0; i < SLOTS && race->won_fd < 0; i++) {
			if (w.fds[i].revents != 0)
				look(race, &race->slots[i]);
		}
	}
	return 0;
}

int banner_wait(unsigned short port, uint64_t deadline_ns, const struct watchset *ws, int *ret_fd,
		struct error *err)
{
	struct race race = { .port = port, .won_fd = -1, .start_ns = clock_now_ns() };
	int r;

	race.seen = "connections are accepted, but nobody speaks";
	for (size_t i = 0; i < SLOTS; i++)
		race.slots[i].fd = -1;
	r = run_race(&race, deadline_ns, ws, err);
	for (size_t i = 0; i < SLOTS; i++)
		close_fd(&race.slots[i].fd);
	if (r == 0)
		*ret_fd = race.won_fd;
	return r;
}
