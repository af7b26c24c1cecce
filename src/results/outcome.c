/* SPDX-License-Identifier: MIT */
#include "results/outcome.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"

#define PIECE ((size_t)256 << 10)

const char *outcome_kind_name(enum outcome_kind kind)
{
	static const char *const names[] = {
		[OUTCOME_FINISHED] = "finished",
		[OUTCOME_FAILED] = "model",
		[OUTCOME_SETUP] = "setup",
		[OUTCOME_BUILD] = "build",
		[OUTCOME_INFRASTRUCTURE] = "infrastructure",
		[OUTCOME_SKIPPED] = "skipped",
		[OUTCOME_NOT_RUN] = "not run",
	};

	return names[kind];
}

static int read_pieces(int fd, struct performance_scan *performance, struct log_scan *errors)
{
	AUTO_FREE char *piece = malloc(PIECE);
	off_t at = 0;
	ssize_t n = 1;

	if (piece == NULL)
		return -ENOMEM;
	while (n != 0) {
		n = pread(fd, piece, PIECE, at);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n < 0)
			continue;
		at += n;
		performance_feed(performance, piece, (size_t)n);
		if (log_scan_feed(errors, piece, (size_t)n) < 0)
			return -ENOMEM;
	}
	return 0;
}

int log_findings_read(int fd, const struct log_rules *rules, struct log_findings *ret,
		      struct error *err)
{
	struct performance_scan performance = { .keyword = 0 };
	AUTO_LOG_SCAN struct log_scan errors;
	int r;

	log_scan_begin(&errors, rules);
	r = read_pieces(fd, &performance, &errors);
	if (r < 0)
		return error_set(err, -r, "read the log: %s", strerror(-r));
	ret->measured = performance_end(&performance, &ret->performance);
	(void)log_scan_end(&errors, &ret->error);
	return 0;
}

const char *outcome_status(enum outcome_kind kind, const struct log_findings *findings,
			   bool lenient)
{
	if (kind == OUTCOME_SKIPPED || kind == OUTCOME_NOT_RUN)
		return "SKIPPED";
	if (kind != OUTCOME_FINISHED || findings->error.text != NULL)
		return "FAILURE";
	if (findings->measured && strcmp(findings->performance.value, "N/A") != 0)
		return "SUCCESS";
	return lenient ? "SUCCESS" : "FAILURE";
}
