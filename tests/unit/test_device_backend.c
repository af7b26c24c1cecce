/* SPDX-License-Identifier: MIT */
/* What iommufd needs of QEMU and of the host, and the nodes of devices. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/error.h"
#include "run/device_backend.h"
#include "tests/unit/helper_tree.h"
#include "vm/caps.h"

#define GPU  "0000:41:00.0"
#define UUID "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"

static const struct qemu_caps old_qemu, new_qemu = { .iommufd = true };
static char *root;
static struct host host = HOST_INIT;
static struct error err;

/* A host whose kernel has all of it, and no device on vfio-pci. */
static void setup(void)
{
	root = tree_new();
	tree_amd(root);
	tree_file(root, "sys/class/misc/iommu/dev", "10:124\n");
	tree_file(root, "proc/devices", "Character devices:\n 10 misc\n511 vfio-dev\n");
	tree_dir(root, "sys/class/vfio-dev");
	tree_host(root, &host);
	err = (struct error)ERROR_INIT;
}

static void teardown(void)
{
	host_done(&host);
	tree_remove(root);
}

TestSuite(device_backend, .init = setup, .fini = teardown);

static void refused(const struct qemu_caps *caps, const char *why)
{
	cr_expect_eq(device_backend_check(&host, caps, &err), -ENOTSUP);
	cr_expect(strstr(err.msg, why) != NULL, "%s", err.msg);
	cr_expect(strstr(err.hint, "leave out \"iommufd\"") != NULL, "%s", err.hint);
}

Test(device_backend, a_host_that_has_it)
{
	cr_expect_eq(device_backend_check(&host, &new_qemu, &err), 0, "%s", err.msg);
	cr_expect_str_eq(device_backend_module(true), "iommufd");
	cr_expect_str_eq(device_backend_module(false), "vfio_iommu_type1");
}

Test(device_backend, a_qemu_that_has_no_such_object)
{
	refused(&old_qemu, "this QEMU has no such object");
}

Test(device_backend, a_kernel_without_nodes_for_devices)
{
	tree_file(root, "proc/devices", "Character devices:\n 10 misc\n511 vfio\n");
	refused(&new_qemu, "no nodes of their own");
}

Test(device_backend, the_number_of_dev_iommu)
{
	dev_t rdev = 0;

	cr_assert_eq(device_backend_iommu(&host, &rdev, &err), 0, "%s", err.msg);
	cr_expect_eq(rdev, makedev(10, 124));
	tree_file(root, "sys/class/misc/iommu/dev", "nonsense\n");
	cr_expect_eq(device_backend_iommu(&host, &rdev, &err), -ENOTSUP);
}

Test(device_backend, the_node_of_a_function_and_of_a_mediated_device)
{
	dev_t rdev = 0;
	int number = -1;

	cr_expect_eq(device_backend_node(&host, GPU, "", &number, &rdev, &err), -ENOTSUP);
	cr_expect(strstr(err.msg, GPU ": iommufd: the kernel gives it no node") != NULL, "%s",
		  err.msg);
	tree_file(root, "sys/bus/pci/devices/" GPU "/vfio-dev/vfio12/dev", "511:12\n");
	cr_assert_eq(device_backend_node(&host, GPU, "", &number, &rdev, &err), 0, "%s", err.msg);
	cr_expect_eq(number, 12);
	cr_expect_eq(rdev, makedev(511, 12));
	tree_file(root, "sys/bus/mdev/devices/" UUID "/vfio-dev/vfio0/dev", "511:0\n");
	cr_assert_eq(device_backend_node(&host, "", UUID, &number, &rdev, &err), 0, "%s", err.msg);
	cr_expect_eq(number, 0);
	cr_expect_eq(rdev, makedev(511, 0));
}

/* Before CONFIG_VFIO_DEVICE_CDEV the folder is there, without a number. */
Test(device_backend, a_device_without_a_node)
{
	dev_t rdev = 0;
	int number = -1;

	tree_dir(root, "sys/bus/pci/devices/" GPU "/vfio-dev/vfio0");
	tree_file(root, "sys/bus/pci/devices/" GPU "/vfio-dev/vfiox/dev", "511:1\n");
	cr_expect_eq(device_backend_node(&host, GPU, "", &number, &rdev, &err), -ENOTSUP);
}
