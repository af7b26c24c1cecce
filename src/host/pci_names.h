/* SPDX-License-Identifier: MIT */
/*
 * Names of PCI vendors and devices, from the system's pci.ids where there is one.
 */
#ifndef BMVM_HOST_PCI_NAMES_H
#define BMVM_HOST_PCI_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

/** struct pci_names - The text of the file, empty when there is none */
struct pci_names {
	char *text;
};

#define PCI_NAMES_INIT                                                                             \
	{                                                                                          \
		.text = NULL                                                                       \
	}

/**
 * pci_names_load() - Read the file
 * @paths: where it may be, NULL-terminated; NULL: the usual places
 *
 * No file is no error: names are then not known.
 */
void pci_names_load(struct pci_names *names, const char *const *paths);

/** pci_names_vendor() - Name of a vendor, for people. Return: @ret, "" when not known. */
const char *pci_names_vendor(const struct pci_names *names, uint16_t vendor, char *ret,
			     size_t size);

/** pci_names_device() - Name of a device of a vendor. Return: @ret, "" when not known. */
const char *pci_names_device(const struct pci_names *names, uint16_t vendor, uint16_t device,
			     char *ret, size_t size);

/** pci_names_done() - Free; accepts PCI_NAMES_INIT. */
void pci_names_done(struct pci_names *names);

#define AUTO_PCI_NAMES CLEANUP(pci_names_done)

#endif
