/* SPDX-License-Identifier: MIT */
/* Who uses a PCI function: nodes, registers, mounts, interfaces, compute queues. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "host/device_nodes.h"
#include "host/device_users.h"
#include "host/owners.h"
#include "tests/unit/helper_tree.h"

#define GPU     "0000:03:00.0"
#define AUDIO   "0000:03:00.1"
#define NIC     "0000:04:00.0"
#define DEVICES "sys/bus/pci/devices/"

static char *root;
static struct host host = HOST_INIT;

static void link_to(const char *target, const char *path)
{
	char full[512];

	(void)snprintf(full, sizeof(full), "%s/%s", root, path);
	cr_assert_eq(symlink(target, full), 0);
}

static void node(const char *folder, const char *number, const char *name, const char *subsystem)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/dev", folder);
	tree_file(root, path, "%s\n", number);
	(void)snprintf(path, sizeof(path), "%s/uevent", folder);
	tree_file(root, path, "MAJOR=1\nDEVNAME=%s\nDEVTYPE=x\n", name);
	(void)snprintf(path, sizeof(path), "%s/subsystem", folder);
	link_to(subsystem, path);
}

static void process(int pid, const char *name)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "proc/%d/comm", pid);
	tree_file(root, path, "%s\n", name);
	(void)snprintf(path, sizeof(path), "proc/%d/fd", pid);
	tree_dir(root, path);
	(void)snprintf(path, sizeof(path), "proc/%d/maps", pid);
	tree_file(root, path, "7f00-7f01 r-xp 00000000 fe:00 1   /usr/bin/%s\n", name);
}

static void holds(int pid, int fd, const char *target)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "proc/%d/fd/%d", pid, fd);
	link_to(target, path);
}

static void setup(void)
{
	root = tree_new();
	tree_amd(root);
	tree_dir(root, "run");
	tree_dir(root, "etc");
	tree_host(root, &host);
	tree_file(root, DEVICES GPU "/vendor", "0x1002\n");
	node(DEVICES GPU "/drm/card1", "226:1", "dri/card1", "../../class/drm");
	node(DEVICES GPU "/drm/renderD129", "226:129", "dri/renderD129", "../../class/drm");
	tree_file(root, DEVICES AUDIO "/vendor", "0x1002\n");
	node(DEVICES AUDIO "/sound/card0/pcmC0D3p", "116:3", "snd/pcmC0D3p", "../../class/sound");
	process(100, "idle");
	holds(100, 0, "/dev/null");
}

static void teardown(void)
{
	host_done(&host);
	tree_remove(root);
}

TestSuite(device_users, .init = setup, .fini = teardown, .timeout = 30);

/* All users of a function, "PID NAME WHAT" a line. */
static const char *users_of(const char *address)
{
	static char text[4096];
	AUTO_DEVICE_USERS struct device_users users = DEVICE_USERS_INIT;
	struct error err = ERROR_INIT;
	size_t len = 0;

	cr_assert_eq(device_users_find(&host, address, &users, &err), 0, "%s", err.msg);
	text[0] = '\0';
	for (size_t i = 0; i < users.n; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%d %s %s\n",
					(int)users.v[i].pid, users.v[i].name, users.v[i].what);
	return text;
}

Test(device_users, nobody)
{
	cr_expect_str_eq(users_of(GPU), "");
	cr_expect_str_eq(users_of(AUDIO), "");
}

Test(device_users, a_function_that_is_not_there)
{
	AUTO_DEVICE_USERS struct device_users users = DEVICE_USERS_INIT;
	struct error err = ERROR_INIT;

	cr_expect_eq(device_users_find(&host, "0000:99:00.0", &users, &err), -ENOENT);
	cr_expect(strstr(err.msg, "0000:99:00.0") != NULL, "%s", err.msg);
}

Test(device_users, an_open_node_names_its_process)
{
	process(200, "Xorg");
	holds(200, 7, "/dev/dri/card1");
	holds(200, 8, "/dev/dri/card1");
	process(201, "pipewire");
	holds(201, 3, "/dev/snd/pcmC0D3p");
	cr_expect_str_eq(users_of(GPU), "200 Xorg /dev/dri/card1\n");
	cr_expect_str_eq(users_of(AUDIO), "201 pipewire /dev/snd/pcmC0D3p\n");
}

Test(device_users, another_gpus_node_is_no_use_of_this_one)
{
	process(200, "Xorg");
	holds(200, 7, "/dev/dri/card0");
	cr_expect_str_eq(users_of(GPU), "");
}

Test(device_users, a_mapping_counts_without_a_descriptor)
{
	process(300, "python");
	tree_file(root, "proc/300/maps",
		  "7f00-7f01 r-xp 00000000 fe:00 1 /usr/bin/python\n"
		  "7f02-7f03 rw-s 00000000 00:05 9 /dev/dri/renderD129\n");
	cr_expect_str_eq(users_of(GPU), "300 python /dev/dri/renderD129\n");
}

Test(device_users, registers_opened_through_sysfs_count_and_reading_ids_does_not)
{
	process(400, "mmiotool");
	holds(400, 3, "/sys/devices/pci0000:00/0000:00:01.0/" GPU "/resource0");
	process(401, "lspci");
	holds(401, 3, "/sys/devices/pci0000:00/0000:00:01.0/" GPU "/vendor");
	cr_expect_str_eq(users_of(GPU),
			 "400 mmiotool /sys/devices/pci0000:00/0000:00:01.0/" GPU "/resource0\n");
}

Test(device_users, the_name_of_a_process_cannot_move_the_cursor)
{
	process(500, "a\033[2Jb");
	holds(500, 3, "/dev/dri/card1");
	cr_expect_str_eq(users_of(GPU), "500 a?[2Jb /dev/dri/card1\n");
}

Test(device_users, the_vfio_group_of_the_function)
{
	link_to("../../../../kernel/iommu_groups/9", DEVICES GPU "/iommu_group");
	tree_file(root, "sys/class/vfio/9/dev", "242:0\n");
	process(600, "qemu-system-x86");
	holds(600, 11, "/dev/vfio/9");
	cr_expect_str_eq(users_of(GPU), "600 qemu-system-x86 /dev/vfio/9\n");
}

Test(device_users, nvidias_own_nodes)
{
	tree_file(root, "proc/driver/nvidia/gpus/" GPU "/information",
		  "Model: \t\t NVIDIA H100\nDevice Minor: \t 3\n");
	process(700, "trainer");
	holds(700, 5, "/dev/nvidia3");
	holds(700, 6, "/dev/nvidia2");
	cr_expect_str_eq(users_of(GPU), "700 trainer /dev/nvidia3\n");
}

Test(device_users, capabilities_of_nvidias_instances)
{
	tree_file(
		root, "proc/devices",
		"Character devices:\n195 nvidia\n509 nvidia-caps\n\nBlock devices:\n259 blkext\n");
	tree_file(root, "proc/driver/nvidia/gpus/" GPU "/information", "Device Minor: \t 3\n");
	tree_file(root, "proc/driver/nvidia-caps/mig-minors",
		  "config 1\nmonitor 2\ngpu3/gi1/access 412\ngpu3/gi1/ci0/access 413\n"
		  "gpu13/gi1/access 1762\n");
	process(710, "trainer");
	holds(710, 5, "/dev/nvidia-caps/nvidia-cap413");
	process(711, "other");
	holds(711, 5, "/dev/nvidia-caps/nvidia-cap1762");
	process(712, "monitor");
	holds(712, 5, "/dev/nvidia-caps/nvidia-cap2");
	holds(712, 6, "/dev/nvidiactl");
	holds(712, 7, "/dev/nvidia-uvm");
	cr_expect_str_eq(users_of(GPU), "710 trainer /dev/nvidia-caps/nvidia-cap413\n");
}

Test(device_users, whoever_has_an_nvswitch_may_have_this_one)
{
	tree_file(root, "proc/devices", "Character devices:\n507 nvidia-nvswitch\n");
	tree_file(root, "proc/driver/nvidia-nvswitch/devices/" GPU "/information", "BIOS\n");
	process(720, "nv-fabricmanager");
	holds(720, 5, "/dev/nvidia-nvswitch2");
	process(721, "ctl");
	holds(721, 5, "/dev/nvidia-nvswitchctl");
	cr_expect_str_eq(users_of(GPU), "720 nv-fabricmanager /dev/nvidia-nvswitch2\n");
	cr_expect_str_eq(users_of(AUDIO), "");
}

Test(device_users, vgpus_belong_to_a_gpu_that_is_divided)
{
	tree_file(root, "proc/driver/nvidia/gpus/" GPU "/information", "Device Minor: \t 3\n");
	process(730, "nvidia-vgpu-mgr");
	holds(730, 5, "/dev/nvidia-vgpuctl");
	holds(730, 6, "/dev/nvidia-vgpu1");
	cr_expect_str_eq(users_of(GPU), "");
	tree_dir(root, DEVICES GPU "/virtfn0/nvidia");
	cr_expect_str_eq(users_of(GPU), "730 nvidia-vgpu-mgr /dev/nvidia-vgpu1\n");
}

Test(device_users, the_group_of_a_mediated_device)
{
	static const char device[] = DEVICES GPU "/0b5e3a4c-9d1f-4c2e-8a77-0123456789ab";
	char path[256];

	tree_dir(root, device);
	(void)snprintf(path, sizeof(path), "%s/iommu_group", device);
	link_to("../../../../kernel/iommu_groups/31", path);
	tree_file(root, "sys/class/vfio/31/dev", "242:4\n");
	process(610, "qemu-system-x86");
	holds(610, 11, "/dev/vfio/31");
	cr_expect_str_eq(users_of(GPU), "610 qemu-system-x86 /dev/vfio/31\n");
}

Test(device_users, configuration_space_held_open)
{
	process(410, "setpci");
	holds(410, 3, "/sys/devices/pci0000:00/0000:00:01.0/" GPU "/config");
	cr_expect_str_eq(users_of(GPU),
			 "410 setpci /sys/devices/pci0000:00/0000:00:01.0/" GPU "/config\n");
}

static void kfd_node(unsigned int i, unsigned long location, unsigned int render,
		     unsigned long gpu_id)
{
	char path[96];

	(void)snprintf(path, sizeof(path), "sys/class/kfd/kfd/topology/nodes/%u/properties", i);
	tree_file(root, path, "vendor_id 4098\nlocation_id %lu\ndomain 0\ndrm_render_minor %u\n",
		  location, render);
	(void)snprintf(path, sizeof(path), "sys/class/kfd/kfd/topology/nodes/%u/gpu_id", i);
	tree_file(root, path, "%lu\n", gpu_id);
}

/* The driver has vram_ID of each GPU for each process: what is in it tells. */
Test(device_users, compute_memory_of_this_gpu_only)
{
	tree_file(root, "sys/class/kfd/kfd/topology/nodes/0/properties",
		  "cpu_cores_count 8\nlocation_id 0\ndrm_render_minor 0\n");
	tree_file(root, "sys/class/kfd/kfd/topology/nodes/0/gpu_id", "0\n");
	kfd_node(1, 0x300, 129, 51234); /* 03:00.0 */
	kfd_node(2, 0x500, 130, 7);
	process(800, "python3");
	holds(800, 4, "/dev/kfd");
	tree_file(root, "sys/class/kfd/kfd/proc/800/vram_51234", "4096\n");
	process(801, "other");
	holds(801, 4, "/dev/kfd");
	tree_file(root, "sys/class/kfd/kfd/proc/801/vram_51234", "0\n");
	tree_file(root, "sys/class/kfd/kfd/proc/801/vram_7", "4096\n");
	cr_expect_str_eq(users_of(GPU), "800 python3 /dev/kfd\n");
}

Test(device_users, a_compute_queue_without_memory)
{
	kfd_node(0, 0x300, 129, 51234);
	process(802, "spinner");
	holds(802, 4, "/dev/kfd");
	tree_file(root, "sys/class/kfd/kfd/proc/802/vram_51234", "0\n");
	tree_file(root, "sys/class/kfd/kfd/proc/802/queues/0/gpuid", "51234\n");
	process(803, "elsewhere");
	tree_file(root, "sys/class/kfd/kfd/proc/803/queues/0/gpuid", "7\n");
	cr_expect_str_eq(users_of(GPU), "802 spinner /dev/kfd\n");
}

/* Partitions of one GPU have ids and render nodes of their own; the number is in the high bits. */
Test(device_users, partitions_of_a_gpu)
{
	kfd_node(0, 0x300, 129, 100);
	kfd_node(1, 0x10000300, 131, 101);
	process(804, "rank1");
	tree_file(root, "sys/class/kfd/kfd/proc/804/vram_101", "4096\n");
	process(805, "viewer");
	holds(805, 4, "/dev/dri/renderD131");
	cr_expect_not_null(strstr(users_of(GPU), "804 rank1 /dev/kfd\n"));
	cr_expect_not_null(strstr(users_of(GPU), "805 viewer /dev/dri/renderD131\n"));
}

/* A topology that tells another location: the render node says whose it is. */
Test(device_users, the_compute_node_of_a_render_node)
{
	kfd_node(0, 0, 129, 100);
	process(806, "rank0");
	tree_file(root, "sys/class/kfd/kfd/proc/806/vram_100", "4096\n");
	cr_expect_str_eq(users_of(GPU), "806 rank0 /dev/kfd\n");
}

/* ---- other programs' VMs ---- */

static void domain(const char *name, int pid, const char *source)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "run/libvirt/qemu/%s.xml", name);
	tree_file(root, path,
		  "<domstatus state='running' reason='booted' pid='%d'>\n<domain type='kvm'>\n"
		  "<disk><source file='/x.img'/></disk>\n"
		  "<hostdev mode='subsystem' type='pci' managed='yes'><driver name='vfio'/>\n"
		  "<source>%s</source>\n"
		  "<address type='pci' domain='0x0000' bus='0x03' slot='0x00' function='0x0'/>\n"
		  "</hostdev></domain></domstatus>\n",
		  pid, source);
}

Test(device_users, a_live_vm_of_libvirt)
{
	process(900, "qemu-system-x86");
	domain("web1", 900, "<address domain='0x0000' bus='0x03' slot='0x00' function='0x1'/>");
	domain("dead", 901, "<address domain='0x0000' bus='0x04' slot='0x00' function='0x0'/>");
	tree_file(root, DEVICES NIC "/vendor", "0x8086\n");
	cr_expect_str_eq(users_of(AUDIO), "0  libvirt's VM web1 has it (process 900)\n");
	cr_expect_str_eq(users_of(GPU), "", "that is where the guest sees it");
	cr_expect_str_eq(users_of(NIC), "", "its process has ended");
}

Test(device_users, what_proxmox_has_reserved)
{
	process(910, "kvm");
	tree_file(root, DEVICES NIC "/vendor", "0x8086\n");
	tree_file(root, "run/qemu-server/pci-id-reservations",
		  "0000:03:00 104 pid:910\n" NIC " 105 pid:911\n");
	cr_expect_str_eq(users_of(GPU), "0  Proxmox VE's VM 104 has reserved it\n");
	cr_expect_str_eq(users_of(AUDIO), "0  Proxmox VE's VM 104 has reserved it\n");
	cr_expect_str_eq(users_of(NIC), "", "its process has ended");
	tree_file(root, "run/qemu-server/pci-id-reservations",
		  NIC " 105 time:99999999999\n" GPU " 104 time:1000\n");
	cr_expect_str_eq(users_of(NIC), "0  Proxmox VE's VM 105 has reserved it\n");
	cr_expect_str_eq(users_of(GPU), "", "it was to start long ago");
}

Test(device_users, what_is_set_up_for_good_is_no_use)
{
	AUTO_OWNERS struct owners owners = OWNERS_INIT;

	tree_file(root, "etc/driverctl.d/pci-" GPU, "vfio-pci\n");
	tree_file(root, "etc/mdevctl.d/" GPU "/0b5e3a4c-9d1f-4c2e-8a77-0123456789ab", "{}\n");
	tree_file(root, DEVICES NIC "/vendor", "0x8086\n");
	tree_file(root, "sys/class/net/eth7/flags", "0x1002\n");
	link_to("../../../bus/pci/devices/" NIC, "sys/class/net/eth7/device");
	link_to("../" GPU, DEVICES NIC "/virtfn1");
	tree_file(root, "run/libvirt/hostdevmgr/eth7_vf1", "{}\n");
	tree_file(root, "run/libvirt/hostdevmgr/eth7_vf0", "{}\n");
	cr_expect_str_eq(users_of(GPU), "");
	cr_assert_eq(owners_find(&host, GPU, &owners, NULL), 0);
	cr_expect_eq(owners.live.n, 0);
	cr_assert_eq(owners.noted.n, 3);
	cr_expect_str_eq(owners.noted.v[0], "libvirt keeps the network settings of it (eth7_vf1)");
	cr_expect_str_eq(owners.noted.v[1], "driverctl keeps it on vfio-pci at each boot");
	cr_expect_str_eq(owners.noted.v[2],
			 "mdevctl has the mediated device "
			 "0b5e3a4c-9d1f-4c2e-8a77-0123456789ab for it");
}

Test(device_users, a_disk_that_is_mounted_swapped_on_or_built_upon)
{
	node(DEVICES NIC "/nvme/nvme0", "240:0", "nvme0", "../../class/nvme");
	node(DEVICES NIC "/nvme/nvme0/nvme0n1", "259:0", "nvme0n1", "../../class/block");
	node(DEVICES NIC "/nvme/nvme0/nvme0n1/nvme0n1p1", "259:1", "nvme0n1p1",
	     "../../class/block");
	node(DEVICES NIC "/nvme/nvme0/nvme0n1/nvme0n1p2", "259:2", "nvme0n1p2",
	     "../../class/block");
	node(DEVICES NIC "/nvme/nvme0/nvme0n1/nvme0n1p3", "259:3", "nvme0n1p3",
	     "../../class/block");
	tree_dir(root, DEVICES NIC "/nvme/nvme0/nvme0n1/nvme0n1p3/holders/dm-0");
	tree_file(root, "proc/self/mountinfo",
		  "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"
		  "36 22 259:1 / /srv rw,noatime - ext4 /dev/nvme0n1p1 rw\n");
	tree_file(root, "proc/swaps",
		  "Filename\tType\tSize\tUsed\tPriority\n/dev/nvme0n1p2 partition 1 0 -2\n");
	cr_expect_str_eq(users_of(NIC),
			 "0  mounted on /srv\n"
			 "0  swap on /dev/nvme0n1p2\n"
			 "0  /dev/nvme0n1p3 is part of another block device\n");
}

/* Native multipath: what has the node and the users is below no controller. */
Test(device_users, a_disk_that_several_controllers_lead_to)
{
	node(DEVICES NIC "/nvme/nvme0", "240:0", "nvme0", "../../class/nvme");
	tree_dir(root, DEVICES NIC "/nvme/nvme0/nvme3c0n1");
	node("sys/class/block/nvme3n1", "259:0", "nvme3n1", "../../class/block");
	node("sys/class/block/nvme3n1/nvme3n1p1", "259:1", "nvme3n1p1", "../../class/block");
	node("sys/class/block/nvme4n1", "259:4", "nvme4n1", "../../class/block");
	tree_file(root, "proc/self/mountinfo",
		  "36 22 259:1 / /srv rw,noatime - ext4 /dev/nvme3n1p1 rw\n"
		  "37 22 259:4 / /other rw,noatime - ext4 /dev/nvme4n1 rw\n");
	cr_expect_str_eq(users_of(NIC), "0  mounted on /srv\n");
}

Test(device_users, an_interface_that_is_up)
{
	tree_dir(root, DEVICES NIC "/net/eth0");
	tree_dir(root, DEVICES NIC "/virtio2/net/eth1");
	tree_dir(root, DEVICES NIC "/net/eth2");
	tree_file(root, "sys/class/net/eth0/flags", "0x1003\n");
	tree_file(root, "sys/class/net/eth1/flags", "0x1003\n");
	tree_file(root, "sys/class/net/eth2/flags", "0x1002\n");
	const char *found = users_of(NIC);

	cr_expect(strstr(found, "0  interface eth0 is up\n") != NULL, "%s", found);
	cr_expect(strstr(found, "0  interface eth1 is up\n") != NULL, "%s", found);
	cr_expect(strstr(found, "eth2") == NULL, "%s", found);
}

Test(device_users, the_functions_behind_a_bridge_are_not_the_bridges)
{
	tree_file(root, DEVICES "0000:00:01.0/vendor", "0x8086\n");
	node(DEVICES "0000:00:01.0/0000:01:00.0/drm/card5", "226:5", "dri/card5",
	     "../../class/drm");
	process(900, "Xorg");
	holds(900, 3, "/dev/dri/card5");
	cr_expect_str_eq(users_of("0000:00:01.0"), "");
}

/* The real /proc and a real node: this process has /dev/zero open and mapped under a fake function.
 */
Test(device_users, the_real_proc_by_device_number)
{
	AUTO_CLOSE int fd = open("/dev/zero", O_RDWR | O_CLOEXEC);
	char want[128], name[64] = "";
	AUTO_CLOSE int comm = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(comm, name, sizeof(name) - 1);
	const char *found;

	cr_assert(fd >= 0 && n > 1);
	name[n - 1] = '\0';
	node(DEVICES GPU "/misc/zero", "1:5", "some/other-name", "../../class/misc");
	close_fd(&host.proc_fd);
	host.proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	(void)snprintf(want, sizeof(want), "%d %s /dev/some/other-name\n", (int)getpid(), name);
	found = users_of(GPU);
	cr_expect(strstr(found, want) != NULL, "%s", found);
}
