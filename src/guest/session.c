/* SPDX-License-Identifier: MIT */
#include "guest/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/watch.h"
#include "guest/session_private.h"
#include "guest/wait.h"

/* libssh reads 4 KiB at a time; after so many reads the other descriptors get their turn. */
#define PUMP_ROUNDS 64

int guest_lost(const struct guest *g, struct error *err)
{
	const char *why = ssh_get_error(g->session);

	return error_set(err, ECONNRESET, "the connection to the guest broke%s%s",
			 why[0] != '\0' ? ": " : "", why);
}

static bool is_broken(const struct guest *g)
{
	return !ssh_is_connected(g->session) ||
	       (ssh_get_status(g->session) & (SSH_CLOSED | SSH_CLOSED_ERROR)) != 0;
}

static void note_received(struct guest *g)
{
	if (g->received.in_bytes == g->seen)
		return;
	g->seen = g->received.in_bytes;
	g->last_rx_ns = clock_now_ns();
}

static int pump(struct guest *g, struct error *err)
{
	for (int i = 0; i < PUMP_ROUNDS; i++) {
		uint64_t before = g->received.in_bytes;

		if (ssh_event_dopoll(g->event, 0) == SSH_ERROR || is_broken(g))
			return guest_lost(g, err);
		if (g->received.in_bytes == before)
			break;
	}
	note_received(g);
	return 0;
}

/* When nothing came for a third of the limit, ask; when the rest passes as well, give up. */
static int watch_health(struct guest *g, struct error *err)
{
	uint64_t limit = g->patience_ns, now = clock_now_ns();
	int r;

	if (limit == 0 || (!g->probing && now - g->last_rx_ns < limit / 3))
		return 0;
	r = guest_probe(g, err);
	if (r < 0)
		return r;
	if (r > 0 || now - g->last_rx_ns < limit || now - g->probe_ns < limit / 2)
		return 0;
	/* The next wait, if the caller tries again, gets as long. */
	g->last_rx_ns = now;
	g->probe_ns = now;
	return error_set(err, ETIMEDOUT, "guest unresponsive: no answer for %u seconds",
			 (unsigned int)(limit / NS_PER_S));
}

static uint64_t health_deadline(const struct guest *g)
{
	uint64_t limit = g->patience_ns;

	if (limit == 0)
		return DEADLINE_NEVER;
	if (!g->probing)
		return g->last_rx_ns + limit / 3;
	return g->last_rx_ns + limit > g->probe_ns + limit / 2 ? g->last_rx_ns + limit
							       : g->probe_ns + limit / 2;
}

int guest_wait(struct guest *g, struct wait *w, const struct watchset *ws, struct error *err)
{
	short events = POLLIN;
	size_t at;
	int r;

	if (is_broken(g))
		return guest_lost(g, err);
	/* libssh calls read, too: what came with them may be what the caller would wait for. */
	if (g->received.in_bytes != g->seen)
		w->deadline_ns = 0;
	note_received(g);
	w->deadline_ns = deadline_min(w->deadline_ns, health_deadline(g));
	if (guest_output_pending(g))
		events |= POLLOUT;
	at = wait_add(w, g->fd, events);
	r = wait_poll(w, ws, err);
	w->n--;
	if (r < 0)
		return r;
	if (w->fds[at].revents != 0)
		r = pump(g, err);
	return r < 0 ? r : watch_health(g, err);
}

bool guest_output_pending(const struct guest *g)
{
	return (ssh_get_poll_flags(g->session) & SSH_WRITE_PENDING) != 0;
}

int guest_probe(struct guest *g, struct error *err)
{
	int rc;

	if (!g->probing)
		g->probe_ns = clock_now_ns();
	g->probing = true;
	rc = ssh_channel_cancel_forward(g->session, "bmvm-probe", 1);
	if (rc == SSH_AGAIN)
		return 0;
	g->probing = false;
	if (is_broken(g))
		return guest_lost(g, err);
	return 1;
}

int guest_ping(struct guest *g, uint64_t deadline_ns, const struct watchset *ws, struct error *err)
{
	for (;;) {
		struct wait w = { .deadline_ns = deadline_ns };
		int r = guest_probe(g, err);

		if (r != 0)
			return r < 0 ? r : 0;
		if (clock_now_ns() >= deadline_ns)
			return error_set(err, ETIMEDOUT, "guest unresponsive");
		r = guest_wait(g, &w, ws, err);
		if (r < 0)
			return r;
	}
}

const char *guest_host_key(const struct guest *g)
{
	return g->host_key;
}

const char *guest_cipher(const struct guest *g)
{
	return g->cipher;
}

void guest_close(struct guest *g)
{
	if (g == NULL)
		return;
	if (g->event != NULL) {
		(void)ssh_event_remove_session(g->event, g->session);
		ssh_event_free(g->event);
	}
	if (g->session != NULL) {
		ssh_disconnect(g->session);
		ssh_free(g->session);
	}
	free(g->host_key);
	free(g->cipher);
	free(g);
}
