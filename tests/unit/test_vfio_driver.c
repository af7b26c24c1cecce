/* SPDX-License-Identifier: MIT */
/* Which of the VFIO drivers a function goes to. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "run/vfio_driver.h"
#include "tests/unit/helper_tree.h"

#define VF      "0000:04:00.2"
#define DEVICES "sys/bus/pci/devices/"
#define MLX5_VF "pci:v000015B3d0000101Esv000015B3sd00000006bc02sc00i00"

/* As depmod writes it: wildcards, other buses, the catch-all of vfio_pci itself. */
static const char aliases[] =
	"# Aliases extracted from modules themselves.\n"
	"alias pci:v000015B3d0000101Esv*sd*bc*sc*i* mlx5_core\n"
	"alias vfio_pci:v*d*sv*sd*bc*sc*i* vfio_pci\n"
	"alias vfio_pci:v000015B3d*sv*sd*bc*sc*i* any_vfio_pci\n"
	"alias vfio_pci:v000015B3d0000101Esv*sd*bc*sc*i* mlx5_vfio_pci\n"
	"alias vfio_pci:v00001DD8d00001003sv*sd*bc*sc*i* pds-vfio-pci\n"
	"alias vfio_pci:\n"
	"alias vfio_pci:v00001DD8d00001004sv*sd*bc*sc*i* ../../evil";

static char *root;
static struct host host = HOST_INIT;

static void setup(void)
{
	struct utsname name;
	char path[256];

	cr_assert_eq(uname(&name), 0);
	root = tree_new();
	tree_amd(root);
	(void)snprintf(path, sizeof(path), "lib/modules/%s/modules.alias", name.release);
	tree_file(root, path, "%s\n", aliases);
	tree_file(root, DEVICES VF "/modalias", MLX5_VF "\n");
	tree_dir(root, "sys/module/mlx5_vfio_pci");
	tree_host(root, &host);
}

static void teardown(void)
{
	host_done(&host);
	tree_remove(root);
}

TestSuite(vfio_driver, .init = setup, .fini = teardown);

static const char *match(const char *modalias)
{
	static char module[SYSFS_NAME_SIZE];

	vfio_driver_match(aliases, modalias, module);
	return module;
}

Test(vfio_driver, the_alias_with_the_fewest_wildcards)
{
	cr_expect_str_eq(match(MLX5_VF), "mlx5_vfio_pci");
	cr_expect_str_eq(match("pci:v000015B3d00001021sv0sd0bc02sc00i00"), "any_vfio_pci");
	cr_expect_str_eq(match("pci:v00001DD8d00001003sv0sd0bc02sc00i00"), "pds-vfio-pci");
}

Test(vfio_driver, none_for_most_devices)
{
	cr_expect_str_eq(match("pci:v00001002d000074A1sv0sd0bc12sc00i00"), "");
	cr_expect_str_eq(match("pci:v00001DD8d00001004sv0sd0bc02sc00i00"), "", "no name at all");
	cr_expect_str_eq(match("usb:v1D6Bp0002"), "");
	cr_expect_str_eq(match(""), "");
}

static struct vfio_driver find(const char *driver, const char *override)
{
	struct pci_function f = { .vendor = 0x15b3 };
	struct vfio_driver ret;

	cr_assert_eq(pci_address_parse(VF, &f.address, NULL), 0);
	(void)snprintf(f.driver, sizeof(f.driver), "%s", driver);
	(void)snprintf(f.driver_override, sizeof(f.driver_override), "%s", override);
	vfio_driver_find(&host, &f, &ret);
	return ret;
}

Test(vfio_driver, the_variant_that_the_kernel_has_for_the_device)
{
	struct vfio_driver d = find("mlx5_core", "(null)");

	cr_expect_str_eq(d.module, "mlx5_vfio_pci");
	cr_expect_str_eq(d.driver, "mlx5_vfio_pci");
	tree_dir(root, "sys/module/mlx5_vfio_pci/drivers/auxiliary:other");
	tree_dir(root, "sys/module/mlx5_vfio_pci/drivers/pci:mlx5-vfio-pci");
	d = find("", "");
	cr_expect_str_eq(d.driver, "mlx5-vfio-pci", "its real name, once it is there");
}

Test(vfio_driver, what_it_is_on_stays)
{
	struct vfio_driver d = find("vfio-pci", "(null)");

	cr_expect_str_eq(d.driver, "vfio-pci");
	cr_expect_str_eq(d.module, "");
	cr_expect_str_eq(find("any_vfio_pci", "").driver, "any_vfio_pci");
}

Test(vfio_driver, the_administrators_override_decides)
{
	tree_dir(root, "sys/bus/pci/drivers/any_vfio_pci");
	cr_expect_str_eq(find("", "any_vfio_pci").driver, "any_vfio_pci");
	cr_expect_str_eq(find("", "vfio-pci").driver, "vfio-pci");
	cr_expect_str_eq(find("", "vfio-pci").module, "");
	cr_expect_str_eq(find("", "mlx5_core").driver, "mlx5_vfio_pci", "that is no VFIO driver");
}

/* Blacklisted, or of a kernel that is not this one. */
Test(vfio_driver, a_module_that_cannot_be_loaded_is_none)
{
	tree_file(root, DEVICES VF "/modalias", "pci:v000015B3d00001021sv0sd0bc02sc00i00\n");
	cr_expect_str_eq(find("", "").driver, "vfio-pci");
	cr_expect_str_eq(find("", "").module, "");
}

Test(vfio_driver, without_a_list_of_modules)
{
	close_fd(&host.modules_fd);
	cr_expect_str_eq(find("mlx5_core", "").driver, "vfio-pci");
}
