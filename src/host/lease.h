/* SPDX-License-Identifier: MIT */
/*
 * Leases: which VM has which PCI function or mediated-device parent.
 *
 * A lease is a lock (of the open file description, fcntl(2)) on run_dir/devices/ADDRESS, held by
 * the guardian for the VM's life and passed on to whoever undoes for it; so it ends by itself with
 * the last process of the VM. What the file says about the holder is for messages only. The files
 * stay behind empty (removing one would race with who is just opening it).
 */
#ifndef BMVM_HOST_LEASE_H
#define BMVM_HOST_LEASE_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/strv.h"

struct error;
struct host;

/**
 * struct lease_holder - Who has a lease
 * @vm:   its name
 * @pid:  of its guardian when it took the lease
 * @since: seconds since the epoch
 */
struct lease_holder {
	char vm[64];
	int pid;
	uint64_t since;
};

/** struct leases - A set of leases, all ours; free with leases_done() */
struct leases {
	int *fds;
	size_t n;
};

#define LEASES_INIT                                                                                \
	{                                                                                          \
		.fds = NULL                                                                        \
	}

/**
 * leases_take() - Take several leases, all or none
 * @names: PCI addresses or other names without '/'; taken in sorted order, so that two runs cannot
 *         wait for each other; a name may stand there twice
 * @vm:    the VM they are for
 * @ret:   must be LEASES_INIT; the descriptors are close-on-exec and survive fork()
 *
 * Never waits. Return: 0; -EBUSY another VM has one (@err names both); errno of the files.
 */
int leases_take(const struct host *host, const struct strv *names, const char *vm,
		struct leases *ret, struct error *err);

/**
 * lease_lock() - Take a short lock on a thing that several VMs change, waiting for it
 * @name: as in leases_take(), but of another kind: "0000:41:00.0.vfs", "modules"
 *
 * Blocks until @deadline_ns. Return: descriptor that holds it until closed, owned; -ETIMEDOUT;
 * errno.
 */
int lease_lock(const struct host *host, const char *name, uint64_t deadline_ns, struct error *err);

/** leases_add() - Move all of @more into @leases. Return: 0; -ENOMEM, then @more is given back. */
int leases_add(struct leases *leases, struct leases *more, struct error *err);

/** leases_done() - Give back all of this process; those a fork() has inherited stay held. */
void leases_done(struct leases *leases);

#define AUTO_LEASES CLEANUP(leases_done)

/**
 * lease_holder() - Ask who has a lease, without taking it
 *
 * Return: 1 somebody has it, @ret says who as far as known; 0 nobody; errno.
 */
int lease_holder(const struct host *host, const char *name, struct lease_holder *ret,
		 struct error *err);

#endif
