/* SPDX-License-Identifier: MIT */
#include "vm/plan.h"

#include <errno.h>
#include <stdio.h>

#include "base/size.h"

#define FIRST_FD      3
#define MEMLOCK_EXTRA SIZE_GIB

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

/* The smallest power of two that is not below @n; 0 when that is 2^64. */
static uint64_t round_up_pow2(uint64_t n)
{
	uint64_t p = 1;

	while (p != 0 && p < n)
		p <<= 1;
	return p;
}

uint64_t vm_mmio64_add(uint64_t sum, uint64_t size)
{
	uint64_t rounded = size == 0 ? 0 : round_up_pow2(size);

	if ((size > 0 && rounded == 0) || rounded > UINT64_MAX - sum)
		return UINT64_MAX;
	return sum + rounded;
}

uint64_t vm_memlock(const struct vm_plan *plan)
{
	return plan->n_devices == 0 ? 0 : plan->memory + MEMLOCK_EXTRA;
}
