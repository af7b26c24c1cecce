/* SPDX-License-Identifier: MIT */
/*
 * How the run of one model ended, and what its log says about that.
 *
 * The model's own failure and ours are kept apart (enum outcome_kind); madengine's files know only
 * the status.
 */
#ifndef BMVM_RESULTS_OUTCOME_H
#define BMVM_RESULTS_OUTCOME_H

#include <stdbool.h>

#include "results/log_errors.h"
#include "results/performance.h"

struct error;

/**
 * enum outcome_kind - How far it came
 * @OUTCOME_FINISHED:       its script ended with 0; what it printed decides
 * @OUTCOME_FAILED:         its container ran, and something in it failed: the script, a pre-script,
 *                          the clone of its URL, a time limit
 * @OUTCOME_SETUP:          no container: image missing, too many GPUs, unknown data, a bad
 *                          variable; or nothing to run in it, as the package has not the scripts
 * @OUTCOME_BUILD:          its image did not build
 * @OUTCOME_INFRASTRUCTURE: the VM, Docker or the connection failed under it
 * @OUTCOME_SKIPPED:        the GPU's architecture is on its list of those to skip
 * @OUTCOME_NOT_RUN:        all but its script was done, as was asked for
 */
enum outcome_kind {
	OUTCOME_FINISHED,
	OUTCOME_FAILED,
	OUTCOME_SETUP,
	OUTCOME_BUILD,
	OUTCOME_INFRASTRUCTURE,
	OUTCOME_SKIPPED,
	OUTCOME_NOT_RUN,
};

/** outcome_kind_name() - One word: "finished", "model", "setup", "build", "infrastructure", ... */
const char *outcome_kind_name(enum outcome_kind kind);

/**
 * struct log_findings - What a run log says
 * @measured:    whether there is a @performance
 * @error:       the first sign of failure, or none; its text is borrowed from the rules
 */
struct log_findings {
	bool measured;
	struct performance performance;
	struct log_error error;
};

/**
 * log_findings_read() - Read a run log
 * @fd:    a file, from its first byte on; its offset stays. The log's own descriptor, as its name
 *         may be another's by now
 * @rules: see log_errors.h
 *
 * Reads it once, in pieces; memory does not depend on its size. Return: 0; -ENOMEM; errno of read.
 */
int log_findings_read(int fd, const struct log_rules *rules, struct log_findings *ret,
		      struct error *err);

/**
 * outcome_status() - "SUCCESS", "FAILURE" or "SKIPPED"
 * @findings: of its log, for OUTCOME_FINISHED; for a model with multiple_results @findings.measured
 *            tells whether its file could be read
 * @lenient:  a model that printed no performance succeeded, too (MAD_COLLECT_METRICS=false)
 *
 * A finished model failed if its log has a sign of failure, or if it has no performance, or "N/A".
 */
const char *outcome_status(enum outcome_kind kind, const struct log_findings *findings,
			   bool lenient);

#endif
