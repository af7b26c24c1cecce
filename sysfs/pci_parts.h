/* SPDX-License-Identifier: MIT */
/* The two halves of reading a PCI function; private to this folder. */
#ifndef SYSFS_PCI_PARTS_H
#define SYSFS_PCI_PARTS_H

#include "sysfs/pci.h"

/**
 * pci_read_unlocked() - pci_function_read() without what may be stuck: override and sriov_numvfs
 *
 * Never blocks. Return: as pci_function_read().
 */
int pci_read_unlocked(const struct sysfs *sys, const struct pci_address *address,
		      struct pci_function *ret, struct sysfs_error *err);

/**
 * pci_read_locked() - The rest of it, into the same struct
 *
 * Blocks for read_limit_ms at most, twice. Return: as pci_function_read().
 */
int pci_read_locked(const struct sysfs *sys, struct pci_function *f, struct sysfs_error *err);

/** pci_parse_numvfs() - Read the text of sriov_numvfs. Return: 0; -EBADMSG. */
int pci_parse_numvfs(const char *text, int *ret);

#endif
