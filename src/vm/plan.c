/* SPDX-License-Identifier: MIT */
#include "vm/plan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"
#include "base/size.h"

#define FIRST_FD      3
#define MEMLOCK_EXTRA SIZE_GIB

/* q35: of 2.75 GiB or more, all above 2 GiB is moved to 4 GiB. */
#define LOW_RAM_MAX  (2 * SIZE_GIB)
#define HIGH_RAM     (4 * SIZE_GIB)
#define LOW_RAM_HOLE (HIGH_RAM - LOW_RAM_MAX)

#define BITS_TCG     40U
#define BITS_MAX     46U

/* The largest that OVMF may be told of. */
#define WINDOW_MAX (16 * SIZE_TIB)

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

/* ---- room for the devices' memory ---- */

unsigned int vm_address_bits(const struct vm_plan *plan)
{
	unsigned int bits = plan->accel == VM_ACCEL_TCG ? BITS_TCG : plan->phys_bits;

	return bits > BITS_MAX ? BITS_MAX : bits;
}

static uint64_t ram_end(const struct vm_plan *p)
{
	return p->memory <= LOW_RAM_MAX ? HIGH_RAM : p->memory + LOW_RAM_HOLE;
}

/* Twice the BARs: what their alignment wastes is less than they are. @size: below 2^62 */
static uint64_t window_for(uint64_t size)
{
	uint64_t window = 1;

	while (window < 2 * size)
		window <<= 1;
	return window;
}

/* Whether @window fits above @ram, at a multiple of its size, into an address space of @space. */
static bool has_room(uint64_t space, uint64_t ram, uint64_t window)
{
	uint64_t blocks = (ram + window - 1) / window;

	return blocks < space / window;
}

int vm_window(const struct vm_plan *plan, uint64_t *ret, struct error *err)
{
	unsigned int bits = vm_address_bits(plan);
	uint64_t window;

	*ret = 0;
	if (plan->mmio64 == 0)
		return 0;
	if (plan->mmio64 > WINDOW_MAX / 2)
		return error_set(err, ENOTSUP,
				 "no firmware has room for devices with more than %" PRIu64
				 " GiB of memory",
				 WINDOW_MAX / 2 / SIZE_GIB);
	window = window_for(plan->mmio64);
	if (bits > 0 && !has_room((uint64_t)1 << bits, ram_end(plan), window))
		return error_set(err, ENOTSUP,
				 "the devices' %" PRIu64
				 " MiB of memory have no room beside %" PRIu64
				 " MiB of RAM in a guest with %u address bits",
				 plan->mmio64 / SIZE_MIB, plan->memory / SIZE_MIB, bits);
	*ret = window;
	return 0;
}

uint64_t vm_memlock(const struct vm_plan *plan)
{
	uint64_t limit = plan->memory + MEMLOCK_EXTRA;

	if (plan->n_devices == 0)
		return 0;
	if (!plan->iommufd)
		return limit;
	return plan->mmio64 > UINT64_MAX - limit ? UINT64_MAX : limit + plan->mmio64;
}
