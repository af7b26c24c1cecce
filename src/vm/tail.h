/* SPDX-License-Identifier: MIT */
/*
 * The last bytes somebody else wrote (QEMU's stderr, a helper's), capped, and made fit to be shown.
 */
#ifndef BMVM_VM_TAIL_H
#define BMVM_VM_TAIL_H

#include <stddef.h>

#include "base/cleanup.h"

#define TAIL_SIZE ((size_t)64 * 1024)

/** struct tail - The collector; zeroed is empty. @data is owned, at most TAIL_SIZE bytes */
struct tail {
	char *data;
	size_t len;
};

/** tail_add() - Append @len bytes, forgetting the oldest above TAIL_SIZE; without memory, these. */
void tail_add(struct tail *t, const void *data, size_t len);

/**
 * tail_read() - Append what a non-blocking descriptor has to give, at most 1 MiB of it
 * @fd: borrowed
 *
 * Return: 1 there may be more later; 0 end of file; -errno.
 */
int tail_read(struct tail *t, int fd);

/**
 * tail_text() - The last lines as printable text
 * @lines: how many at most; 0: all
 *
 * Return: owned string without a trailing newline, see text_printable(); NULL without memory.
 */
char *tail_text(const struct tail *t, size_t lines);

/** tail_done() - Free; @t is empty and usable again. */
void tail_done(struct tail *t);

#define AUTO_TAIL CLEANUP(tail_done)

/**
 * text_printable() - Foreign bytes made safe for a terminal
 * @data: @len bytes
 *
 * Drops terminal control sequences and carriage returns, shows other control bytes and what is not
 * UTF-8 as '?'; newlines and tabs stay.
 * Return: owned string; NULL without memory.
 */
char *text_printable(const char *data, size_t len);

/** text_last_lines() - Where the last @lines lines of @len bytes begin (0: at the beginning). */
size_t text_last_lines(const char *data, size_t len, size_t lines);

#endif
