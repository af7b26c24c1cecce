/* SPDX-License-Identifier: MIT */
/* What the configuration asks to be brought out, as a stage of a run. */
#ifndef BMVM_RUN_RESULTS_H
#define BMVM_RUN_RESULTS_H

#include <stdbool.h>

struct beneath_keep;
struct error;
struct run;

/** stage_results_wanted() - Whether anything is to be collected. */
bool stage_results_wanted(const struct run *r);

/**
 * stage_results() - Collect it from o->workdir of the guest
 *
 * Does nothing when no workload was run, or the VM is gone. Return: 0; as guest_collect().
 */
int stage_results(struct run *r, struct error *err);

/**
 * results_collect() - The same where names on the host are kept for files of the run
 * @keep: see struct guest_collect; NULL: none
 */
int results_collect(struct run *r, const struct beneath_keep *keep, struct error *err);

#endif
