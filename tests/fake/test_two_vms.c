/* SPDX-License-Identifier: MIT */
/* Two VMs whose lives overlap, on the fake kernel: neither is blamed for what the other does. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "helper_kernel.h"
#include "helper_taking.h"
#include "host/quarantine.h"
#include "run/undo.h"

#define PF        TAKING_PF
#define VF0       "0000:04:00.0"
#define VF1       "0000:04:00.2"
#define OTHER_VF  "0000:61:00.5"
#define NUMVFS    "bus/pci/devices/" PF "/sriov_numvfs"
#define AUTOPROBE "bus/pci/devices/" PF "/sriov_drivers_autoprobe"

TAKING_SUITE(two_vms, 120);

/* As an administrator does, or a driver when it is loaded. */
static void make_vfs(const char *n)
{
	cr_assert_eq(fake_write_now(k, AUTOPROBE, "0"), 0);
	cr_assert_eq(fake_write_now(k, NUMVFS, n), 0);
}

static void end(struct taking_vm *v)
{
	taking_undo_cleanly(v);
	taking_end(v);
}

static void check_pf_is_as_before(void)
{
	cr_expect_str_eq(fake_get(k, NUMVFS), "0");
	cr_expect_str_eq(fake_get(k, AUTOPROBE), "1");
}

/* The one that begins first ends first, then last: each must find its host as it was. */
static void overlap(void (*want)(struct taking_vm *v, unsigned int i))
{
	for (unsigned int last = 0; last < 2; last++) {
		struct taking_vm v[2];

		for (unsigned int i = 0; i < 2; i++) {
			taking_vm(&v[i], &t, i == 0 ? "a" : "b");
			want(&v[i], i);
			cr_assert_eq(taking_make(&v[i]), 0, "%s", v[i].err.msg);
		}
		end(&v[1 - last]);
		end(&v[last]);
	}
}

static void want_vf(struct taking_vm *v, unsigned int i)
{
	(void)i;
	(void)taking_want(v, DEVICE_VFS, PF, 1, "");
}

Test(two_vms, use_vfs_that_were_there)
{
	make_vfs("2");
	overlap(want_vf);
	cr_expect_str_eq(fake_get(k, NUMVFS), "2");
}

/* They may be taken as they are, too. */
static void want_named_vf(struct taking_vm *v, unsigned int i)
{
	(void)taking_want(v, DEVICE_WHOLE, i == 0 ? VF0 : VF1, 1, "");
}

Test(two_vms, name_vfs_that_were_there)
{
	make_vfs("2");
	overlap(want_named_vf);
	cr_expect_str_eq(fake_get(k, NUMVFS), "2");
}

static void want_gpu_or_vfs(struct taking_vm *v, unsigned int i)
{
	if (i == 0)
		(void)taking_want(v, DEVICE_WHOLE, TAKING_GPU2, 1, "");
	else
		(void)taking_want(v, DEVICE_VFS, PF, 2, "");
}

static void want_vfs_or_gpu(struct taking_vm *v, unsigned int i)
{
	want_gpu_or_vfs(v, 1 - i);
}

Test(two_vms, one_with_a_gpu_while_the_other_makes_vfs)
{
	overlap(want_gpu_or_vfs);
	overlap(want_vfs_or_gpu);
}

static void want_mdev(struct taking_vm *v, unsigned int i)
{
	(void)i;
	(void)taking_want(v, DEVICE_MDEV, "mtty", 1, "nvidia-558");
}

Test(two_vms, make_vgpus_of_one_parent)
{
	overlap(want_mdev);
}

static void add_vendor_vf(void)
{
	fake_function(k, &(struct fake_function){ .address = OTHER_VF,
						  .bridge = "pci0000:60",
						  .driver = "nvidia",
						  .vendor = 0x10de,
						  .device = 0x2235,
						  .class_code = 0x030200,
						  .group = 14 });
	fake_text(k, "bus/pci/devices/" OTHER_VF "/nvidia/current_vgpu_type", "0\n");
	fake_text(k, "bus/pci/devices/" OTHER_VF "/nvidia/creatable_vgpu_types",
		  "ID    : vGPU Name\n558 : NVIDIA A40-8Q\n");
	fake_link(k, "devices/pci0000:60/" OTHER_VF "/physfn", "devices/pci0000:60/" TAKING_VGPU);
	fake_link(k, "devices/pci0000:60/" TAKING_VGPU "/virtfn1", "devices/pci0000:60/" OTHER_VF);
}

static void want_vendor_vgpu(struct taking_vm *v, unsigned int i)
{
	strv_add(&taking_want(v, DEVICE_VENDOR_VGPU, TAKING_VGPU, 1, "558")->members,
		 i == 0 ? TAKING_VF : OTHER_VF);
}

Test(two_vms, make_vendor_vgpus_of_one_gpu)
{
	add_vendor_vf();
	overlap(want_vendor_vgpu);
}

/* ---- a VF of the other one's making, by name ---- */

/* @also: @b asks for another VF of the PF as well. */
static void start_with_a_named_vf(struct taking_vm *a, struct taking_vm *b, bool also)
{
	taking_vm(a, &t, "a");
	want_vf(a, 0);
	a->choice.v[0].create = 4;
	cr_assert_eq(taking_make(a), 0, "%s", a->err.msg);
	taking_vm(b, &t, "b");
	(void)taking_want(b, DEVICE_WHOLE, VF1, 1, "");
	if (also) {
		(void)taking_want(b, DEVICE_WHOLE, "0000:04:00.4", 1, "");
		want_vf(b, 0);
	}
	cr_assert_eq(taking_make(b), 0, "%s", b->err.msg);
}

Test(two_vms, a_named_vf_stays_until_its_vm_ends)
{
	struct taking_vm a, b;

	start_with_a_named_vf(&a, &b, false);
	end(&a);
	cr_expect_str_eq(fake_driver_of(k, VF1), "vfio-pci");
	end(&b);
	check_pf_is_as_before();
}

Test(two_vms, a_named_vf_is_given_back_to_who_made_it)
{
	struct taking_vm a, b;

	start_with_a_named_vf(&a, &b, false);
	end(&b);
	cr_expect_str_eq(fake_driver_of(k, VF1), "");
	end(&a);
	check_pf_is_as_before();
}

/* The PF is held once, and let go after all of them. */
Test(two_vms, named_vfs_and_any_of_the_same_pf)
{
	struct taking_vm a, b;

	start_with_a_named_vf(&a, &b, true);
	end(&a);
	end(&b);
	check_pf_is_as_before();
}

/* ---- one that fails ---- */

/* The first one's VFs do not come into being; the second makes more before that is undone. */
static void start_after_a_failure(struct taking_vm *a, struct taking_vm *b)
{
	taking_vm(a, &t, "a");
	want_vf(a, 0);
	fake_reset(k);
	k->state->fail_at = 2; /* autoprobe, numvfs */
	k->state->fail_errno = ENOMEM;
	cr_assert_eq(taking_make(a), -ENOMEM, "%s", a->err.msg);
	fake_reset(k);
	taking_vm(b, &t, "b");
	(void)taking_want(b, DEVICE_VFS, PF, 2, "");
	cr_assert_eq(taking_make(b), 0, "%s", b->err.msg);
}

Test(two_vms, vfs_made_after_a_failure_go_with_the_one_that_made_them)
{
	struct taking_vm a, b;

	start_after_a_failure(&a, &b);
	end(&a);
	cr_expect_str_eq(fake_get(k, NUMVFS), "2");
	end(&b);
	check_pf_is_as_before();
}

Test(two_vms, vfs_made_after_a_failure_go_with_the_one_that_failed)
{
	struct taking_vm a, b;

	start_after_a_failure(&a, &b);
	end(&b);
	end(&a);
	check_pf_is_as_before();
}

/* ---- what is not overlooked for all that ---- */

Test(two_vms, what_one_leaves_is_seen_beside_the_other)
{
	struct taking_vm v[2];

	make_vfs("2");
	for (unsigned int i = 0; i < 2; i++) {
		taking_vm(&v[i], &t, i == 0 ? "a" : "b");
		want_vf(&v[i], i);
		want_mdev(&v[i], i);
		cr_assert_eq(taking_make(&v[i]), 0, "%s", v[i].err.msg);
	}
	for (unsigned int i = 0; i < 2; i++) {
		const char *differences = taking_differences(&v[i]);

		cr_expect_not_null(strstr(differences, v[i].a.v[0].address), "%s", differences);
		cr_expect_not_null(strstr(differences, v[i].a.v[1].uuid), "%s", differences);
		cr_expect_null(strstr(differences, v[1 - i].a.v[0].address), "%s", differences);
		cr_expect_null(strstr(differences, v[1 - i].a.v[1].uuid), "%s", differences);
	}
	end(&v[0]);
	end(&v[1]);
}

Test(two_vms, vfs_that_an_administrator_takes_away_are_a_difference)
{
	struct taking_vm v;

	make_vfs("2");
	taking_vm(&v, &t, "a");
	want_vf(&v, 0);
	cr_assert_eq(taking_make(&v), 0, "%s", v.err.msg);
	cr_expect_eq(taking_undo(&v, true, NULL), 0, "%s", v.err.msg);
	cr_assert_eq(fake_write_now(k, NUMVFS, "0"), 0);
	cr_expect_not_null(strstr(taking_differences(&v), PF " sriov_numvfs"), "%s",
			   taking_differences(&v));
	taking_end(&v);
}
