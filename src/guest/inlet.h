/* SPDX-License-Identifier: MIT */
/*
 * Where CMD's input comes from: our own descriptor (or a piece of memory), read only when the guest
 * has room for it, so that at most one buffer is ever in between.
 */
#ifndef BMVM_GUEST_INLET_H
#define BMVM_GUEST_INLET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/fdio.h"
#include "guest/terminal.h"

struct error;
struct guest_channel;

/**
 * struct inlet - One of them
 * @buf:     owned; @len bytes, sent up to @off
 * @escapes: look for "~." (see escape_filter())
 * @quit:    it was typed
 * @eof:     nothing more to read; after a read that failed with @error (-errno) as well
 * @ended:   the guest was told so
 * @bytes:   sent
 */
struct inlet {
	struct fdio io;
	char *buf;
	size_t off;
	size_t len;
	bool escapes;
	enum escape_state escape;
	bool quit;
	bool eof;
	int error;
	bool ended;
	uint64_t bytes;
};

/** inlet_open() - Read from @fd (-1: end of file at once). Return: 0, -ENOMEM. */
int inlet_open(struct inlet *in, int fd);

/** inlet_open_memory() - Send @len bytes, copied, then end of file. Return: 0, -ENOMEM. */
int inlet_open_memory(struct inlet *in, const void *data, size_t len);

/** inlet_wants_poll() - Whether the next step needs @io to be readable. */
bool inlet_wants_poll(const struct inlet *in);

/** inlet_can_go() - Whether something is at hand and the guest has room for it. */
bool inlet_can_go(const struct inlet *in, const struct guest_channel *c);

/**
 * inlet_step() - Send what there is and fits, without waiting
 * @ready: @io was readable (or may be)
 *
 * Return: 1 there is more to do at once; 0 not now; -ECONNRESET. A command that closed its stdin
 * ends the reading.
 */
int inlet_step(struct inlet *in, struct guest_channel *c, bool ready, struct error *err);

/** inlet_done() - Close and free. */
void inlet_done(struct inlet *in);

#endif
