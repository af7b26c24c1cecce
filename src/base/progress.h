/* SPDX-License-Identifier: MIT */
/*
 * Progress of a job in stages, on stderr: one line per stage with its seconds.
 *
 * On a terminal the line of the running stage is redrawn each second, so a long wait shows life;
 * else each stage is one plain line when it ends, with a line every 30 s in between. Quiet:
 * nothing.
 */
#ifndef BMVM_BASE_PROGRESS_H
#define BMVM_BASE_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct progress - One job; members private
 * @total: stages of the job
 */
struct progress {
	bool quiet;
	bool terminal;
	bool color;
	bool open;
	size_t index;
	size_t total;
	char title[160];
	uint64_t start_ns;
	uint64_t drawn_ns;
};

/** progress_init() - Prepare for @total stages; looks at stderr and NO_COLOR. */
void progress_init(struct progress *p, size_t total, bool quiet);

/** progress_begin() - A stage begins; @index counts from 1. */
void progress_begin(struct progress *p, size_t index, const char *title);

/** progress_tick() - Called from waits, as often as one likes: shows life now and then. */
void progress_tick(struct progress *p);

/**
 * progress_yield() - The terminal is about to be used by somebody else (a workload's output)
 *
 * Ends the stage's line without a result; progress_end() then prints a line of its own.
 */
void progress_yield(struct progress *p);

/** progress_end() - The stage ends. Return: its seconds. */
double progress_end(struct progress *p, bool ok);

#endif
