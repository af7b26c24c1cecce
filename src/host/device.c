/* SPDX-License-Identifier: MIT */
#include "host/device.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "host/host.h"
#include "sysfs/error.h"
#include "sysfs/mdev.h"
#include "sysfs/nvidia.h"

#define CLASS_BASE(class_code) ((class_code) >> 16)
#define BASE_DISPLAY           0x03
#define BASE_ACCELERATOR       0x12

struct sysfs device_sysfs(const struct host *host)
{
	struct sysfs sys;

	sysfs_init(&sys, host->sys_fd, host->dev_fd, host->proc_fd);
	if (host->kernel != NULL)
		sys.kernel = *host->kernel;
	return sys;
}

int device_error(struct error *err, int r, const struct sysfs_error *from)
{
	if (from->text[0] == '\0')
		return error_set(err, -r, "%s", strerror(-r));
	(void)error_set(err, -r, "%s", from->text);
	return r;
}

bool device_is_gpu(const struct pci_function *f)
{
	unsigned int base = CLASS_BASE(f->class_code);

	return !f->is_vf && !f->is_bridge && (base == BASE_DISPLAY || base == BASE_ACCELERATOR) &&
	       (f->vendor == PCI_VENDOR_AMD || f->vendor == PCI_VENDOR_NVIDIA ||
		f->vendor == PCI_VENDOR_INTEL);
}

/* ---- the console ---- */

/* A framebuffer of the firmware is a platform device; it shows on the boot VGA device. */
static bool has_framebuffer(const struct host *host, const struct device *d, char *ret, size_t size)
{
	int fd = openat(host->sys_fd, "class/graphics", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_CLOSEDIR DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	if (dir == NULL) {
		close_fd(&fd);
		return false;
	}
	while ((e = readdir(dir)) != NULL) {
		char target[512];
		ssize_t n = readlinkat(dirfd(dir), e->d_name, target, sizeof(target) - 1);

		if (n <= 0 || strncmp(e->d_name, "fb", 2) != 0)
			continue;
		target[n] = '\0';
		if (strstr(target, d->address) == NULL && strstr(target, "/platform/") == NULL)
			continue;
		(void)snprintf(ret, size, "the framebuffer /dev/%.32s", e->d_name);
		return true;
	}
	return false;
}

/* The kernel's text console on VGA hardware, which needs no framebuffer. */
static bool has_text_console(const struct host *host, char *ret, size_t size)
{
	int fd = openat(host->sys_fd, "class/vtconsole", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_CLOSEDIR DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	if (dir == NULL) {
		close_fd(&fd);
		return false;
	}
	while ((e = readdir(dir)) != NULL) {
		AUTO_FREE char *name = NULL, *bound = NULL;
		char path[300];

		(void)snprintf(path, sizeof(path), "%.255s/name", e->d_name);
		if (file_read_at(dirfd(dir), path, 64, &name, NULL, NULL) < 0 ||
		    strstr(name, "VGA") == NULL)
			continue;
		(void)snprintf(path, sizeof(path), "%.255s/bind", e->d_name);
		if (file_read_at(dirfd(dir), path, 16, &bound, NULL, NULL) < 0 || bound[0] != '1')
			continue;
		(void)snprintf(ret, size, "the VGA text console (%.32s)", e->d_name);
		return true;
	}
	return false;
}

static bool connector_is_on(int drm_fd, const char *card, const char *connector)
{
	AUTO_FREE char *status = NULL, *enabled = NULL;
	char path[600];

	(void)snprintf(path, sizeof(path), "%.255s/%.255s/status", card, connector);
	if (file_read_at(drm_fd, path, 64, &status, NULL, NULL) < 0)
		return false;
	(void)snprintf(path, sizeof(path), "%.255s/%.255s/enabled", card, connector);
	return file_read_at(drm_fd, path, 64, &enabled, NULL, NULL) == 0 &&
	       strncmp(status, "connected", 9) == 0 && strncmp(enabled, "enabled", 7) == 0;
}

static bool card_is_on(int drm_fd, const char *card, char *ret, size_t size)
{
	int fd = openat(drm_fd, card, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_CLOSEDIR DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	if (dir == NULL) {
		close_fd(&fd);
		return false;
	}
	while ((e = readdir(dir)) != NULL) {
		if (strncmp(e->d_name, "card", 4) != 0 || !connector_is_on(drm_fd, card, e->d_name))
			continue;
		(void)snprintf(ret, size, "a monitor on %.40s", e->d_name);
		return true;
	}
	return false;
}

static bool has_monitor(const struct host *host, const struct device *d, char *ret, size_t size)
{
	char path[96];
	AUTO_CLOSEDIR DIR *dir = NULL;
	const struct dirent *e;
	int fd;

	(void)snprintf(path, sizeof(path), "bus/pci/devices/%s/drm", d->address);
	fd = openat(host->sys_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (dir == NULL) {
		close_fd(&fd);
		return false;
	}
	while ((e = readdir(dir)) != NULL) {
		if (strncmp(e->d_name, "card", 4) == 0 &&
		    card_is_on(dirfd(dir), e->d_name, ret, size))
			return true;
	}
	return false;
}

static void find_console(const struct host *host, struct device *d)
{
	char *by = d->console_by;
	size_t size = sizeof(d->console_by);

	d->console = d->f.boot_vga &&
		     (has_framebuffer(host, d, by, size) || has_monitor(host, d, by, size) ||
		      has_text_console(host, by, size));
}

/* ---- vGPUs ---- */

static int add_offer(struct device *d, const struct device_offer *offer)
{
	struct device_offer *v;

	/* the VFs of one GPU offer the same types: count them once */
	for (size_t i = 0; i < d->n_offers; i++) {
		if (strcmp(d->offers[i].id, offer->id) == 0)
			return 0;
	}
	v = reallocarray(d->offers, d->n_offers + 1, sizeof(*v));
	if (v == NULL)
		return -ENOMEM;
	d->offers = v;
	v[d->n_offers++] = *offer;
	return 0;
}

/* @is_own: of the function itself. How many its VFs can turn into together nobody tells: each says
 * what there would be room for if it were the only one. */
static int find_mdev_offers(const struct sysfs *sys, struct device *d, const char *parent,
			    bool is_own)
{
	AUTO_MDEV_TYPES struct mdev_types types = { 0 };
	int r = 0;

	if (mdev_types_read(sys, parent, &types, NULL) < 0)
		return 0;
	for (size_t i = 0; i < types.n && r == 0; i++) {
		struct device_offer o = { .available = is_own ? types.v[i].available : -1 };

		(void)snprintf(o.id, sizeof(o.id), "%s", types.v[i].id);
		(void)snprintf(o.name, sizeof(o.name), "%s", types.v[i].name);
		r = add_offer(d, &o);
	}
	return r;
}

static int find_vendor_offers(const struct sysfs *sys, struct device *d,
			      const struct pci_address *address)
{
	AUTO_NVIDIA_TYPES struct nvidia_types types = { 0 };
	int r = 0;

	if (nvidia_types_read(sys, address, &types, NULL) < 0)
		return 0;
	for (size_t i = 0; i < types.n && r == 0; i++) {
		struct device_offer o = { .available = -1 };

		(void)snprintf(o.id, sizeof(o.id), "%u", types.v[i].id);
		(void)snprintf(o.name, sizeof(o.name), "%s", types.v[i].name);
		r = add_offer(d, &o);
	}
	return r;
}

static int find_offers(const struct sysfs *sys, struct device *d)
{
	char vf[PCI_ADDRESS_SIZE];
	int r = d->f.has_mdev_types ? find_mdev_offers(sys, d, d->address, true) : 0;

	if (r == 0 && d->f.has_vendor_vfio)
		r = find_vendor_offers(sys, d, &d->f.address);
	for (size_t i = 0; i < d->f.n_vfs && r == 0; i++) {
		r = find_vendor_offers(sys, d, &d->f.vfs[i].address);
		if (r == 0)
			r = find_mdev_offers(sys, d, pci_address_format(&d->f.vfs[i].address, vf),
					     false);
	}
	return r;
}

/* ---- one device ---- */

static void find_names(const struct pci_names *names, struct device *d)
{
	if (names == NULL)
		return;
	(void)pci_names_vendor(names, d->f.vendor, d->vendor, sizeof(d->vendor));
	(void)pci_names_device(names, d->f.vendor, d->f.device, d->model, sizeof(d->model));
}

int device_read(const struct host *host, const struct pci_names *names,
		const struct pci_address *address, struct device *ret, struct error *err)
{
	struct sysfs sys = device_sysfs(host);
	struct sysfs_error why = { 0 };
	int r;

	*ret = (struct device){ .n_offers = 0 };
	(void)pci_address_format(address, ret->address);
	r = pci_function_read(&sys, address, &ret->f, &why);
	if (r < 0)
		return device_error(err, r, &why);
	if (ret->f.iommu_group >= 0) {
		r = group_read(&sys, ret->f.iommu_group, &ret->group, &why);
		if (r < 0)
			return device_error(err, r, &why);
	}
	find_names(names, ret);
	find_console(host, ret);
	if (find_offers(&sys, ret) < 0)
		return error_set(err, ENOMEM, "out of memory");
	r = device_users_find(host, ret->address, &ret->users, err);
	if (r < 0)
		return r;
	r = lease_holder(host, ret->address, &ret->holder, err);
	if (r < 0)
		return r;
	ret->leased = r > 0;
	ret->quarantined = quarantine_get(host, ret->address, &ret->quarantine) > 0;
	return 0;
}

void device_done(struct device *d)
{
	pci_function_done(&d->f);
	group_done(&d->group);
	device_users_done(&d->users);
	free(d->offers);
	d->offers = NULL;
	d->n_offers = 0;
}

/* ---- all of them ---- */

int device_list_read(const struct host *host, bool all, struct device_list *ret, struct error *err)
{
	struct sysfs sys = device_sysfs(host);
	AUTO_PCI_NAMES struct pci_names names = PCI_NAMES_INIT;
	AUTO_PCI_LIST struct pci_list functions = { 0 };
	struct sysfs_error why = { 0 };
	int r = pci_scan(&sys, &functions, &why);

	if (r < 0)
		return device_error(err, r, &why);
	ret->v = calloc(functions.n + 1, sizeof(*ret->v));
	if (ret->v == NULL)
		return error_set(err, ENOMEM, "out of memory");
	pci_names_load(&names, NULL);
	for (size_t i = 0; i < functions.n; i++) {
		if (!all && !device_is_gpu(&functions.v[i]))
			continue;
		r = device_read(host, &names, &functions.v[i].address, &ret->v[ret->n], err);
		if (r == -ENODEV || r == -ENOENT) { /* gone meanwhile */
			device_done(&ret->v[ret->n]);
			continue;
		}
		ret->n++;
		if (r < 0)
			return r;
	}
	return 0;
}

void device_list_done(struct device_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		device_done(&list->v[i]);
	free(list->v);
	*list = (struct device_list)DEVICE_LIST_INIT;
}
