/* SPDX-License-Identifier: MIT */
/*
 * Sets of host CPUs, as the kernel writes them ("0-3,8"), and the choice of CPUs to pin a VM's
 * vCPUs to. A set is a plain value: copy it, nothing to free.
 */
#ifndef BMVM_HOST_CPUS_H
#define BMVM_HOST_CPUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct host;
struct host_facts;

#define HOST_CPUS_MAX 8192 /* the largest NR_CPUS of x86-64 kernels */

/** struct cpu_mask - A set of CPUs, bit n of the whole is CPU n */
struct cpu_mask {
	uint64_t bits[HOST_CPUS_MAX / 64];
};

/** cpu_mask_add() - Put @cpu in; a number >= HOST_CPUS_MAX is ignored. */
void cpu_mask_add(struct cpu_mask *m, unsigned int cpu);

/** cpu_mask_has() - Whether @cpu is in. */
bool cpu_mask_has(const struct cpu_mask *m, unsigned int cpu);

/** cpu_mask_count() - How many are in. */
unsigned int cpu_mask_count(const struct cpu_mask *m);

/** cpu_mask_first() - The lowest one in; HOST_CPUS_MAX when the set is empty. */
unsigned int cpu_mask_first(const struct cpu_mask *m);

/** cpu_mask_keep() - Remove from @m what is not in @other. */
void cpu_mask_keep(struct cpu_mask *m, const struct cpu_mask *other);

/**
 * cpu_mask_parse() - Read a list as the kernel writes it
 * @text: "0-3,8", a trailing newline allowed; an empty list is the empty set
 * @ret:  written only on success
 *
 * Return: 0; -EINVAL for anything else, also numbers >= HOST_CPUS_MAX and falling ranges.
 */
int cpu_mask_parse(const char *text, struct cpu_mask *ret);

/**
 * cpu_mask_text() - Write a set as the kernel does
 * @buf: @size bytes; cut with "..." when it does not fit; "none" for the empty set
 *
 * Return: @buf.
 */
const char *cpu_mask_text(const struct cpu_mask *m, char *buf, size_t size);

/**
 * cpus_choose() - Distinct host CPUs for `cpu_pinning: "auto"`
 * @host:  its sys_fd is read for the threads of each core
 * @facts: online, allowed and taken CPUs, NUMA nodes
 * @n:     how many are needed, > 0
 * @ret:   @n numbers, ascending
 *
 * CPUs that other VMs pinned (facts->taken) come last; then all on one NUMA node if one has enough,
 * else as few nodes as possible; then one thread of every core before second threads.
 * Return: 0; -EINVAL when the host allows us fewer than @n CPUs; -ENOMEM.
 */
int cpus_choose(const struct host *host, const struct host_facts *facts, unsigned int n,
		unsigned int *ret, struct error *err);

/**
 * cpus_validate() - Check the list given as `cpu_pinning`
 * @list: @n host CPUs, the i-th for vCPU i
 *
 * Return: 0; -EINVAL, naming the CPU: not exactly one per vCPU, not online here, not allowed to
 * this process, given twice.
 */
int cpus_validate(const struct host_facts *facts, const unsigned int *list, size_t n,
		  unsigned int vcpus, struct error *err);

#endif
