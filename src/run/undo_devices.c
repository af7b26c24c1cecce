/* SPDX-License-Identifier: MIT */
#include "run/undo_devices.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "host/device.h"
#include "host/ledger.h"
#include "run/device_record.h"
#include "run/device_writing.h"
#include "run/undo.h"
#include "sysfs/mdev.h"
#include "sysfs/module.h"
#include "sysfs/nvidia.h"

#define BIND_SECONDS    60
#define VFS_SECONDS     60
#define LOCK_SECONDS    120
#define MDEV_SECONDS    15
#define MODULE_SECONDS  30
#define NVIDIA_GRACE_MS 10000

static struct sysfs library(struct device_undo *u)
{
	u->writer =
		(struct device_writer){ .host = u->host, .vm = u->vm, .journal_fd = u->journal_fd };
	return device_writer_sysfs(&u->writer);
}

static void report(const struct device_undo *u, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void report(const struct device_undo *u, const char *fmt, ...)
{
	char text[600];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (u->reports != NULL)
		strv_add(u->reports, text);
}

static void quarantine(const struct device_undo *u, const char *address, const char *why)
{
	(void)quarantine_put(u->host, address, u->vm, why, NULL);
}

static bool answers(const struct device_undo *u, const char *address)
{
	struct sysfs sys = device_sysfs(u->host);
	struct pci_address a;

	return pci_address_parse(address, &a, NULL) < 0 || !pci_is_gone(&sys, &a);
}

/* A PCI function, or another parent of mediated devices. */
static bool is_there(const struct device_undo *u, const char *address)
{
	char path[SYSFS_PATH_SIZE];

	(void)sysfs_path(path, "bus/pci/devices/%s", address);
	if (sysfs_exists(u->host->sys_fd, path))
		return true;
	(void)sysfs_path(path, "class/mdev_bus/%s", address);
	return sysfs_exists(u->host->sys_fd, path);
}

static bool is_our_quarantine(const struct device_undo *u, const char *address)
{
	struct quarantine entry;

	return quarantine_get(u->host, address, &entry) > 0 && strcmp(entry.vm, u->vm) == 0;
}

/* It was given back after all. */
static void lift_quarantine(const struct device_undo *u, const char *address)
{
	if (is_our_quarantine(u, address))
		(void)quarantine_retest(u->host, address, NULL);
}

/* What is not there needs none, and who comes next at this address deserves none. */
static void drop_quarantine(const struct device_undo *u, const char *address)
{
	if (is_our_quarantine(u, address))
		(void)quarantine_drop(u->host, address, NULL);
}

/*
 * What a failure means: 0 it is settled, if need be with a report; else -errno, to be tried again.
 */
static int judge(const struct device_undo *u, const char *address, int r,
		 const struct sysfs_error *why, struct error *err)
{
	if ((r == -EIO && answers(u, address)) || (r == -ENODEV && is_there(u, address)))
		r = -EREMOTEIO; /* the kernel or a driver refused; the device is there */
	switch (-r) {
	case 0:
		lift_quarantine(u, address);
		return 0;
	case ENODEV: /* gone, as a VF goes with the others of its PF */
		drop_quarantine(u, address);
		return 0;
	case EUCLEAN: /* it works, but not as before */
		lift_quarantine(u, address);
		report(u, "%s", why->text);
		return 0;
	case ESTALE:
	case ENOENT:
		report(u, "%s: %s; it was left as it is", address, why->text);
		return 0;
	case EIO:
		quarantine(u, address, why->text);
		report(u, "%s: %s; only a reboot of this host may bring it back", address,
		       why->text);
		return 0;
	default:
		quarantine(u, address, why->text);
		return error_prefix(err, device_error(err, r, why), "%s", address);
	}
}

/* Return: 0; 1 another VM has the device by now; -errno. */
static int take_lease(const struct device_undo *u, const char *address, struct leases *ret,
		      struct error *err)
{
	AUTO_STRV struct strv names = STRV_INIT;
	int r;

	if (u->leases == NULL || leases_contain(u->leases, address))
		return 0;
	strv_add(&names, address);
	r = leases_take(u->host, &names, u->vm, ret, err);
	if (r != -EBUSY)
		return r;
	report(u, "%s: %s; it was left as it is", address, err != NULL ? err->msg : "in use");
	return 1;
}

static int undo_bind(struct device_undo *u, struct json_object *record, struct error *err)
{
	struct sysfs sys = library(u);
	AUTO_LEASES struct leases lease = LEASES_INIT;
	struct driver_binding b;
	struct sysfs_error why = { 0 };
	char name[PCI_ADDRESS_SIZE];
	int r = device_read_binding(record, &b, err);

	if (r < 0)
		return r;
	(void)pci_address_format(&b.address, name);
	r = take_lease(u, name, &lease, err);
	if (r != 0)
		return r < 0 ? r : 0;
	r = driver_give_back(&sys, &b, deadline_in_s(BIND_SECONDS), &why);
	return judge(u, name, r, &why, err);
}

static int undo_vgpu(struct device_undo *u, struct json_object *record, struct error *err)
{
	struct sysfs sys = library(u);
	AUTO_LEASES struct leases lease = LEASES_INIT;
	struct pci_address vf;
	struct sysfs_error why = { 0 };
	char name[PCI_ADDRESS_SIZE];
	int r = device_read_address(record, &vf, err);

	if (r < 0)
		return r;
	r = take_lease(u, pci_address_format(&vf, name), &lease, err);
	if (r != 0)
		return r < 0 ? r : 0;
	r = nvidia_clear(&sys, &vf, (unsigned int)json_u64_or(record, "type", 0), NVIDIA_RETRY,
			 deadline_in_s(MDEV_SECONDS), &why);
	return judge(u, name, r, &why, err);
}

static int undo_mdev(struct device_undo *u, struct json_object *record, struct error *err)
{
	struct sysfs sys = library(u);
	const char *uuid = json_str_or(record, "uuid", "");
	const char *parent = json_str_or(record, "address", "?");
	char driver[SYSFS_NAME_SIZE] = "";
	struct pci_address address;
	struct sysfs_error why = { 0 };
	unsigned int grace_ms;
	int r;

	/* NVIDIA's driver takes its devices away by itself, and fails when it is hurried */
	if (pci_address_parse(parent, &address, NULL) == 0)
		(void)pci_driver(&sys, &address, driver);
	grace_ms = strcmp(driver, "nvidia") == 0 ? NVIDIA_GRACE_MS : 0;
	r = mdev_remove(&sys, uuid, grace_ms, deadline_in_s(MDEV_SECONDS), &why);
	return judge(u, parent, r, &why, err);
}

/* Of what has been taken away nothing is left to be reported, nor to be kept from others. */
static void forget(const struct device_undo *u, const char *address)
{
	size_t len = strlen(address);

	if (is_there(u, address))
		return;
	(void)quarantine_drop(u->host, address, NULL);
	for (size_t i = u->reports == NULL ? 0 : u->reports->n; i-- > 0;) {
		const char *text = u->reports->v[i];

		if (strncmp(text, address, len) == 0 && text[len] == ':')
			strv_drop(u->reports, i);
	}
}

/* A VF that was lost in a guest, which could not be given back by itself, goes with the others. */
static int take_vfs_away(struct device_undo *u, const char *name, const struct sriov_change *change,
			 struct error *err)
{
	struct sysfs sys = library(u);
	AUTO_FREE struct pci_vf *vfs = NULL;
	struct sysfs_error why = { 0 };
	size_t n = 0;
	int r;

	(void)pci_vfs_read(&sys, &change->pf, &vfs, &n);
	r = sriov_remove(&sys, change, deadline_in_s(VFS_SECONDS), &why);
	for (size_t i = 0; i < n; i++) {
		char vf[PCI_ADDRESS_SIZE];

		forget(u, pci_address_format(&vfs[i].address, vf));
	}
	return judge(u, name, r, &why, err);
}

/* Under the lock of the PF: the last holder takes the VFs away, whoever made them. */
static int remove_vfs(struct device_undo *u, const char *key, const char *name,
		      struct json_object *record, struct error *err)
{
	AUTO_JSON struct json_object *original = NULL;
	struct sriov_change change;
	size_t others = 0;
	int r = ledger_original(u->host, key, u->vm, &original, &others, err);

	if (r < 0)
		return r;
	if (others == 0) {
		/* without an entry in the ledger the journal's own record is as good */
		r = device_read_sriov(original != NULL ? original : record, &change, err);
		if (r == 0)
			r = take_vfs_away(u, name, &change, err);
	}
	return r < 0 ? r : ledger_release(u->host, key, u->vm, err);
}

static int undo_vfs(struct device_undo *u, struct json_object *record, struct error *err)
{
	AUTO_CLOSE int lock = -1;
	struct pci_address pf;
	char name[PCI_ADDRESS_SIZE], key[64], lock_name[64];
	int r = device_read_address(record, &pf, err);

	if (r < 0)
		return r;
	(void)pci_address_format(&pf, name);
	(void)snprintf(key, sizeof(key), LEDGER_VFS "%s", name);
	(void)snprintf(lock_name, sizeof(lock_name), "%s.vfs", name);
	lock = lease_lock(u->host, lock_name, deadline_in_s(LOCK_SECONDS), NULL, err);
	return lock < 0 ? lock : remove_vfs(u, key, name, record, err);
}

/* A module that somebody else uses by now stays, and is reported. */
static int unload(struct device_undo *u, const char *name, struct error *err)
{
	struct sysfs sys = library(u);
	struct sysfs_error why = { 0 };
	int r = module_unload(&sys, name, deadline_in_s(MODULE_SECONDS), &why);

	if (r == -EBUSY || r == -EPERM)
		report(u, "%s", why.text);
	return r == 0 || r == -EBUSY || r == -EPERM ? 0 : device_error(err, r, &why);
}

/* While a device waits to be given back, whoever does that later needs its module, and unloads it.
 */
static int undo_module(struct device_undo *u, struct json_object *record, struct error *err)
{
	const char *name = json_str_or(record, "name", "");
	AUTO_JSON struct json_object *original = NULL;
	AUTO_CLOSE int lock = -1;
	size_t others = 0;
	char key[96];
	int r;

	if (u->failed)
		return error_set(err, EBUSY, "the kernel module %s stays until all is undone",
				 name);
	lock = lease_lock(u->host, "modules", deadline_in_s(LOCK_SECONDS), NULL, err);
	if (lock < 0)
		return lock;
	(void)snprintf(key, sizeof(key), LEDGER_MODULE "%.64s", name);
	r = ledger_original(u->host, key, u->vm, &original, &others, err);
	if (r == 0 && others == 0)
		r = unload(u, name, err);
	return r < 0 ? r : ledger_release(u->host, key, u->vm, err);
}

static const struct device_op {
	const char *op;
	int (*undo)(struct device_undo *u, struct json_object *record, struct error *err);
} ops[] = {
	{ OP_BIND, undo_bind }, { OP_VGPU, undo_vgpu },     { OP_MDEV, undo_mdev },
	{ OP_VFS, undo_vfs },   { OP_MODULE, undo_module },
};

static const struct device_op *find(const char *op)
{
	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		if (strcmp(ops[i].op, op) == 0)
			return &ops[i];
	}
	return NULL;
}

bool device_undo_is(const char *op)
{
	return find(op) != NULL;
}

int device_undo_settle(struct device_undo *u, struct error *err)
{
	char object[SYSFS_NAME_SIZE];

	if (u->settled)
		return 0;
	u->hangs = u->hangs || file_lock(u->journal_fd, true, deadline_in_ms(u->settle_ms)) < 0;
	if (u->hangs)
		return error_set(err, ETIMEDOUT, "a write to %s hangs in the kernel",
				 device_writing_read(u->host, u->vm, object) ? object : "a device");
	/* whoever writes from now on is ours; each of our writes takes a shared lock itself */
	u->settled = flock(u->journal_fd, LOCK_UN) == 0;
	return u->settled ? 0 : error_errno(err, "unlock the journal");
}

/* Whether what a record names may be what hangs: if nobody knows, it is all of them. */
static bool may_hang(const struct device_undo *u, struct json_object *record)
{
	char object[SYSFS_NAME_SIZE];

	return !device_writing_read(u->host, u->vm, object) ||
	       strcmp(object, json_str_or(record, "address", "")) == 0 ||
	       strcmp(object, json_str_or(record, "uuid", "")) == 0;
}

int device_undo_record(struct device_undo *u, const char *op, struct json_object *record,
		       struct error *err)
{
	const struct device_op *found = find(op);
	const char *address = json_str_or(record, "address", "");
	int r = device_undo_settle(u, err);

	if (r == -ETIMEDOUT && address[0] != '\0' && may_hang(u, record))
		quarantine(u, address, "a write to it hangs in the kernel");
	if (r == 0)
		r = found->undo(u, record, err);
	u->failed = u->failed || r < 0;
	return r;
}
