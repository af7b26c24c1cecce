/* SPDX-License-Identifier: MIT */
#include "vm/plan.h"

#include <errno.h>
#include <stdio.h>

#define FIRST_FD 3

int vm_fds_add(struct vm_fds *fds, int fd)
{
	int number = FIRST_FD + (int)fds->n;

	if (fd < 0)
		return -EBADF;
	if (fds->n == VM_FDS_MAX)
		return -EMFILE;
	fds->v[fds->n++] = (struct spawn_fd){ .parent = fd, .child = number };
	return number;
}

void vm_mac(const char *uuid, unsigned int index, char *buf)
{
	uint32_t h = 2166136261U; /* FNV-1a */

	for (; *uuid != '\0'; uuid++)
		h = (h ^ (unsigned char)*uuid) * 16777619U;
	h = (h ^ index) * 16777619U;
	(void)snprintf(buf, VM_MAC_SIZE, "52:54:00:%02x:%02x:%02x", h >> 24, (h >> 16) & 0xff,
		       (h >> 8) & 0xff);
}
