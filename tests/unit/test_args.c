/* SPDX-License-Identifier: MIT */
/*
 * The argument list against recorded ones, tests/data/argv/CASE.args, one argument per line.
 * BMVM_UPDATE_GOLDEN=1 in the environment writes them anew; then read the diff. What is recorded
 * here is started by real QEMU in tests/qemu/test_golden.c.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "vm/args.h"

#define MIB ((uint64_t)1 << 20)

static char binary[] = "/usr/bin/qemu-system-x86_64";
static char version[] = "7.2.22";

/* QEMU 7.2 as Debian 12 has it, as far as the builder asks. */
static void debian_12(struct qemu_caps *c)
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
	};
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		strv_add(&c->machine_options, options[i]);
}

/* A QEMU built with next to nothing. */
static void bare(struct qemu_caps *c)
{
	debian_12(c);
	c->kvm = c->vvfat = c->action = c->sandbox_spawn = c->sandbox_resource = false;
	c->vmgenid = c->pvpanic = c->virtio_rng = c->vhost_user_fs = c->virtio_9p = false;
	c->memfd = false;
	strv_done(&c->machine_options);
}

/* The usual run: overlay on one base, seed, SSH, direct kernel. */
static void usual(struct vm_plan *p)
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

static const struct golden {
	const char *name;
	void (*change)(struct vm_plan *p);
	void (*caps)(struct qemu_caps *c);
} goldens[] = {
	{ "usual", NULL, debian_12 },
	{ "bios", bios, debian_12 },
	{ "uefi", uefi, debian_12 },
	{ "isolated", isolated, debian_12 },
	{ "tcg", tcg, debian_12 },
	{ "mount-9p", mount_9p, debian_12 },
	{ "mount-virtiofs", mount_virtiofs, debian_12 },
	{ "huge", huge, debian_12 },
	{ "raw-base", raw_base, debian_12 },
	{ "chain", chain, debian_12 },
	{ "iso-seed", iso, debian_12 },
	{ "kept-disk", kept_disk, debian_12 },
	{ "extra", extra, debian_12 },
	{ "odd-names", odd_names, debian_12 },
	{ "trial", trial, debian_12 },
};

static int build(const struct golden *g, struct strv *args, struct error *err)
{
	struct qemu_caps caps;
	struct vm_plan plan;
	int r;

	usual(&plan);
	g->caps(&caps);
	if (g->change != NULL)
		g->change(&plan);
	r = vm_args_build(&plan, &caps, args, err);
	qemu_caps_done(&caps);
	return r;
}

static void compare(const char *name, const struct strv *args)
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

Test(args, lists_are_as_recorded)
{
	for (size_t i = 0; i < ARRAY_SIZE(goldens); i++) {
		AUTO_STRV struct strv args = STRV_INIT;
		struct error err = ERROR_INIT;

		cr_assert_eq(build(&goldens[i], &args, &err), 0, "%s: %s", goldens[i].name,
			     err.msg);
		compare(goldens[i].name, &args);
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

	cr_assert_eq(build(&g, &args, &err), 0, "%s", err.msg);
	compare(g.name, &args);
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

Test(args, what_cannot_be_expressed_is_refused)
{
	static const struct {
		void (*change)(struct vm_plan *p);
		void (*caps)(struct qemu_caps *c);
		int r;
		const char *says;
	} rows[] = {
		{ newline_in_name, debian_12, -EINVAL, "guest contains a control character" },
		{ escape_in_append, debian_12, -EINVAL, "append contains" },
		{ bad_utf8_seed, debian_12, -EINVAL, "dir is not UTF-8" },
		{ no_name, debian_12, -EINVAL, "guest is empty" },
		{ no_uuid, debian_12, -EINVAL, "uuid is empty" },
		{ no_vcpu, debian_12, -EINVAL, "no vCPU" },
		{ odd_memory, debian_12, -EINVAL, "not a multiple of 1048576" },
		{ no_memory, debian_12, -EINVAL, "memory" },
		{ part_of_a_page, debian_12, -EINVAL, "not a multiple of 2097152" },
		{ no_qmp, debian_12, -EINVAL, "QMP has no descriptor" },
		{ fd_of_stdin, debian_12, -EINVAL, "disk-file has no descriptor" },
		{ raw_in_the_middle, debian_12, -EINVAL, "raw image cannot have a backing" },
		{ raw_overlay, debian_12, -EINVAL, "raw disk cannot have a backing" },
		{ backing_alone, debian_12, -EINVAL, "without a disk" },
		{ code_without_vars, debian_12, -EINVAL, "both code and variables" },
		{ initrd_alone, debian_12, -EINVAL, "without a kernel" },
		{ virtiofs_on_plain_memory, debian_12, -EINVAL, "shared memory" },
		{ long_tag, debian_12, -EINVAL, "tag of mount 0" },
		{ pathless_9p, debian_12, -EINVAL, "path is empty" },
		{ no_mac, debian_12, -EINVAL, "mac is empty" },
		{ iso, bare, -ENOTSUP, "no KVM support" },
		{ tcg, bare, -ENOTSUP, "no vvfat" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct golden g = { "", rows[i].change, rows[i].caps };
		AUTO_STRV struct strv args = STRV_INIT;
		struct error err = ERROR_INIT;

		cr_expect_eq(build(&g, &args, &err), rows[i].r, "row %zu: %s", i, err.msg);
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

	cr_assert_eq(build(&g, &args, &err), -ENOTSUP);
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
