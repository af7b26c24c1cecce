/* SPDX-License-Identifier: MIT */
/*
 * Keeping a VM on one NUMA node of the host (`numa_node`): all of its memory, and the CPUs its
 * vCPUs run on. As in host/fit.h, defaults larger than the node are cut to it, each with a line
 * that says so; values given explicitly are only refused. Nothing on the host is changed here.
 *
 * Memory of a VM that is bound to a node cannot come from another one: when the node has none left
 * the kernel kills the VM. So what does not fit is refused, and not only noted.
 */
#ifndef BMVM_HOST_NUMA_H
#define BMVM_HOST_NUMA_H

#include <stdint.h>

#include "host/cpus.h"

struct config;
struct error;
struct host;
struct host_facts;
struct host_node;
struct strv;

/** numa_find() - The node of a number. Return: 0; -ENODEV with those there are, and a hint. */
int numa_find(const struct host_facts *facts, unsigned int id, const struct host_node **ret,
	      struct error *err);

/**
 * numa_cpus() - The CPUs of a node that this process may use
 * @id: number of the node
 *
 * Return: 0; -ENODEV no such node, with those there are; -EINVAL none of its CPUs is allowed to us,
 * or it has none.
 */
int numa_cpus(const struct host_facts *facts, unsigned int id, struct cpu_mask *ret,
	      struct error *err);

/**
 * numa_fit_memory() - Memory of a VM on a node, bytes
 * @host:  for the hint
 * @node:  its mem_promised may be set
 * @cfg:   as host_fit_config() left it
 * @notes: receives a line when a default was cut
 *
 * With `hugepages` the free pages of that size on the node count, else what is free there or can
 * be reclaimed. Return: 0; -ENOMEM it does not fit; -ENOTSUP the node has no
 * huge pages of that size. The hint is the command that mends it.
 */
int numa_fit_memory(const struct host *host, const struct host_node *node, const struct config *cfg,
		    uint64_t *ret, struct strv *notes, struct error *err);

/**
 * numa_fit() - Make a configuration that fits the host fit one of its nodes
 * @cfg: as host_fit_config() left it; memory and vcpus are cut where they are defaults, and with
 *       `cpu_pinning: "auto"` pin_cpus is chosen anew, from the node's CPUs
 *
 * Return: 0; as the functions above; -EINVAL the node has too few CPUs to pin to. On failure @cfg
 * may be changed in part.
 */
int numa_fit(const struct host *host, const struct host_facts *facts, struct config *cfg,
	     unsigned int id, struct strv *notes, struct error *err);

/**
 * numa_follow() - `cpu_pinning: "auto"` beside devices of a node: take the CPUs there
 * @cfg: as host_fit_config() left it; pin_cpus is chosen anew if the node has enough CPUs
 *
 * Where it has too few the choice stays, and a line says so. Return: 0; -ENOMEM.
 */
int numa_follow(const struct host *host, const struct host_facts *facts, struct config *cfg,
		unsigned int id, struct strv *notes, struct error *err);

#endif
