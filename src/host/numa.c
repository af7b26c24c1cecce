/* SPDX-License-Identifier: MIT */
#include "host/numa.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/size.h"
#include "base/strv.h"
#include "config/config.h"
#include "host/facts.h"
#include "host/fit.h"
#include "host/host.h"

#define LIST_SIZE 128

int numa_find(const struct host_facts *facts, unsigned int id, const struct host_node **ret,
	      struct error *err)
{
	struct cpu_mask ids = { { 0 } };
	char text[LIST_SIZE];
	int r;

	*ret = host_facts_node(facts, id);
	if (*ret != NULL)
		return 0;
	for (size_t i = 0; i < facts->n_nodes; i++)
		cpu_mask_add(&ids, facts->nodes[i].id);
	r = error_set(err, ENODEV, "numa_node: there is no node %u here (there are: %s)", id,
		      cpu_mask_text(&ids, text, sizeof(text)));
	return error_hint(err, r, "lscpu   # lists the nodes and their CPUs");
}

int numa_cpus(const struct host_facts *facts, unsigned int id, struct cpu_mask *ret,
	      struct error *err)
{
	const struct host_node *node = NULL;
	char text[LIST_SIZE];
	int r = numa_find(facts, id, &node, err);

	if (r < 0)
		return r;
	*ret = node->cpus;
	cpu_mask_keep(ret, &facts->usable);
	if (cpu_mask_count(ret) > 0)
		return 0;
	if (cpu_mask_count(&node->cpus) == 0)
		return error_set(err, EINVAL, "numa_node: node %u has no CPU", id);
	return error_set(err, EINVAL, "numa_node: of node %u's CPUs (%s) none is allowed to us", id,
			 cpu_mask_text(&node->cpus, text, sizeof(text)));
}

/* ---- memory ---- */

static int refuse_pages(const struct host *host, const struct host_node *node,
			const struct host_pool *pool, uint64_t memory, struct error *err)
{
	uint64_t need = memory / pool->page_size;
	char want[SIZE_TEXT_SIZE], page[SIZE_TEXT_SIZE];
	int r = error_set(err, ENOMEM,
			  "numa_node: %s of memory need %" PRIu64
			  " huge pages of %s on node %u, "
			  "%" PRIu64 " are free there",
			  size_format_rounded(memory, want), need,
			  size_format_rounded(pool->page_size, page), node->id, pool->free);

	return error_hint(err, r,
			  "echo %" PRIu64
			  " | %stee /sys/devices/system/node/node%u/hugepages/"
			  "hugepages-%" PRIu64 "kB/nr_hugepages",
			  pool->total + need - pool->free, host->is_root ? "" : "sudo ", node->id,
			  pool->page_size / SIZE_KIB);
}

static int fit_pages(const struct host *host, const struct host_node *node,
		     const struct config *cfg, uint64_t *memory, struct strv *notes,
		     struct error *err)
{
	const struct host_pool *pool = host_node_pool(node, cfg->hugepages);
	char page[SIZE_TEXT_SIZE], before[SIZE_TEXT_SIZE], after[SIZE_TEXT_SIZE];
	uint64_t avail;

	(void)size_format_rounded(cfg->hugepages, page);
	if (pool == NULL)
		return error_set(err, ENOTSUP, "numa_node: node %u has no huge pages of %s",
				 node->id, page);
	avail = pool->free * pool->page_size;
	if (avail >= *memory)
		return 0;
	if (avail == 0 || config_explicit(cfg, "memory"))
		return refuse_pages(host, node, pool, *memory, err);
	strv_addf(notes,
		  "memory: the default is cut from %s to %s, the free pages of %s on node %u",
		  size_format_rounded(*memory, before), size_format_rounded(avail, after), page,
		  node->id);
	*memory = avail;
	return 0;
}

static int fit_explicit(const struct host_node *node, uint64_t memory, struct error *err)
{
	char want[SIZE_TEXT_SIZE], have[SIZE_TEXT_SIZE];
	int r;

	if (memory <= node->mem_available)
		return 0;
	r = error_set(err, ENOMEM,
		      "numa_node: %s of memory do not fit node %u, where %s are free or can be "
		      "reclaimed",
		      size_format_rounded(memory, want), node->id,
		      size_format_rounded(node->mem_available, have));
	return error_hint(err, r, "ask for less with --memory, or for another numa_node");
}

/* As for the whole host: the node keeps a share, and other VMs have been promised theirs. */
static int fit_default(const struct host_node *node, uint64_t *memory, struct strv *notes,
		       struct error *err)
{
	const struct host_facts here = { .mem_total = node->mem_total,
					 .mem_available = node->mem_available,
					 .mem_promised = node->mem_promised };
	char before[SIZE_TEXT_SIZE], after[SIZE_TEXT_SIZE], have[SIZE_TEXT_SIZE];
	uint64_t most = 0;
	int r = host_default_memory(&here, &most, err);

	if (r < 0)
		return error_prefix(err, r, "numa_node: node %u", node->id);
	if (most >= *memory)
		return 0;
	strv_addf(notes, "memory: the default is cut from %s to %s for node %u (%s available)",
		  size_format_rounded(*memory, before), size_format_rounded(most, after), node->id,
		  size_format_rounded(node->mem_available, have));
	*memory = most;
	return 0;
}

int numa_fit_memory(const struct host *host, const struct host_node *node, const struct config *cfg,
		    uint64_t *ret, struct strv *notes, struct error *err)
{
	uint64_t memory = cfg->memory;
	int r;

	if (cfg->hugepages != 0)
		r = fit_pages(host, node, cfg, &memory, notes, err);
	else if (config_explicit(cfg, "memory"))
		r = fit_explicit(node, memory, err);
	else
		r = fit_default(node, &memory, notes, err);
	if (r == 0)
		*ret = memory;
	return r;
}

/* ---- CPUs ---- */

static void fit_vcpus(struct config *cfg, unsigned int id, const struct cpu_mask *cpus,
		      struct strv *notes)
{
	unsigned int n = cpu_mask_count(cpus);

	if (cfg->vcpus <= n || cfg->cpu_pinning == CPU_PINNING_LIST)
		return;
	if (config_explicit(cfg, "vcpus")) {
		strv_addf(notes,
			  "vcpus: %u were asked for, node %u has %u CPUs: they will take turns",
			  cfg->vcpus, id, n);
		return;
	}
	strv_addf(notes, "vcpus: the default is cut from %u to %u, the CPUs of node %u", cfg->vcpus,
		  n, id);
	cfg->vcpus = n;
}

static int choose_cpus(const struct host *host, const struct host_facts *facts, struct config *cfg,
		       const struct cpu_mask *cpus, struct error *err)
{
	struct host_facts here = *facts; /* a view: what it points to is borrowed */
	unsigned int *chosen = NULL;
	int r;

	here.usable = *cpus;
	r = host_fit_pinning(host, &here, cfg, cfg->vcpus, &chosen, err);
	if (r < 0 || chosen == NULL)
		return r;
	free(cfg->pin_cpus);
	cfg->pin_cpus = chosen;
	cfg->n_pin_cpus = cfg->vcpus;
	return 0;
}

static void warn_list(const struct config *cfg, unsigned int id, const struct cpu_mask *cpus,
		      struct strv *notes)
{
	for (size_t i = 0; i < cfg->n_pin_cpus; i++) {
		if (!cpu_mask_has(cpus, cfg->pin_cpus[i])) {
			strv_addf(notes, "cpu_pinning: CPU %u is not on node %u", cfg->pin_cpus[i],
				  id);
			return;
		}
	}
}

int numa_fit(const struct host *host, const struct host_facts *facts, struct config *cfg,
	     unsigned int id, struct strv *notes, struct error *err)
{
	const struct host_node *node = host_facts_node(facts, id);
	struct cpu_mask cpus;
	int r = numa_cpus(facts, id, &cpus, err); /* fails where there is no such node */

	if (r == 0 && node != NULL)
		r = numa_fit_memory(host, node, cfg, &cfg->memory, notes, err);
	if (r < 0)
		return r;
	fit_vcpus(cfg, id, &cpus, notes);
	if (cfg->cpu_pinning == CPU_PINNING_LIST)
		warn_list(cfg, id, &cpus, notes);
	if (cfg->cpu_pinning == CPU_PINNING_AUTO)
		r = choose_cpus(host, facts, cfg, &cpus, err);
	if (r < 0)
		return error_prefix(err, r, "numa_node: node %u", id);
	return strv_error(notes) < 0 ? error_set(err, ENOMEM, "out of memory") : 0;
}

int numa_follow(const struct host *host, const struct host_facts *facts, struct config *cfg,
		unsigned int id, struct strv *notes, struct error *err)
{
	struct cpu_mask cpus;

	if (cfg->cpu_pinning != CPU_PINNING_AUTO || numa_cpus(facts, id, &cpus, NULL) < 0)
		return 0;
	if (cpu_mask_count(&cpus) >= cfg->vcpus)
		return choose_cpus(host, facts, cfg, &cpus, err);
	strv_addf(notes, "cpu_pinning: node %u, where the devices are, has %u CPUs for %u vCPUs",
		  id, cpu_mask_count(&cpus), cfg->vcpus);
	return 0;
}
