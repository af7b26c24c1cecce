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

static int read_pieces(int fd, struct performance_scan *performance, struct log_scan *errors)
{
	AUTO_FREE char *piece = malloc(PIECE);
	ssize_t n = 1;

	if (piece == NULL)
		return -ENOMEM;
	while (n != 0) {
		n = read(fd, piece, PIECE);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n < 0)
			continue;
		performance_feed(performance, piece, (size_t)n);
		if (log_scan_feed(errors, piece, (size_t)n) < 0)
			return -ENOMEM;
	}
	return 0;
}

int log_findings_read(int dir_fd, const char *path, const struct log_rules *rules,
		      struct log_findings *ret, struct error *err)
{
	struct performance_scan performance = { .keyword = 0 };
	AUTO_LOG_SCAN struct log_scan errors;
	AUTO_CLOSE int fd = open_log(dir_fd, path, err);
	int r;

	log_scan_begin(&errors, rules);
	if (fd < 0)
		return fd;
	r = read_pieces(fd, &performance, &errors);
	if (r < 0)
		return error_set(err, -r, "read %s: %s", path, strerror(-r));
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
