/* SPDX-License-Identifier: MIT */
/*
 * Other programs that pass devices to VMs, or keep them on a driver: what they have written down
 * about a PCI function.
 *
 * A claim counts while the VM lives that it is for: libvirt's (/run/libvirt/qemu), Proxmox VE's
 * (/run/qemu-server/pci-id-reservations). What an administrator has set up for good (driverctl,
 * mdevctl), or a dead VM left (/run/libvirt/hostdevmgr), is worth a word and no more.
 */
#ifndef BMVM_HOST_OWNERS_H
#define BMVM_HOST_OWNERS_H

#include "base/cleanup.h"
#include "base/strv.h"

struct error;
struct host;

/**
 * struct owners - What was found; free with owners_done()
 * @live:  claims of live VMs: "libvirt's VM web1 has it (process 4711)"
 * @noted: the others: "driverctl binds it to vfio-pci at each boot"
 */
struct owners {
	struct strv live;
	struct strv noted;
};

#define OWNERS_INIT                                                                                \
	{                                                                                          \
		.live = STRV_INIT, .noted = STRV_INIT                                              \
	}

/**
 * owners_find() - Look for claims on a function
 * @address: "0000:41:00.0", or the name of another parent of mediated devices
 * @ret:     must be OWNERS_INIT
 *
 * Files that may not be read count as none. Return: 0; -ENOMEM.
 */
int owners_find(const struct host *host, const char *address, struct owners *ret,
		struct error *err);

/** owners_done() - Free; accepts OWNERS_INIT. */
void owners_done(struct owners *owners);

#define AUTO_OWNERS CLEANUP(owners_done)

#endif
