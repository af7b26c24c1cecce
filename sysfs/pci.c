/* SPDX-License-Identifier: MIT */
/* What the kernel tells of a PCI function: see pci.h. */
#include "sysfs/pci.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sysfs/cleanup.h"
#include "sysfs/pci_parts.h"

#define CONFIG_HEADER      64
#define CONFIG_HEADER_TYPE 0x0e
#define CLASS_HOST_BRIDGE  0x0600
#define CLASS_PCI_BRIDGE   0x0604

bool pci_override_is_set(const char *raw)
{
	return raw[0] != '\0' && strcmp(raw, "(null)") != 0;
}

bool pci_override_equal(const char *a, const char *b)
{
	if (!pci_override_is_set(a) || !pci_override_is_set(b))
		return pci_override_is_set(a) == pci_override_is_set(b);
	return strcmp(a, b) == 0;
}

const char *pci_path(char buf[SYSFS_PATH_SIZE], const struct pci_address *address, const char *name)
{
	char text[PCI_ADDRESS_SIZE];

	(void)snprintf(buf, SYSFS_PATH_SIZE, "bus/pci/devices/%s%s%s",
		       pci_address_format(address, text), name == NULL ? "" : "/",
		       name == NULL ? "" : name);
	return buf;
}

/* A number the caller can do without. */
static int read_int(int dir_fd, const char *name, int absent)
{
	int64_t value;

	if (sysfs_read_number(dir_fd, name, &value) < 0 || value < INT_MIN || value > INT_MAX)
		return absent;
	return (int)value;
}

static void read_text(int dir_fd, const char *name, char *buf, size_t size)
{
	if (sysfs_read_string(dir_fd, name, buf, size) < 0)
		buf[0] = '\0';
}

/* An id or the like: a number within 0..@max. */
static int read_id(int dir_fd, const char *name, int64_t max, uint32_t *ret)
{
	int64_t value;
	int r = sysfs_read_number(dir_fd, name, &value);

	if (r < 0)
		return r;
	if (value < 0 || value > max)
		return -EBADMSG;
	*ret = (uint32_t)value;
	return 0;
}

static int read_ids(int dir_fd, struct pci_function *f)
{
	uint32_t vendor = 0, device = 0, class_code = 0;
	uint32_t subsystem_vendor = 0, subsystem_device = 0, revision = 0;
	int r = read_id(dir_fd, "vendor", UINT16_MAX, &vendor);

	if (r == 0)
		r = read_id(dir_fd, "device", UINT16_MAX, &device);
	if (r == 0)
		r = read_id(dir_fd, "class", 0xffffff, &class_code);
	if (r < 0)
		return r;
	(void)read_id(dir_fd, "subsystem_vendor", UINT16_MAX, &subsystem_vendor);
	(void)read_id(dir_fd, "subsystem_device", UINT16_MAX, &subsystem_device);
	(void)read_id(dir_fd, "revision", UINT8_MAX, &revision);
	f->vendor = (uint16_t)vendor;
	f->device = (uint16_t)device;
	f->class_code = class_code;
	f->subsystem_vendor = (uint16_t)subsystem_vendor;
	f->subsystem_device = (uint16_t)subsystem_device;
	f->revision = (uint8_t)revision;
	return 0;
}

/* Read the head of config space. Return: bytes, 0 when it cannot be read. */
static size_t read_config(int dir_fd, unsigned char *buf, size_t size)
{
	SYSFS_AUTO_CLOSE int fd =
		openat(dir_fd, "config", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	ssize_t n = fd < 0 ? 0 : read(fd, buf, size);

	return n < 0 ? 0 : (size_t)n;
}

/* The ids of a VF alone read all ones, also when it is well (SR-IOV 3.4.1.1): look at all there is.
 */
static bool all_ones(const unsigned char *config, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (config[i] != 0xff)
			return false;
	}
	return n >= 4;
}

static void judge_config(int dir_fd, struct pci_function *f)
{
	unsigned char config[CONFIG_HEADER];
	size_t n = read_config(dir_fd, config, sizeof(config));
	unsigned int class_code = f->class_code >> 8;

	f->is_gone = all_ones(config, n);
	f->header_type = PCI_HEADER_UNKNOWN;
	if (n > CONFIG_HEADER_TYPE && !f->is_gone)
		f->header_type = config[CONFIG_HEADER_TYPE] & 0x7f;
	f->is_bridge = f->header_type > PCI_HEADER_ENDPOINT || class_code == CLASS_HOST_BRIDGE ||
		       class_code == CLASS_PCI_BRIDGE || sysfs_exists(dir_fd, "pci_bus");
}

/* One "0x... 0x... 0x..." without anything else. Return: what follows it; NULL for junk. */
static const char *parse_region(const char *line, struct pci_region *ret)
{
	uint64_t field[3];
	const char *s = line;

	for (size_t i = 0; i < SYSFS_ARRAY_SIZE(field); i++) {
		char *end;

		if (s[0] != '0' || s[1] != 'x')
			return NULL;
		errno = 0;
		field[i] = strtoull(s, &end, 16);
		/* The last line has lost its newline. */
		if (errno != 0 || end <= s + 2 ||
		    (*end != (i < 2 ? ' ' : '\n') && (i < 2 || *end != '\0')))
			return NULL;
		s = *end == '\0' ? end : end + 1;
	}

	bool there = field[2] != 0 && field[1] >= field[0] && field[1] != 0;

	*ret = (struct pci_region){ 0 };
	if (there)
		*ret = (struct pci_region){ .start = field[0],
					    .end = field[1],
					    .flags = field[2],
					    .size = field[1] - field[0] + 1 };
	return s;
}

int pci_parse_regions(const char *text, struct pci_region *ret)
{
	struct pci_region regions[PCI_REGIONS] = { 0 };
	const char *s = text;

	for (size_t i = 0; i < PCI_REGIONS && *s != '\0'; i++) {
		s = parse_region(s, &regions[i]);
		if (s == NULL)
			return -EBADMSG;
	}
	memcpy(ret, regions, sizeof(regions));
	return 0;
}

static int open_function(const struct sysfs *sys, const struct pci_address *address)
{
	char path[SYSFS_PATH_SIZE];
	int fd = sysfs_open_dir(sys->sys_fd, pci_path(path, address, NULL));

	return fd == -ENOENT ? -ENODEV : fd;
}

bool pci_is_bridge(const struct sysfs *sys, const struct pci_address *address)
{
	SYSFS_AUTO_CLOSE int dir_fd = open_function(sys, address);
	struct pci_function f = { 0 };

	if (dir_fd < 0)
		return false;
	(void)read_id(dir_fd, "class", 0xffffff, &f.class_code);
	judge_config(dir_fd, &f);
	return f.is_bridge;
}

static int compare_vfs(const void *a, const void *b)
{
	const struct pci_vf *left = a, *right = b;

	return left->index < right->index ? -1 : left->index > right->index;
}

/* Read the link @name if it is a virtfnN. Return: 1 it is; 0 it is not; -errno. */
static int read_vf(int dir_fd, const char *name, struct pci_vf *ret)
{
	static const char prefix[] = "virtfn";
	char target[PCI_ADDRESS_SIZE];
	int64_t index;

	if (strncmp(name, prefix, strlen(prefix)) != 0)
		return 0;
	if (sysfs_parse_number(name + strlen(prefix), &index) < 0 || index < 0 ||
	    index > UINT16_MAX)
		return 0;

	int r = sysfs_read_link(dir_fd, name, target, sizeof(target));

	if (r == -ENOENT)
		return 0; /* Taken away since the folder was listed. */
	if (r < 0 || pci_address_parse(target, &ret->address, NULL) < 0)
		return -EBADMSG;
	ret->index = (unsigned int)index;
	return 1;
}

static int read_vfs(int dir_fd, struct pci_vf **ret, size_t *ret_n)
{
	AUTO_SYSFS_NAMES struct sysfs_names names = { 0 };
	int r = sysfs_list(dir_fd, ".", &names);

	if (r < 0)
		return r;

	SYSFS_AUTO_FREE struct pci_vf *vfs = calloc(names.n + 1, sizeof(*vfs));
	size_t n = 0;

	if (vfs == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < names.n; i++) {
		r = read_vf(dir_fd, names.v[i], &vfs[n]);
		if (r < 0)
			return r;
		n += (size_t)r;
	}
	*ret = NULL;
	*ret_n = n;
	if (n > 0) {
		qsort(vfs, n, sizeof(*vfs), compare_vfs);
		*ret = vfs;
		vfs = NULL;
	}
	return 0;
}

int pci_vfs_read(const struct sysfs *sys, const struct pci_address *address, struct pci_vf **ret,
		 size_t *ret_n)
{
	SYSFS_AUTO_CLOSE int dir_fd = open_function(sys, address);

	return dir_fd < 0 ? dir_fd : read_vfs(dir_fd, ret, ret_n);
}

static int driver_of(int dir_fd, char driver[SYSFS_NAME_SIZE])
{
	int r = sysfs_read_link(dir_fd, "driver", driver, SYSFS_NAME_SIZE);

	if (r == -ENOENT) {
		driver[0] = '\0';
		return 0;
	}
	return r;
}

int pci_driver(const struct sysfs *sys, const struct pci_address *address,
	       char driver[SYSFS_NAME_SIZE])
{
	SYSFS_AUTO_CLOSE int dir_fd = open_function(sys, address);

	return dir_fd < 0 ? dir_fd : driver_of(dir_fd, driver);
}

bool pci_is_gone(const struct sysfs *sys, const struct pci_address *address)
{
	SYSFS_AUTO_CLOSE int dir_fd = open_function(sys, address);
	unsigned char config[CONFIG_HEADER];

	return dir_fd >= 0 && all_ones(config, read_config(dir_fd, config, sizeof(config)));
}

static int group_of(int dir_fd)
{
	char name[16];
	int64_t group;

	if (sysfs_read_link(dir_fd, "iommu_group", name, sizeof(name)) < 0 ||
	    sysfs_parse_number(name, &group) < 0 || group < 0 || group > INT_MAX)
		return -1;
	return (int)group;
}

int pci_group(const struct sysfs *sys, const struct pci_address *address)
{
	SYSFS_AUTO_CLOSE int dir_fd = open_function(sys, address);

	return dir_fd < 0 ? -1 : group_of(dir_fd);
}

int pci_override_read(const struct sysfs *sys, const struct pci_address *address,
		      char ret[SYSFS_NAME_SIZE], struct sysfs_error *err)
{
	char path[SYSFS_PATH_SIZE];
	struct sysfs_text text;

	(void)pci_path(path, address, "driver_override");

	int r = sysfs_read_guarded(sys, sys->sys_fd, path, &text, err);

	if (r < 0)
		return r;
	if (text.len >= SYSFS_NAME_SIZE)
		return sysfs_error_os(err, EMSGSIZE, "%s", path);
	memcpy(ret, text.text, text.len + 1);
	return 0;
}

int pci_parse_numvfs(const char *text, int *ret)
{
	int64_t number;

	if (sysfs_parse_number(text, &number) < 0 || number < 0 || number > UINT16_MAX)
		return -EBADMSG;
	*ret = (int)number;
	return 0;
}

int pci_numvfs_read(const struct sysfs *sys, const struct pci_address *address, int *ret,
		    struct sysfs_error *err)
{
	char path[SYSFS_PATH_SIZE];
	struct sysfs_text text;

	(void)pci_path(path, address, "sriov_numvfs");

	int r = sysfs_read_guarded(sys, sys->sys_fd, path, &text, err);

	if (r < 0)
		return r;
	if (pci_parse_numvfs(text.text, ret) < 0)
		return sysfs_error_set(err, EBADMSG, "%s reads \"%.64s\"", path, text.text);
	return 0;
}

/* Whether a read failed for want of something of ours, so that it says nothing of the file. */
static bool is_our_failure(int r)
{
	return r == -ETIMEDOUT || r == -ECHILD || r == -ENOMEM || r == -EAGAIN || r == -EMFILE ||
	       r == -ENFILE;
}

int pci_read_locked(const struct sysfs *sys, struct pci_function *f, struct sysfs_error *err)
{
	int r = pci_override_read(sys, &f->address, f->driver_override, err);

	f->has_override = r == 0;
	if (is_our_failure(r))
		return r;
	if (f->sriov_totalvfs >= 0)
		r = pci_numvfs_read(sys, &f->address, &f->sriov_numvfs, err);
	return is_our_failure(r) ? r : 0;
}

static void read_sriov(int dir_fd, struct pci_function *f)
{
	char target[PCI_ADDRESS_SIZE];

	f->sriov_totalvfs = read_int(dir_fd, "sriov_totalvfs", -1);
	f->sriov_autoprobe = read_int(dir_fd, "sriov_drivers_autoprobe", -1);
	f->is_vf = sysfs_read_link(dir_fd, "physfn", target, sizeof(target)) == 0 &&
		   pci_address_parse(target, &f->physfn, NULL) == 0;
}

static void read_rest(int dir_fd, struct pci_function *f)
{
	struct sysfs_text text;

	if (driver_of(dir_fd, f->driver) < 0)
		f->driver[0] = '\0';
	f->iommu_group = group_of(dir_fd);
	f->numa_node = read_int(dir_fd, "numa_node", -1);
	f->boot_vga = read_int(dir_fd, "boot_vga", 0) == 1;
	f->enable = read_int(dir_fd, "enable", -1);
	f->has_mdev_types = sysfs_exists(dir_fd, "mdev_supported_types");
	f->has_vendor_vfio = sysfs_exists(dir_fd, "nvidia");
	if (sysfs_read(dir_fd, "resource", &text) == 0)
		(void)pci_parse_regions(text.text, f->regions);
	read_text(dir_fd, "power/control", f->power_control, sizeof(f->power_control));
	read_text(dir_fd, "power/runtime_status", f->runtime_status, sizeof(f->runtime_status));
	read_text(dir_fd, "d3cold_allowed", f->d3cold_allowed, sizeof(f->d3cold_allowed));
	read_text(dir_fd, "reset_method", f->reset_method, sizeof(f->reset_method));
	read_text(dir_fd, "modalias", f->modalias, sizeof(f->modalias));
	judge_config(dir_fd, f);
	read_sriov(dir_fd, f);
}

/* A file that is not there because its device has gone is another thing than a missing file. */
static int tell_failure(const struct sysfs *sys, const struct pci_address *address, int r,
			struct sysfs_error *err)
{
	char text[PCI_ADDRESS_SIZE], path[SYSFS_PATH_SIZE];

	(void)pci_address_format(address, text);
	if (r == -ENODEV || !sysfs_exists(sys->sys_fd, pci_path(path, address, NULL)))
		return sysfs_error_set(err, ENODEV, "%s: there is no such PCI function", text);
	if (r == -ENOENT || r == -EBADMSG)
		return sysfs_error_set(err, EBADMSG,
				       "%s: its ids, class or VF links are missing or junk", text);
	return sysfs_error_os(err, -r, "read %s", text);
}

int pci_read_unlocked(const struct sysfs *sys, const struct pci_address *address,
		      struct pci_function *ret, struct sysfs_error *err)
{
	AUTO_PCI_FUNCTION struct pci_function f = { .address = *address, .sriov_numvfs = -1 };
	SYSFS_AUTO_CLOSE int dir_fd = open_function(sys, address);

	if (dir_fd < 0)
		return tell_failure(sys, address, dir_fd, err);

	int r = read_ids(dir_fd, &f);

	if (r == 0) {
		read_rest(dir_fd, &f);
		r = read_vfs(dir_fd, &f.vfs, &f.n_vfs);
	}
	if (r < 0)
		return tell_failure(sys, address, r, err);
	*ret = f;
	f = (struct pci_function){ 0 };
	return 0;
}

int pci_function_read(const struct sysfs *sys, const struct pci_address *address,
		      struct pci_function *ret, struct sysfs_error *err)
{
	AUTO_PCI_FUNCTION struct pci_function f = { 0 };
	int r = pci_read_unlocked(sys, address, &f, err);

	if (r == 0)
		r = pci_read_locked(sys, &f, err);
	if (r < 0)
		return r;
	*ret = f;
	f = (struct pci_function){ 0 };
	return 0;
}

void pci_function_done(struct pci_function *function)
{
	free(function->vfs);
	*function = (struct pci_function){ 0 };
}
