/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "host/pci_names.h"
#include "tests/unit/helper_tree.h"

static const char text[] =
	"# a comment\n"
	"1002  Advanced Micro Devices, Inc. [AMD/ATI]\n"
	"\t5046  Rage 4 [Rage 128 PRO AGP 4x TMDS]\n"
	"\t74a1  Aqua Vanjaram [Instinct MI300X]\n"
	"\t\t1002 74a1  A subsystem\n"
	"# between\n"
	"\t74b5  Aqua\tVanjaram\033[31m [Instinct MI300X VF]\n"
	"10de  NVIDIA Corporation\n"
	"\t2330  GH100 [H100 SXM5 80GB]\n"
	"C 03  Display controller\n"
	"\t00  VGA compatible controller\n"
	"dead  Behind the classes";

static char *root;
static struct pci_names names = PCI_NAMES_INIT;

static void setup(void)
{
	const char *paths[] = { "/nowhere/pci.ids", NULL, NULL };

	root = tree_new();
	tree_file(root, "pci.ids", "%s", text);
	paths[1] = path_join(root, "pci.ids");
	pci_names_load(&names, paths);
	free((char *)paths[1]);
}

static void teardown(void)
{
	pci_names_done(&names);
	tree_remove(root);
}

TestSuite(pci_names, .init = setup, .fini = teardown);

static const char *device(uint16_t vendor, uint16_t id)
{
	static char name[128];

	return pci_names_device(&names, vendor, id, name, sizeof(name));
}

Test(pci_names, vendors_and_devices)
{
	char name[128];

	cr_expect_str_eq(pci_names_vendor(&names, 0x10de, name, sizeof(name)),
			 "NVIDIA Corporation");
	cr_expect_str_eq(device(0x1002, 0x74a1), "Aqua Vanjaram [Instinct MI300X]");
	cr_expect_str_eq(device(0x10de, 0x2330), "GH100 [H100 SXM5 80GB]");
}

Test(pci_names, what_is_not_known_is_empty)
{
	char name[128];

	cr_expect_str_eq(pci_names_vendor(&names, 0xbeef, name, sizeof(name)), "");
	cr_expect_str_eq(device(0xbeef, 0x0001), "");
	cr_expect_str_eq(device(0x1002, 0x2330), "", "the device of another vendor");
	cr_expect_str_eq(device(0x10de, 0x0000), "", "a class is no device");
	cr_expect_str_eq(pci_names_vendor(&names, 0xdead, name, sizeof(name)), "");
}

Test(pci_names, a_name_cannot_move_the_cursor_and_is_cut)
{
	char name[12];

	cr_expect_str_eq(device(0x1002, 0x74b5), "Aqua Vanjaram [31m [Instinct MI300X VF]");
	cr_expect_str_eq(pci_names_vendor(&names, 0x1002, name, sizeof(name)), "Advanced Mi");
}

Test(pci_names, no_file_at_all)
{
	static const char *const nowhere[] = { "/nowhere/pci.ids", NULL };
	struct pci_names none = PCI_NAMES_INIT;
	char name[16];

	pci_names_load(&none, nowhere);
	cr_expect_str_eq(pci_names_vendor(&none, 0x1002, name, sizeof(name)), "");
	pci_names_done(&none);
}
