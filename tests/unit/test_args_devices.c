/* SPDX-License-Identifier: MIT */
/*
 * Passed-through devices: their place in the argument list, room for their memory, what is refused;
 * and what the plan says of them for the jail.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/error.h"
#include "base/json.h"
#include "tests/unit/helper_golden.h"
#include "vm/jail.h"

/* A function of the host, in a group of its own. */
static struct vm_device *add(struct vm_plan *p, const char *host, unsigned int slot,
			     unsigned int function)
{
	struct vm_device *d = &p->devices[p->n_devices];

	*d = (struct vm_device){ .slot = slot, .function = function };
	(void)snprintf(d->host, sizeof(d->host), "%s", host);
	d->group = 40 + (int)p->n_devices;
	d->group_rdev = makedev(240, p->n_devices);
	p->n_devices++;
	return d;
}

static void uefi(struct vm_plan *p)
{
	p->kernel = p->initrd = p->append = NULL;
	p->firmware_code_fd = 9;
	p->firmware_vars_fd = 10;
}

static void one_gpu(struct vm_plan *p)
{
	add(p, "0000:41:00.0", 0, 0);
	p->mmio64 = 16 * GIB;
	p->phys_bits = 48;
}

static void gpu_with_audio(struct vm_plan *p)
{
	add(p, "0000:01:00.0", 0, 0)->rombar = true;
	add(p, "0000:01:00.1", 0, 1)->rombar = true;
	p->mmio64 = 256 * MIB + 32 * MIB;
	p->phys_bits = 39;
}

static void two_vfs(struct vm_plan *p)
{
	add(p, "0000:c1:02.0", 0, 0);
	add(p, "0000:c1:02.4", 1, 0);
}

static void mdev(struct vm_plan *p)
{
	struct vm_device *d = add(p, "", 0, 0);

	strcpy(d->sysfsdev, "/sys/bus/mdev/devices/83b8f4f2-509f-382f-3c1e-e6bfe0fa1001");
}

static void iommufd(struct vm_plan *p)
{
	one_gpu(p);
	add(p, "", 1, 0);
	strcpy(p->devices[1].sysfsdev,
	       "/sys/bus/mdev/devices/83b8f4f2-509f-382f-3c1e-e6bfe0fa1001");
	p->iommufd = true;
}

static void iommufd_caps(struct qemu_caps *c)
{
	golden_caps(c);
	c->iommufd = true;
}

static void many(struct vm_plan *p, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		char host[32];

		(void)snprintf(host, sizeof(host), "0000:%02x:00.0", i + 1);
		add(p, host, i, 0);
	}
}

static void eight_gpus(struct vm_plan *p)
{
	uefi(p);
	many(p, 8);
	for (unsigned int i = 0; i < 8; i++)
		p->mmio64 = vm_mmio64_add(p->mmio64, 256 * GIB);
	p->phys_bits = 52;
}

static void full_house(struct vm_plan *p)
{
	many(p, VM_DEVICES_MAX);
}

static const struct golden goldens[] = {
	{ "device-gpu", one_gpu, golden_caps },
	{ "device-gpu-audio", gpu_with_audio, golden_caps },
	{ "device-vfs", two_vfs, golden_caps },
	{ "device-mdev", mdev, golden_caps },
	{ "device-eight-gpus", eight_gpus, golden_caps },
	{ "device-full-house", full_house, golden_caps },
	{ "device-iommufd", iommufd, iommufd_caps },
};

Test(args_devices, lists_are_as_recorded)
{
	for (size_t i = 0; i < ARRAY_SIZE(goldens); i++) {
		AUTO_STRV struct strv args = STRV_INIT;
		struct error err = ERROR_INIT;

		cr_assert_eq(golden_build(&goldens[i], &args, &err), 0, "%s: %s", goldens[i].name,
			     err.msg);
		golden_compare(goldens[i].name, &args);
	}
}

/* ---- the topology ---- */

/* The -device of @driver number @nth, owned by the caller; NULL: there are fewer. */
static struct json_object *find_device(const struct strv *args, const char *driver,
				       unsigned int nth)
{
	for (size_t i = 0; i + 1 < args->n; i++) {
		struct json_object *o = NULL;

		if (strcmp(args->v[i], "-device") != 0)
			continue;
		cr_assert_eq(json_parse(args->v[i + 1], strlen(args->v[i + 1]), &o, NULL), 0);
		if (strcmp(json_str_or(o, "driver", ""), driver) == 0 && nth-- == 0)
			return o;
		json_object_put(o);
	}
	return NULL;
}

static void expect_port(const struct strv *args, unsigned int nth, const char *id, const char *addr)
{
	AUTO_JSON struct json_object *o = find_device(args, "pcie-root-port", nth);

	cr_assert_not_null(o, "no port %u", nth);
	cr_expect_str_eq(json_str_or(o, "id", ""), id);
	cr_expect_str_eq(json_str_or(o, "bus", ""), "pcie.0");
	cr_expect_str_eq(json_str_or(o, "addr", ""), addr);
	cr_expect_eq(json_u64_or(o, "chassis", 0), nth + 1);
	cr_expect_eq(json_u64_or(o, "slot", 0), nth + 1);
	cr_expect_eq(json_bool_or(o, "multifunction", false), strchr(addr, '.')[1] == '0');
}

static void expect_device(const struct strv *args, unsigned int nth, const char *id,
			  const char *bus, const char *addr)
{
	AUTO_JSON struct json_object *o = find_device(args, "vfio-pci", nth);

	cr_assert_not_null(o, "no device %u", nth);
	cr_expect_str_eq(json_str_or(o, "id", ""), id);
	cr_expect_str_eq(json_str_or(o, "bus", ""), bus);
	cr_expect_str_eq(json_str_or(o, "addr", ""), addr);
}

static void build_plan(void (*change)(struct vm_plan *p), struct strv *args)
{
	const struct golden g = { "", change, golden_caps };
	struct error err = ERROR_INIT;

	cr_assert_eq(golden_build(&g, args, &err), 0, "%s", err.msg);
}

static void two_gpus_with_companions(struct vm_plan *p)
{
	add(p, "0000:01:00.0", 0, 0);
	add(p, "0000:01:00.1", 0, 1);
	add(p, "0000:01:00.3", 0, 3);
	add(p, "0000:02:00.0", 1, 0);
	add(p, "0000:02:00.7", 1, 7);
}

Test(args_devices, companions_are_functions_of_one_slot)
{
	AUTO_STRV struct strv args = STRV_INIT;
	AUTO_JSON struct json_object *first = NULL;
	AUTO_JSON struct json_object *second = NULL;

	build_plan(two_gpus_with_companions, &args);
	expect_port(&args, 0, "port0", "17.0");
	expect_port(&args, 1, "port1", "17.1");
	cr_expect_null(find_device(&args, "pcie-root-port", 2));
	expect_device(&args, 0, "dev0.0", "port0", "0.0");
	expect_device(&args, 1, "dev0.1", "port0", "0.1");
	expect_device(&args, 2, "dev0.3", "port0", "0.3");
	expect_device(&args, 3, "dev1.0", "port1", "0.0");
	expect_device(&args, 4, "dev1.7", "port1", "0.7");
	cr_expect_null(find_device(&args, "vfio-pci", 5));
	first = find_device(&args, "vfio-pci", 0);
	cr_expect(json_bool_or(first, "multifunction", false));
	second = find_device(&args, "vfio-pci", 1);
	cr_expect_not(json_bool_or(second, "multifunction", false));
}

Test(args_devices, ports_fill_eight_device_numbers)
{
	AUTO_STRV struct strv args = STRV_INIT;

	build_plan(full_house, &args);
	for (unsigned int i = 0; i < VM_DEVICES_MAX; i++) {
		char id[16], addr[16];

		(void)snprintf(id, sizeof(id), "port%u", i);
		(void)snprintf(addr, sizeof(addr), "%x.%u", 0x17 + i / 8, i % 8);
		expect_port(&args, i, id, addr);
	}
}

Test(args_devices, without_devices_nothing_is_added)
{
	AUTO_STRV struct strv args = STRV_INIT;

	build_plan(NULL, &args);
	cr_expect_null(find_device(&args, "pcie-root-port", 0));
	cr_expect_null(find_device(&args, "vfio-pci", 0));
}

/* ---- room for the BARs ---- */

/* The window OVMF is told, in MiB; 0: none. */
static uint64_t told_window(const struct strv *args)
{
	static const char key[] = "name=opt/ovmf/X-PciMmio64Mb,string=";

	for (size_t i = 0; i < args->n; i++) {
		if (strncmp(args->v[i], key, sizeof(key) - 1) == 0)
			return strtoull(args->v[i] + sizeof(key) - 1, NULL, 10);
	}
	return 0;
}

Test(args_devices, the_window_follows_from_the_bars)
{
	static const struct {
		bool uefi;
		enum vm_accel accel;
		unsigned int phys_bits;
		uint64_t memory, mmio64;
		int r;
		uint64_t window_gib;
	} rows[] = {
		{ true, VM_ACCEL_KVM, 48, GIB, 0, 0, 0 },
		{ true, VM_ACCEL_KVM, 48, GIB, 256 * MIB, 0, 0 },
		{ true, VM_ACCEL_KVM, 48, GIB, 16 * GIB, 0, 0 }, /* OVMF's own 32 GiB */
		{ true, VM_ACCEL_KVM, 48, GIB, 16 * GIB + MIB, 0, 64 },
		{ true, VM_ACCEL_KVM, 48, GIB, 32 * GIB, 0, 64 },
		{ false, VM_ACCEL_KVM, 48, GIB, 32 * GIB, 0, 0 }, /* SeaBIOS needs no telling */
		{ true, VM_ACCEL_KVM, 46, 2048 * GIB, 2048 * GIB, 0, 4096 },
		{ true, VM_ACCEL_KVM, 52, 2048 * GIB, 8192 * GIB, 0, 16384 },
		{ true, VM_ACCEL_KVM, 52, GIB, 8192 * GIB + MIB, -ENOTSUP, 0 },
		{ true, VM_ACCEL_KVM, 52, GIB, UINT64_MAX, -ENOTSUP, 0 },
		{ true, VM_ACCEL_KVM, 0, GIB, 2048 * GIB, 0, 4096 }, /* host not known */
		/* 512 GiB in all: a window of 256 fits above RAM up to 256 GiB */
		{ true, VM_ACCEL_KVM, 39, 254 * GIB, 128 * GIB, 0, 256 },
		{ true, VM_ACCEL_KVM, 39, 255 * GIB, 128 * GIB, -ENOTSUP, 0 },
		{ false, VM_ACCEL_KVM, 39, 255 * GIB, 128 * GIB, -ENOTSUP, 0 },
		{ true, VM_ACCEL_KVM, 39, GIB, 129 * GIB, -ENOTSUP, 0 },
		{ true, VM_ACCEL_TCG, 48, GIB, 256 * GIB, 0, 512 },
		{ true, VM_ACCEL_TCG, 48, GIB, 257 * GIB, -ENOTSUP, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_STRV struct strv args = STRV_INIT;
		struct error err = ERROR_INIT;
		struct qemu_caps caps;
		struct vm_plan p;

		golden_plan(&p);
		golden_caps(&caps);
		if (rows[i].uefi)
			uefi(&p);
		add(&p, "0000:41:00.0", 0, 0);
		p.accel = rows[i].accel;
		p.memory = rows[i].memory;
		p.phys_bits = rows[i].phys_bits;
		p.mmio64 = rows[i].mmio64;
		cr_expect_eq(vm_args_build(&p, &caps, &args, &err), rows[i].r, "row %zu: %s", i,
			     err.msg);
		cr_expect_eq(told_window(&args), rows[i].window_gib * 1024, "row %zu", i);
		qemu_caps_done(&caps);
	}
}

Test(args_devices, the_lack_of_room_is_told_in_numbers)
{
	AUTO_STRV struct strv args = STRV_INIT;
	struct error err = ERROR_INIT;
	struct qemu_caps caps;
	struct vm_plan p;

	golden_plan(&p);
	golden_caps(&caps);
	eight_gpus(&p);
	p.phys_bits = 39;
	cr_expect_eq(vm_args_build(&p, &caps, &args, &err), -ENOTSUP);
	cr_expect_str_eq(err.msg,
			 "QEMU arguments: the devices' 2097152 MiB of memory have no room "
			 "beside 256 MiB of RAM in a guest with 39 address bits");
	qemu_caps_done(&caps);
}

/* ---- what is refused ---- */

static void gap_between_slots(struct vm_plan *p)
{
	add(p, "0000:01:00.0", 0, 0);
	add(p, "0000:02:00.0", 2, 0);
}

static void first_slot_missing(struct vm_plan *p)
{
	add(p, "0000:01:00.0", 1, 0);
}

static void audio_alone(struct vm_plan *p)
{
	add(p, "0000:01:00.1", 0, 1);
}

static void same_place_twice(struct vm_plan *p)
{
	add(p, "0000:01:00.0", 0, 0);
	add(p, "0000:02:00.0", 0, 0);
}

static void function_8(struct vm_plan *p)
{
	add(p, "0000:01:00.0", 0, 0);
	add(p, "0000:01:00.1", 0, 8);
}

static void nothing_named(struct vm_plan *p)
{
	add(p, "", 0, 0);
}

static void both_named(struct vm_plan *p)
{
	mdev(p);
	strcpy(p->devices[0].host, "0000:01:00.0");
}

static void newline_in_host(struct vm_plan *p)
{
	add(p, "0000:01:00.0\n", 0, 0);
}

static void too_many(struct vm_plan *p)
{
	p->n_devices = VM_DEVICES_MAX + 1;
}

static void no_vfio(struct qemu_caps *c)
{
	golden_caps(c);
	c->vfio_pci = false;
}

static void no_root_port(struct qemu_caps *c)
{
	golden_caps(c);
	c->pcie_root_port = false;
}

Test(args_devices, what_makes_no_topology_is_refused)
{
	static const struct {
		void (*change)(struct vm_plan *p);
		void (*caps)(struct qemu_caps *c);
		int r;
		const char *says;
	} rows[] = {
		{ gap_between_slots, golden_caps, -EINVAL, "device 1 is out of order in slot 2" },
		{ first_slot_missing, golden_caps, -EINVAL, "device 0 is out of order" },
		{ audio_alone, golden_caps, -EINVAL, "out of order in slot 0, function 1" },
		{ same_place_twice, golden_caps, -EINVAL, "device 1 is out of order" },
		{ function_8, golden_caps, -EINVAL, "function 8" },
		{ nothing_named, golden_caps, -EINVAL, "device 0 needs either a host address" },
		{ both_named, golden_caps, -EINVAL, "device 0 needs either a host address" },
		{ newline_in_host, golden_caps, -EINVAL, "host contains a control character" },
		{ too_many, golden_caps, -EINVAL, "more than 64 devices" },
		{ one_gpu, no_vfio, -ENOTSUP, "no vfio-pci device" },
		{ one_gpu, no_root_port, -ENOTSUP, "no pcie-root-port device" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct golden g = { "", rows[i].change, rows[i].caps };
		AUTO_STRV struct strv args = STRV_INIT;
		struct error err = ERROR_INIT;

		cr_expect_eq(golden_build(&g, &args, &err), rows[i].r, "row %zu: %s", i, err.msg);
		cr_expect(strstr(err.msg, rows[i].says) != NULL, "row %zu: \"%s\" lacks \"%s\"", i,
			  err.msg, rows[i].says);
		cr_expect_eq(args.n, 0);
	}
}

/* ---- sums ---- */

Test(plan, bars_are_counted_by_the_power_of_two_they_fill)
{
	cr_expect_eq(vm_mmio64_add(0, 0), 0);
	cr_expect_eq(vm_mmio64_add(5, 0), 5);
	cr_expect_eq(vm_mmio64_add(0, 1), 1);
	cr_expect_eq(vm_mmio64_add(0, 256 * MIB), 256 * MIB);
	cr_expect_eq(vm_mmio64_add(256 * MIB, 192 * GIB), 256 * MIB + 256 * GIB);
	cr_expect_eq(vm_mmio64_add(0, (uint64_t)1 << 63), (uint64_t)1 << 63);
	cr_expect_eq(vm_mmio64_add(0, ((uint64_t)1 << 63) + 1), UINT64_MAX);
	cr_expect_eq(vm_mmio64_add((uint64_t)1 << 63, (uint64_t)1 << 63), UINT64_MAX);
	cr_expect_eq(vm_mmio64_add(UINT64_MAX, 4096), UINT64_MAX);
}

Test(plan, memory_is_locked_once_for_any_number_of_devices)
{
	struct vm_plan p;

	golden_plan(&p);
	cr_expect_eq(vm_memlock(&p), 0);
	one_gpu(&p);
	cr_expect_eq(vm_memlock(&p), 256 * MIB + GIB);
	p.n_devices = 0;
	eight_gpus(&p);
	cr_expect_eq(vm_memlock(&p), 256 * MIB + GIB);
}

/* ---- the groups of the jail ---- */

Test(jail_devices, groups_and_limit_follow_from_the_plan)
{
	struct jail j = JAIL_INIT;
	struct vm_plan p;

	golden_plan(&p);
	cr_expect_eq(jail_add_devices(&j, &p, NULL), 0);
	cr_expect_eq(j.n_groups, 0);
	cr_expect_eq(j.memlock, 0);
	two_gpus_with_companions(&p);
	for (size_t i = 0; i < p.n_devices; i++) {
		p.devices[i].group = i < 3 ? 15 : 16;
		p.devices[i].group_rdev = makedev(240, i < 3 ? 0 : 1);
	}
	cr_expect_eq(jail_add_devices(&j, &p, NULL), 0);
	cr_expect_eq(j.n_groups, 2, "functions of one group share its node");
	cr_expect_eq(j.groups[0].number, 15);
	cr_expect_eq(j.groups[0].rdev, makedev(240, 0));
	cr_expect_eq(j.groups[1].number, 16);
	cr_expect_eq(j.groups[1].rdev, makedev(240, 1));
	cr_expect_eq(j.memlock, vm_memlock(&p));
}

Test(jail_devices, a_device_without_its_group_is_refused)
{
	struct error err = ERROR_INIT;
	struct jail j = JAIL_INIT;
	struct vm_plan p;

	golden_plan(&p);
	two_vfs(&p);
	p.devices[1].group = -1;
	cr_expect_eq(jail_add_devices(&j, &p, &err), -EINVAL);
	cr_expect(strstr(err.msg, "device 1 has no IOMMU group") != NULL, "%s", err.msg);
	p.devices[1].group = 41;
	p.devices[1].group_rdev = 0;
	j = (struct jail)JAIL_INIT;
	cr_expect_eq(jail_add_devices(&j, &p, NULL), -EINVAL);
	p.devices[1].group = p.devices[0].group;
	p.devices[1].group_rdev = makedev(240, 9);
	j = (struct jail)JAIL_INIT;
	cr_expect_eq(jail_add_devices(&j, &p, &err), -EINVAL);
	cr_expect(strstr(err.msg, "two nodes for IOMMU group 40") != NULL, "%s", err.msg);
	p.n_devices = VM_DEVICES_MAX + 1;
	cr_expect_eq(jail_add_devices(&j, &p, NULL), -EINVAL);
}

/* ---- iommufd ---- */

Test(args_devices, iommufd_needs_a_qemu_that_has_it)
{
	static const struct golden without = { "iommufd", iommufd, golden_caps };
	AUTO_STRV struct strv args = STRV_INIT;
	struct error err = ERROR_INIT;

	cr_expect_eq(golden_build(&without, &args, &err), -ENOTSUP);
	cr_expect(strstr(err.msg, "iommufd") != NULL, "%s", err.msg);
}

Test(jail_devices, with_iommufd_each_device_has_a_node)
{
	struct error err = ERROR_INIT;
	struct jail j = JAIL_INIT;
	struct vm_plan p;

	golden_plan(&p);
	iommufd(&p);
	cr_expect_eq(jail_add_devices(&j, &p, &err), -EINVAL);
	cr_expect(strstr(err.msg, "no /dev/iommu") != NULL, "%s", err.msg);
	p.iommu_rdev = makedev(10, 124);
	p.devices[0].cdev = 3;
	p.devices[0].cdev_rdev = makedev(511, 3);
	p.devices[1].cdev = -1;
	cr_expect_eq(jail_add_devices(&j, &p, &err), -EINVAL);
	cr_expect(strstr(err.msg, "device 1 has no node of its own") != NULL, "%s", err.msg);
	p.devices[1].cdev = 0;
	p.devices[1].cdev_rdev = makedev(511, 0);
	j = (struct jail)JAIL_INIT;
	cr_assert_eq(jail_add_devices(&j, &p, NULL), 0);
	cr_expect_eq(j.iommu_rdev, makedev(10, 124));
	cr_assert_eq(j.n_groups, 2);
	cr_expect_eq(j.groups[0].number, 3);
	cr_expect_eq(j.groups[0].rdev, makedev(511, 3));
	cr_expect_eq(j.groups[1].number, 0);
	cr_expect_eq(j.memlock, p.memory + GIB + p.mmio64, "it charges BARs");
	p.mmio64 = UINT64_MAX;
	cr_expect_eq(vm_memlock(&p), UINT64_MAX);
}
