/* SPDX-License-Identifier: MIT */
/* VFs made and removed, mediated devices, NVIDIA's vendor VFIO. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helper_kernel.h"
#include "sysfs/clock.h"
#include "sysfs/driver.h"
#include "sysfs/mdev.h"
#include "sysfs/nvidia.h"
#include "sysfs/sriov.h"

#define D       "bus/pci/devices/"
#define NUMVFS  D "0000:03:00.0/sriov_numvfs"
#define PROBE   D "0000:03:00.0/sriov_drivers_autoprobe"
#define CURRENT D "0000:61:00.4/nvidia/current_vgpu_type"
#define UUID    "0b5e3a4c-9d1f-4c2e-8a77-0123456789ab"
#define LONG_MS 10000
/* Will pass, but leaves a slow machine time for what comes before. */
#define SLOW_MS 500

static const struct pci_address pf = { .bus = 3 };
static const struct pci_address vf0 = { .bus = 4 };
static const struct pci_address vgpu = { .bus = 0x61, .function = 4 };
static const struct nvidia_retry quick = { .times = 10, .pause_ms = 1 };

static struct fake_kernel k;
static struct sysfs_error err;

static void setup(void)
{
	fake_start_host(&k);
	err = (struct sysfs_error){ 0 };
}

static void teardown(void)
{
	fake_stop(&k);
}

TestSuite(sysfs_sriov, .init = setup, .fini = teardown);
TestSuite(sysfs_mdev, .init = setup, .fini = teardown);
TestSuite(sysfs_nvidia, .init = setup, .fini = teardown);

static struct sriov_change planned(int n)
{
	struct sriov_change change;

	cr_assert_eq(sriov_plan(&k.sys, &pf, n, &change, &err), 0, "%s", err.text);
	return change;
}

static int create(const struct sriov_change *change, uint64_t ms)
{
	return sriov_create(&k.sys, change, sysfs_deadline_ms(ms), &err);
}

static int remove_vfs(const struct sriov_change *change)
{
	return sriov_remove(&k.sys, change, sysfs_deadline_ms(LONG_MS), &err);
}

Test(sysfs_sriov, vfs_come_without_driver_and_go_without_trace)
{
	struct sriov_change change = planned(2);
	struct pci_vf *vfs = NULL;
	size_t n = 0;

	cr_assert_eq(create(&change, LONG_MS), 0, "%s", err.text);
	cr_assert_eq(pci_vfs_read(&k.sys, &pf, &vfs, &n), 0);
	cr_assert_eq(n, 2);
	cr_assert_eq(vfs[1].address.bus, 4);
	cr_assert_eq(vfs[1].address.function, 2, "by link: they lie two apart");
	free(vfs);
	cr_assert_str_eq(fake_driver_of(&k, "0000:04:00.0"), "");
	cr_assert_str_eq(fake_get(&k, PROBE), "0", "it stays off while they exist");
	cr_assert_eq(remove_vfs(&change), 0, "%s", err.text);
	cr_assert_str_eq(fake_get(&k, NUMVFS), "0");
	cr_assert_str_eq(fake_get(&k, PROBE), "1");
	cr_assert_eq(k.n_intents, 4);
	cr_assert_str_eq(k.intents[0].path, PROBE);
	cr_assert_str_eq(k.intents[1].path, NUMVFS);
	cr_assert_str_eq(k.intents[1].old_value, "0");
	cr_assert_str_eq(k.intents[1].new_value, "2");
	cr_assert_eq(remove_vfs(&change), 0);
	cr_assert_eq(k.n_intents, 4, "a second time there is nothing to do");
}

Test(sysfs_sriov, a_plan_refuses_what_cannot_be)
{
	static const struct pci_address gpu = { .bus = 0x41 }, none = { .bus = 0x99 };
	struct sriov_change change;

	cr_assert_eq(sriov_plan(&k.sys, &pf, 0, &change, &err), -EINVAL);
	cr_assert_eq(sriov_plan(&k.sys, &pf, 5, &change, &err), -ERANGE);
	cr_assert_neq(strstr(err.text, "4 VFs"), NULL, "%s", err.text);
	cr_assert_eq(sriov_plan(&k.sys, &gpu, 1, &change, &err), -EOPNOTSUPP);
	cr_assert_eq(sriov_plan(&k.sys, &none, 1, &change, &err), -ENODEV);
	cr_assert_eq(fake_write_now(&k, NUMVFS, "1"), 0);
	cr_assert_eq(sriov_plan(&k.sys, &pf, 1, &change, &err), -EBUSY);
	cr_assert_eq(fake_write_now(&k, NUMVFS, "0"), 0);
	cr_assert_eq(fake_write_now(&k, D "0000:03:00.0/driver/unbind", "0000:03:00.0"), 0);
	cr_assert_eq(sriov_plan(&k.sys, &pf, 1, &change, &err), -ENOENT);
	cr_assert_eq(k.n_intents, 0);
}

Test(sysfs_sriov, a_driver_that_makes_no_vfs_is_named)
{
	struct sriov_change change = planned(1);

	fake_device(&k, "0000:03:00.0")->no_sriov = true;
	cr_assert_eq(create(&change, LONG_MS), -ENOENT);
	cr_assert_neq(strstr(err.text, "the driver nvme makes no VFs"), NULL, "%s", err.text);
	cr_assert_eq(remove_vfs(&change), 0);
	cr_assert_str_eq(fake_get(&k, PROBE), "1");
}

Test(sysfs_sriov, fewer_vfs_than_asked_are_a_failure_that_can_be_undone)
{
	struct sriov_change change = planned(3);

	fake_device(&k, "0000:03:00.0")->vf_short = 1;
	cr_assert_eq(create(&change, LONG_MS), -ENOSPC);
	cr_assert_neq(strstr(err.text, "1 VFs instead of 3"), NULL, "%s", err.text);
	cr_assert_eq(remove_vfs(&change), 0);
	cr_assert_str_eq(fake_get(&k, NUMVFS), "0");
}

Test(sysfs_sriov, vfs_that_do_not_answer_are_waited_for_until_the_deadline)
{
	struct sriov_change change = planned(1);

	fake_device(&k, "0000:03:00.0")->vf_broken = true;
	cr_assert_eq(create(&change, SLOW_MS), -ETIMEDOUT);
	cr_assert_eq(err.wedged, 0);
	cr_assert_eq(remove_vfs(&change), 0);
}

Test(sysfs_sriov, the_kernels_refusals_are_explained)
{
	static const struct {
		int code;
		const char *text;
	} cases[] = { { ENOMEM, "above-4G" }, { EBUSY, "in use" }, { ERANGE, "fewer VFs" } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct sriov_change change = planned(1);

		fake_reset(&k);
		k.state->fail_at = 2;
		k.state->fail_errno = cases[i].code;
		cr_assert_eq(create(&change, LONG_MS), -cases[i].code);
		cr_assert_neq(strstr(err.text, cases[i].text), NULL, "%s", err.text);
		cr_assert_eq(remove_vfs(&change), 0);
	}
}

Test(sysfs_sriov, vfs_of_somebody_else_are_left_alone)
{
	struct sriov_change change = planned(1);

	cr_assert_eq(fake_write_now(&k, NUMVFS, "2"), 0);
	cr_assert_eq(create(&change, LONG_MS), -ESTALE);
	cr_assert_eq(remove_vfs(&change), -ESTALE);
	cr_assert_eq(fake_write_now(&k, NUMVFS, "0"), 0);
	fake_text(&k, D "0000:03:00.0/device", "0x9999\n");
	cr_assert_eq(create(&change, LONG_MS), -ESTALE);
	cr_assert_eq(remove_vfs(&change), -ESTALE);
	cr_assert_eq(k.n_intents, 0);
}

Test(sysfs_sriov, a_vf_in_use_keeps_them_all)
{
	struct sriov_change change = planned(2);
	struct driver_binding binding;

	cr_assert_eq(create(&change, LONG_MS), 0);
	cr_assert_eq(driver_plan(&k.sys, &vf0, "vfio-pci", &binding, &err), 0, "%s", err.text);
	cr_assert_eq(driver_bind(&k.sys, &binding, sysfs_deadline_ms(LONG_MS), &err), 0);
	cr_assert_eq(remove_vfs(&change), -EBUSY);
	cr_assert_neq(strstr(err.text, "0000:04:00.0 is on the driver vfio-pci"), NULL, "%s",
		      err.text);
	cr_assert_str_eq(fake_get(&k, NUMVFS), "2");
	cr_assert_eq(driver_give_back(&k.sys, &binding, sysfs_deadline_ms(LONG_MS), &err), 0);
	cr_assert_eq(remove_vfs(&change), 0, "%s", err.text);
}

/* It does not come back from its guest: nothing but taking it away can be done with it. */
Test(sysfs_sriov, a_vf_that_is_lost_goes_with_the_others_once_its_guest_has_let_go)
{
	struct sriov_change change = planned(2);
	struct driver_binding binding;

	cr_assert_eq(create(&change, LONG_MS), 0);
	cr_assert_eq(driver_plan(&k.sys, &vf0, "vfio-pci", &binding, &err), 0, "%s", err.text);
	cr_assert_eq(driver_bind(&k.sys, &binding, sysfs_deadline_ms(LONG_MS), &err), 0);
	fake_text(&k, D "0000:04:00.0/config", "\xff\xff\xff\xff");
	k.state->open_group = pci_group(&k.sys, &vf0);
	cr_assert_eq(remove_vfs(&change), -EBUSY);
	k.state->open_group = -1;
	fake_proc_text(&k, "iomem", "1000-1fff : 0000:04:00.0\n  1000-1fff : vfio-pci\n");
	cr_assert_eq(remove_vfs(&change), -EBUSY);
	fake_proc_text(&k, "iomem", "");
	cr_assert_eq(remove_vfs(&change), 0, "%s", err.text);
	cr_assert_str_eq(fake_get(&k, NUMVFS), "0");
	cr_assert_str_eq(fake_get(&k, PROBE), "1");
}

Test(sysfs_sriov, without_its_driver_a_pf_keeps_its_vfs)
{
	struct sriov_change change = planned(2);

	cr_assert_eq(create(&change, LONG_MS), 0);
	cr_assert_eq(fake_write_now(&k, D "0000:03:00.0/driver/unbind", "0000:03:00.0"), 0);
	cr_assert_eq(remove_vfs(&change), -ENOENT);
	cr_assert_neq(strstr(err.text, "lost its driver"), NULL, "%s", err.text);
	cr_assert_eq(fake_write_now(&k, "bus/pci/drivers/nvme/bind", "0000:03:00.0"), 0);
	cr_assert_eq(remove_vfs(&change), 0);
}

Test(sysfs_sriov, autoprobe_that_was_off_stays_off)
{
	fake_text(&k, PROBE, "0\n");

	struct sriov_change change = planned(1);

	cr_assert_eq(create(&change, LONG_MS), 0);
	cr_assert_eq(remove_vfs(&change), 0);
	cr_assert_str_eq(fake_get(&k, PROBE), "0");
	cr_assert_eq(k.n_intents, 2);
}

Test(sysfs_mdev, types_are_found_by_id_and_by_name)
{
	AUTO_MDEV_TYPES struct mdev_types types = { 0 };
	AUTO_SYSFS_NAMES struct sysfs_names parents = { 0 };

	cr_assert_eq(mdev_types_read(&k.sys, "0000:51:00.0", &types, &err), 0, "%s", err.text);
	cr_assert_eq(types.n, 2);
	cr_assert_str_eq(types.v[0].id, "nvidia-558");
	cr_assert_str_eq(types.v[0].description, "num_heads=4\nframebuffer=8192M");
	cr_assert_str_eq(types.v[0].device_api, "vfio-pci");
	cr_assert_eq(types.v[0].available, 2);
	cr_assert_str_eq(types.v[1].description, "", "not each type has one");
	cr_assert_eq(mdev_find_type(&types, "nvidia-559"), &types.v[1]);
	cr_assert_eq(mdev_find_type(&types, "GRID A40-8Q"), &types.v[0]);
	cr_assert_eq(mdev_find_type(&types, "GRID"), NULL);
	cr_assert_eq(mdev_parents(&k.sys, &parents, &err), 0);
	cr_assert_eq(parents.n, 2);
	cr_assert_str_eq(parents.v[1], "mtty");
}

Test(sysfs_mdev, what_offers_none_is_no_parent)
{
	struct mdev_types types;

	cr_assert_eq(mdev_types_read(&k.sys, "0000:41:00.0", &types, &err), -ENOENT);
	cr_assert_eq(mdev_types_read(&k.sys, "../..", &types, &err), -EINVAL);
	cr_assert_eq(mdev_types_read(&k.sys, "", &types, &err), -EINVAL);
}

static int make(const char *parent, const char *type, const char *uuid)
{
	return mdev_create(&k.sys, parent, type, uuid, sysfs_deadline_ms(LONG_MS), &err);
}

static int drop(const char *uuid, unsigned int grace_ms, uint64_t ms)
{
	return mdev_remove(&k.sys, uuid, grace_ms, sysfs_deadline_ms(ms), &err);
}

Test(sysfs_mdev, a_device_is_made_and_removed_on_both_kinds_of_parents)
{
	static const char *const parents[] = { "0000:51:00.0", "mtty" };

	for (size_t i = 0; i < 2; i++) {
		struct mdev_device device;

		cr_assert_eq(make(parents[i], "nvidia-558", UUID), 0, "%s", err.text);
		cr_assert_eq(mdev_read(&k.sys, UUID, &device, &err), 0, "%s", err.text);
		cr_assert_str_eq(device.parent, parents[i]);
		cr_assert_str_eq(device.type, "nvidia-558");
		cr_assert(fake_node(&k, device.group));
		cr_assert_eq(drop(UUID, 0, LONG_MS), 0, "%s", err.text);
		cr_assert_eq(mdev_read(&k.sys, UUID, &device, &err), -ENODEV);
		cr_assert_eq(drop(UUID, 0, LONG_MS), 0, "it is gone, so all is well");
		cr_assert(!fake_node(&k, device.group));
	}
	cr_assert_eq(k.n_intents, 4);
	cr_assert_str_eq(k.intents[0].object, UUID);
}

Test(sysfs_mdev, refusals_are_explained)
{
	cr_assert_eq(make("0000:51:00.0", "nvidia-1", UUID), -ENOENT);
	cr_assert_neq(strstr(err.text, "no type nvidia-1"), NULL, "%s", err.text);
	cr_assert_eq(make("0000:51:00.0", "../x", UUID), -EINVAL);
	cr_assert_eq(make("0000:51:00.0", "nvidia-559", "no-uuid"), -EINVAL);
	cr_assert_eq(make("0000:51:00.0", "nvidia-559", UUID), 0);
	cr_assert_eq(make("0000:51:00.0", "nvidia-559", UUID), -EEXIST);
	cr_assert_eq(make("0000:51:00.0", "nvidia-559", "1b5e3a4c-9d1f-4c2e-8a77-0123456789ab"),
		     -ENOSPC);
	cr_assert_neq(strstr(err.text, "no room"), NULL, "%s", err.text);
	k.state->fail_at = k.state->n_writes + 1;
	k.state->fail_errno = EIO;
	cr_assert_eq(make("0000:51:00.0", "nvidia-558", "2b5e3a4c-9d1f-4c2e-8a77-0123456789ab"),
		     -EIO);
	cr_assert_neq(strstr(err.text, "service"), NULL, "%s", err.text);
}

Test(sysfs_mdev, a_device_in_use_is_not_removed)
{
	struct mdev_device device;

	cr_assert_eq(make("mtty", "nvidia-558", UUID), 0);
	cr_assert_eq(mdev_read(&k.sys, UUID, &device, &err), 0);
	k.state->open_group = device.group;
	cr_assert_eq(drop(UUID, 0, 50), -EBUSY);
	cr_assert_eq(k.n_intents, 1);
	k.state->busy_opens = 3;
	cr_assert_eq(drop(UUID, 0, LONG_MS), 0, "%s", err.text);
}

Test(sysfs_mdev, one_that_is_going_already_is_gone_in_the_end)
{
	cr_assert_eq(make("mtty", "nvidia-558", UUID), 0);
	k.state->fail_at = 2;
	k.state->fail_errno = EAGAIN;
	cr_assert_eq(drop(UUID, 10, SLOW_MS), -ETIMEDOUT, "but it stays");
	cr_assert_eq(err.wedged, 0);
	cr_assert_eq(drop(UUID, 10, LONG_MS), 0);
}

Test(sysfs_mdev, one_that_goes_by_itself_is_not_hurried)
{
	cr_assert_eq(make("mtty", "nvidia-558", UUID), 0);

	pid_t pid = fork();

	if (pid == 0) {
		usleep(50000);
		_exit(fake_write_now(&k, "bus/mdev/devices/" UUID "/remove", "1") != 0);
	}
	cr_assert_eq(drop(UUID, LONG_MS, LONG_MS), 0, "%s", err.text);
	cr_assert_eq(k.n_intents, 1, "nothing was written");
	cr_assert_eq(waitpid(pid, NULL, 0), pid);
}

Test(sysfs_nvidia, a_type_is_set_and_cleared)
{
	AUTO_NVIDIA_TYPES struct nvidia_types types = { 0 };
	unsigned int current;
	uint64_t deadline = sysfs_deadline_ms(LONG_MS);

	cr_assert_eq(nvidia_types_read(&k.sys, &vgpu, &types, &err), 0);
	cr_assert_eq(types.n, 2);
	cr_assert_eq(nvidia_set(&k.sys, &vgpu, types.v[1].id, deadline, &err), 0, "%s", err.text);
	cr_assert_eq(nvidia_current(&k.sys, &vgpu, &current, &err), 0);
	cr_assert_eq(current, 558);
	cr_assert_eq(nvidia_clear(&k.sys, &vgpu, 558, quick, deadline, &err), 0);
	cr_assert_str_eq(fake_get(&k, CURRENT), "0");
	cr_assert_eq(nvidia_clear(&k.sys, &vgpu, 558, quick, deadline, &err), 0);
	cr_assert_eq(k.n_intents, 2);
	cr_assert_str_eq(k.intents[0].op, "set-vgpu");
	cr_assert_str_eq(k.intents[1].op, "clear-vgpu");
	cr_assert_str_eq(k.intents[1].old_value, "558");
}

Test(sysfs_nvidia, a_vf_with_a_type_is_somebodys)
{
	uint64_t deadline = sysfs_deadline_ms(LONG_MS);

	fake_text(&k, CURRENT, "557\n");
	cr_assert_eq(nvidia_set(&k.sys, &vgpu, 558, deadline, &err), -EBUSY);
	cr_assert_eq(nvidia_clear(&k.sys, &vgpu, 558, quick, deadline, &err), -ESTALE);
	cr_assert_eq(nvidia_set(&k.sys, &vgpu, 0, deadline, &err), -EINVAL);
	cr_assert_eq(nvidia_set(&k.sys, &vf0, 558, deadline, &err), -ENOENT);
	cr_assert_eq(k.n_intents, 0);
	cr_assert_str_eq(fake_get(&k, CURRENT), "557");
}

Test(sysfs_nvidia, clearing_is_tried_again_while_it_is_refused)
{
	uint64_t deadline = sysfs_deadline_ms(LONG_MS);

	cr_assert_eq(nvidia_set(&k.sys, &vgpu, 558, deadline, &err), 0);
	k.state->eperm_left = 9;
	cr_assert_eq(nvidia_clear(&k.sys, &vgpu, 558, quick, deadline, &err), 0, "%s", err.text);
	cr_assert_eq(k.state->n_writes, 11);
	cr_assert_eq(nvidia_set(&k.sys, &vgpu, 558, deadline, &err), 0);
	k.state->eperm_left = 10;
	cr_assert_eq(nvidia_clear(&k.sys, &vgpu, 558, quick, deadline, &err), -EPERM);
	cr_assert_eq(k.state->n_writes, 22);
	cr_assert_str_eq(fake_get(&k, CURRENT), "558");
}

Test(sysfs_nvidia, an_open_vgpu_is_not_cleared)
{
	cr_assert_eq(nvidia_set(&k.sys, &vgpu, 558, sysfs_deadline_ms(LONG_MS), &err), 0);
	k.state->open_group = 11;
	cr_assert_eq(nvidia_clear(&k.sys, &vgpu, 558, quick, sysfs_deadline_ms(50), &err), -EBUSY);
	cr_assert_eq(k.n_intents, 1);
}
