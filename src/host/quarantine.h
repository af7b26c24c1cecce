/* SPDX-License-Identifier: MIT */
/*
 * Devices that could not be given back: not to be touched again until somebody has looked.
 *
 * An entry is the file run_dir/quarantine/ADDRESS. It names the boot: after a reboot the kernel's
 * state is new, so the entry only asks for a test (quarantine_retest()).
 */
#ifndef BMVM_HOST_QUARANTINE_H
#define BMVM_HOST_QUARANTINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/strv.h"

struct error;
struct host;

/**
 * struct quarantine - One entry
 * @vm:    the VM that could not give it back
 * @why:   for people
 * @since: seconds since the epoch
 * @this_boot: made in this boot
 */
struct quarantine {
	char vm[64];
	char why[512];
	uint64_t since;
	bool this_boot;
};

/** quarantine_put() - Add an entry, or replace it. Return: 0 or -errno. */
int quarantine_put(const struct host *host, const char *address, const char *vm, const char *why,
		   struct error *err);

/** quarantine_get() - Look for an entry. Return: 1 there is one, in @ret; 0 there is none. */
int quarantine_get(const struct host *host, const char *address, struct quarantine *ret);

/** quarantine_list() - Addresses of all entries, sorted, added to @ret. Return: 0 or -ENOMEM. */
int quarantine_list(const struct host *host, struct strv *ret, struct error *err);

/** quarantine_drop() - Remove an entry untested. Return: 0, also when there was none; -errno. */
int quarantine_drop(const struct host *host, const char *address, struct error *err);

/**
 * quarantine_retest() - Lift an entry if the device answers again
 *
 * It does when its configuration space can be read and is not all ones, and its driver link too
 * (both reads are made by a child, as they may hang with the device). A parent of mediated devices
 * that is no PCI function has to tell what it offers. What is not there any more, as a VF that went
 * with the others of its PF, needs no entry: whoever comes next at its address is another one.
 *
 * Return: 0 lifted, or there was none; 1 lifted, as it is not there; -EBUSY it does not answer;
 * errno.
 */
int quarantine_retest(const struct host *host, const char *address, struct error *err);

#endif
