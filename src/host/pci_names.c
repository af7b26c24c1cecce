/* SPDX-License-Identifier: MIT */
#include "host/pci_names.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

#define FILE_CAP ((size_t)16 << 20)

static const char *const usual[] = { "/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids",
				     "/var/lib/pciutils/pci.ids", NULL };

void pci_names_load(struct pci_names *names, const char *const *paths)
{
	for (const char *const *path = paths != NULL ? paths : usual; *path != NULL; path++) {
		if (file_read_at(AT_FDCWD, *path, FILE_CAP, &names->text, NULL, NULL) == 0)
			return;
	}
	names->text = NULL;
}

/* What follows "KEY  " on its line, without what would move a cursor. */
static const char *copy_name(const char *at, char *ret, size_t size)
{
	size_t len = strcspn(at, "\n");

	(void)snprintf(ret, size, "%.*s", (int)(len < size ? len : size), at);
	for (char *c = ret; *c != '\0'; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = ' ';
	}
	return ret;
}

/* The line that begins with @key; NULL when a line that begins a new vendor comes first. */
static const char *find_line(const char *text, const char *key, bool below_vendor)
{
	size_t len = strlen(key);

	while (text != NULL && *text != '\0') {
		if (strncmp(text, key, len) == 0)
			return text + len;
		if (below_vendor && *text != '\t' && *text != '#' && *text != '\n')
			return NULL;
		/* behind the vendors stand the classes, "C 01 ..." */
		if (!below_vendor && text[0] == 'C' && text[1] == ' ')
			return NULL;
		text = strchr(text, '\n');
		text = text == NULL ? NULL : text + 1;
	}
	return NULL;
}

static const char *find_vendor(const struct pci_names *names, uint16_t vendor)
{
	char key[16];

	(void)snprintf(key, sizeof(key), "%04x  ", vendor);
	return find_line(names->text, key, false);
}

const char *pci_names_vendor(const struct pci_names *names, uint16_t vendor, char *ret, size_t size)
{
	const char *at = find_vendor(names, vendor);

	return copy_name(at == NULL ? "" : at, ret, size);
}

const char *pci_names_device(const struct pci_names *names, uint16_t vendor, uint16_t device,
			     char *ret, size_t size)
{
	const char *at = find_vendor(names, vendor);
	char key[16];

	(void)snprintf(key, sizeof(key), "\t%04x  ", device);
	at = at == NULL ? NULL : strchr(at, '\n');
	at = at == NULL ? NULL : find_line(at + 1, key, true);
	return copy_name(at == NULL ? "" : at, ret, size);
}

void pci_names_done(struct pci_names *names)
{
	free(names->text);
	names->text = NULL;
}
