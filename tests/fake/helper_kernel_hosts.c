/* SPDX-License-Identifier: MIT */
/* What the hosts of the fake kernel are built of: see helper_kernel.h. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "helper_kernel.h"
#include "helper_kernel_react.h"

struct fake_device *fake_device(const struct fake_kernel *k, const char *address)
{
	for (unsigned int i = 0; i < k->state->n_devices; i++) {
		if (strcmp(k->state->devices[i].address, address) == 0)
			return &k->state->devices[i];
	}
	return NULL;
}

static struct fake_device *new_device(const struct fake_kernel *k)
{
	struct fake_device *device = fake_device(k, "");

	if (device == NULL) {
		cr_assert_lt(k->state->n_devices, FAKE_DEVICES);
		device = &k->state->devices[k->state->n_devices++];
	}
	*device = (struct fake_device){ .vf_short = -1 };
	return device;
}

void fake_real(const struct fake_kernel *k, const char *address, char path[SYSFS_PATH_SIZE])
{
	char link[SYSFS_PATH_SIZE], target[SYSFS_PATH_SIZE];

	snprintf(link, sizeof(link), "bus/pci/devices/%s", address);

	ssize_t n = readlinkat(k->sys.sys_fd, link, target, sizeof(target) - 1);

	cr_assert_gt(n, 9, "%s", address);
	target[n] = '\0';
	snprintf(path, SYSFS_PATH_SIZE, "%s", target + strlen("../../../"));
}

void fake_driver(const struct fake_kernel *k, const char *name)
{
	fake_text(k, fake_at("bus/pci/drivers/%s/bind", name), "%s", "");
	fake_text(k, fake_at("bus/pci/drivers/%s/unbind", name), "%s", "");
}

__attribute__((format(printf, 4, 5))) static void
attribute(const struct fake_kernel *k, const char *folder, const char *name, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fake_text(k, fake_at("%s/%s", folder, name), "%s\n", text);
}

static void make_config(const struct fake_kernel *k, const char *folder,
			const struct fake_function *f)
{
	const char *path = fake_at("%s/config", folder);
	unsigned char config[64] = { 0 };

	config[0] = (unsigned char)f->vendor;
	config[1] = (unsigned char)(f->vendor >> 8);
	config[2] = (unsigned char)f->device;
	config[3] = (unsigned char)(f->device >> 8);
	config[0x0e] = f->is_bridge ? 0x81 : 0x80;
	fake_text(k, path, "%s", "");

	int fd = openat(k->sys.sys_fd, path, O_WRONLY | O_CLOEXEC);

	cr_assert_eq(write(fd, config, sizeof(config)), (ssize_t)sizeof(config));
	close(fd);
}

struct fake_device *fake_function(struct fake_kernel *k, const struct fake_function *f)
{
	struct fake_device *device = new_device(k);
	char folder[SYSFS_PATH_SIZE];

	snprintf(device->address, sizeof(device->address), "%s", f->address);
	snprintf(device->native, sizeof(device->native), "%s",
		 f->native != NULL   ? f->native
		 : f->driver != NULL ? f->driver
				     : "");
	snprintf(folder, sizeof(folder), "devices/%s/%s", f->bridge, f->address);
	attribute(k, folder, "vendor", "0x%04x", f->vendor);
	attribute(k, folder, "device", "0x%04x", f->device);
	attribute(k, folder, "class", "0x%06x", f->class_code);
	attribute(k, folder, "revision", "0x01");
	attribute(k, folder, "driver_override", "(null)");
	attribute(k, folder, "numa_node", "0");
	attribute(k, folder, "enable", f->driver != NULL ? "1" : "0");
	attribute(k, folder, "power/control", "auto");
	attribute(k, folder, "power/runtime_status", "active");
	attribute(k, folder, "d3cold_allowed", "1");
	attribute(k, folder, "reset_method", "flr bus");
	attribute(k, folder, "resource",
		  "0x0000004000000000 0x00000043ffffffff 0x000000000014220c\n"
		  "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
		  "0x00000000f0000000 0x00000000f003ffff 0x0000000000040200");
	make_config(k, folder, f);
	if (f->totalvfs > 0) {
		attribute(k, folder, "sriov_totalvfs", "%d", f->totalvfs);
		attribute(k, folder, "sriov_numvfs", "0");
		attribute(k, folder, "sriov_drivers_autoprobe", "1");
	}
	fake_link(k, fake_at("bus/pci/devices/%s", f->address), folder);
	fake_group(k, folder, f->address, f->group);
	if (f->driver != NULL)
		fake_bind(k, f->address, f->driver);
	return device;
}

static void one_type(const struct fake_kernel *k, const char *parent, const char *id,
		     const char *name, int available)
{
	char folder[SYSFS_PATH_SIZE];

	snprintf(folder, sizeof(folder), "devices/%s/mdev_supported_types/%s", parent, id);
	attribute(k, folder, "name", "%s", name);
	attribute(k, folder, "available_instances", "%d", available);
	attribute(k, folder, "device_api", "vfio-pci");
	attribute(k, folder, "create", "%s", "");
}

void fake_types(const struct fake_kernel *k, const char *parent, const char *name)
{
	one_type(k, parent, "nvidia-558", "GRID A40-8Q", 2);
	one_type(k, parent, "nvidia-559", "GRID A40-48Q", 1);
	attribute(k, fake_at("devices/%s/mdev_supported_types/nvidia-558", parent), "description",
		  "num_heads=4\nframebuffer=8192M");
	fake_link(k, fake_at("class/mdev_bus/%s", name), fake_at("devices/%s", parent));
}

static void vendor_vfio(struct fake_kernel *k)
{
	static const char folder[] = "devices/pci0000:60/0000:61:00.4";

	fake_function(k, &(struct fake_function){ .address = "0000:61:00.4",
						  .bridge = "pci0000:60",
						  .driver = "nvidia",
						  .vendor = 0x10de,
						  .device = 0x2235,
						  .class_code = 0x030200,
						  .group = 11 });
	attribute(k, folder, "nvidia/current_vgpu_type", "0");
	attribute(k, folder, "nvidia/creatable_vgpu_types",
		  "ID    : vGPU Name\n557  : NVIDIA A40-1B\n558 : NVIDIA A40-8Q");
	fake_link(k, "devices/pci0000:60/0000:61:00.4/physfn", "devices/pci0000:60/0000:61:00.0");
	fake_link(k, "devices/pci0000:60/0000:61:00.0/virtfn0", "devices/pci0000:60/0000:61:00.4");
	attribute(k, "devices/pci0000:60/0000:61:00.0", "sriov_numvfs", "1");
}

void fake_host(struct fake_kernel *k)
{
	static const char *const drivers[] = { "vfio-pci", "pcieport", "amdgpu", "snd_hda_intel",
					       "e1000e",   "nvme",     "nvidia" };
	static const struct fake_function functions[] = {
		{ "0000:40:01.1", "pci0000:40", "pcieport", NULL, 0x1022, 0x14a5, 0x060400, 5, 0,
		  true },
		{ "0000:41:00.0", "pci0000:40/0000:40:01.1", "amdgpu", NULL, 0x1002, 0x744c,
		  0x030000, 5, 0, false },
		{ "0000:41:00.1", "pci0000:40/0000:40:01.1", "snd_hda_intel", NULL, 0x1002, 0xab30,
		  0x040300, 5, 0, false },
		{ "0000:42:00.0", "pci0000:40", NULL, "amdgpu", 0x1002, 0x744c, 0x030000, 6, 0,
		  false },
		{ "0000:43:00.0", "pci0000:40", "e1000e", NULL, 0x8086, 0x10d3, 0x020000, 7, 0,
		  false },
		{ "0000:03:00.0", "pci0000:00", "nvme", NULL, 0x1b36, 0x10, 0x010802, 8, 4, false },
		{ "0000:51:00.0", "pci0000:50", "nvidia", NULL, 0x10de, 0x2235, 0x030200, 9, 0,
		  false },
		{ "0000:61:00.0", "pci0000:60", "nvidia", NULL, 0x10de, 0x2235, 0x030200, 10, 16,
		  false },
	};

	for (size_t i = 0; i < sizeof(drivers) / sizeof(*drivers); i++)
		fake_driver(k, drivers[i]);
	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++)
		fake_function(k, &functions[i]);
	fake_text(k, "bus/pci/devices/0000:43:00.0/driver_override", "e1000e\n");
	fake_text(k, "bus/pci/devices/0000:41:00.0/boot_vga", "1\n");

	struct fake_device *pf = fake_device(k, "0000:03:00.0");

	cr_assert_neq(pf, NULL);
	if (pf == NULL)
		return;
	pf->vf_offset = 256;
	pf->vf_stride = 2;
	strcpy(pf->vf_driver, "nvme");
	fake_types(k, "pci0000:50/0000:51:00.0", "0000:51:00.0");
	fake_types(k, "virtual/mtty/mtty", "mtty");
	vendor_vfio(k);
}

void fake_start_host(struct fake_kernel *k)
{
	fake_start(k);
	fake_host(k);
	k->sys.read_limit_ms = 0; /* its helpers cost time */
}
