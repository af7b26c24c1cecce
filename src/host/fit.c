/* SPDX-License-Identifier: MIT */
#include "host/fit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/size.h"
#include "config/config.h"
#include "host/facts.h"
#include "host/host.h"

#define MEMORY_STEP       (64 * SIZE_MIB)
#define MEMORY_RESERVE    (2 * SIZE_GIB)
#define MEMORY_FLOOR      SIZE_GIB
#define DISK_FREE_MINIMUM (64 * SIZE_MIB)

__attribute__((format(printf, 2, 3))) static void note(struct strv *notes, const char *fmt, ...)
{
	char *line = NULL;
	va_list ap;

	if (notes == NULL)
		return;
	va_start(ap, fmt);
	if (vasprintf(&line, fmt, ap) < 0)
		line = NULL;
	va_end(ap);
	strv_take(notes, line);
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static bool has_gpus(const struct config *cfg)
{
	return cfg->gpu.mode != GPU_MODE_ABSENT && cfg->gpu.mode != GPU_MODE_NONE;
}

bool host_pins_memory(const struct config *cfg)
{
	return cfg->n_devices > 0 || has_gpus(cfg);
}

const char *host_pinning_key(const struct config *cfg)
{
	return has_gpus(cfg) ? "gpu_passthrough" : "devices";
}

/* ---- memory ---- */

int host_default_memory(const struct host_facts *facts, uint64_t *ret, struct error *err)
{
	uint64_t share = facts->mem_total / 20;
	uint64_t reserve = share > MEMORY_RESERVE ? share : MEMORY_RESERVE;
	uint64_t room = less(facts->mem_available, reserve);
	uint64_t rest = less(room, facts->mem_promised);
	char have[SIZE_TEXT_SIZE], keep[SIZE_TEXT_SIZE];
	int r;

	if (rest < MEMORY_FLOOR && facts->mem_promised > 0 && room >= MEMORY_FLOOR)
		rest = MEMORY_FLOOR;
	*ret = rest - rest % MEMORY_STEP;
	if (*ret > 0)
		return 0;
	r = error_set(err, ENOMEM, "memory: %s are available, of which the host keeps %s",
		      size_format_rounded(facts->mem_available, have),
		      size_format_rounded(reserve, keep));
	return error_hint(err, r,
			  "end what uses the memory (bmvm ps lists VMs), or say how much the "
			  "VM shall have: --memory 1G");
}

/* How to get @missing more pages. One line, a command. */
static int hint_pages(const struct host *host, const struct host_facts *facts,
		      const struct host_pool *pool, uint64_t missing, struct error *err)
{
	uint64_t total = pool->total + missing;
	char file[128];

	if (pool->page_size == facts->default_hugepage)
		(void)snprintf(file, sizeof(file), "/proc/sys/vm/nr_hugepages");
	else
		(void)snprintf(file, sizeof(file),
			       "/sys/kernel/mm/hugepages/hugepages-%" PRIu64 "kB/nr_hugepages",
			       pool->page_size / SIZE_KIB);
	if (host->is_root)
		return error_hint(err, -ENOMEM, "echo %" PRIu64 " > %s", total, file);
	return error_hint(err, -ENOMEM, "echo %" PRIu64 " | sudo tee %s", total, file);
}

static int refuse_pages(const struct host *host, const struct host_facts *facts,
			const struct host_pool *pool, uint64_t memory, struct error *err)
{
	uint64_t avail = less(pool->free, pool->reserved);
	uint64_t need = (memory + pool->page_size - 1) / pool->page_size;
	char want[SIZE_TEXT_SIZE], page[SIZE_TEXT_SIZE], total[SIZE_TEXT_SIZE];
	int r;

	(void)size_format_rounded(memory, want);
	if (memory > facts->mem_total) {
		r = error_set(err, ENOMEM, "memory: %s of huge pages are more than this host's %s",
			      want, size_format_rounded(facts->mem_total, total));
		return error_hint(err, r, "ask for less with --memory");
	}
	(void)error_set(err, ENOMEM,
			"hugepages: %s of memory need %" PRIu64 " pages of %s, %" PRIu64
			" are free",
			want, need, size_format_rounded(pool->page_size, page), avail);
	return hint_pages(host, facts, pool, need - avail, err);
}

static int fit_hugepages(const struct host *host, const struct host_facts *facts,
			 const struct config *cfg, uint64_t *memory, struct strv *notes,
			 struct error *err)
{
	const struct host_pool *pool = host_facts_pool(facts, cfg->hugepages);
	char page[SIZE_TEXT_SIZE], before[SIZE_TEXT_SIZE], after[SIZE_TEXT_SIZE];
	uint64_t avail;

	if (pool == NULL)
		return error_set(err, ENOTSUP, "hugepages: this host has no pages of %s",
				 size_format_rounded(cfg->hugepages, page));
	if (*memory % pool->page_size != 0)
		return error_set(err, EINVAL, "memory: %s are no multiple of the huge page size %s",
				 size_format(*memory, before), size_format(pool->page_size, page));
	avail = less(pool->free, pool->reserved) * pool->page_size;
	if (avail >= *memory)
		return 0;
	if (avail == 0 || config_explicit(cfg, "memory"))
		return refuse_pages(host, facts, pool, *memory, err);
	note(notes, "memory: the default of %s is cut to %s, the free pages of %s",
	     size_format_rounded(*memory, before), size_format_rounded(avail, after),
	     size_format_rounded(pool->page_size, page));
	*memory = avail;
	return 0;
}

static int fit_explicit_memory(const struct host_facts *facts, const struct config *cfg,
			       struct strv *notes, struct error *err)
{
	char want[SIZE_TEXT_SIZE], have[SIZE_TEXT_SIZE];
	int r;

	(void)size_format_rounded(cfg->memory, want);
	if (host_pins_memory(cfg) && cfg->memory > facts->mem_available) {
		r = error_set(
			err, ENOMEM,
			"memory: %s have to be pinned for the passed devices, %s are available",
			want, size_format_rounded(facts->mem_available, have));
		return error_hint(err, r,
				  "ask for less with --memory, or end what uses the memory");
	}
	if (facts->overcommit != 1 && cfg->memory > facts->mem_total + facts->swap_total) {
		r = error_set(err, ENOMEM, "memory: %s are more than this host has (%s)", want,
			      size_format_rounded(facts->mem_total + facts->swap_total, have));
		return error_hint(err, r, "ask for less with --memory");
	}
	if (cfg->memory > facts->mem_available)
		note(notes,
		     "memory: %s were asked for, only %s are available now: the VM may be killed",
		     want, size_format_rounded(facts->mem_available, have));
	return 0;
}

int host_fit_memory(const struct host *host, const struct host_facts *facts,
		    const struct config *cfg, uint64_t *ret, struct strv *notes, struct error *err)
{
	char before[SIZE_TEXT_SIZE], after[SIZE_TEXT_SIZE], have[SIZE_TEXT_SIZE];
	uint64_t memory = cfg->memory, most = 0;
	int r;

	if (cfg->hugepages != 0) {
		r = fit_hugepages(host, facts, cfg, &memory, notes, err);
	} else if (config_explicit(cfg, "memory")) {
		r = fit_explicit_memory(facts, cfg, notes, err);
	} else {
		r = host_default_memory(facts, &most, err);
		if (r == 0 && most < memory) {
			note(notes, "memory: the default of %s is cut to %s (%s available)",
			     size_format_rounded(memory, before), size_format_rounded(most, after),
			     size_format_rounded(facts->mem_available, have));
			memory = most;
		}
	}
	if (r == 0)
		*ret = memory;
	return r;
}

/* ---- CPUs ---- */

unsigned int host_fit_vcpus(const struct host_facts *facts, const struct config *cfg,
			    struct strv *notes)
{
	unsigned int usable = cpu_mask_count(&facts->usable);
	unsigned int vcpus = cfg->vcpus;

	if (config_explicit(cfg, "vcpus")) {
		if (cfg->vcpus > usable)
			note(notes,
			     "vcpus: %u were asked for, %u CPUs can be used: they will take turns",
			     cfg->vcpus, usable);
	} else if (cfg->cpu_pinning == CPU_PINNING_LIST && cfg->n_pin_cpus > 0) {
		vcpus = (unsigned int)cfg->n_pin_cpus;
		if (vcpus != cfg->vcpus)
			note(notes, "vcpus: %u, one for each CPU of cpu_pinning", vcpus);
	} else if (cfg->vcpus > usable) {
		vcpus = usable;
		note(notes, "vcpus: the default of %u is cut to %u, the CPUs that can be used here",
		     cfg->vcpus, usable);
	}
	return vcpus;
}

int host_fit_pinning(const struct host *host, const struct host_facts *facts,
		     const struct config *cfg, unsigned int vcpus, unsigned int **ret,
		     struct error *err)
{
	AUTO_FREE unsigned int *cpus = calloc((size_t)vcpus + 1, sizeof(*cpus));
	int r;

	*ret = NULL;
	if (cfg->cpu_pinning == CPU_PINNING_NONE)
		return 0;
	if (cpus == NULL)
		return error_set(err, ENOMEM, "out of memory");
	if (cfg->cpu_pinning == CPU_PINNING_LIST) {
		r = cpus_validate(facts, cfg->pin_cpus, cfg->n_pin_cpus, vcpus, err);
		if (r == 0)
			memcpy(cpus, cfg->pin_cpus, vcpus * sizeof(*cpus));
	} else {
		r = cpus_choose(host, facts, vcpus, cpus, err);
		if (r < 0)
			(void)error_hint(err, r, "ask for fewer vCPUs with --vcpus");
	}
	if (r == 0)
		*ret = TAKE_PTR(cpus);
	return r;
}

/* ---- disk ---- */

int host_fit_disk(const struct host *host, const struct config *cfg, uint64_t *ret,
		  struct strv *notes, struct error *err)
{
	char before[SIZE_TEXT_SIZE], after[SIZE_TEXT_SIZE];
	uint64_t avail = 0;
	int r = file_free_bytes(host->data_dir, &avail, err);

	if (r < 0)
		return r;
	if (avail < DISK_FREE_MINIMUM) {
		r = error_set(err, ENOSPC, "disk: only %s are free in %s",
			      size_format_rounded(avail, after), host->data_dir);
		return error_hint(err, r,
				  "make room there (bmvm ps lists preserved VMs, bmvm image "
				  "list images)");
	}
	*ret = cfg->disk_size;
	if (cfg->disk_size <= avail)
		return 0;
	if (config_explicit(cfg, "disk_size")) {
		note(notes, "disk_size: %s were asked for, only %s are free in %s",
		     size_format_rounded(cfg->disk_size, before), size_format_rounded(avail, after),
		     host->data_dir);
		return 0;
	}
	*ret = avail - avail % SIZE_MIB;
	note(notes, "disk_size: the default of %s is cut to the %s free in %s",
	     size_format_rounded(cfg->disk_size, before), size_format_rounded(*ret, after),
	     host->data_dir);
	return 0;
}

int host_fit_config(const struct host *host, const struct host_facts *facts, struct config *cfg,
		    struct strv *notes, struct error *err)
{
	AUTO_FREE unsigned int *cpus = NULL;
	uint64_t memory = 0, disk = 0;
	int r;

	cfg->vcpus = host_fit_vcpus(facts, cfg, notes);
	r = host_fit_pinning(host, facts, cfg, cfg->vcpus, &cpus, err);
	if (r == 0 && cpus != NULL) {
		free(cfg->pin_cpus);
		cfg->pin_cpus = TAKE_PTR(cpus);
		cfg->n_pin_cpus = cfg->vcpus;
	}
	if (r == 0)
		r = host_fit_memory(host, facts, cfg, &memory, notes, err);
	if (r == 0) {
		cfg->memory = memory;
		r = host_fit_disk(host, cfg, &disk, notes, err);
	}
	if (r == 0)
		cfg->disk_size = disk;
	if (r == 0 && strv_error(notes) < 0)
		r = error_set(err, ENOMEM, "out of memory");
	return r;
}
