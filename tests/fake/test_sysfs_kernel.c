/* SPDX-License-Identifier: MIT */
/* The fake kernel answers as the real one does (what Linux 6.1 was seen to do). */
#include <criterion/criterion.h>
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helper_kernel.h"

#define D        "bus/pci/devices/"
#define NUMVFS   D "0000:03:00.0/sriov_numvfs"
#define PF_DRV   "bus/pci/drivers/nvme/"
#define VF0      "0000:04:00.0"
#define VF1      "0000:04:00.2"
#define OVERRIDE D "0000:41:00.0/driver_override"

static struct fake_kernel k;

static void setup(void)
{
	fake_start(&k);
	fake_host(&k);
}

static void teardown(void)
{
	fake_stop(&k);
}

TestSuite(fake_kernel, .init = setup, .fini = teardown);

Test(fake_kernel, sriov_numvfs_refuses_as_linux)
{
	cr_assert_eq(fake_write_now(&k, NUMVFS, "0"), 0);
	cr_assert_eq(fake_write_now(&k, NUMVFS, "5"), -ERANGE);
	cr_assert_eq(fake_write_now(&k, NUMVFS, "-1"), -EINVAL);
	cr_assert_eq(fake_write_now(&k, NUMVFS, "abc"), -EINVAL);
	cr_assert_eq(fake_write_now(&k, NUMVFS, "2"), 0);
	cr_assert_eq(fake_write_now(&k, NUMVFS, "2"), 0);
	cr_assert_eq(fake_write_now(&k, NUMVFS, "3"), -EBUSY);
	cr_assert_str_eq(fake_get(&k, NUMVFS), "2");
	cr_assert_eq(fake_write_now(&k, PF_DRV "unbind", "0000:03:00.0"), 0);
	cr_assert_str_eq(fake_get(&k, D VF0 "/vendor"), "0x1b36",
			 "VFs stay without the PF's driver");
	cr_assert_eq(fake_write_now(&k, NUMVFS, "0"), -ENOENT);
	cr_assert_eq(fake_write_now(&k, PF_DRV "bind", "0000:03:00.0"), 0);
	cr_assert_eq(fake_write_now(&k, NUMVFS, "0"), 0);
	cr_assert_str_eq(fake_get(&k, D VF0 "/vendor"), "(absent)");
}

Test(fake_kernel, vfs_are_probed_if_autoprobe_says_so)
{
	cr_assert_eq(fake_write_now(&k, NUMVFS, "2"), 0);
	cr_assert_str_eq(fake_driver_of(&k, VF1), "nvme");
	cr_assert_eq(fake_write_now(&k, NUMVFS, "0"), 0);
	cr_assert_eq(fake_write_now(&k, D "0000:03:00.0/sriov_drivers_autoprobe", "0"), 0);
	cr_assert_eq(fake_write_now(&k, NUMVFS, "2"), 0);
	cr_assert_str_eq(fake_driver_of(&k, VF1), "");
	cr_assert_eq(fake_write_now(&k, PF_DRV "bind", VF1), -ENODEV);
	cr_assert_eq(fake_write_now(&k, D VF1 "/driver_override", "nvme"), 0);
	cr_assert_eq(fake_write_now(&k, PF_DRV "bind", VF1), 0);
	cr_assert_str_eq(fake_driver_of(&k, VF1), "nvme");
}

Test(fake_kernel, unbind_and_bind_refuse_what_does_not_match)
{
	cr_assert_eq(fake_write_now(&k, PF_DRV "unbind", "0000:41:00.0"), -ENODEV);
	cr_assert_eq(fake_write_now(&k, "bus/pci/drivers/vfio-pci/bind", "0000:42:00.0"), -ENODEV);
	cr_assert_eq(fake_write_now(&k, "bus/pci/drivers/amdgpu/bind", "0000:41:00.0"), -EBUSY);
	cr_assert_eq(fake_write_now(&k, "bus/pci/drivers/none/bind", "0000:41:00.0"), -ENOENT);
}

Test(fake_kernel, drivers_probe_succeeds_even_if_nothing_was_bound)
{
	cr_assert_eq(fake_write_now(&k, D "0000:42:00.0/driver_override", "none-such"), 0);
	cr_assert_eq(fake_write_now(&k, "bus/pci/drivers_probe", "0000:42:00.0"), 0);
	cr_assert_str_eq(fake_driver_of(&k, "0000:42:00.0"), "");
	cr_assert_eq(fake_write_now(&k, "bus/pci/drivers_probe", "0000:99:00.0"), -ENODEV);
	cr_assert_eq(fake_write_now(&k, D "0000:42:00.0/driver_override", "\n"), 0);
	cr_assert_eq(fake_write_now(&k, "bus/pci/drivers_probe", "0000:42:00.0"), 0);
	cr_assert_str_eq(fake_driver_of(&k, "0000:42:00.0"), "amdgpu");
}

Test(fake_kernel, an_override_is_cleared_by_a_newline_only)
{
	cr_assert_str_eq(fake_get(&k, OVERRIDE), "(null)");
	cr_assert_eq(fake_write_now(&k, OVERRIDE, "vfio-pci\n"), 0);
	cr_assert_str_eq(fake_get(&k, OVERRIDE), "vfio-pci");
	cr_assert_eq(fake_write_now(&k, OVERRIDE, ""), 0);
	cr_assert_str_eq(fake_get(&k, OVERRIDE), "vfio-pci");
	cr_assert_eq(fake_write_now(&k, OVERRIDE, "\n"), 0);
	cr_assert_str_eq(fake_get(&k, OVERRIDE), "(null)");
}

Test(fake_kernel, a_group_node_is_there_while_a_member_is_on_vfio)
{
	cr_assert(!fake_node(&k, 6));
	cr_assert_eq(fake_write_now(&k, D "0000:42:00.0/driver_override", "vfio-pci"), 0);
	cr_assert_eq(fake_write_now(&k, "bus/pci/drivers_probe", "0000:42:00.0"), 0);
	cr_assert(fake_node(&k, 6));
	cr_assert_eq(fake_write_now(&k, D "0000:42:00.0/driver/unbind", "0000:42:00.0"), 0);
	cr_assert(!fake_node(&k, 6));
}

Test(fake_kernel, unbinding_from_vfio_waits_for_whoever_has_the_group_open)
{
	int status;

	cr_assert_eq(fake_write_now(&k, D "0000:42:00.0/driver_override", "vfio-pci"), 0);
	cr_assert_eq(fake_write_now(&k, "bus/pci/drivers_probe", "0000:42:00.0"), 0);
	k.state->open_group = 6;

	pid_t pid = fork();

	if (pid == 0)
		_exit(fake_write_now(&k, D "0000:42:00.0/driver/unbind", "0000:42:00.0") != 0);
	cr_assert(fake_wait_hang(&k, pid));
	cr_assert_str_eq(fake_driver_of(&k, "0000:42:00.0"), "vfio-pci");
	k.state->open_group = -1;
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0);
	cr_assert_str_eq(fake_driver_of(&k, "0000:42:00.0"), "");
}

Test(fake_kernel, mediated_devices_are_counted)
{
	static const char create[] = D "0000:51:00.0/mdev_supported_types/nvidia-559/create";
	static const char available[] =
		D "0000:51:00.0/mdev_supported_types/nvidia-559/available_instances";
	static const char uuid[] = "0b5e3a4c-9d1f-4c2e-8a77-0123456789ab";

	cr_assert_eq(fake_write_now(&k, create, "0b5e3a4c"), -EINVAL);
	cr_assert_eq(fake_write_now(&k, create, uuid), 0);
	cr_assert_str_eq(fake_get(&k, available), "0");
	cr_assert_eq(fake_write_now(&k, create, uuid), -EEXIST);
	cr_assert_eq(fake_write_now(&k, create, "1b5e3a4c-9d1f-4c2e-8a77-0123456789ab"), -ENOSPC);
	cr_assert(fake_node(&k, 20));
	cr_assert_eq(fake_write_now(&k,
				    "bus/mdev/devices/0b5e3a4c-9d1f-4c2e-8a77-0123456789ab/remove",
				    "1"),
		     0);
	cr_assert_str_eq(fake_get(&k, available), "1");
	cr_assert(!fake_node(&k, 20));
}

Test(fake_kernel, a_vgpu_type_is_set_once)
{
	static const char current[] = D "0000:61:00.4/nvidia/current_vgpu_type";

	cr_assert_eq(fake_write_now(&k, current, "556"), -EINVAL);
	cr_assert_eq(fake_write_now(&k, current, "558"), 0);
	cr_assert_eq(fake_write_now(&k, current, "557"), -EBUSY);
	k.state->eperm_left = 1;
	cr_assert_eq(fake_write_now(&k, current, "0"), -EPERM);
	cr_assert_eq(fake_write_now(&k, current, "0"), 0);
	cr_assert_str_eq(fake_get(&k, current), "0");
}
