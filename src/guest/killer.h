/* SPDX-License-Identifier: MIT */
/*
 * Signals for the command that runs in the guest. sshd's own "signal" request is refused to root
 * logins and by older servers, so each signal is a `kill` on a channel of its own.
 */
#ifndef BMVM_GUEST_KILLER_H
#define BMVM_GUEST_KILLER_H

#include <stdbool.h>
#include <stddef.h>

#include "guest/channel.h"

#define KILLER_QUEUE 8

/**
 * struct killer - Signals wanted, in order, and the one under way
 * @target:  as `kill` names it, "-PGID" or "PID"; borrowed, NULL: not known yet
 * @command: of the channel under way, owned
 */
struct killer {
	struct guest *g;
	const char *target;
	int queue[KILLER_QUEUE];
	size_t n;
	struct guest_channel channel;
	char *command;
};

/** killer_init() - For commands of @g. */
void killer_init(struct killer *k, struct guest *g);

/** killer_add() - Want a signal; dropped when the queue is full or @sig is no signal. */
void killer_add(struct killer *k, int sig);

/**
 * killer_step() - Go on as far as possible without waiting
 *
 * A `kill` that fails (nobody there) is no error.
 * Return: 0; -ECONNRESET; -ENOMEM.
 */
int killer_step(struct killer *k, struct error *err);

/** killer_done() - Forget everything and free. */
void killer_done(struct killer *k);

#endif
