/* SPDX-License-Identifier: MIT */
/* The address of a PCI function: see address.h. */
#include "sysfs/address.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Read up to 8 hexadecimal digits. Return: how many there are; 9 for more than 8. */
static size_t read_hex(const char *s, uint32_t *ret)
{
	uint32_t value = 0;
	size_t n = 0;

	for (int digit; (digit = hex_digit(s[n])) >= 0; n++) {
		if (n == 8)
			return 9;
		value = (value << 4) | (uint32_t)digit;
	}
	*ret = value;
	return n;
}

static int broken(struct sysfs_error *err, const char *text, const char *rule)
{
	return sysfs_error_set(err, EINVAL, "\"%.32s\" is no PCI address: %s", text, rule);
}

int pci_address_parse(const char *text, struct pci_address *ret, struct sysfs_error *err)
{
	uint32_t domain = 0, bus = 0, device = 0, function = 0;
	const char *s = text;
	size_t n = read_hex(s, &bus);

	if (n != 2) {
		if (n < 4 || n > 8)
			return broken(err, text, "a domain has 4 to 8 hexadecimal digits, a bus 2");
		domain = bus;
		s += n;
		if (*s != ':')
			return broken(err, text, "a colon follows the domain");
		s++;
		if (read_hex(s, &bus) != 2)
			return broken(err, text, "a bus has 2 hexadecimal digits");
	}
	s += 2;
	if (*s != ':')
		return broken(err, text, "a colon follows the bus");
	s++;
	if (read_hex(s, &device) != 2 || device > 0x1f)
		return broken(err, text, "a device has 2 hexadecimal digits, 00 to 1f");
	s += 2;
	if (*s != '.')
		return broken(err, text, "a dot follows the device");
	s++;
	if (read_hex(s, &function) != 1 || function > 7)
		return broken(err, text, "a function has one digit, 0 to 7");
	if (s[1] != '\0')
		return broken(err, text, "something follows the function");
	*ret = (struct pci_address){ .domain = domain,
				     .bus = (uint8_t)bus,
				     .device = (uint8_t)device,
				     .function = (uint8_t)function };
	return 0;
}

const char *pci_address_format(const struct pci_address *address, char text[PCI_ADDRESS_SIZE])
{
	(void)snprintf(text, PCI_ADDRESS_SIZE, "%04" PRIx32 ":%02x:%02x.%x", address->domain,
		       address->bus, address->device & 0x1fU, address->function & 7U);
	return text;
}

int pci_address_compare(const struct pci_address *a, const struct pci_address *b)
{
	if (a->domain != b->domain)
		return a->domain < b->domain ? -1 : 1;
	if (a->bus != b->bus)
		return a->bus - b->bus;
	if (a->device != b->device)
		return a->device - b->device;
	return a->function - b->function;
}
