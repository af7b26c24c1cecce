/* SPDX-License-Identifier: MIT */
#include "results/outcome.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

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

/* Without O_NONBLOCK the opening of a FIFO waits for its writer. */
static int open_log(int dir_fd, const char *path, struct error *err)
{
	AUTO_CLOSE int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, "open %s", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, EINVAL, "read %s: not a regular file", path);
	return TAKE_FD(fd);
}

int log_findings_read(int dir_fd, const char *path, const struct log_rules *rules,
		      struct log_findings *ret, struct error *err)
{
	AUTO_LOG_SCAN struct log_scan scan = { .buffer = NULL };
	struct performance_scan performance = { .keyword = 0 };
	AUTO_CLOSE int fd = open_log(dir_fd, path, err);
	AUTO_FREE char *piece = malloc(PIECE);
	ssize_t n;

	if (fd < 0)
		return fd;
	if (piece == NULL || log_scan_begin(&scan, rules) < 0)
		return error_set(err, ENOMEM, "read %s: out of memory", path);
	while ((n = read(fd, piece, PIECE)) != 0) {
		if (n < 0 && errno != EINTR)
			return error_errno(err, "read %s", path);
		if (n > 0) {
			performance_feed(&performance, piece, (size_t)n);
			log_scan_feed(&scan, piece, (size_t)n);
		}
	}
	ret->measured = performance_end(&performance, &ret->performance);
	(void)log_scan_end(&scan, &ret->error);
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
