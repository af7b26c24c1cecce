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
#include "host/device_probe.h"
#include "host/host.h"
#include "host/vga_console.h"
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

/* What /sys tells. Return: 0; as device_read(). */
static int read_facts(const struct host *host, const struct sysfs *sys,
		      const struct pci_address *address, struct device *ret, struct error *err)
{
	struct sysfs_error why = { 0 };
	int r;

	*ret = (struct device){ .n_offers = 0 };
	(void)pci_address_format(address, ret->address);
	r = pci_function_read(sys, address, &ret->f, &why);
	if (r == 0 && ret->f.iommu_group >= 0)
		r = group_read(sys, ret->f.iommu_group, &ret->group, &why);
	if (r < 0)
		return device_error(err, r, &why);
	ret->console = ret->f.boot_vga && vga_console_find(host, ret->address, ret->console_by,
							   sizeof(ret->console_by));
	return find_offers(sys, ret) < 0 ? error_set(err, ENOMEM, "out of memory") : 0;
}

/* Made in a child: the same reads, for as long as they take. */
static bool look(const struct host *host, const void *what, size_t i)
{
	struct sysfs sys = device_sysfs(host);
	struct device d = { .n_offers = 0 };
	int r;

	sys.read_limit_ms = 0;
	r = read_facts(host, &sys, (const struct pci_address *)what + i, &d, NULL);
	device_done(&d);
	return r != -ETIMEDOUT;
}

/* What the kernel does with a PF it may do with its VFs. */
static void find_quarantine(const struct host *host, struct device *d)
{
	(void)snprintf(d->quarantine_of, sizeof(d->quarantine_of), "%s", d->address);
	d->quarantined = quarantine_get(host, d->quarantine_of, &d->quarantine) > 0;
	if (d->quarantined || !d->f.is_vf)
		return;
	(void)pci_address_format(&d->f.physfn, d->quarantine_of);
	d->quarantined = quarantine_get(host, d->quarantine_of, &d->quarantine) > 0;
}

/* What there is beside /sys. */
static int read_rest(const struct host *host, struct device *ret, struct error *err)
{
	int r = device_users_find(host, ret->address, &ret->users, err);

	if (r < 0)
		return r;
	r = lease_holder(host, ret->address, &ret->holder, err);
	if (r < 0)
		return r;
	ret->leased = r > 0;
	ret->hidden = !host_sees_vms(host);
	find_quarantine(host, ret);
	return 0;
}

/* Of one that is known to answer. */
static int read_known(const struct host *host, const struct pci_names *names,
		      const struct pci_address *address, struct device *ret, struct error *err)
{
	struct sysfs sys = device_sysfs(host);
	int r = read_facts(host, &sys, address, ret, err);

	if (r < 0)
		return r;
	find_names(names, ret);
	return read_rest(host, ret, err);
}

int device_read(const struct host *host, const struct pci_names *names,
		const struct pci_address *address, struct device *ret, struct error *err)
{
	bool stuck = false;
	int r = device_probe(host, 1, look, address, &stuck, err);

	*ret = (struct device){ .n_offers = 0 };
	(void)pci_address_format(address, ret->address);
	if (r == 0 && stuck)
		r = error_set(err, ETIMEDOUT, "%s does not answer: reading it does not come back",
			      ret->address);
	return r < 0 ? r : read_known(host, names, address, ret, err);
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

/* ---- other parents of mediated devices ---- */

static bool look_at_parent(const struct host *host, const void *what, size_t i)
{
	const struct sysfs sys = device_sysfs(host);
	const char *const *names = what;
	struct mdev_types types = { 0 };
	int r = mdev_types_read(&sys, names[i], &types, NULL);

	mdev_types_done(&types);
	return r != -ETIMEDOUT;
}

static int read_parent(const struct host *host, const char *name, bool is_stuck, struct device *ret,
		       struct error *err)
{
	struct sysfs sys = device_sysfs(host);

	*ret = (struct device){ .is_parent = true, .is_stuck = is_stuck };
	ret->f =
		(struct pci_function){ .iommu_group = -1, .numa_node = -1, .has_mdev_types = true };
	(void)snprintf(ret->address, sizeof(ret->address), "%s", name);
	if (!is_stuck && find_mdev_offers(&sys, ret, name, true) < 0)
		return error_set(err, ENOMEM, "out of memory");
	return read_rest(host, ret, err);
}

int device_read_parent(const struct host *host, const char *name, struct device *ret,
		       struct error *err)
{
	const char *const names[] = { name };
	char path[SYSFS_PATH_SIZE];
	bool stuck = false;
	int r;

	*ret = (struct device){ .is_parent = true };
	if (!sysfs_is_name(name) || strlen(name) >= sizeof(ret->address) ||
	    sysfs_path(path, "class/mdev_bus/%s", name) < 0 || !sysfs_exists(host->sys_fd, path))
		return error_set(err, ENODEV, "there is no parent of mediated devices \"%.64s\"",
				 name);
	(void)snprintf(ret->address, sizeof(ret->address), "%s", name);
	r = device_probe(host, 1, look_at_parent, names, &stuck, err);
	if (r == 0 && stuck)
		r = error_set(err, ETIMEDOUT, "%s does not answer: reading it does not come back",
			      name);
	return r < 0 ? r : read_parent(host, name, false, ret, err);
}

static int list_parents(const struct host *host, struct device_list *list, struct error *err)
{
	struct sysfs sys = device_sysfs(host);
	AUTO_SYSFS_NAMES struct sysfs_names names = { 0 };
	AUTO_FREE bool *stuck = NULL;
	struct device *v;
	struct pci_address address;
	int r = mdev_parents(&sys, &names, NULL);

	if (r < 0 || names.n == 0)
		return 0;
	stuck = calloc(names.n, sizeof(*stuck));
	v = reallocarray(list->v, list->n + names.n, sizeof(*v));
	if (v != NULL)
		list->v = v;
	if (v == NULL || stuck == NULL)
		return error_set(err, ENOMEM, "out of memory");
	r = device_probe(host, names.n, look_at_parent, names.v, stuck, err);
	for (size_t i = 0; i < names.n && r == 0; i++) {
		if (pci_address_parse(names.v[i], &address, NULL) == 0 ||
		    strlen(names.v[i]) >= sizeof(v->address))
			continue; /* that is in the list already */
		r = read_parent(host, names.v[i], stuck[i], &v[list->n++], err);
	}
	return r;
}

/* ---- all of them ---- */

static int compare_addresses(const void *a, const void *b)
{
	return pci_address_compare(a, b);
}

/* Ids and class, which the kernel keeps in memory. */
static struct pci_function read_ids(const struct sysfs *sys, const struct pci_address *address)
{
	struct pci_function f = { .address = *address, .iommu_group = -1, .numa_node = -1 };
	char path[SYSFS_PATH_SIZE];
	int64_t n = 0;

	if (sysfs_read_number(sys->sys_fd, pci_path(path, address, "vendor"), &n) == 0)
		f.vendor = (uint16_t)n;
	if (sysfs_read_number(sys->sys_fd, pci_path(path, address, "device"), &n) == 0)
		f.device = (uint16_t)n;
	if (sysfs_read_number(sys->sys_fd, pci_path(path, address, "class"), &n) == 0)
		f.class_code = (uint32_t)n;
	return f;
}

/* Of one that is stuck: what the kernel tells without asking the device or its driver. */
static int read_stuck(const struct host *host, const struct pci_names *names,
		      const struct pci_address *address, struct device *ret, struct error *err)
{
	struct sysfs sys = device_sysfs(host);

	*ret = (struct device){ .is_stuck = true };
	(void)pci_address_format(address, ret->address);
	ret->f = read_ids(&sys, address);
	(void)pci_driver(&sys, address, ret->f.driver);
	find_names(names, ret);
	return read_rest(host, ret, err);
}

/* Whether it may be listed, as far as can be told without asking it. */
static bool is_candidate(const struct sysfs *sys, const struct pci_address *address, bool all)
{
	struct pci_function f = read_ids(sys, address);
	char path[SYSFS_PATH_SIZE];

	f.is_vf = sysfs_exists(sys->sys_fd, pci_path(path, address, "physfn"));
	return all || device_is_gpu(&f);
}

/* Addresses of what may be listed, owned by the caller. */
static int list_addresses(const struct host *host, bool all, struct pci_address **ret,
			  size_t *ret_n, struct error *err)
{
	struct sysfs sys = device_sysfs(host);
	AUTO_SYSFS_NAMES struct sysfs_names names = { 0 };
	AUTO_FREE struct pci_address *v = NULL;
	size_t n = 0;
	int r = sysfs_list(host->sys_fd, "bus/pci/devices", &names);

	if (r < 0)
		return error_set(err, -r, "list the PCI functions: %s", strerror(-r));
	v = calloc(names.n + 1, sizeof(*v));
	if (v == NULL)
		return error_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < names.n; i++)
		n += pci_address_parse(names.v[i], &v[n], NULL) == 0 &&
		     is_candidate(&sys, &v[n], all);
	if (n > 1)
		qsort(v, n, sizeof(*v), compare_addresses);
	*ret = TAKE_PTR(v);
	*ret_n = n;
	return 0;
}

/* Gone meanwhile, or with junk in its files: left out. */
static bool is_left_out(int r)
{
	return r == -ENODEV || r == -ENOENT || r == -EBADMSG;
}

static int list_functions(const struct host *host, bool all, struct device_list *ret,
			  struct error *err)
{
	AUTO_PCI_NAMES struct pci_names names = PCI_NAMES_INIT;
	AUTO_FREE struct pci_address *v = NULL;
	AUTO_FREE bool *stuck = NULL;
	size_t n = 0;
	int r = list_addresses(host, all, &v, &n, err);

	if (r < 0)
		return r;
	stuck = calloc(n + 1, sizeof(*stuck));
	ret->v = calloc(n + 1, sizeof(*ret->v));
	if (stuck == NULL || ret->v == NULL)
		return error_set(err, ENOMEM, "out of memory");
	pci_names_load(&names, NULL);
	r = device_probe(host, n, look, v, stuck, err);
	for (size_t i = 0; i < n && r == 0; i++) {
		struct device *d = &ret->v[ret->n];

		r = stuck[i] ? -ETIMEDOUT : read_known(host, &names, &v[i], d, err);
		if (r == -ETIMEDOUT) { /* be it since a moment ago */
			device_done(d);
			r = read_stuck(host, &names, &v[i], d, err);
		}
		if (is_left_out(r) || (r == 0 && !d->is_stuck && !all && !device_is_gpu(&d->f))) {
			device_done(d);
			*d = (struct device){ .n_offers = 0 };
			r = 0;
			continue;
		}
		ret->n++;
	}
	return r;
}

int device_list_read(const struct host *host, bool all, struct device_list *ret, struct error *err)
{
	int r = list_functions(host, all, ret, err);

	return r == 0 ? list_parents(host, ret, err) : r;
}

void device_list_done(struct device_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		device_done(&list->v[i]);
	free(list->v);
	*list = (struct device_list)DEVICE_LIST_INIT;
}
