/* SPDX-License-Identifier: MIT */
/* Whose the address regions of a function are: see iomem.h. */
#include "sysfs/iomem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sysfs/clock.h"

/* "    4000000000-43ffffffff : 0000:41:00.0": the owner, and how far the line is indented. */
static const char *owner_of(char *line, size_t *ret_depth)
{
	char *owner = strstr(line, " : ");

	*ret_depth = strspn(line, " ");
	if (owner == NULL)
		return "";
	owner[strcspn(owner, "\n")] = '\0';
	return owner + strlen(" : ");
}

/* What stands further to the right below a line lies in its region. */
static bool search(FILE *f, const char *name)
{
	char *line = NULL;
	size_t size = 0, depth, inside = 0;
	bool found = false, in_function = false;

	while (!found && getline(&line, &size, f) > 0) {
		const char *owner = owner_of(line, &depth);

		if (in_function && depth > inside) {
			found = strncmp(owner, "vfio", 4) == 0;
			continue;
		}
		in_function = strcmp(owner, name) == 0;
		inside = depth;
	}
	free(line);
	return found;
}

bool iomem_is_vfio(const struct sysfs *sys, const struct pci_address *address)
{
	int fd = sys->proc_fd < 0 ? -1 : openat(sys->proc_fd, "iomem", O_RDONLY | O_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "re");
	char name[PCI_ADDRESS_SIZE];
	bool found;

	if (f == NULL) {
		if (fd >= 0)
			(void)close(fd);
		return false;
	}
	found = search(f, pci_address_format(address, name));
	(void)fclose(f);
	return found;
}

int iomem_wait_released(const struct sysfs *sys, const struct pci_address *address,
			uint64_t deadline_ns, struct sysfs_error *err)
{
	char name[PCI_ADDRESS_SIZE];

	while (iomem_is_vfio(sys, address)) {
		if (!sysfs_nap(sys->poll_ms, deadline_ns))
			return sysfs_error_set(err, EBUSY, "%s: vfio has its memory still",
					       pci_address_format(address, name));
	}
	return 0;
}
