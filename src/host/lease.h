/* SPDX-License-Identifier: MIT */
/*
 * Leases: which VM has which PCI function or mediated-device parent.
 *
 * A lease is a lock (of the open file description, fcntl(2)) on run_dir/devices/ADDRESS, held by
 * the guardian for the VM's life and passed on to whoever undoes for it; so it ends by itself with
 * the last process of the VM. The files stay behind (removing one would race with who is just
 * opening it), and say who had the lease last: while the run folder of that VM is there, its run
 * has died and its devices are not given back yet, so nobody but who does that may take the lease.
 */
#ifndef BMVM_HOST_LEASE_H
#define BMVM_HOST_LEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/strv.h"
#include "base/watch.h"

struct error;
struct host;

/**
 * struct lease_holder - Who has a lease
 * @vm:   its name
 * @pid:  of its guardian when it took the lease
 * @since: seconds since the epoch
 * @is_dead: nobody holds the lock; the VM's run died before it gave the device back
 */
struct lease_holder {
	char vm[64];
	int pid;
	uint64_t since;
	bool is_dead;
};

/**
 * struct leases - A set of leases, all ours; free with leases_done()
 * @fds:   hold them, owned
 * @names: of each
 */
struct leases {
	int *fds;
	size_t n;
	struct strv names;
};

#define LEASES_INIT                                                                                \
	{                                                                                          \
		.fds = NULL, .names = STRV_INIT                                                    \
	}

/**
 * leases_take() - Take several leases, all or none
 * @names: PCI addresses or other names without '/'; taken in sorted order, so that two runs cannot
 *         wait for each other; a name may stand there twice
 * @vm:    the VM they are for
 * @ret:   must be LEASES_INIT; the descriptors are close-on-exec and survive fork()
 *
 * Never waits. Return: 0; -EBUSY another VM has one, be it a dead one (@err names both); errno of
 * the files.
 */
int leases_take(const struct host *host, const struct strv *names, const char *vm,
		struct leases *ret, struct error *err);

/**
 * lease_lock() - Take a short lock on a thing that several VMs change, waiting for it
 * @name: as in leases_take(), but of another kind: "0000:41:00.0.vfs", "modules"
 *
 * @ws:   served meanwhile; NULL: only waits
 *
 * Blocks until @deadline_ns. Return: descriptor that holds it until closed, owned; -ETIMEDOUT;
 * what a watch returned; errno.
 */
int lease_lock(const struct host *host, const char *name, uint64_t deadline_ns,
	       const struct watchset *ws, struct error *err);

/** leases_add() - Move all of @more into @leases. Return: 0; -ENOMEM, then @more is given back. */
int leases_add(struct leases *leases, struct leases *more, struct error *err);

/** leases_contain() - Whether @name is one of them. */
bool leases_contain(const struct leases *leases, const char *name);

/**
 * leases_inherit() - Take over the leases of a VM whose processes are all gone
 * @vm:  whose lock the caller holds
 * @ret: must be LEASES_INIT
 *
 * Return: 0, also when there are none; -ENOMEM; errno of reading.
 */
int leases_inherit(const struct host *host, const char *vm, struct leases *ret, struct error *err);

/** leases_clear() - Write down that nothing of their holder is left to give back. */
void leases_clear(struct leases *leases);

/** leases_done() - Give back all of this process; those a fork() has inherited stay held. */
void leases_done(struct leases *leases);

#define AUTO_LEASES CLEANUP(leases_done)

/**
 * lease_holder() - Ask who has a lease, without taking it
 *
 * Return: 1 somebody has it, or died with it; @ret says who as far as known; 0 nobody; errno.
 */
int lease_holder(const struct host *host, const char *name, struct lease_holder *ret,
		 struct error *err);

#endif
