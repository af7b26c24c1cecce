/* SPDX-License-Identifier: MIT */
/*
 * The address of a PCI function: domain:bus:device.function, e.g. 0000:41:00.0.
 *
 * This is the text form sysfs uses for folder names. Virtual functions with ARI take function 0-7
 * of further devices, so the form holds for them too; which VF has which address is told by the
 * virtfnN links only, never by arithmetic.
 */
#ifndef SYSFS_ADDRESS_H
#define SYSFS_ADDRESS_H

#include <stdint.h>

#include "sysfs/error.h"

/**
 * struct pci_address - One PCI function
 * @domain:   usually 0; above ffff behind e.g. a VMD controller
 * @bus:      0-ff
 * @device:   0-1f
 * @function: 0-7
 */
struct pci_address {
	uint32_t domain;
	uint8_t bus;
	uint8_t device;
	uint8_t function;
};

/* Room for the longest text, "ffffffff:ff:1f.7", and its NUL. */
#define PCI_ADDRESS_SIZE 17

/**
 * pci_address_parse() - Read an address
 * @text: [DOMAIN:]BUS:DEVICE.FUNCTION in hexadecimal of either case; the domain has 4 to 8 digits
 *        and is 0 when left out, bus and device have 2, the function 1. Nothing else around it
 * @ret:
 * @err:  names the rule that @text breaks
 *
 * Return: 0; -EINVAL.
 */
int pci_address_parse(const char *text, struct pci_address *ret, struct sysfs_error *err);

/**
 * pci_address_format() - The name sysfs gives to a function: lower case, domain of 4 digits or more
 * @address:
 * @text: receives the name
 *
 * Return: @text, for use in an argument list.
 */
const char *pci_address_format(const struct pci_address *address, char text[PCI_ADDRESS_SIZE]);

/**
 * pci_address_compare() - Order of domain, bus, device, function
 *
 * Return: < 0, 0, > 0 as @a comes before, is, or comes after @b.
 */
int pci_address_compare(const struct pci_address *a, const struct pci_address *b);

#endif
