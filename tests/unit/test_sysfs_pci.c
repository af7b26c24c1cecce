/* SPDX-License-Identifier: MIT */
/* Functions and groups read from small trees, sound ones and hostile ones. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helper_tree.h"
#include "sysfs/group.h"
#include "sysfs/pci.h"

#define D "bus/pci/devices/0000:41:00.0/"

static char *root;
static struct sysfs sys;
static const struct pci_address gpu = { .bus = 0x41 };

static void make_link(const char *name, const char *target)
{
	char path[4200];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	cr_assert_eq(symlink(target, path), 0);
}

static void write_config(const char *path, const unsigned char *bytes, size_t n)
{
	char full[4200];

	snprintf(full, sizeof(full), "%s/%s", root, path);

	int fd = open(full, O_CREAT | O_TRUNC | O_WRONLY, 0600);

	cr_assert_eq(write(fd, bytes, n), (ssize_t)n);
	close(fd);
}

static void setup(void)
{
	root = tree_new();
	sysfs_init(&sys, open(root, O_PATH | O_DIRECTORY | O_CLOEXEC), -1, -1);
	sys.read_limit_ms = 0;
	tree_file(root, D "vendor", "0x10de\n");
	tree_file(root, D "device", "0x2330\n");
	tree_file(root, D "class", "0x030200\n");
}

static void teardown(void)
{
	close(sys.sys_fd);
	tree_remove(root);
}

TestSuite(sysfs_pci, .init = setup, .fini = teardown);
TestSuite(sysfs_group, .init = setup, .fini = teardown);

static struct pci_function read_gpu(void)
{
	struct pci_function f;
	struct sysfs_error err = { 0 };

	cr_assert_eq(pci_function_read(&sys, &gpu, &f, &err), 0, "%s", err.text);
	return f;
}

static int fail_gpu(void)
{
	struct pci_function f = { 0 };
	int r = pci_function_read(&sys, &gpu, &f, NULL);

	cr_assert_eq(f.vfs, NULL);
	return r;
}

Test(sysfs_pci, ids_alone_make_a_function_and_the_rest_is_absent)
{
	struct pci_function f = read_gpu();

	cr_assert_eq(f.vendor, 0x10de);
	cr_assert_eq(f.device, 0x2330);
	cr_assert_eq(f.class_code, 0x030200);
	cr_assert_str_eq(f.driver, "");
	cr_assert(!f.has_override);
	cr_assert_eq(f.iommu_group, -1);
	cr_assert_eq(f.numa_node, -1);
	cr_assert_eq(f.enable, -1);
	cr_assert_eq(f.header_type, PCI_HEADER_UNKNOWN);
	cr_assert(!f.is_gone && !f.is_bridge && !f.is_vf && !f.boot_vga);
	cr_assert_eq(f.sriov_totalvfs, -1);
	cr_assert_eq(f.sriov_numvfs, -1);
	cr_assert_eq(f.sriov_autoprobe, -1);
	cr_assert_eq(f.n_vfs, 0);
	cr_assert_str_eq(f.reset_method, "");
	cr_assert_eq(f.regions[0].size, 0);
}

Test(sysfs_pci, everything_is_read)
{
	static const unsigned char config[64] = { [0] = 0xde, [0x0e] = 0x80 };

	tree_file(root, D "subsystem_vendor", "0x10de\n");
	tree_file(root, D "subsystem_device", "0x16c1\n");
	tree_file(root, D "revision", "0xa1\n");
	tree_file(root, D "driver_override", "(null)\n");
	tree_file(root, D "numa_node", "1\n");
	tree_file(root, D "boot_vga", "1\n");
	tree_file(root, D "enable", "2\n");
	tree_file(root, D "sriov_totalvfs", "16\n");
	tree_file(root, D "sriov_numvfs", "2\n");
	tree_file(root, D "sriov_drivers_autoprobe", "1\n");
	tree_file(root, D "power/control", "on\n");
	tree_file(root, D "power/runtime_status", "active\n");
	tree_file(root, D "d3cold_allowed", "0\n");
	tree_file(root, D "reset_method", "flr bus\n");
	tree_file(root, D "modalias", "pci:v000010DE\n");
	tree_file(root, D "nvidia/current_vgpu_type", "0\n");
	tree_dir(root, D "mdev_supported_types");
	write_config(D "config", config, sizeof(config));
	make_link(D "driver", "../../../../bus/pci/drivers/nvidia");
	make_link(D "iommu_group", "../../../../kernel/iommu_groups/17");
	make_link(D "physfn", "../0000:40:00.0");
	make_link(D "virtfn10", "../0000:41:02.0");
	make_link(D "virtfn2", "../0000:41:01.0");

	AUTO_PCI_FUNCTION struct pci_function f = read_gpu();

	cr_assert_eq(f.subsystem_device, 0x16c1);
	cr_assert_eq(f.revision, 0xa1);
	cr_assert_str_eq(f.driver, "nvidia");
	cr_assert_str_eq(f.driver_override, "(null)");
	cr_assert(f.has_override && !pci_override_is_set(f.driver_override));
	cr_assert_eq(f.iommu_group, 17);
	cr_assert_eq(f.numa_node, 1);
	cr_assert(f.boot_vga);
	cr_assert_eq(f.enable, 2);
	cr_assert_eq(f.header_type, PCI_HEADER_ENDPOINT);
	cr_assert_eq(f.sriov_totalvfs, 16);
	cr_assert_eq(f.sriov_numvfs, 2);
	cr_assert_eq(f.sriov_autoprobe, 1);
	cr_assert(f.is_vf && f.physfn.bus == 0x40);
	cr_assert_eq(f.n_vfs, 2);
	cr_assert_eq(f.vfs[0].index, 2, "by number, not by name");
	cr_assert_eq(f.vfs[0].address.device, 1);
	cr_assert_eq(f.vfs[1].index, 10);
	cr_assert(f.has_mdev_types && f.has_vendor_vfio);
	cr_assert_str_eq(f.power_control, "on");
	cr_assert_str_eq(f.reset_method, "flr bus");
}

Test(sysfs_pci, junk_in_ids_class_or_vf_links_is_an_error)
{
	static const struct {
		const char *file, *text;
	} junk[] = { { "vendor", "" },     { "vendor", "10de\n" }, { "vendor", "0x10de0\n" },
		     { "vendor", "-1\n" }, { "device", "0x" },     { "class", "0x1030200\n" },
		     { "class", "VGA\n" } };
	static const char *const good[] = { "0x10de\n", "0x2330\n", "0x030200\n" };

	for (size_t i = 0; i < sizeof(junk) / sizeof(*junk); i++) {
		char path[128];

		tree_file(root, D "vendor", "%s", good[0]);
		tree_file(root, D "device", "%s", good[1]);
		tree_file(root, D "class", "%s", good[2]);
		snprintf(path, sizeof(path), D "%s", junk[i].file);
		tree_file(root, path, "%s", junk[i].text);
		cr_assert_eq(fail_gpu(), -EBADMSG, "%s: %s", junk[i].file, junk[i].text);
	}
	tree_file(root, D "class", "%s", good[2]);
	make_link(D "virtfn0", "../../../../../../etc");
	cr_assert_eq(fail_gpu(), -EBADMSG);
}

Test(sysfs_pci, junk_elsewhere_is_an_absent_value)
{
	tree_file(root, D "numa_node", "99999999999\n");
	tree_file(root, D "enable", "yes\n");
	tree_file(root, D "boot_vga", "2\n");
	tree_file(root, D "sriov_totalvfs", "4\n");
	tree_file(root, D "sriov_numvfs", "70000\n");
	tree_file(root, D "resource", "junk\n");
	tree_file(root, D "power/control", "0123456789012345678901234567890123456789\n");
	tree_dir(root, D "modalias");
	tree_file(root, D "driver", "no link\n");
	make_link(D "iommu_group", "../../kernel/iommu_groups/seven");
	make_link(D "physfn", "../nothing");
	tree_file(root, D "virtfn", "x");
	tree_file(root, D "virtfnx", "x");
	tree_file(root, D "virtfn99999999", "x");
	write_config(D "config", (const unsigned char *)"\x10", 1);

	struct pci_function f = read_gpu();

	cr_assert_eq(f.numa_node, -1);
	cr_assert_eq(f.enable, -1);
	cr_assert(!f.boot_vga && !f.is_vf && !f.is_gone);
	cr_assert_eq(f.sriov_totalvfs, 4);
	cr_assert_eq(f.sriov_numvfs, -1);
	cr_assert_str_eq(f.power_control, "");
	cr_assert_str_eq(f.modalias, "");
	cr_assert_str_eq(f.driver, "");
	cr_assert_eq(f.iommu_group, -1);
	cr_assert_eq(f.n_vfs, 0);
	cr_assert_eq(f.header_type, PCI_HEADER_UNKNOWN);
}

Test(sysfs_pci, an_override_that_does_not_fit_is_none_that_can_be_restored)
{
	char text[300];

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	tree_file(root, D "driver_override", "%s\n", text);

	struct pci_function f = read_gpu();

	cr_assert(!f.has_override);
}

Test(sysfs_pci, all_ones_mean_gone)
{
	unsigned char config[64];

	memset(config, 0xff, sizeof(config));
	write_config(D "config", config, sizeof(config));
	cr_assert(read_gpu().is_gone);
	cr_assert(!read_gpu().is_bridge, "its header type is none");
	cr_assert(pci_is_gone(&sys, &gpu));
	config[0] = 0xde;
	write_config(D "config", config, sizeof(config));
	cr_assert(!pci_is_gone(&sys, &gpu));
}

Test(sysfs_pci, the_ids_of_a_vf_read_all_ones_though_it_is_well)
{
	static const unsigned char config[64] = { 0xff, 0xff, 0xff, 0xff, [0x0b] = 0x12 };

	write_config(D "config", config, sizeof(config));
	cr_assert(!read_gpu().is_gone);
	cr_assert(!pci_is_gone(&sys, &gpu));
}

Test(sysfs_pci, bridges_are_known_by_header_class_or_bus)
{
	static const unsigned char bridge[64] = { [0x0e] = 0x81 };
	static const unsigned char endpoint[64] = { [0x0e] = 0x80 };

	write_config(D "config", bridge, sizeof(bridge));
	cr_assert(read_gpu().is_bridge);
	write_config(D "config", endpoint, sizeof(endpoint));
	cr_assert(!read_gpu().is_bridge);
	tree_file(root, D "class", "0x068000\n");
	cr_assert(!read_gpu().is_bridge, "an NVSwitch is an endpoint");
	tree_file(root, D "class", "0x060000\n");
	cr_assert(read_gpu().is_bridge);
	tree_file(root, D "class", "0x060400\n");
	cr_assert(read_gpu().is_bridge);
	tree_file(root, D "class", "0x030200\n");
	tree_dir(root, D "pci_bus");
	cr_assert(read_gpu().is_bridge);
	cr_assert(pci_is_bridge(&sys, &gpu));
}

Test(sysfs_pci, regions_have_sizes_and_flags)
{
	struct pci_region r[PCI_REGIONS];

	cr_assert_eq(pci_parse_regions("0x00000000f0000000 0x00000000f0ffffff 0x0000000000040200\n"
				       "0x0000380000000000 0x0000381fffffffff 0x000000000014220c\n"
				       "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
				       "0x000000000000e000 0x000000000000e07f 0x0000000000040101",
				       r),
		     0);
	cr_assert_eq(r[0].size, UINT64_C(16) << 20);
	cr_assert_eq(r[0].flags & (PCI_BAR_MEMORY | PCI_BAR_PREFETCH | PCI_BAR_MEMORY_64),
		     PCI_BAR_MEMORY);
	cr_assert_eq(r[1].size, UINT64_C(128) << 30);
	cr_assert_eq(r[1].flags & PCI_BAR_PREFETCH, PCI_BAR_PREFETCH);
	cr_assert_eq(r[1].flags & PCI_BAR_MEMORY_64, PCI_BAR_MEMORY_64);
	cr_assert_eq(r[2].size, 0);
	cr_assert_eq(r[3].size, 128);
	cr_assert_eq(r[3].flags & PCI_BAR_IO, PCI_BAR_IO);
	cr_assert_eq(r[PCI_REGION_ROM].size, 0);
}

Test(sysfs_pci, junk_regions_are_refused)
{
	static const char *const junk[] = { "1 2 3\n",           "0x1 0x2\n",
					    "0x1 0x2 0x3 0x4\n", "0x1  0x2 0x3\n",
					    "0x1 0x2 0xg\n",     "0x11111111111111111 0x2 0x3\n",
					    "0x 0x2 0x3\n",      "0x1 0x2 0x200\n\n" };

	for (size_t i = 0; i < sizeof(junk) / sizeof(*junk); i++) {
		struct pci_region r[PCI_REGIONS] = { { .size = 1 } };

		cr_assert_eq(pci_parse_regions(junk[i], r), -EBADMSG, "%s", junk[i]);
		cr_assert_eq(r[0].size, 1);
	}

	struct pci_region r[PCI_REGIONS];

	/* An end before the start is a region that is not there; a bridge has more lines. */
	cr_assert_eq(pci_parse_regions("0x9 0x2 0x200\n0x0 0x0 0x0\n0x0 0x0 0x0\n0x0 0x0 0x0\n"
				       "0x0 0x0 0x0\n0x0 0x0 0x0\n0x0 0x0 0x0\n0x0 junk",
				       r),
		     0);
	cr_assert_eq(r[0].size, 0);
}

Test(sysfs_pci, unset_overrides_are_all_the_same)
{
	cr_assert(!pci_override_is_set(""));
	cr_assert(!pci_override_is_set("(null)"));
	cr_assert(pci_override_is_set("vfio-pci"));
	cr_assert(pci_override_equal("", "(null)"));
	cr_assert(!pci_override_equal("", "vfio-pci"));
	cr_assert(!pci_override_equal("nvme", "vfio-pci"));
	cr_assert(pci_override_equal("nvme", "nvme"));
}

Test(sysfs_pci, a_scan_is_sorted_and_leaves_out_what_is_none)
{
	AUTO_PCI_LIST struct pci_list list = { 0 };

	tree_file(root, "bus/pci/devices/10000:01:00.0/vendor", "0x8086\n");
	tree_file(root, "bus/pci/devices/10000:01:00.0/device", "0x1\n");
	tree_file(root, "bus/pci/devices/10000:01:00.0/class", "0x010802\n");
	tree_file(root, "bus/pci/devices/0000:00:1f.0/vendor", "0x8086\n");
	tree_file(root, "bus/pci/devices/0000:00:1f.0/device", "0x2\n");
	tree_file(root, "bus/pci/devices/0000:00:1f.0/class", "0x060100\n");
	tree_file(root, "bus/pci/devices/0000:05:00.0/vendor", "junk\n");
	tree_dir(root, "bus/pci/devices/README");
	make_link("bus/pci/devices/0000:06:00.0", "../../../devices/vanished");
	cr_assert_eq(pci_scan(&sys, &list, NULL), 0);
	cr_assert_eq(list.n, 3);
	cr_assert_eq(list.v[0].device, 2);
	cr_assert_eq(list.v[1].device, 0x2330);
	cr_assert_eq(list.v[2].address.domain, 0x10000);
	cr_assert_eq(list.n_unreadable, 1);
}

Test(sysfs_pci, a_scan_by_helpers_tells_the_same_of_many)
{
	AUTO_PCI_LIST struct pci_list plain = { 0 }, guarded = { 0 };

	for (unsigned int i = 0; i < 80; i++) {
		char path[128];

		snprintf(path, sizeof(path), "bus/pci/devices/0000:%02x:00.0/vendor", i);
		tree_file(root, path, "0x1002\n");
		snprintf(path, sizeof(path), "bus/pci/devices/0000:%02x:00.0/device", i);
		tree_file(root, path, "0x%04x\n", i);
		snprintf(path, sizeof(path), "bus/pci/devices/0000:%02x:00.0/class", i);
		tree_file(root, path, "0x030000\n");
		snprintf(path, sizeof(path), "bus/pci/devices/0000:%02x:00.0/driver_override", i);
		tree_file(root, path, "driver-%u\n", i);
		snprintf(path, sizeof(path), "bus/pci/devices/0000:%02x:00.0/sriov_numvfs", i);
		tree_file(root, path, i % 2 == 0 ? "%u\n" : "junk", i);
		snprintf(path, sizeof(path), "bus/pci/devices/0000:%02x:00.0/sriov_totalvfs", i);
		tree_file(root, path, "99\n");
	}
	cr_assert_eq(pci_scan(&sys, &plain, NULL), 0);
	sys.read_limit_ms = 5000;
	cr_assert_eq(pci_scan(&sys, &guarded, NULL), 0);
	cr_assert_eq(plain.n, 80);
	cr_assert_eq(guarded.n, 80);
	for (size_t i = 0; i < 80; i++) {
		cr_assert_eq(memcmp(&plain.v[i], &guarded.v[i], sizeof(plain.v[i])), 0, "%zu", i);
		cr_assert_eq(plain.v[i].sriov_numvfs, i % 2 == 0 ? (int)i : -1);
	}
	cr_assert_str_eq(guarded.v[79].driver_override, "driver-79");
}

Test(sysfs_pci, a_scan_leaves_out_what_is_stuck)
{
	AUTO_PCI_LIST struct pci_list list = { 0 };
	char path[4200];

	tree_file(root, "bus/pci/devices/0000:42:00.0/vendor", "0x10de\n");
	tree_file(root, "bus/pci/devices/0000:42:00.0/device", "0x2330\n");
	tree_file(root, "bus/pci/devices/0000:42:00.0/class", "0x030200\n");
	tree_file(root, "bus/pci/devices/0000:42:00.0/driver_override", "x\n");
	snprintf(path, sizeof(path), "%s/" D "driver_override", root);
	cr_assert_eq(mkfifo(path, 0600), 0);
	sys.read_limit_ms = 300;
	cr_assert_eq(pci_scan(&sys, &list, NULL), 0);
	cr_assert_eq(list.n, 1);
	cr_assert_eq(list.v[0].address.bus, 0x42);
	cr_assert_str_eq(list.v[0].driver_override, "x");
	cr_assert_eq(list.n_unreadable, 1);

	/* A writer that comes and goes ends the helpers, which wait to open and then read nothing.
	 */
	int fd = open(path, O_RDWR | O_NONBLOCK);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, "\n\n\n\n", 4), 4);
	close(fd);
	while (waitpid(-1, NULL, 0) > 0)
		;
}

Test(sysfs_pci, a_function_that_is_not_there_is_no_device)
{
	static const struct pci_address other = { .bus = 0x42 };
	struct pci_function f;
	struct sysfs_error err = { 0 };
	char driver[SYSFS_NAME_SIZE];

	make_link("bus/pci/devices/0000:42:00.0", "../../../devices/vanished");
	cr_assert_eq(pci_function_read(&sys, &other, &f, &err), -ENODEV);
	cr_assert_neq(strstr(err.text, "0000:42:00.0"), NULL);
	cr_assert_eq(pci_driver(&sys, &other, driver), -ENODEV);
	cr_assert_eq(pci_group(&sys, &other), -1);
}

#define G "kernel/iommu_groups/5/"

static void member(const char *address, const char *class, const char *driver)
{
	char path[256], target[256];

	snprintf(path, sizeof(path), "devices/%s/class", address);
	tree_file(root, path, "%s\n", class);
	snprintf(path, sizeof(path), "bus/pci/devices/%s", address);
	snprintf(target, sizeof(target), "../../../devices/%s", address);
	make_link(path, target);
	snprintf(path, sizeof(path), G "devices/%s", address);
	snprintf(target, sizeof(target), "../../../../devices/%s", address);
	make_link(path, target);
	snprintf(path, sizeof(path), "devices/%s/driver", address);
	snprintf(target, sizeof(target), "../../bus/pci/drivers/%s", driver);
	if (driver[0] != '\0')
		make_link(path, target);
}

Test(sysfs_group, only_endpoints_on_host_drivers_are_in_the_way)
{
	static const struct pci_address passed = { .bus = 0x51 };
	const struct group_member *blocking[1];
	AUTO_IOMMU_GROUP struct iommu_group group = { 0 };

	tree_dir(root, G "devices");
	member("0000:50:01.0", "0x060400", "pcieport");
	member("0000:51:00.0", "0x030000", "amdgpu");
	member("0000:51:00.1", "0x040300", "snd_hda_intel");
	member("0000:51:00.2", "0x0c0330", "");
	member("0000:51:00.3", "0x0c8000", "vfio-pci");
	member("0000:51:00.4", "0x0c8000", "pci-stub");
	member("0000:52:00.0", "0x020000", "mlx5_vfio_pci");
	member("0000:53:00.0", "0x020000", "e1000e");
	make_link(G "devices/arm-smmu.1", "../../../../devices/arm-smmu.1");
	tree_dir(root, "devices/arm-smmu.1");
	cr_assert_eq(group_read(&sys, 5, &group, NULL), 0);
	cr_assert_eq(group.n_members, 9);
	cr_assert(group.members[0].is_bridge);
	cr_assert(!group.members[8].is_pci);
	cr_assert_eq(group_in_the_way(&group, &passed, 1, blocking, 1), 2);
	cr_assert_str_eq(blocking[0]->driver, "snd_hda_intel");
	cr_assert_eq(group_in_the_way(&group, NULL, 0, NULL, 0), 3);
}

Test(sysfs_group, what_firmware_reserves_is_told_by_type)
{
	static const struct {
		const char *text;
		bool direct;
	} cases[] = {
		{ "0x0 0xfff direct-relaxable\n0xfee00000 0xfeefffff msi\n", false },
		{ "0xfee00000 0xfeefffff msi\n0x0 0xfff direct\n", true },
		{ "0x0 0xfff direct\n0x1 0x2 msi\n", true },
		{ "", false },
		{ "direct", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		AUTO_IOMMU_GROUP struct iommu_group group = { 0 };

		tree_dir(root, G "devices");
		tree_file(root, G "reserved_regions", "%s", cases[i].text);
		tree_file(root, G "name", "vfio-noiommu\n");
		tree_file(root, G "type", "DMA-FQ\n");
		cr_assert_eq(group_read(&sys, 5, &group, NULL), 0);
		cr_assert_eq(group.has_direct_regions, cases[i].direct, "%s", cases[i].text);
		cr_assert(group.is_noiommu);
		cr_assert_str_eq(group.type, "DMA-FQ");
	}
}

Test(sysfs_group, a_group_that_is_not_there_is_told)
{
	struct iommu_group group;
	struct sysfs_error err = { 0 };

	cr_assert_eq(group_read(&sys, 99, &group, &err), -ENOENT);
	cr_assert_neq(strstr(err.text, "99"), NULL);
	cr_assert_eq(group_probe(&sys, 99, NULL, &err), -ENOENT);
}
