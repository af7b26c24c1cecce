/* SPDX-License-Identifier: MIT */
/*
 * What the guest modules share of a connection: the libssh handles, the one wait that all of them
 * use, and the question whether anybody still answers. Not for users of src/guest.
 */
#ifndef BMVM_GUEST_SESSION_PRIVATE_H
#define BMVM_GUEST_SESSION_PRIVATE_H

#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct job;
struct wait;
struct watchset;

/**
 * struct guest - One connection
 * @session, @event: libssh's; always non-blocking, @event is polled with a zero timeout only
 * @fd:         its socket, owned by @session
 * @received:   counts what libssh reads from the socket
 * @seen:       that count when it last grew, at @last_rx_ns
 * @patience_ns: give up after so long without an answer, 0: never
 * @probing:    a probe is under way since @probe_ns, see guest_probe()
 * @job:        what guest_run() is running, or NULL
 */
struct guest {
	ssh_session session;
	ssh_event event;
	int fd;
	char *host_key;
	char *cipher;
	struct ssh_counter_struct received;
	struct ssh_counter_struct sent;
	uint64_t seen;
	uint64_t last_rx_ns;
	uint64_t patience_ns;
	bool probing;
	uint64_t probe_ns;
	struct job *job;
};

/**
 * guest_wait() - Wait until something happens, once
 * @w: the caller's descriptors, at most WAIT_MAX - 1
 *
 * Serves the watches, moves libssh's data (which runs channel callbacks), fills revents, and asks
 * a guest that has been silent for long whether it still lives.
 * Return: 0 something happened or the deadline passed; -ECONNRESET the connection broke;
 * -ETIMEDOUT "guest unresponsive"; what a watch returned.
 */
int guest_wait(struct guest *g, struct wait *w, const struct watchset *ws, struct error *err);

/** guest_output_pending() - Whether data waits to go out, so that no more should be added. */
bool guest_output_pending(const struct guest *g);

/**
 * guest_probe() - Ask sshd for a sign of life, in steps
 *
 * libssh's keepalive asks for no reply. Cancelling a port forward that was never made does: sshd
 * refuses it at once and without any effect. Call again until it returns 1.
 * Return: 1 answered; 0 not yet; -ECONNRESET.
 */
int guest_probe(struct guest *g, struct error *err);

/** guest_lost() - The connection is gone: -ECONNRESET with libssh's reason. */
int guest_lost(const struct guest *g, struct error *err);

#endif
