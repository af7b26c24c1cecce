/* SPDX-License-Identifier: MIT */
#include "host/check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "config/config.h"
#include "host/facts.h"
#include "host/fit.h"
#include "host/host.h"

/* Stands for the rest of a finding that is too long. */
#define CUT " ..."

void check_found(struct check_result *result, enum check_status status, const char *fmt, ...)
{
	va_list ap;

	int len;

	result->status = status;
	va_start(ap, fmt);
	len = vsnprintf(result->found, sizeof(result->found), fmt, ap);
	va_end(ap);
	if (len >= (int)sizeof(result->found))
		memcpy(result->found + sizeof(result->found) - sizeof(CUT), CUT, sizeof(CUT));
}

void check_fix(struct check_result *result, const char *fmt, ...)
{
	size_t len = strlen(result->fix);
	va_list ap;

	if (len > 0 && len + 1 < sizeof(result->fix))
		result->fix[len++] = '\n';
	va_start(ap, fmt);
	(void)vsnprintf(result->fix + len, sizeof(result->fix) - len, fmt, ap);
	va_end(ap);
}

void check_error(struct check_result *result, const struct error *err)
{
	check_found(result, CHECK_FAILED, "%s", err->msg);
	if (err->hint[0] != '\0')
		check_fix(result, "%s", err->hint);
}

void check_run(const struct check *check, const struct check_ctx *ctx, struct check_result *result)
{
	*result = (struct check_result){ .status = CHECK_OK };
	check->run(ctx, result);
	if (check->needed != NULL && !check->needed(ctx->cfg) && result->status > CHECK_INFO)
		result->status = CHECK_INFO;
}

const char *check_status_name(enum check_status status)
{
	switch (status) {
	case CHECK_OK:
		return "ok";
	case CHECK_INFO:
		return "info";
	case CHECK_WARNING:
		return "warning";
	case CHECK_FAILED:
		break;
	}
	return "failed";
}

/* A hint is one line. */
static int refuse(const struct check *check, const struct config *cfg,
		  const struct check_result *result, struct error *err)
{
	size_t len = strlen(check->title);
	/* "mounts[1]: ..." and "network.bridge: ..." say it */
	bool named = strncmp(result->found, check->title, len) == 0 &&
		     (result->found[len] == '[' || result->found[len] == '.');
	int r = error_set(err, ENOTSUP, "%s%s%.700s", named ? "" : check->title, named ? "" : ": ",
			  result->found);
	char line[2 * sizeof(result->fix)];
	size_t n = 0;

	for (const char *p = result->fix; *p != '\0'; p++) {
		if (*p == '\n') {
			line[n++] = ';';
			line[n++] = ' ';
		} else {
			line[n++] = *p;
		}
	}
	line[n] = '\0';
	if (check->needed == host_pins_memory)
		r = error_prefix(err, r, "baremetal_vm.%s", host_pinning_key(cfg));
	return n > 0 ? error_hint(err, r, "%s", line) : r;
}

int host_check_run(const struct host *host, const struct config *cfg, struct error *err)
{
	AUTO_HOST_FACTS struct host_facts facts = { 0 };
	struct check_ctx ctx = { .host = host, .facts = &facts, .cfg = cfg };
	size_t n;
	const struct check *rows = host_checks(&n);
	int r = host_facts_read(host, &facts, err);

	if (r < 0)
		return r;
	host_facts_find_tools(&facts, cfg->qemu_binary);
	for (size_t i = 0; i < n; i++) {
		struct check_result result;

		check_run(&rows[i], &ctx, &result);
		if (result.status == CHECK_FAILED)
			return refuse(&rows[i], cfg, &result, err);
	}
	return 0;
}
