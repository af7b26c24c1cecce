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

#define IOMMUFD_ID      "iommufd0"
#define FUNCTION_MAX    7U
#define ID_MAX          24
#define ADDR_MAX        16

/*
 * OVMF's 64-bit window unless it knows better. Since the end of 2022 it takes an eighth of the
 * address space by itself if that is more; which one we are starting cannot be asked.
 */
#define OVMF_WINDOW (32 * SIZE_GIB)

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

static void args_window(struct args_builder *b)
{
	const struct vm_plan *p = b->plan;
	bool uefi = p->firmware_code_fd >= 0;
	struct error err = ERROR_INIT;
	uint64_t window = 0;

	if (vm_window(p, &window, &err) < 0) {
		args_fail(b, err.code, "%s", err.msg);
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
	if (b->plan->iommufd)
		json_add_str(o, "iommufd", IOMMUFD_ID);
	place(o, port, 0, d->function, others);
	if (!d->rombar)
		json_add_u64(o, "rombar", 0);
	args_add_json(b, "-device", o);
}

/* QEMU opens /dev/iommu by itself, and each device's own node. */
static void args_iommufd(struct args_builder *b)
{
	struct json_object *o = json_new_object();

	args_need(b, b->caps->iommufd, "iommufd object");
	json_add_str(o, "qom-type", "iommufd");
	json_add_str(o, "id", IOMMUFD_ID);
	args_add_json(b, "-object", o);
}

void args_devices(struct args_builder *b)
{
	const struct vm_plan *p = b->plan;

	if (p->n_devices == 0 || !check_devices(b))
		return;
	args_need(b, b->caps->vfio_pci, "vfio-pci device");
	args_need(b, b->caps->pcie_root_port, "pcie-root-port device");
	args_window(b);
	if (p->iommufd)
		args_iommufd(b);
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
