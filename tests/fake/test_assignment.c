/* SPDX-License-Identifier: MIT */
/*
 * A run's devices on the fake kernel: taken as one transaction, given back from the journal alone,
 * whatever fails and in whatever order VMs that share VFs end.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "helper_kernel.h"
#include "helper_taking.h"
#include "host/host.h"
#include "host/ledger.h"
#include "host/quarantine.h"
#include "host/vmdir.h"
#include "run/assignment.h"
#include "run/undo.h"
#include "sysfs/write.h"

#define GPU TAKING_GPU
#define PF  TAKING_PF

TAKING_SUITE(assignment, 120);
static struct host *const host = &t.host;

/* Everything that can be passed, in one VM. */
static void want_all(struct taking_vm *v)
{
	(void)taking_want(v, DEVICE_WHOLE, GPU, 1, "");
	strv_add(&v->choice.v[0].members, "0000:41:00.1");
	(void)taking_want(v, DEVICE_VFS, PF, 2, "");
	(void)taking_want(v, DEVICE_MDEV, "mtty", 1, "nvidia-558");
	strv_add(&taking_want(v, DEVICE_VENDOR_VGPU, TAKING_VGPU, 1, "558")->members, TAKING_VF);
}

Test(assignment, everything_in_one_vm)
{
	struct taking_vm v;

	taking_vm(&v, &t, "one");
	want_all(&v);
	cr_assert_eq(taking_make(&v), 0, "%s", v.err.msg);
	cr_assert_eq(v.a.n, 6);
	cr_expect_str_eq(fake_driver_of(k, GPU), "vfio-pci");
	cr_expect_str_eq(fake_driver_of(k, "0000:41:00.1"), "vfio-pci");
	cr_expect_str_eq(fake_get(k, "bus/pci/devices/" PF "/sriov_numvfs"), "2");
	cr_expect_str_eq(v.a.v[0].address, GPU);
	cr_expect(v.a.v[0].slot == v.a.v[1].slot && v.a.v[1].function == 1);
	cr_expect_neq(v.a.v[2].slot, v.a.v[0].slot);
	cr_expect_neq(v.a.v[3].slot, v.a.v[2].slot);
	cr_expect_neq(v.a.v[4].uuid[0], '\0');
	cr_expect_eq(v.a.v[0].bars[0], UINT64_C(16) << 30, "what the guest must see of it");
	cr_expect_eq(v.a.v[0].bars[2], 256 << 10);
	cr_expect_eq(v.a.v[5].bars[0], 0, "made up for the guest by a driver");
	cr_expect(strcmp(taking_differences(&v), "[]") != 0, "a comparison that cannot fail");
	taking_undo_cleanly(&v);
	taking_end(&v);
}

/* ---- VFs of one PF in two VMs ---- */

static void start_two(struct taking_vm *a, struct taking_vm *b)
{
	taking_vm(a, &t, "a");
	(void)taking_want(a, DEVICE_VFS, PF, 1, "");
	a->choice.v[0].create = 2;
	taking_vm(b, &t, "b");
	(void)taking_want(b, DEVICE_VFS, PF, 1, "");
	b->choice.v[0].create = 2;
	cr_assert_eq(taking_make(a), 0, "%s", a->err.msg);
	cr_assert_eq(taking_make(b), 0, "%s", b->err.msg);
	cr_expect_str_neq(a->a.v[0].address, b->a.v[0].address);
}

static void check_pf_is_as_before(void)
{
	cr_expect_str_eq(fake_get(k, "bus/pci/devices/" PF "/sriov_numvfs"), "0");
	cr_expect_str_eq(fake_get(k, "bus/pci/devices/" PF "/sriov_drivers_autoprobe"), "1");
}

Test(assignment, vfs_made_by_the_first_vm_stay_until_the_second_ends)
{
	struct taking_vm a, b;

	start_two(&a, &b);
	taking_undo_cleanly(&a);
	taking_end(&a);
	cr_expect_str_eq(fake_get(k, "bus/pci/devices/" PF "/sriov_numvfs"), "2");
	taking_undo_cleanly(&b);
	taking_end(&b);
	check_pf_is_as_before();
}

Test(assignment, vfs_made_by_the_first_vm_go_when_it_ends_last)
{
	struct taking_vm a, b;

	start_two(&a, &b);
	taking_undo_cleanly(&b);
	taking_end(&b);
	cr_expect_str_eq(fake_get(k, "bus/pci/devices/" PF "/sriov_numvfs"), "2");
	taking_undo_cleanly(&a);
	taking_end(&a);
	check_pf_is_as_before();
}

Test(assignment, a_third_vm_finds_no_free_vf)
{
	struct taking_vm a, b, c;

	start_two(&a, &b);
	taking_vm(&c, &t, "c");
	(void)taking_want(&c, DEVICE_VFS, PF, 1, "");
	cr_expect_eq(taking_make(&c), -EBUSY);
	cr_expect(strstr(c.err.msg, "0 of its 2 VFs are free") != NULL, "%s", c.err.msg);
	cr_expect(strstr(c.err.msg, "VM a") != NULL, "%s", c.err.msg);
	taking_undo_cleanly(&c);
	taking_end(&c);
	taking_undo_cleanly(&a);
	taking_end(&a);
	taking_undo_cleanly(&b);
	taking_end(&b);
	check_pf_is_as_before();
}

Test(assignment, vfs_of_somebody_else_are_used_and_left)
{
	struct taking_vm v;

	cr_assert_eq(fake_write_now(k, "bus/pci/devices/" PF "/sriov_drivers_autoprobe", "0"), 0);
	cr_assert_eq(fake_write_now(k, "bus/pci/devices/" PF "/sriov_numvfs", "3"), 0);
	taking_vm(&v, &t, "one");
	(void)taking_want(&v, DEVICE_VFS, PF, 2, "");
	cr_assert_eq(taking_make(&v), 0, "%s", v.err.msg);
	taking_undo_cleanly(&v);
	taking_end(&v);
	cr_expect_str_eq(fake_get(k, "bus/pci/devices/" PF "/sriov_numvfs"), "3");
}

/* ---- what cannot be undone ---- */

Test(assignment, what_somebody_else_changed_is_left_and_reported)
{
	AUTO_STRV struct strv reports = STRV_INIT;
	struct taking_vm v;

	taking_vm(&v, &t, "one");
	(void)taking_want(&v, DEVICE_WHOLE, GPU, 1, "");
	cr_assert_eq(taking_make(&v), 0, "%s", v.err.msg);
	cr_assert_eq(fake_write_now(k, "bus/pci/devices/" GPU "/driver/unbind", GPU), 0);
	cr_assert_eq(fake_write_now(k, "bus/pci/devices/" GPU "/driver_override", "pcieport"), 0);
	cr_expect_eq(taking_undo(&v, true, &reports), 0, "%s", v.err.msg);
	cr_expect_eq(reports.n, 1);
	cr_expect(strstr(taking_differences(&v), GPU " driver") != NULL, "%s",
		  taking_differences(&v));
	taking_end(&v);
}

Test(assignment, a_device_that_is_lost_stays_on_vfio_and_is_quarantined)
{
	AUTO_STRV struct strv reports = STRV_INIT;
	struct quarantine q;
	struct taking_vm v;

	taking_vm(&v, &t, "one");
	(void)taking_want(&v, DEVICE_WHOLE, GPU, 1, "");
	cr_assert_eq(taking_make(&v), 0, "%s", v.err.msg);
	fake_text(k, "bus/pci/devices/" GPU "/config", "\xff\xff\xff\xff");
	cr_expect_eq(taking_undo(&v, true, &reports), 0, "%s", v.err.msg);
	cr_assert_eq(reports.n, 1);
	cr_expect_not_null(strstr(reports.v[0], "only a reboot"), "%s", reports.v[0]);
	cr_expect_str_eq(fake_driver_of(k, GPU), "vfio-pci");
	cr_expect_eq(quarantine_get(host, GPU, &q), 1);
	cr_expect(strcmp(taking_differences(&v), "[]") != 0);
	taking_end(&v);
}

Test(assignment, a_setting_that_is_refused_is_reported)
{
	AUTO_STRV struct strv reports = STRV_INIT;
	struct quarantine q;
	struct taking_vm v;

	taking_vm(&v, &t, "one");
	(void)taking_want(&v, DEVICE_WHOLE, TAKING_GPU2, 1, "");
	cr_assert_eq(taking_make(&v), 0, "%s", v.err.msg);
	fake_reset(k);
	k->state->fail_at = 2; /* it had no driver: unbind, power/control */
	k->state->fail_errno = EINVAL;
	cr_expect_eq(taking_undo(&v, true, &reports), 0, "%s", v.err.msg);
	cr_assert_eq(reports.n, 1);
	cr_expect_not_null(strstr(reports.v[0], "power/control"), "%s", reports.v[0]);
	cr_expect_eq(quarantine_get(host, TAKING_GPU2, &q), 0, "it works");
	cr_expect(strstr(taking_differences(&v), "power/control") != NULL);
	taking_end(&v);
}

Test(assignment, a_write_that_hangs_quarantines_the_device_until_it_ends)
{
	AUTO_STRV struct strv reports = STRV_INIT;
	struct quarantine q;
	struct taking_vm v;
	pid_t pid;

	taking_vm(&v, &t, "one");
	(void)taking_want(&v, DEVICE_WHOLE, GPU, 1, "");
	cr_assert_eq(taking_make(&v), 0, "%s", v.err.msg);
	/* another process of the VM, killed since, had begun a write that hangs */
	fake_reset(k);
	k->state->hang_at = 1;
	pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0) {
		struct sysfs sys = device_sysfs(host);
		const struct sysfs_change change = { .op = "test",
						     .object = GPU,
						     .path = "bus/pci/devices/" GPU
							     "/driver_override",
						     .value = "amdgpu" };

		sys.lock_fd = v.journal.fd;
		(void)sysfs_change(&sys, &change, UINT64_MAX, NULL);
		_exit(0);
	}
	while (!k->state->hangs)
		clock_sleep_ms(1);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	cr_expect_eq(taking_undo(&v, true, &reports), -ETIMEDOUT);
	cr_expect_eq(quarantine_get(host, GPU, &q), 1);
	cr_expect(strstr(q.why, "hangs") != NULL, "%s", q.why);
	k->state->released = true;
	for (int i = 0; i < 200 && taking_undo(&v, true, &reports) < 0; i++)
		clock_sleep_ms(10);
	cr_expect_str_eq(taking_differences(&v), "[]");
	taking_end(&v);
}

/* ---- the VFs that were chosen ---- */

static void make_vfs(const char *n)
{
	cr_assert_eq(fake_write_now(k, "bus/pci/devices/" PF "/sriov_drivers_autoprobe", "0"), 0);
	cr_assert_eq(fake_write_now(k, "bus/pci/devices/" PF "/sriov_numvfs", n), 0);
}

Test(assignment, the_vfs_that_were_chosen_are_used)
{
	struct device_request *q;
	struct taking_vm v;

	make_vfs("4");
	taking_vm(&v, &t, "one");
	q = taking_want(&v, DEVICE_VFS, PF, 2, "");
	strv_add(&q->members, "0000:04:00.2");
	strv_add(&q->members, "0000:04:00.6");
	cr_assert_eq(taking_make(&v), 0, "%s", v.err.msg);
	cr_assert_eq(v.a.n, 2);
	cr_expect_str_eq(v.a.v[0].address, "0000:04:00.2");
	cr_expect_str_eq(v.a.v[1].address, "0000:04:00.6");
	taking_undo_cleanly(&v);
	taking_end(&v);
}

Test(assignment, a_chosen_vf_that_is_taken_by_now_is_refused)
{
	struct taking_vm v;

	make_vfs("4");
	cr_assert_eq(fake_write_now(k, "bus/pci/devices/0000:04:00.2/driver_override", "nvme"), 0);
	cr_assert_eq(fake_write_now(k, "bus/pci/drivers/nvme/bind", "0000:04:00.2"), 0);
	taking_vm(&v, &t, "one");
	strv_add(&taking_want(&v, DEVICE_VFS, PF, 1, "")->members, "0000:04:00.2");
	cr_expect_eq(taking_make(&v), -EBUSY);
	cr_expect_not_null(strstr(v.err.msg, "0000:04:00.2 is on the driver nvme"), "%s",
			   v.err.msg);
	cr_expect_str_eq(fake_driver_of(k, "0000:04:00.2"), "nvme");
	taking_undo_cleanly(&v);
	taking_end(&v);
}

Test(assignment, chosen_vfs_that_have_gone_are_made_anew)
{
	struct taking_vm v;

	taking_vm(&v, &t, "one");
	strv_add(&taking_want(&v, DEVICE_VFS, PF, 1, "")->members, "0000:04:00.0");
	cr_assert_eq(taking_make(&v), 0, "%s", v.err.msg);
	cr_expect_str_eq(v.a.v[0].address, "0000:04:00.0");
	taking_undo_cleanly(&v);
	taking_end(&v);
	check_pf_is_as_before();
}

Test(assignment, a_vgpu_that_is_somebody_elses_by_now_is_refused)
{
	struct taking_vm v;

	cr_assert_eq(
		fake_write_now(k, "bus/pci/devices/" TAKING_VF "/nvidia/current_vgpu_type", "557"),
		0);
	taking_vm(&v, &t, "one");
	strv_add(&taking_want(&v, DEVICE_VENDOR_VGPU, TAKING_VGPU, 1, "558")->members, TAKING_VF);
	cr_expect_eq(taking_make(&v), -EBUSY);
	taking_undo_cleanly(&v);
	cr_expect_str_eq(fake_get(k, "bus/pci/devices/" TAKING_VF "/nvidia/current_vgpu_type"),
			 "557");
	taking_end(&v);
}

/* ---- groups, the whole and its parts ---- */

Test(assignment, all_of_a_group_is_leased)
{
	AUTO_LEASES struct leases leases = LEASES_INIT;
	AUTO_STRV struct strv names = STRV_INIT;
	struct taking_vm v;

	cr_assert_eq(
		fake_write_now(k, "bus/pci/devices/" TAKING_AUDIO "/driver/unbind", TAKING_AUDIO),
		0);
	taking_vm(&v, &t, "one");
	(void)taking_want(&v, DEVICE_WHOLE, GPU, 1, "");
	cr_assert_eq(taking_make(&v), 0, "%s", v.err.msg);
	strv_add(&names, TAKING_AUDIO);
	cr_expect_eq(leases_take(host, &names, "two", &leases, NULL), -EBUSY);
	taking_undo_cleanly(&v);
	taking_end(&v);
}

Test(assignment, a_group_that_the_kernel_would_not_give_is_refused)
{
	struct taking_vm v;

	taking_vm(&v, &t, "one");
	(void)taking_want(&v, DEVICE_WHOLE, TAKING_GPU2, 1, "");
	k->state->not_viable_group = 6;
	cr_expect_eq(taking_make(&v), -EBUSY);
	cr_expect_not_null(strstr(v.err.msg, "IOMMU group 6"), "%s", v.err.msg);
	taking_undo_cleanly(&v);
	taking_end(&v);
}

Test(assignment, a_part_of_what_somebody_has_as_a_whole_is_refused)
{
	struct taking_vm whole, part;

	taking_vm(&whole, &t, "whole");
	(void)taking_want(&whole, DEVICE_WHOLE, TAKING_NVIDIA, 1, "");
	cr_assert_eq(taking_make(&whole), 0, "%s", whole.err.msg);
	taking_vm(&part, &t, "part");
	(void)taking_want(&part, DEVICE_MDEV, TAKING_NVIDIA, 1, "nvidia-558");
	cr_expect_eq(taking_make(&part), -EBUSY);
	cr_expect_not_null(strstr(part.err.msg, "VM whole"), "%s", part.err.msg);
	taking_undo_cleanly(&part);
	taking_end(&part);
	taking_undo_cleanly(&whole);
	taking_end(&whole);
}

Test(assignment, the_whole_of_what_somebody_has_a_part_of_is_refused)
{
	struct taking_vm whole, part;

	taking_vm(&part, &t, "part");
	(void)taking_want(&part, DEVICE_MDEV, TAKING_NVIDIA, 1, "nvidia-558");
	cr_assert_eq(taking_make(&part), 0, "%s", part.err.msg);
	taking_vm(&whole, &t, "whole");
	(void)taking_want(&whole, DEVICE_WHOLE, TAKING_NVIDIA, 1, "");
	cr_expect_eq(taking_make(&whole), -EBUSY);
	cr_expect_not_null(strstr(whole.err.msg, "mediated devices"), "%s", whole.err.msg);
	taking_undo_cleanly(&whole);
	taking_end(&whole);
	taking_undo_cleanly(&part);
	taking_end(&part);
}

/* A driver gives the lowest free number away: who comes back first must have had the lowest. */
Test(assignment, gpus_come_back_in_the_order_of_their_numbers)
{
	static const char *const cards[][2] = { { TAKING_GPU, "card1" },
						{ TAKING_NVIDIA, "card0" } };
	struct taking_vm v;

	for (size_t i = 0; i < 2; i++) {
		char path[128];

		(void)snprintf(path, sizeof(path), "bus/pci/devices/%s/drm/%s/dev", cards[i][0],
			       cards[i][1]);
		fake_text(k, path, "226:%zu\n", 1 - i);
		(void)snprintf(path, sizeof(path), "bus/pci/devices/%s/drm/%s/uevent", cards[i][0],
			       cards[i][1]);
		fake_text(k, path, "DEVNAME=dri/%s\n", cards[i][1]);
	}
	taking_vm(&v, &t, "one");
	(void)taking_want(&v, DEVICE_WHOLE, GPU, 1, "");
	strv_add(&v.choice.v[0].members, TAKING_AUDIO);
	(void)taking_want(&v, DEVICE_WHOLE, TAKING_NVIDIA, 1, "");
	cr_assert_eq(taking_make(&v), 0, "%s", v.err.msg);
	cr_expect_str_eq(v.a.v[0].address, GPU, "the guest sees them by address");
	fake_reset(k);
	taking_undo_cleanly(&v);
	cr_expect_str_eq(k->state->last_bound[0], TAKING_NVIDIA);
	cr_expect_str_eq(k->state->last_bound[1], GPU);
	cr_expect_str_eq(k->state->last_bound[2], TAKING_AUDIO);
	taking_end(&v);
}

/* ---- a guardian that died ---- */

Test(assignment, what_a_dead_run_has_not_given_back_nobody_gets)
{
	AUTO_STRV struct strv reports = STRV_INIT;
	struct lease_holder holder;
	struct taking_vm dead, other;

	taking_vm(&dead, &t, "dead");
	(void)taking_want(&dead, DEVICE_WHOLE, GPU, 1, "");
	strv_add(&dead.choice.v[0].members, TAKING_AUDIO);
	cr_assert_eq(taking_make(&dead), 0, "%s", dead.err.msg);
	leases_done(&dead.a.leases); /* they end with its guardian */
	cr_expect_eq(lease_holder(host, GPU, &holder, NULL), 1);
	cr_expect(holder.is_dead && strcmp(holder.vm, "dead") == 0);
	taking_vm(&other, &t, "other");
	(void)taking_want(&other, DEVICE_WHOLE, GPU, 1, "");
	cr_expect_eq(taking_make(&other), -EBUSY);
	cr_expect_not_null(strstr(other.err.msg, "VM dead"), "%s", other.err.msg);
	cr_expect_str_eq(other.err.hint, "bmvm recover");
	cr_expect_eq(taking_undo(&dead, false, &reports), 0, "%s", dead.err.msg);
	cr_expect_eq(reports.n, 0);
	cr_expect_str_eq(taking_differences(&dead), "[]");
	/* its run folder is there still, as that of a preserved VM would be */
	cr_expect_eq(lease_holder(host, GPU, &holder, NULL), 0);
	cr_expect_eq(taking_make(&other), 0, "%s", other.err.msg);
	taking_undo_cleanly(&other);
	taking_end(&other);
	taking_end(&dead);
}

/* Whoever undoes holds all leases until all is undone. */
Test(assignment, nobody_gets_a_device_while_others_of_its_run_are_given_back)
{
	struct taking_vm dead;
	struct error err = ERROR_INIT;
	AUTO_STRV struct strv gpu = STRV_INIT;
	AUTO_LEASES struct leases leases = LEASES_INIT;
	int status = 1;
	pid_t pid;

	taking_vm(&dead, &t, "dead");
	(void)taking_want(&dead, DEVICE_WHOLE, GPU, 1, "");
	strv_add(&dead.choice.v[0].members, TAKING_AUDIO);
	(void)taking_want(&dead, DEVICE_WHOLE, TAKING_NIC, 1, "");
	cr_assert_eq(taking_make(&dead), 0, "%s", dead.err.msg);
	leases_done(&dead.a.leases);
	fake_reset(k);
	k->state->hang_at = 7; /* the GPU's is back, its audio function's is not */
	pid = fork();
	if (pid == 0)
		_exit(taking_undo(&dead, false, NULL) == 0 ? 0 : 1);
	while (!k->state->hangs)
		clock_sleep_ms(1);
	strv_add(&gpu, GPU);
	cr_expect_eq(leases_take(host, &gpu, "other", &leases, &err), -EBUSY);
	cr_expect_not_null(strstr(err.msg, "in use by VM dead"), "%s", err.msg);
	k->state->released = true;
	cr_expect_eq(waitpid(pid, &status, 0), pid);
	cr_expect_eq(status, 0);
	cr_expect_str_eq(taking_differences(&dead), "[]");
	cr_expect_eq(leases_take(host, &gpu, "other", &leases, &err), 0, "%s", err.msg);
	taking_end(&dead);
}
