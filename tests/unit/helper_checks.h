/* SPDX-License-Identifier: MIT */
/* The rows of host/check.h on a fake host, and what they must say. */
#ifndef BMVM_TESTS_HELPER_CHECKS_H
#define BMVM_TESTS_HELPER_CHECKS_H

#include "cli/check_report.h"
#include "config/config.h"
#include "host/facts.h"
#include "host/host.h"

#define CHECKS_MAX 40

/** struct checks - A fake host with all programs installed, a small configuration that fits it */
struct checks {
	char *root;
	struct host host;
	struct host_facts facts;
	struct config cfg;
	struct check_line lines[CHECKS_MAX];
	size_t n;
};

/** checks_begin() - Make the host by @make, a function of helper_tree.h, and read its facts. */
void checks_begin(struct checks *f, void (*make)(const char *root));

/** checks_run() - Run all rows, as often as facts or configuration have been changed. */
void checks_run(struct checks *f);

/** checks_result() - What the row @id said; aborts when there is none. */
const struct check_result *checks_result(const struct checks *f, const char *id);

/**
 * checks_expect() - Row @id must have this status, and these words in finding and fix
 * @fix: NULL: the row has none
 */
void checks_expect(const struct checks *f, const char *id, enum check_status status,
		   const char *found, const char *fix);

/** checks_end() - Remove it all. */
void checks_end(struct checks *f);

#endif
