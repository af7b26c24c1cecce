/* SPDX-License-Identifier: MIT */
/*
 * Making a configuration fit its host: defaults larger than the host are cut to it, each with a
 * line that says so; values given explicitly are never changed, only refused when the host cannot
 * carry them. Nothing on the host is changed here.
 */
#ifndef BMVM_HOST_FIT_H
#define BMVM_HOST_FIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/strv.h"

struct config;
struct error;
struct host;
struct host_facts;

/** host_pins_memory() - Whether all guest memory gets pinned, as a PCI function is passed. */
bool host_pins_memory(const struct config *cfg);

/** host_pinning_key() - The key in baremetal_vm that asks for it: "gpu_passthrough", "devices". */
const char *host_pinning_key(const struct config *cfg);

/**
 * host_default_memory() - The most a VM gets when nobody asked for a size
 * @facts: mem_promised counts as taken, also as far as those VMs have not touched it yet
 * @ret:   bytes, a multiple of 64 MiB
 *
 * That is what is available less max(2 GiB, 5 % of all) and less what other VMs were promised; but
 * 1 GiB is given as long as it is really free, so that a few default VMs can run beside a large
 * one. Return: 0; -ENOMEM when not even that is left.
 */
int host_default_memory(const struct host_facts *facts, uint64_t *ret, struct error *err);

/**
 * host_fit_memory() - Memory of the VM, bytes
 * @notes: receives lines for people; NULL: none
 *
 * The default is cut to host_default_memory(), or with `hugepages` to the free pages of that size.
 * An explicit size is refused when it exceeds memory and swap together (unless the host overcommits
 * always), what is available while it is to be pinned, or the free huge pages; one that merely
 * exceeds what is available is noted. The hint is the command that mends it.
 * Return: 0; -ENOMEM; -EINVAL no multiple of the huge page; -ENOTSUP the host has no huge pages of
 * that size.
 */
int host_fit_memory(const struct host *host, const struct host_facts *facts,
		    const struct config *cfg, uint64_t *ret, struct strv *notes, struct error *err);

/**
 * host_fit_vcpus() - Number of vCPUs
 * @notes: as above
 *
 * The default is the number of CPUs in `cpu_pinning`, if that is a list, else it is cut to the CPUs
 * this process may use. An explicit number beyond those is noted: it only makes the VM slow.
 * Return: that number.
 */
unsigned int host_fit_vcpus(const struct host_facts *facts, const struct config *cfg,
			    struct strv *notes);

/**
 * host_fit_pinning() - The host CPUs for `cpu_pinning`
 * @vcpus: as host_fit_vcpus() says
 * @ret:   @vcpus numbers, the i-th for vCPU i, owned by the caller; NULL when none were asked for
 *
 * Return: 0; -EINVAL when the CPUs cannot be had (host/cpus.h); -ENOMEM.
 */
int host_fit_pinning(const struct host *host, const struct host_facts *facts,
		     const struct config *cfg, unsigned int vcpus, unsigned int **ret,
		     struct error *err);

/**
 * host_fit_disk() - Size of the VM's disk, bytes
 * @notes: as above
 *
 * The overlay only grows as it is written, so a size beyond the free space of data_dir is possible:
 * the default is cut to the free space (the caller enlarges it to the base image where that is
 * larger), an explicit one is noted. Return: 0; -ENOSPC when less than 64 MiB are free; errno.
 */
int host_fit_disk(const struct host *host, const struct config *cfg, uint64_t *ret,
		  struct strv *notes, struct error *err);

/**
 * host_fit_config() - All of it, written into the configuration
 * @host:  handles and folders
 * @facts: as read, with mem_promised and taken set by a caller who knows of other VMs
 * @cfg:   vcpus, memory, disk_size; with `cpu_pinning: "auto"` pin_cpus and n_pin_cpus are filled
 *         with one host CPU per vCPU, as a list would have been
 * @notes: one line for everything that was cut, or is unwise; not NULL
 *
 * Return: 0; as the functions above; -EINVAL when the CPUs to pin to cannot be had. On failure @cfg
 * may be changed in part.
 */
int host_fit_config(const struct host *host, const struct host_facts *facts, struct config *cfg,
		    struct strv *notes, struct error *err);

#endif
