/* SPDX-License-Identifier: MIT */
#include "tests/unit/helper_golden.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"

static char binary[] = "/usr/bin/qemu-system-x86_64";
static char version[] = "7.2.22";

void golden_caps(struct qemu_caps *c)
{
	static const char *const options[] = { "usb", "vmport",          "hpet",          "i8042",
					       "smm", "dump-guest-core", "memory-backend" };

	*c = (struct qemu_caps){
		.binary = strdup(binary),
		.version = strdup(version),
		.kvm = true,
		.tcg = true,
		.q35 = true,
		.memfd = true,
		.host_nodes = true,
		.vvfat = true,
		.net_user = true,
		.action = true,
		.sandbox = true,
		.sandbox_obsolete = true,
		.sandbox_elevate = true,
		.sandbox_spawn = true,
		.sandbox_resource = true,
		.vmgenid = true,
		.pvpanic = true,
		.pvpanic_pci = true,
		.virtio_blk = true,
		.virtio_net = true,
		.virtio_rng = true,
		.vhost_user_fs = true,
		.virtio_9p = true,
		.vfio_pci = true,
		.pcie_root_port = true,
	};
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		strv_add(&c->machine_options, options[i]);
}

void golden_plan(struct vm_plan *p)
{
	*p = (struct vm_plan)VM_PLAN_INIT;
	p->name = "calm-fox-1";
	p->uuid = "6f1c2a90-3b44-4d0e-9a51-0123456789ab";
	p->accel = VM_ACCEL_KVM;
	p->vcpus = 2;
	p->memory = 256 * MIB;
	p->qmp_fd = 3;
	p->serial_fd = 4;
	p->disk = (struct vm_node){ .fd = 5, .format = VM_FORMAT_QCOW2 };
	p->backing[0] = (struct vm_node){ .fd = 6, .format = VM_FORMAT_QCOW2 };
	p->n_backing = 1;
	p->seed = VM_SEED_VVFAT;
	p->seed_dir = "/dev/bmvm/seed";
	p->kernel = "/proc/self/fd/7";
	p->initrd = "/proc/self/fd/8";
	p->append = "root=/dev/vda console=ttyS0 quiet";
	p->network = true;
	p->mac = "52:54:00:12:34:56";
}

int golden_build(const struct golden *g, struct strv *args, struct error *err)
{
	struct qemu_caps caps;
	struct vm_plan plan;
	int r;

	golden_plan(&plan);
	g->caps(&caps);
	if (g->change != NULL)
		g->change(&plan);
	r = vm_args_build(&plan, &caps, args, err);
	qemu_caps_done(&caps);
	return r;
}

void golden_compare(const char *name, const struct strv *args)
{
	AUTO_FREE char *path = NULL;
	AUTO_FREE char *recorded = NULL;
	AUTO_FREE char *text = strv_join(args, "\n");
	struct error err = ERROR_INIT;

	cr_assert(asprintf(&path, "%s/argv/%s.args", TEST_DATA, name) > 0);
	text = realloc(text, strlen(text) + 2);
	strcat(text, "\n");
	if (getenv("BMVM_UPDATE_GOLDEN") != NULL)
		cr_assert_eq(file_write_atomic_at(AT_FDCWD, path, text, strlen(text), 0644, &err),
			     0, "%s", err.msg);
	cr_assert_eq(file_read_at(AT_FDCWD, path, 1 << 20, &recorded, NULL, &err), 0, "%s",
		     err.msg);
	cr_expect_str_eq(text, recorded, "%s differs; built:\n%s", name, text);
}
