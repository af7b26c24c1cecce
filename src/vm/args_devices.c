/* SPDX-License-Identifier: MIT */
#include "vm/args_devices.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/json.h"
#include "base/size.h"
#include "vm/args_builder.h"

/* Bus 0 from here to 0x1e is the ports'; QEMU fills it from 1 upwards with what has no address. */
#define PORT_FIRST_SLOT 0x17U
#define PORT_FUNCTIONS  8U

#define FUNCTION_MAX    7U
#define ID_MAX          24
#define ADDR_MAX        16

/* q35: of 2.75 GiB or more, all above 2 GiB is moved to 4 GiB. */
#define LOW_RAM_MAX  (2 * SIZE_GIB)
#define HIGH_RAM     (4 * SIZE_GIB)
#define LOW_RAM_HOLE (HIGH_RAM - LOW_RAM_MAX)

#define BITS_TCG     40U
#define BITS_MAX     46U

/*
 * OVMF's 64-bit window unless it knows better, and the largest it may be told. Since the end of
 * 2022 it takes an eighth of the address space by itself if that is more; which one we are
 * starting cannot be asked.
 */
#define OVMF_WINDOW     (32 * SIZE_GIB)
#define OVMF_WINDOW_MAX (16 * SIZE_TIB)

/* ---- what the plan says ---- */

/* @d follows @before (NULL: is the first): the next function of its slot, or the next slot. */
static bool is_in_order(const struct vm_device *before, const struct vm_device *d)
{
	if (before != NULL && d->slot == before->slot)
		return d->function > before->function;
	return d->function == 0 && d->slot == (before == NULL ? 0 : before->slot + 1);
}

static bool check_devices(struct args_builder *b)
{
	const struct vm_plan *p = b->plan;

	if (p->n_devices > VM_DEVICES_MAX) {
		args_fail(b, EINVAL, "more than %d devices", VM_DEVICES_MAX);
		return false;
	}
	for (size_t i = 0; i < p->n_devices; i++) {
		const struct vm_device *d = &p->devices[i];

		if (d->function > FUNCTION_MAX ||
		    !is_in_order(i == 0 ? NULL : &p->devices[i - 1], d)) {
			args_fail(b, EINVAL, "device %zu is out of order in slot %u, function %u",
				  i, d->slot, d->function);
			return false;
		}
		if ((d->host[0] == '\0') == (d->sysfsdev[0] == '\0')) {
			args_fail(b, EINVAL, "device %zu needs either a host address or a folder",
				  i);
			return false;
		}
	}
	return true;
}

/* ---- room for the BARs ---- */

static unsigned int address_bits(const struct vm_plan *p)
{
	unsigned int bits = p->accel == VM_ACCEL_TCG ? BITS_TCG : p->phys_bits;

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

static void args_window(struct args_builder *b)
{
	const struct vm_plan *p = b->plan;
	unsigned int bits = address_bits(p);
	bool uefi = p->firmware_code_fd >= 0;
	uint64_t window;

	if (p->mmio64 == 0)
		return;
	if (p->mmio64 > OVMF_WINDOW_MAX / 2) {
		args_fail(b, ENOTSUP,
			  "no firmware has room for devices with more than %" PRIu64
			  " GiB of memory",
			  OVMF_WINDOW_MAX / 2 / SIZE_GIB);
		return;
	}
	window = window_for(p->mmio64);
	if (bits > 0 && !has_room((uint64_t)1 << bits, ram_end(p), window)) {
		args_fail(b, ENOTSUP,
			  "the devices' %" PRIu64 " MiB of memory have no room beside %" PRIu64
			  " MiB of RAM in a guest with %u address bits",
			  p->mmio64 / SIZE_MIB, p->memory / SIZE_MIB, bits);
		return;
	}
	if (uefi && window > OVMF_WINDOW)
		args_addf(b, "-fw_cfg", "name=opt/ovmf/X-PciMmio64Mb,string=%" PRIu64,
			  window / SIZE_MIB);
}

/* ---- ports and devices ---- */

/* Function 0 says that there are others; without it the guest would not look for them. */
static void place(struct json_object *o, const char *bus, unsigned int slot, unsigned int function,
		  bool others)
{
	char addr[ADDR_MAX];

	(void)snprintf(addr, sizeof(addr), "%x.%x", slot, function);
	json_add_str(o, "bus", bus);
	json_add_str(o, "addr", addr);
	if (function == 0 && others)
		json_add_bool(o, "multifunction", true);
}

/* No I/O ports in reserve: 64 KiB of them would not do for more than 15 root ports. */
static void add_port(struct args_builder *b, const char *id, unsigned int slot)
{
	struct json_object *o = args_device("pcie-root-port", id);

	place(o, "pcie.0", PORT_FIRST_SLOT + slot / PORT_FUNCTIONS, slot % PORT_FUNCTIONS, true);
	json_add_u64(o, "chassis", slot + 1);
	json_add_u64(o, "slot", slot + 1);
	json_add_u64(o, "io-reserve", 0);
	args_add_json(b, "-device", o);
}

static void add_device(struct args_builder *b, const struct vm_device *d, const char *port,
		       bool others)
{
	char id[ID_MAX];
	struct json_object *o;

	(void)snprintf(id, sizeof(id), "dev%u.%u", d->slot, d->function);
	o = args_device("vfio-pci", id);
	if (d->host[0] != '\0')
		args_json_text(b, o, "host", d->host);
	else
		args_json_text(b, o, "sysfsdev", d->sysfsdev);
	place(o, port, 0, d->function, others);
	if (!d->rombar)
		json_add_u64(o, "rombar", 0);
	args_add_json(b, "-device", o);
}

void args_devices(struct args_builder *b)
{
	const struct vm_plan *p = b->plan;

	if (p->n_devices == 0 || !check_devices(b))
		return;
	args_need(b, b->caps->vfio_pci, "vfio-pci device");
	args_need(b, b->caps->pcie_root_port, "pcie-root-port device");
	args_window(b);
	for (size_t i = 0; i < p->n_devices; i++) {
		const struct vm_device *d = &p->devices[i];
		bool others = i + 1 < p->n_devices && d[1].slot == d->slot;
		char port[ID_MAX];

		(void)snprintf(port, sizeof(port), "port%u", d->slot);
		if (d->function == 0)
			add_port(b, port, d->slot);
		add_device(b, d, port, others);
	}
}
