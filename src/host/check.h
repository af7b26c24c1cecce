/* SPDX-License-Identifier: MIT */
/*
 * Is this host ready? A const table of checks; each looks at the facts (host/facts.h) in the light
 * of a configuration and says what it found, why that matters and the exact command that mends it.
 *
 * Checks change nothing. Only what the configuration needs is fatal: a row whose need the
 * configuration does not have is shown for information. Callers above this layer run rows of
 * their own (base image, QEMU's abilities) through the same functions.
 */
#ifndef BMVM_HOST_CHECK_H
#define BMVM_HOST_CHECK_H

#include <stdbool.h>
#include <stddef.h>

struct config;
struct error;
struct host;
struct host_facts;

enum check_status {
	CHECK_OK,
	CHECK_INFO,    /* nothing this configuration depends on */
	CHECK_WARNING, /* works, but something about it is worth knowing */
	CHECK_FAILED,  /* a run with this configuration would fail */
};

/**
 * struct check_ctx - What a check may look at; all borrowed
 * @facts: with tools filled in
 * @cfg:   as parsed; defaults need not have been fitted
 * @data:  for rows of the caller's own
 */
struct check_ctx {
	const struct host *host;
	const struct host_facts *facts;
	const struct config *cfg;
	void *data;
};

/**
 * struct check_result - What one check says
 * @found: one line
 * @fix:   commands, one a line; empty when there is nothing to mend. May hold parts of the
 *         configuration: print it escaped.
 */
struct check_result {
	enum check_status status;
	char found[1024];
	char fix[1024];
};

/**
 * struct check - One row
 * @id:     word for machines, "kvm"
 * @title:  for people, "/dev/kvm"
 * @why:    one line: what needs it
 * @needed: whether a configuration depends on it; NULL: always
 * @run:    fills @result, which comes in as CHECK_OK with empty texts
 */
struct check {
	const char *id;
	const char *title;
	const char *why;
	bool (*needed)(const struct config *cfg);
	void (*run)(const struct check_ctx *ctx, struct check_result *result);
};

/** host_checks() - The rows of this layer, in the order to show them; @n: how many. */
const struct check *host_checks(size_t *n);

/** check_run() - Run one row; what the configuration does not need is at most CHECK_INFO. */
void check_run(const struct check *check, const struct check_ctx *ctx, struct check_result *result);

/** check_found() - For a row's run(): set status and @found. */
void check_found(struct check_result *result, enum check_status status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/** check_fix() - For a row's run(): append a line to @fix. */
void check_fix(struct check_result *result, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/** check_error() - For a row's run(): CHECK_FAILED with message and hint of @err. */
void check_error(struct check_result *result, const struct error *err);

/** check_status_name() - "ok", "info", "warning", "failed". */
const char *check_status_name(enum check_status status);

/**
 * host_check_run() - Stage 1 of a run: does this host have what this configuration needs?
 *
 * Reads the facts and runs the rows of this layer. Return: 0; -ENOTSUP for the first row that
 * failed: message and, as hint, its fix; what host_facts_read() returns.
 */
int host_check_run(const struct host *host, const struct config *cfg, struct error *err);

#endif
