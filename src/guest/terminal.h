/* SPDX-License-Identifier: MIT */
/*
 * The user's terminal while CMD runs on one in the guest: raw, and given back as it was; its size;
 * and the escape sequence typed on it.
 */
#ifndef BMVM_GUEST_TERMINAL_H
#define BMVM_GUEST_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <termios.h>

/**
 * struct terminal - A terminal and how it was
 * @fd:  borrowed; -1 when there is none
 * @raw: whether it is raw now
 */
struct terminal {
	int fd;
	bool raw;
	struct termios saved;
};

#define TERMINAL_INIT                                                                              \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/** terminal_raw() - Make @fd raw if it is a terminal, else do nothing. */
void terminal_raw(struct terminal *t, int fd);

/** terminal_restore() - Give it back; harmless twice; async-signal-safe. */
void terminal_restore(struct terminal *t);

/** terminal_size() - Size of the first of two descriptors that is a terminal, else 80 x 24. */
void terminal_size(int fd, int other_fd, int *ret_columns, int *ret_rows);

enum escape_state {
	ESCAPE_LINE_START,
	ESCAPE_TILDE, /* a "~" at the start of a line is held back */
	ESCAPE_MIDDLE,
};

/**
 * escape_filter() - Find "~." at the start of a line in what the user types
 * @state: kept between calls; starts as ESCAPE_LINE_START
 * @in:    @len typed bytes
 * @out:   at least @len + 1 bytes; what to send
 * @ret_quit: set to true on "~.", with the rest of @in dropped
 *
 * "~~" sends one "~"; any other byte after "~" sends both. Return: bytes in @out.
 */
size_t escape_filter(enum escape_state *state, const char *in, size_t len, char *out,
		     bool *ret_quit);

#endif
