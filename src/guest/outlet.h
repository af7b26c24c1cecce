/* SPDX-License-Identifier: MIT */
/*
 * Where one stream of CMD's output goes: our own descriptor, written without blocking. What it does
 * not take stays with the channel, and so, in the end, with CMD.
 */
#ifndef BMVM_GUEST_OUTLET_H
#define BMVM_GUEST_OUTLET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/fdio.h"

/**
 * struct outlet - One of them
 * @kept:  accepted but not written yet, from @off; owned
 * @error: 0, or the -errno that ended it: from then on everything is swallowed
 * @bytes: written
 */
struct outlet {
	struct fdio io;
	char *kept;
	size_t off;
	size_t len;
	int error;
	bool blocked;
	uint64_t bytes;
};

/** outlet_open() - Write to @fd (-1: swallow everything). */
void outlet_open(struct outlet *o, int fd);

/** outlet_take() - Write what goes. Return: bytes taken; fewer than @len means blocked. */
size_t outlet_take(struct outlet *o, const char *buf, size_t len);

/** outlet_keep() - Accept all of @buf, a copy is kept until written. Return: 0, -ENOMEM. */
int outlet_keep(struct outlet *o, const char *buf, size_t len);

/** outlet_flush() - Go on with what is kept; clears @blocked if all went. */
void outlet_flush(struct outlet *o);

/** outlet_done() - Close and free. */
void outlet_done(struct outlet *o);

#endif
