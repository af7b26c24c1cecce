/* SPDX-License-Identifier: MIT */
/*
 * Stages: a const table of reversible steps, and the runner that goes through it.
 *
 * The runner sets the stages up in order. When one fails, only those marked `always` still run;
 * then everything is torn down in reverse from the last stage that was begun, whatever happened.
 * The first error wins; those of the teardown are told through the hooks.
 */
#ifndef BMVM_RUN_STAGE_H
#define BMVM_RUN_STAGE_H

#include <stdbool.h>
#include <stddef.h>

struct error;
struct run;

/**
 * struct stage - One reversible step of a run
 * @name:     stable identifier, used in receipts
 * @title:    progress text for people
 * @wanted:   whether this run has the stage at all; NULL: always
 * @setup:    bring it up; 0 or -errno with @err set; NULL: the stage is only torn down
 * @teardown: undo @setup, also after a partial one; NULL when there is nothing to undo
 * @always:   run it also after an earlier stage failed
 */
struct stage {
	const char *name;
	const char *title;
	bool (*wanted)(const struct run *run);
	int (*setup)(struct run *run, struct error *err);
	int (*teardown)(struct run *run, struct error *err);
	bool always;
};

/**
 * struct stage_hooks - How the runner reports; each is called with the run
 * @begin:    before a stage; @index counts from 0 over the whole table
 * @end:      after it
 * @teardown: before the first teardown; @failed: what went wrong, NULL: nothing
 * @failed:   a teardown failed; the others still run
 */
struct stage_hooks {
	void (*begin)(struct run *run, const struct stage *stage, size_t index);
	void (*end)(struct run *run, const struct stage *stage, bool ok);
	void (*teardown)(struct run *run, const struct error *failed);
	void (*failed)(struct run *run, const struct stage *stage, const struct error *err);
};

/**
 * stages_run() - Go through a table
 * @stages: @n of them
 *
 * Return: 0; else the first error, that of a setup before that of a teardown.
 */
int stages_run(const struct stage *stages, size_t n, struct run *run,
	       const struct stage_hooks *hooks, struct error *err);

#endif
