/* SPDX-License-Identifier: MIT */
/* The reactions of the fake kernel to writes, as Linux 6.1 has them: see helper_kernel_react.h. */
#include "helper_kernel_react.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sysfs/mdev.h"

const char *fake_at(const char *fmt, ...)
{
	static char buf[8][SYSFS_PATH_SIZE];
	static unsigned int next;
	char *path = buf[next++ % 8];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path, SYSFS_PATH_SIZE, fmt, ap);
	va_end(ap);
	return path;
}

static bool exists(const struct fake_kernel *k, const char *path)
{
	return sysfs_exists(k->sys.sys_fd, path);
}

static int link_number(const struct fake_kernel *k, const char *path)
{
	char name[32];

	return sysfs_read_link(k->sys.sys_fd, path, name, sizeof(name)) < 0
		       ? -1
		       : (int)strtol(name, NULL, 10);
}

/* What an attribute reads; 0 for none. */
static int number_in(const struct fake_kernel *k, const char *path)
{
	return (int)strtol(fake_get(k, path), NULL, 10);
}

static void make_node(const struct fake_kernel *k, int group)
{
	int fd = openat(k->sys.dev_fd, fake_at("vfio/%d", group), O_CREAT | O_WRONLY | O_CLOEXEC,
			0600);

	cr_assert_geq(fd, 0);
	close(fd);
}

void fake_group(const struct fake_kernel *k, const char *path, const char *name, int group)
{
	if (!exists(k, fake_at("kernel/iommu_groups/%d", group))) {
		fake_text(k, fake_at("kernel/iommu_groups/%d/type", group), "DMA\n");
		fake_text(k, fake_at("kernel/iommu_groups/%d/reserved_regions", group),
			  "0x00000000fee00000 0x00000000feefffff msi\n");
	}
	fake_link(k, fake_at("kernel/iommu_groups/%d/devices/%s", group, name), path);
	fake_link(k, fake_at("%s/iommu_group", path), fake_at("kernel/iommu_groups/%d", group));
}

static int group_of(const struct fake_kernel *k, const char *address)
{
	return link_number(k, fake_at("bus/pci/devices/%s/iommu_group", address));
}

static bool is_vfio(const char *driver)
{
	return strstr(driver, "vfio") != NULL;
}

/* A group's node is there while any member is on vfio. */
static void update_node(const struct fake_kernel *k, int group)
{
	struct sysfs_names names = { 0 };
	bool vfio = false;

	if (group < 0)
		return;
	sysfs_list(k->sys.sys_fd, fake_at("kernel/iommu_groups/%d/devices", group), &names);
	for (size_t i = 0; i < names.n; i++)
		vfio |= is_vfio(fake_driver_of(k, names.v[i]));
	sysfs_names_done(&names);
	if (vfio)
		make_node(k, group);
	else
		unlinkat(k->sys.dev_fd, fake_at("vfio/%d", group), 0);
}

static void set_power(const struct fake_kernel *k, const char *real, const char *text)
{
	if (exists(k, fake_at("%s/power/control", real)))
		fake_text(k, fake_at("%s/power/control", real), "%s\n", text);
}

/* NVIDIA's driver knows nothing any more of what was agreed on before. */
static void forget_agreement(const struct fake_kernel *k, const char *address)
{
	const char *path = fake_at("driver/nvidia/gpus/%s/unbindLock", address);

	if (sysfs_exists(k->sys.proc_fd, path))
		fake_proc_text(k, path, "0\n");
}

void fake_bind(struct fake_kernel *k, const char *address, const char *driver)
{
	char real[SYSFS_PATH_SIZE];

	fake_real(k, address, real);
	fake_link(k, fake_at("%s/driver", real), fake_at("bus/pci/drivers/%s", driver));
	fake_link(k, fake_at("bus/pci/drivers/%s/%s", driver, address), real);
	update_node(k, group_of(k, address));
	if (!is_vfio(driver) && k->state->n_bound < 4)
		snprintf(k->state->last_bound[k->state->n_bound++], PCI_ADDRESS_SIZE, "%s",
			 address);
	if (is_vfio(driver) || strcmp(driver, "amdgpu") == 0)
		set_power(k, real, "auto");
	if (strcmp(driver, "nvidia") == 0)
		forget_agreement(k, address);
}

/* The kernel waits for as long as a guest has the group. */
static void wait_closed(const struct fake_kernel *k, int group)
{
	struct timespec ms = { .tv_nsec = 1000000 };

	for (int i = 0;
	     i < 30000 && group >= 0 && k->state->open_group == group && !k->state->released; i++) {
		k->state->hangs = true;
		nanosleep(&ms, NULL);
	}
}

static void unbind(struct fake_kernel *k, const char *address)
{
	char driver[SYSFS_NAME_SIZE], real[SYSFS_PATH_SIZE];

	snprintf(driver, sizeof(driver), "%s", fake_driver_of(k, address));
	if (is_vfio(driver))
		wait_closed(k, group_of(k, address));
	fake_real(k, address, real);
	if (is_vfio(driver))
		set_power(k, real, "on");
	fake_remove(k, fake_at("%s/driver", real));
	fake_remove(k, fake_at("bus/pci/drivers/%s/%s", driver, address));
	update_node(k, group_of(k, address));
}

static const char *override_of(const struct fake_kernel *k, const char *address)
{
	static char text[SYSFS_NAME_SIZE];

	snprintf(text, sizeof(text), "%.*s", SYSFS_NAME_SIZE - 1,
		 fake_get(k, fake_at("bus/pci/devices/%s/driver_override", address)));
	return strcmp(text, "(null)") == 0 ? "" : text;
}

/* pci_match_device() and pci_device_can_probe(). */
static bool matches(const struct fake_kernel *k, const char *address, const char *driver)
{
	const struct fake_device *device = fake_device(k, address);
	const char *override = override_of(k, address);

	if (override[0] != '\0')
		return strcmp(override, driver) == 0;
	if (exists(k, fake_at("bus/pci/devices/%s/physfn", address)) &&
	    strcmp(fake_get(k,
			    fake_at("bus/pci/devices/%s/physfn/sriov_drivers_autoprobe", address)),
		   "0") == 0)
		return false;
	return device != NULL && strcmp(device->native, driver) == 0;
}

static int probe(struct fake_kernel *k, const char *address, const char *driver)
{
	if (!exists(k, fake_at("bus/pci/drivers/%s", driver)) || !matches(k, address, driver) ||
	    strcmp(k->state->refuses, driver) == 0)
		return -ENODEV;
	fake_bind(k, address, driver);
	return 0;
}

static void probe_any(struct fake_kernel *k, const char *address)
{
	const struct fake_device *device = fake_device(k, address);
	const char *override = override_of(k, address);

	if (override[0] != '\0')
		probe(k, address, fake_at("%s", override));
	else if (device != NULL && device->native[0] != '\0')
		probe(k, address, device->native);
}

static int react_drivers_probe(struct fake_kernel *k, const char *path, const char *value)
{
	(void)path;
	if (!exists(k, fake_at("bus/pci/devices/%s", value)))
		return -ENODEV;
	if (fake_driver_of(k, value)[0] == '\0')
		probe_any(k, value);
	return 0;
}

/* The driver in whose folder @path is, also by a device's link "driver". */
static void driver_of_path(const struct fake_kernel *k, const char *path, char *ret, size_t size)
{
	char copy[SYSFS_PATH_SIZE];

	snprintf(copy, sizeof(copy), "%s", path);
	*strrchr(copy, '/') = '\0';
	if (sysfs_read_link(k->sys.sys_fd, copy, ret, size) < 0)
		snprintf(ret, size, "%s", strrchr(copy, '/') + 1);
}

static int react_unbind(struct fake_kernel *k, const char *path, const char *value)
{
	char driver[SYSFS_NAME_SIZE];

	driver_of_path(k, path, driver, sizeof(driver));
	if (strcmp(fake_driver_of(k, value), driver) != 0)
		return -ENODEV;
	unbind(k, value);
	return 0;
}

static int react_bind(struct fake_kernel *k, const char *path, const char *value)
{
	char driver[SYSFS_NAME_SIZE];

	driver_of_path(k, path, driver, sizeof(driver));
	if (!exists(k, fake_at("bus/pci/devices/%s", value)))
		return -ENODEV;
	if (fake_driver_of(k, value)[0] != '\0')
		return -EBUSY;
	return probe(k, value, driver);
}

static int react_override(struct fake_kernel *k, const char *path, const char *value)
{
	fake_text(k, path, "%s\n", value[0] == '\0' ? "(null)" : value);
	return 0;
}

static int parse_count(const char *value)
{
	char *end;
	long n = strtol(value, &end, 10);

	return *value == '\0' || *end != '\0' || n < 0 || n > 65535 ? -EINVAL : (int)n;
}

static void make_vf(struct fake_kernel *k, const struct fake_device *pf, int index)
{
	struct pci_address address;
	char name[PCI_ADDRESS_SIZE], real[SYSFS_PATH_SIZE], pf_real[SYSFS_PATH_SIZE];

	cr_assert_eq(pci_address_parse(pf->address, &address, NULL), 0);

	int id = (address.bus << 8 | address.device << 3 | address.function) + pf->vf_offset +
		 index * pf->vf_stride;

	address.bus = (uint8_t)(id >> 8);
	address.device = (uint8_t)(id >> 3 & 0x1f);
	address.function = (uint8_t)(id & 7);
	pci_address_format(&address, name);
	fake_real(k, pf->address, pf_real);
	snprintf(real, sizeof(real), "%s", pf_real);
	*strrchr(real, '/') = '\0';

	struct fake_device *vf = fake_function(
		k, &(struct fake_function){ .address = name,
					    .bridge = real + strlen("devices/"),
					    .native = pf->vf_driver,
					    .vendor = 0x1b36,
					    .device = 0x11,
					    .class_code = 0x010802,
					    .group = __atomic_fetch_add(&k->state->next_group, 1,
									__ATOMIC_SEQ_CST) });
	fake_real(k, name, real);
	fake_link(k, fake_at("%s/physfn", real), pf_real);
	fake_link(k, fake_at("%s/virtfn%d", pf_real, index), real);
	if (pf->vf_broken)
		fake_text(k, fake_at("%s/config", real), "\xff\xff\xff\xff");
	if (strcmp(fake_get(k, fake_at("%s/sriov_drivers_autoprobe", pf_real)), "1") == 0)
		probe_any(k, vf->address);
}

static void remove_function(struct fake_kernel *k, const char *address)
{
	char real[SYSFS_PATH_SIZE];
	int group = group_of(k, address);

	if (fake_driver_of(k, address)[0] != '\0')
		unbind(k, address);
	fake_real(k, address, real);
	fake_remove(k, fake_at("bus/pci/devices/%s", address));
	fake_remove(k, real);
	fake_remove(k, fake_at("kernel/iommu_groups/%d", group));
	memset(fake_device(k, address)->address, 0, PCI_ADDRESS_SIZE);
}

static void remove_vfs(struct fake_kernel *k, const char *pf)
{
	char real[SYSFS_PATH_SIZE], vf[PCI_ADDRESS_SIZE];

	fake_real(k, pf, real);
	for (int i = 0; i < 64; i++) {
		if (sysfs_read_link(k->sys.sys_fd, fake_at("%s/virtfn%d", real, i), vf,
				    sizeof(vf)) < 0)
			continue;
		remove_function(k, vf);
		fake_remove(k, fake_at("%s/virtfn%d", real, i));
	}
}

/* sriov_numvfs_store(). */
static int react_numvfs(struct fake_kernel *k, const char *path, const char *value)
{
	char address[PCI_ADDRESS_SIZE] = "";
	int n = parse_count(value), is = number_in(k, path);

	if (n < 0)
		return n;
	sscanf(path, "bus/pci/devices/%16[^/]", address);

	const struct fake_device *pf = fake_device(k, address);

	if (n > number_in(k, fake_at("bus/pci/devices/%s/sriov_totalvfs", address)))
		return -ERANGE;
	if (n == is)
		return 0;
	if (fake_driver_of(k, address)[0] == '\0' || pf->no_sriov)
		return -ENOENT;
	if (n != 0 && is != 0)
		return -EBUSY;
	if (n == 0)
		remove_vfs(k, address);
	if (pf->vf_short >= 0 && n > pf->vf_short)
		n = pf->vf_short;
	for (int i = 0; i < n; i++)
		make_vf(k, pf, i);
	fake_text(k, path, "%d\n", n);
	return 0;
}

static void add_available(struct fake_kernel *k, const char *type, int n)
{
	const char *path = fake_at("%s/available_instances", type);

	fake_text(k, path, "%d\n", number_in(k, path) + n);
}

/* mdev's create_store(), in the folder of a type. */
static int react_create(struct fake_kernel *k, const char *path, const char *value)
{
	char real[PATH_MAX], sys[PATH_MAX], type[SYSFS_NAME_SIZE];
	char *parent, *slash;
	int group;

	snprintf(sys, sizeof(sys), "%.*s/sys/", PATH_MAX - 8, k->root);
	cr_assert_neq(realpath(fake_at("%s%s", sys, path), real), NULL);
	parent = real + strlen(sys);
	slash = strrchr(parent, '/');
	*slash = '\0'; /* .../mdev_supported_types/TYPE */
	if (!mdev_uuid_is_valid(value))
		return -EINVAL;
	if (exists(k, fake_at("bus/mdev/devices/%s", value)))
		return -EEXIST;
	if (number_in(k, fake_at("%s/available_instances", parent)) <= 0)
		return -ENOSPC;
	add_available(k, parent, -1);
	slash = strrchr(parent, '/');
	snprintf(type, sizeof(type), "%s", slash + 1);
	*slash = '\0';
	*strrchr(parent, '/') = '\0';
	group = __atomic_fetch_add(&k->state->next_group, 1, __ATOMIC_SEQ_CST);

	char device[SYSFS_PATH_SIZE];

	snprintf(device, sizeof(device), "%.300s/%s", parent, value);
	fake_text(k, fake_at("%s/remove", device), "%s", "");
	fake_link(k, fake_at("%s/mdev_type", device),
		  fake_at("%s/mdev_supported_types/%s", parent, type));
	fake_group(k, device, value, group);
	make_node(k, group);
	fake_link(k, fake_at("bus/mdev/devices/%s", value), device);
	return 0;
}

static int react_remove(struct fake_kernel *k, const char *path, const char *value)
{
	struct mdev_device device;
	char uuid[MDEV_UUID_SIZE] = "", real[PATH_MAX], sys[PATH_MAX];

	if (strcmp(value, "1") != 0)
		return -EINVAL;
	sscanf(path, "bus/mdev/devices/%36[^/]", uuid);
	cr_assert_eq(mdev_read(&k->sys, uuid, &device, NULL), 0);
	wait_closed(k, device.group);
	snprintf(sys, sizeof(sys), "%.*s/sys/", PATH_MAX - 8, k->root);
	cr_assert_neq(realpath(fake_at("%sbus/mdev/devices/%s", sys, uuid), real), NULL);
	add_available(k, fake_at("%s/mdev_type", real + strlen(sys)), 1);
	fake_remove(k, fake_at("bus/mdev/devices/%s", uuid));
	fake_remove(k, real + strlen(sys));
	fake_remove(k, fake_at("kernel/iommu_groups/%d", device.group));
	unlinkat(k->sys.dev_fd, fake_at("vfio/%d", device.group), 0);
	return 0;
}

/* The vendor's driver: type 0 gives the vGPU up. */
static int react_vgpu(struct fake_kernel *k, const char *path, const char *value)
{
	char address[PCI_ADDRESS_SIZE] = "";
	int type = parse_count(value), is = number_in(k, path);

	sscanf(path, "bus/pci/devices/%16[^/]", address);
	if (type < 0 ||
	    (type > 0 &&
	     strstr(fake_get(k, fake_at("bus/pci/devices/%s/nvidia/creatable_vgpu_types", address)),
		    fake_at("%d ", type)) == NULL))
		return -EINVAL;
	if (type != 0 && is != 0)
		return -EBUSY;
	if (type == 0 && k->state->eperm_left > 0) {
		k->state->eperm_left--;
		return -EPERM;
	}
	fake_text(k, path, "%d\n", type);
	if (type != 0)
		make_node(k, group_of(k, address));
	else
		unlinkat(k->sys.dev_fd, fake_at("vfio/%d", group_of(k, address)), 0);
	return 0;
}

/* It agrees to lose a GPU that nobody uses. */
static int react_unbind_lock(struct fake_kernel *k, const char *path, const char *value)
{
	fake_proc_text(k, path, value[0] == '1' && !k->state->nvidia_in_use ? "1\n" : "0\n");
	return 0;
}

/* delete_module(2): what is on a driver of the module is unbound. */
static int react_unload(struct fake_kernel *k, const char *path)
{
	const char *driver = fake_at("%s/drivers/pci:vfio-pci", path);
	struct sysfs_names names = { 0 };

	if (k->state->open_group >= 0 || number_in(k, fake_at("%s/refcnt", path)) != 0)
		return -EBUSY;
	sysfs_list(k->sys.sys_fd, driver, &names);
	for (size_t i = 0; i < names.n; i++) {
		if (exists(k, fake_at("bus/pci/devices/%s", names.v[i])))
			unbind(k, names.v[i]);
	}
	sysfs_names_done(&names);
	fake_remove(k, path);
	return 0;
}

static int react_text(struct fake_kernel *k, const char *path, const char *value)
{
	fake_text(k, path, "%s\n", value);
	return 0;
}

int fake_react(struct fake_kernel *k, const char *path, const char *value, size_t len)
{
	static const struct {
		const char *name;
		int (*react)(struct fake_kernel *k, const char *path, const char *value);
	} reactions[] = {
		{ "drivers_probe", react_drivers_probe },
		{ "unbind", react_unbind },
		{ "bind", react_bind },
		{ "driver_override", react_override },
		{ "sriov_numvfs", react_numvfs },
		{ "create", react_create },
		{ "remove", react_remove },
		{ "current_vgpu_type", react_vgpu },
		{ "unbindLock", react_unbind_lock },
	};
	const char *name = strrchr(path, '/');
	char line[SYSFS_PATH_SIZE];

	if (len == 0)
		return 0;
	if (faccessat(k->sys.sys_fd, path, F_OK, 0) < 0 &&
	    faccessat(k->sys.proc_fd, path, F_OK, 0) < 0)
		return -errno;
	if (strncmp(path, "module/", strlen("module/")) == 0)
		return react_unload(k, path);
	snprintf(line, sizeof(line), "%.*s", (int)strcspn(value, "\n"), value);
	name = name == NULL ? path : name + 1;
	for (size_t i = 0; i < sizeof(reactions) / sizeof(*reactions); i++) {
		if (strcmp(name, reactions[i].name) == 0)
			return reactions[i].react(k, path, line);
	}
	return react_text(k, path, line);
}
