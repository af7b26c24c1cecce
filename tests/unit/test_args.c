/* SPDX-License-Identifier: MIT */
/*
 * The argument list against recorded ones, and what is refused. Passed-through devices:
 * test_args_devices.c.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "tests/unit/helper_golden.h"

/* A QEMU built with next to nothing. */
static void bare(struct qemu_caps *c)
{
	golden_caps(c);
	c->kvm = c->vvfat = c->action = c->sandbox_spawn = c->sandbox_resource = false;
	c->vmgenid = c->pvpanic = c->virtio_rng = c->vhost_user_fs = c->virtio_9p = false;
	c->memfd = c->host_nodes = c->vfio_pci = c->pcie_root_port = false;
	strv_done(&c->machine_options);
}

static void bios(struct vm_plan *p)
{
	p->kernel = p->initrd = p->append = NULL;
}

static void uefi(struct vm_plan *p)
{
	bios(p);
	p->firmware_code_fd = 9;
	p->firmware_vars_fd = 10;
}

static void isolated(struct vm_plan *p)
{
	p->isolated = true;
}

static void tcg(struct vm_plan *p)
{
	p->accel = VM_ACCEL_TCG;
	p->vcpus = 1;
}

static void mount_9p(struct vm_plan *p)
{
	p->mounts[0] = (struct vm_mount){ VM_MOUNT_9P, "data", -1, "/dev/bmvm/share0", true };
	p->mounts[1] = (struct vm_mount){ VM_MOUNT_9P, "out", -1, "/dev/bmvm/share1", false };
	p->n_mounts = 2;
}

static void mount_virtiofs(struct vm_plan *p)
{
	p->memory_kind = VM_MEMORY_SHARED;
	p->mounts[0] = (struct vm_mount){ VM_MOUNT_VIRTIOFS, "data", 11, NULL, true };
	p->n_mounts = 1;
}

static void huge(struct vm_plan *p)
{
	p->memory_kind = VM_MEMORY_HUGE;
	p->huge_page = 2 * MIB;
}

static void lan(struct vm_plan *p)
{
	p->isolated = true;
	p->lan_fd = 9;
	p->lan_mac = "52:54:00:65:43:21";
	p->lan_mtu = 1500;
}

static void lan_vhost(struct vm_plan *p)
{
	lan(p);
	p->lan_vhost_fd = 10;
	p->lan_mtu = 9000;
}

static void on_node(struct vm_plan *p)
{
	p->numa_node = 0;
}

static void huge_on_node(struct vm_plan *p)
{
	huge(p);
	p->numa_node = 0;
}

static void shared_on_node(struct vm_plan *p)
{
	mount_virtiofs(p);
	p->numa_node = 0;
}

static void raw_base(struct vm_plan *p)
{
	p->backing[0].format = VM_FORMAT_RAW;
}

static void chain(struct vm_plan *p)
{
	p->backing[1] = (struct vm_node){ .fd = 9, .format = VM_FORMAT_QCOW2 };
	p->backing[2] = (struct vm_node){ .fd = 10, .format = VM_FORMAT_RAW };
	p->n_backing = 3;
}

static void iso(struct vm_plan *p)
{
	p->seed = VM_SEED_ISO;
	p->seed_dir = NULL;
	p->seed_fd = 9;
}

static void kept_disk(struct vm_plan *p)
{
	p->disk_flush = true;
	p->seed = VM_SEED_NONE;
}

static void extra(struct vm_plan *p)
{
	static char a[] = "-device", b[] = "edu", c[] = "-global",
		    d[] = "kvm-pit.lost_tick_policy=delay";
	static char *v[] = { a, b, c, d, NULL };

	p->extra = v;
}

static void odd_names(struct vm_plan *p)
{
	mount_9p(p);
	p->name = "a,b=c \"d\" \xc3\xa9";
	p->seed_dir = "/tmp/x, \"y\"/seed";
	p->mounts[0].path = "/data/a,b/c d";
	p->append = "a=\"b c\",d";
}

static void trial(struct vm_plan *p)
{
	p->disk.fd = -1;
	p->n_backing = 0;
	p->seed = VM_SEED_NONE;
	p->network = false;
	p->initrd = NULL;
}

static const struct golden goldens[] = {
	{ "usual", NULL, golden_caps },
	{ "bios", bios, golden_caps },
	{ "uefi", uefi, golden_caps },
	{ "isolated", isolated, golden_caps },
	{ "tcg", tcg, golden_caps },
	{ "mount-9p", mount_9p, golden_caps },
	{ "mount-virtiofs", mount_virtiofs, golden_caps },
	{ "huge", huge, golden_caps },
	{ "lan", lan, golden_caps },
	{ "lan-vhost", lan_vhost, golden_caps },
	{ "numa", on_node, golden_caps },
	{ "numa-huge", huge_on_node, golden_caps },
	{ "numa-virtiofs", shared_on_node, golden_caps },
	{ "raw-base", raw_base, golden_caps },
	{ "chain", chain, golden_caps },
	{ "iso-seed", iso, golden_caps },
	{ "kept-disk", kept_disk, golden_caps },
	{ "extra", extra, golden_caps },
	{ "odd-names", odd_names, golden_caps },
	{ "trial", trial, golden_caps },
};

Test(args, lists_are_as_recorded)
{
	for (size_t i = 0; i < ARRAY_SIZE(goldens); i++) {
		AUTO_STRV struct strv args = STRV_INIT;
		struct error err = ERROR_INIT;

		cr_assert_eq(golden_build(&goldens[i], &args, &err), 0, "%s: %s", goldens[i].name,
			     err.msg);
		golden_compare(goldens[i].name, &args);
	}
}

static void for_bare(struct vm_plan *p)
{
	tcg(p);
	iso(p);
}

Test(args, a_qemu_with_little_gets_a_list_it_understands)
{
	static const struct golden g = { "bare-qemu", for_bare, bare };
	AUTO_STRV struct strv args = STRV_INIT;
	struct error err = ERROR_INIT;

	cr_assert_eq(golden_build(&g, &args, &err), 0, "%s", err.msg);
	golden_compare(g.name, &args);
}

/* ---- what is refused ---- */

static void newline_in_name(struct vm_plan *p)
{
	p->name = "a\nb";
}

static void escape_in_append(struct vm_plan *p)
{
	p->append = "a\033[2J";
}

static void bad_utf8_seed(struct vm_plan *p)
{
	p->seed_dir = "/tmp/\xff\xfe";
}

static void no_name(struct vm_plan *p)
{
	p->name = NULL;
}

static void no_uuid(struct vm_plan *p)
{
	p->uuid = "";
}

static void no_vcpu(struct vm_plan *p)
{
	p->vcpus = 0;
}

static void odd_memory(struct vm_plan *p)
{
	p->memory = 256 * MIB + 1;
}

static void no_memory(struct vm_plan *p)
{
	p->memory = 0;
}

static void part_of_a_page(struct vm_plan *p)
{
	huge(p);
	p->memory = 257 * MIB;
}

static void no_qmp(struct vm_plan *p)
{
	p->qmp_fd = -1;
}

static void fd_of_stdin(struct vm_plan *p)
{
	p->disk.fd = 0;
}

static void raw_in_the_middle(struct vm_plan *p)
{
	chain(p);
	p->backing[1].format = VM_FORMAT_RAW;
}

static void raw_overlay(struct vm_plan *p)
{
	p->disk.format = VM_FORMAT_RAW;
}

static void backing_alone(struct vm_plan *p)
{
	p->disk.fd = -1;
}

static void code_without_vars(struct vm_plan *p)
{
	p->firmware_code_fd = 9;
}

static void initrd_alone(struct vm_plan *p)
{
	p->kernel = NULL;
}

static void virtiofs_on_plain_memory(struct vm_plan *p)
{
	mount_virtiofs(p);
	p->memory_kind = VM_MEMORY_PLAIN;
}

static void long_tag(struct vm_plan *p)
{
	mount_9p(p);
	p->mounts[0].tag = "0123456789012345678901234567890a";
}

static void pathless_9p(struct vm_plan *p)
{
	mount_9p(p);
	p->mounts[1].path = NULL;
}

static void no_mac(struct vm_plan *p)
{
	p->mac = NULL;
}

static void emulated_on_node(struct vm_plan *p)
{
	tcg(p);
	p->numa_node = 1;
}

static void lan_without_mac(struct vm_plan *p)
{
	lan(p);
	p->lan_mac = NULL;
}

static void lan_on_stdin(struct vm_plan *p)
{
	lan(p);
	p->lan_fd = 0;
}

static void vhost_on_stdin(struct vm_plan *p)
{
	lan_vhost(p);
	p->lan_vhost_fd = 2;
}

Test(args, what_cannot_be_expressed_is_refused)
{
	static const struct {
		void (*change)(struct vm_plan *p);
		void (*caps)(struct qemu_caps *c);
		int r;
		const char *says;
	} rows[] = {
		{ newline_in_name, golden_caps, -EINVAL, "guest contains a control character" },
		{ escape_in_append, golden_caps, -EINVAL, "append contains" },
		{ bad_utf8_seed, golden_caps, -EINVAL, "dir is not UTF-8" },
		{ no_name, golden_caps, -EINVAL, "guest is empty" },
		{ no_uuid, golden_caps, -EINVAL, "uuid is empty" },
		{ no_vcpu, golden_caps, -EINVAL, "no vCPU" },
		{ odd_memory, golden_caps, -EINVAL, "not a multiple of 1048576" },
		{ no_memory, golden_caps, -EINVAL, "memory" },
		{ part_of_a_page, golden_caps, -EINVAL, "not a multiple of 2097152" },
		{ no_qmp, golden_caps, -EINVAL, "QMP has no descriptor" },
		{ fd_of_stdin, golden_caps, -EINVAL, "disk-file has no descriptor" },
		{ raw_in_the_middle, golden_caps, -EINVAL, "raw image cannot have a backing" },
		{ raw_overlay, golden_caps, -EINVAL, "raw disk cannot have a backing" },
		{ backing_alone, golden_caps, -EINVAL, "without a disk" },
		{ code_without_vars, golden_caps, -EINVAL, "both code and variables" },
		{ initrd_alone, golden_caps, -EINVAL, "without a kernel" },
		{ virtiofs_on_plain_memory, golden_caps, -EINVAL, "shared memory" },
		{ long_tag, golden_caps, -EINVAL, "tag of mount 0" },
		{ pathless_9p, golden_caps, -EINVAL, "path is empty" },
		{ no_mac, golden_caps, -EINVAL, "mac is empty" },
		{ lan_without_mac, golden_caps, -EINVAL, "mac is empty" },
		{ lan_on_stdin, golden_caps, -EINVAL, "tap has no descriptor" },
		{ vhost_on_stdin, golden_caps, -EINVAL, "vhost has no descriptor" },
		{ iso, bare, -ENOTSUP, "no KVM support" },
		{ tcg, bare, -ENOTSUP, "no vvfat" },
		{ emulated_on_node, bare, -ENOTSUP, "no memory bound to a NUMA node" },
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

Test(args, the_first_failure_is_the_one_reported)
{
	static const struct golden g = { "", NULL, bare };
	AUTO_STRV struct strv args = STRV_INIT;
	struct error err = ERROR_INIT;

	cr_assert_eq(golden_build(&g, &args, &err), -ENOTSUP);
	cr_expect_str_eq(err.msg,
			 "QEMU arguments: this QEMU (/usr/bin/qemu-system-x86_64) has no "
			 "KVM support");
}

/* ---- the plan's own helpers ---- */

Test(plan, descriptors_get_numbers_from_three_on)
{
	struct vm_fds fds = { .n = 0 };

	cr_expect_eq(vm_fds_add(&fds, 40), 3);
	cr_expect_eq(vm_fds_add(&fds, 3), 4);
	cr_expect_eq(vm_fds_add(&fds, -1), -EBADF);
	cr_expect_eq(fds.n, 2);
	cr_expect_eq(fds.v[1].parent, 3);
	cr_expect_eq(fds.v[1].child, 4);
	while (fds.n < VM_FDS_MAX)
		cr_assert_gt(vm_fds_add(&fds, 5), 0);
	cr_expect_eq(vm_fds_add(&fds, 5), -EMFILE);
}

Test(plan, a_mac_follows_from_uuid_and_index)
{
	char a[VM_MAC_SIZE], b[VM_MAC_SIZE], c[VM_MAC_SIZE], again[VM_MAC_SIZE];

	vm_mac("6f1c2a90-3b44-4d0e-9a51-0123456789ab", 0, a);
	vm_mac("6f1c2a90-3b44-4d0e-9a51-0123456789ab", 0, again);
	vm_mac("6f1c2a90-3b44-4d0e-9a51-0123456789ab", 1, b);
	vm_mac("6f1c2a90-3b44-4d0e-9a51-0123456789ac", 0, c);
	cr_expect_str_eq(a, again);
	cr_expect_str_neq(a, b);
	cr_expect_str_neq(a, c);
	cr_expect_eq(strncmp(a, "52:54:00:", 9), 0);
	cr_expect_eq(strlen(a), 17);
}
