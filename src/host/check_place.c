/* SPDX-License-Identifier: MIT */
#include "host/check_place.h"

#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "base/strv.h"
#include "config/config.h"
#include "host/check.h"
#include "host/facts.h"
#include "host/fit.h"
#include "host/network.h"
#include "host/numa.h"

/* A message that begins with the key: in the table that is the title. */
static void found_error(const char *key, const struct error *err, struct check_result *result)
{
	size_t n = strlen(key);
	bool named = strncmp(err->msg, key, n) == 0 && strncmp(err->msg + n, ": ", 2) == 0;

	check_found(result, CHECK_FAILED, "%s", named ? err->msg + n + 2 : err->msg);
	if (err->hint[0] != '\0')
		check_fix(result, "%s", err->hint);
}

/* ---- NUMA ---- */

bool check_numa_needed(const struct config *cfg)
{
	return cfg->numa_node != NUMA_NODE_NONE;
}

static void found_node(const struct host_node *node, const struct cpu_mask *cpus,
		       const struct strv *notes, struct check_result *result)
{
	char text[128], have[SIZE_TEXT_SIZE], all[SIZE_TEXT_SIZE];

	check_found(result, CHECK_OK, "node %u, CPUs %s, %s of %s available%s%s", node->id,
		    cpu_mask_text(cpus, text, sizeof(text)),
		    size_format_rounded(node->mem_available, have),
		    size_format_rounded(node->mem_total, all), notes->n > 0 ? "; " : "",
		    notes->n > 0 ? notes->v[0] : "");
}

void check_numa(const struct check_ctx *ctx, struct check_result *result)
{
	const struct host_facts *f = ctx->facts;
	struct config cfg = *ctx->cfg; /* a view, fitted to the host */
	unsigned int id = (unsigned int)cfg.numa_node;
	const struct host_node *node = NULL;
	AUTO_STRV struct strv notes = STRV_INIT;
	struct error err = ERROR_INIT;
	struct cpu_mask cpus;

	if (cfg.numa_node < 0) {
		check_found(result, CHECK_INFO, "%s",
			    check_numa_needed(&cfg) ? "that of the devices that are passed"
						    : "not asked for");
		return;
	}
	(void)host_fit_memory(ctx->host, f, ctx->cfg, &cfg.memory, NULL, NULL);
	if (numa_find(f, id, &node, &err) < 0 || numa_cpus(f, id, &cpus, &err) < 0 ||
	    numa_fit_memory(ctx->host, node, &cfg, &cfg.memory, &notes, &err) < 0) {
		found_error("numa_node", &err, result);
		return;
	}
	found_node(node, &cpus, &notes, result);
}

/* ---- network ---- */

bool check_network_needed(const struct config *cfg)
{
	return cfg->network.mode != NETWORK_USER;
}

void check_network(const struct check_ctx *ctx, struct check_result *result)
{
	const struct config *cfg = ctx->cfg;
	struct error err = ERROR_INIT;

	if (network_check(ctx->host, cfg, &err) < 0)
		check_error(result, &err);
	else if (cfg->network.mode == NETWORK_USER)
		check_found(result, CHECK_INFO, "QEMU's own");
	else if (cfg->network.mode == NETWORK_BRIDGE)
		check_found(result, CHECK_OK, "a tap interface of the VM's own on bridge %s",
			    cfg->network.bridge);
	else if (cfg->network.tap != NULL)
		check_found(result, CHECK_OK, "tap interface %s", cfg->network.tap);
	else
		check_found(result, CHECK_OK, "a tap interface of the VM's own");
}
