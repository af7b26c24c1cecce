/* SPDX-License-Identifier: MIT */
#include "host/cpus.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "host/facts.h"
#include "host/host.h"

void cpu_mask_add(struct cpu_mask *m, unsigned int cpu)
{
	if (cpu < HOST_CPUS_MAX)
		m->bits[cpu / 64] |= UINT64_C(1) << (cpu % 64);
}

bool cpu_mask_has(const struct cpu_mask *m, unsigned int cpu)
{
	return cpu < HOST_CPUS_MAX && (m->bits[cpu / 64] >> (cpu % 64) & 1) != 0;
}

unsigned int cpu_mask_count(const struct cpu_mask *m)
{
	unsigned int n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(m->bits); i++)
		n += (unsigned int)__builtin_popcountll(m->bits[i]);
	return n;
}

unsigned int cpu_mask_first(const struct cpu_mask *m)
{
	unsigned int cpu = 0;

	while (cpu < HOST_CPUS_MAX && !cpu_mask_has(m, cpu))
		cpu++;
	return cpu;
}

void cpu_mask_keep(struct cpu_mask *m, const struct cpu_mask *other)
{
	for (size_t i = 0; i < ARRAY_SIZE(m->bits); i++)
		m->bits[i] &= other->bits[i];
}

static int parse_number(const char **p, unsigned int *ret)
{
	unsigned int n = 0;

	if (isdigit((unsigned char)**p) == 0)
		return -EINVAL;
	while (isdigit((unsigned char)**p) != 0) {
		n = n * 10 + (unsigned int)(**p - '0');
		if (n >= HOST_CPUS_MAX)
			return -EINVAL;
		(*p)++;
	}
	*ret = n;
	return 0;
}

/* One "3" or "0-3". */
static int parse_range(const char **p, struct cpu_mask *m)
{
	unsigned int first = 0, last;
	int r = parse_number(p, &first);

	if (r < 0)
		return r;
	last = first;
	if (**p == '-') {
		(*p)++;
		r = parse_number(p, &last);
		if (r < 0 || last < first)
			return -EINVAL;
	}
	for (unsigned int cpu = first; cpu <= last; cpu++)
		cpu_mask_add(m, cpu);
	return 0;
}

int cpu_mask_parse(const char *text, struct cpu_mask *ret)
{
	struct cpu_mask m = { { 0 } };
	const char *p = text;

	while (*p != '\0' && *p != '\n') {
		if (p != text && *p++ != ',')
			return -EINVAL;
		if (parse_range(&p, &m) < 0)
			return -EINVAL;
	}
	if (*p == '\n' && p[1] != '\0')
		return -EINVAL;
	*ret = m;
	return 0;
}

static unsigned int range_end(const struct cpu_mask *m, unsigned int cpu)
{
	while (cpu_mask_has(m, cpu + 1))
		cpu++;
	return cpu;
}

const char *cpu_mask_text(const struct cpu_mask *m, char *buf, size_t size)
{
	size_t len = 0;

	(void)snprintf(buf, size, "none");
	for (unsigned int cpu = 0; cpu < HOST_CPUS_MAX; cpu++) {
		const char *comma = len == 0 ? "" : ",";
		char range[32];
		unsigned int end;

		if (!cpu_mask_has(m, cpu))
			continue;
		end = range_end(m, cpu);
		if (end == cpu)
			(void)snprintf(range, sizeof(range), "%s%u", comma, cpu);
		else
			(void)snprintf(range, sizeof(range), "%s%u-%u", comma, cpu, end);
		if (len + strlen(range) + sizeof(",...") > size) {
			(void)snprintf(buf + len, size - len, "%s...", comma);
			break;
		}
		(void)snprintf(buf + len, size - len, "%s", range);
		len += strlen(range);
		cpu = end;
	}
	return buf;
}

/* ---- choosing ---- */

/* One CPU that may be had; the sort key is (taken, node_rank, second_thread, cpu). */
struct candidate {
	bool taken;
	size_t node_rank;
	bool second_thread;
	unsigned int cpu;
};

static int compare_candidates(const void *pa, const void *pb)
{
	const struct candidate *a = pa, *b = pb;

	if (a->taken != b->taken)
		return a->taken ? 1 : -1;
	if (a->node_rank != b->node_rank)
		return a->node_rank < b->node_rank ? -1 : 1;
	if (a->second_thread != b->second_thread)
		return a->second_thread ? 1 : -1;
	return a->cpu < b->cpu ? -1 : a->cpu > b->cpu;
}

static int compare_cpus(const void *pa, const void *pb)
{
	const unsigned int *a = pa, *b = pb;

	return *a < *b ? -1 : *a > *b;
}

/* Whether a lower-numbered thread of the same core may be used as well. */
static bool is_second_thread(const struct host *host, const struct cpu_mask *usable,
			     unsigned int cpu)
{
	AUTO_FREE char *text = NULL;
	struct cpu_mask siblings;
	char path[80];

	(void)snprintf(path, sizeof(path), "devices/system/cpu/cpu%u/topology/thread_siblings_list",
		       cpu);
	if (file_read_at(host->sys_fd, path, 4096, &text, NULL, NULL) < 0 ||
	    cpu_mask_parse(text, &siblings) < 0)
		return false;
	cpu_mask_keep(&siblings, usable);
	return cpu_mask_first(&siblings) < cpu;
}

static unsigned int free_cpus_of(const struct host_node *node, const struct host_facts *facts)
{
	unsigned int n = 0;

	for (unsigned int cpu = 0; cpu < HOST_CPUS_MAX; cpu++)
		n += cpu_mask_has(&node->cpus, cpu) && cpu_mask_has(&facts->usable, cpu) &&
		     !cpu_mask_has(&facts->taken, cpu);
	return n;
}

/*
 * The node with most free CPUs is filled first: if any node can hold the VM, that one can. Returns
 * the number of nodes that come before @node.
 */
static size_t rank_of_node(const unsigned int *free_cpus, size_t n_nodes, size_t node)
{
	size_t rank = 0;

	for (size_t i = 0; i < n_nodes; i++)
		rank += free_cpus[i] > free_cpus[node] ||
			(free_cpus[i] == free_cpus[node] && i < node);
	return rank;
}

static size_t node_of(const struct host_facts *facts, unsigned int cpu)
{
	for (size_t i = 0; i < facts->n_nodes; i++) {
		if (cpu_mask_has(&facts->nodes[i].cpus, cpu))
			return i;
	}
	return facts->n_nodes;
}

/* The candidates in the order in which they are taken; @v has room for all usable CPUs. */
static int rank_candidates(const struct host *host, const struct host_facts *facts,
			   struct candidate *v)
{
	AUTO_FREE unsigned int *free_cpus = calloc(facts->n_nodes + 1, sizeof(*free_cpus));
	size_t n = 0;

	if (free_cpus == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < facts->n_nodes; i++)
		free_cpus[i] = free_cpus_of(&facts->nodes[i], facts);
	for (unsigned int cpu = 0; cpu < HOST_CPUS_MAX; cpu++) {
		if (!cpu_mask_has(&facts->usable, cpu))
			continue;
		v[n].cpu = cpu;
		v[n].taken = cpu_mask_has(&facts->taken, cpu);
		v[n].node_rank = rank_of_node(free_cpus, facts->n_nodes + 1, node_of(facts, cpu));
		v[n].second_thread = is_second_thread(host, &facts->usable, cpu);
		n++;
	}
	qsort(v, n, sizeof(*v), compare_candidates);
	return 0;
}

int cpus_choose(const struct host *host, const struct host_facts *facts, unsigned int n,
		unsigned int *ret, struct error *err)
{
	unsigned int have = cpu_mask_count(&facts->usable);
	AUTO_FREE struct candidate *v = calloc((size_t)have + 1, sizeof(*v));
	int r;

	if (v == NULL)
		return error_set(err, ENOMEM, "out of memory");
	if (n > have)
		return error_set(
			err, EINVAL,
			"cpu_pinning \"auto\" needs a host CPU for each of %u vCPUs, %u are "
			"allowed to us",
			n, have);
	r = rank_candidates(host, facts, v);
	if (r < 0)
		return error_set(err, -r, "out of memory");
	for (unsigned int i = 0; i < n; i++)
		ret[i] = v[i].cpu;
	qsort(ret, n, sizeof(*ret), compare_cpus);
	return 0;
}

int cpus_validate(const struct host_facts *facts, const unsigned int *list, size_t n,
		  unsigned int vcpus, struct error *err)
{
	struct cpu_mask seen = { { 0 } };
	char text[128];

	if (n != vcpus)
		return error_set(err, EINVAL,
				 "cpu_pinning names %zu CPUs for %u vCPUs, it needs one each", n,
				 vcpus);
	for (size_t i = 0; i < n; i++) {
		if (!cpu_mask_has(&facts->online, list[i]))
			return error_set(err, EINVAL,
					 "cpu_pinning: CPU %u is not online here (%s are)", list[i],
					 cpu_mask_text(&facts->online, text, sizeof(text)));
		if (!cpu_mask_has(&facts->usable, list[i]))
			return error_set(
				err, EINVAL, "cpu_pinning: CPU %u is not allowed to us (%s are)",
				list[i], cpu_mask_text(&facts->usable, text, sizeof(text)));
		if (cpu_mask_has(&seen, list[i]))
			return error_set(err, EINVAL, "cpu_pinning: CPU %u is named twice",
					 list[i]);
		cpu_mask_add(&seen, list[i]);
	}
	return 0;
}
