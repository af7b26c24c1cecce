/* SPDX-License-Identifier: MIT */
/* Virtual functions: see sriov.h. */
#include "sysfs/sriov.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sysfs/cleanup.h"
#include "sysfs/clock.h"
#include "sysfs/group.h"
#include "sysfs/iomem.h"
#include "sysfs/write.h"

/* How long new VFs may take to show up, as some drivers make them later. */
#define VFS_LIMIT_MS 15000

/* One operation on one PF. */
struct task {
	const struct sysfs *sys;
	const struct sriov_change *change;
	const char *op;
	char name[PCI_ADDRESS_SIZE];
	uint64_t deadline_ns;
	struct sysfs_error *err;
};

static struct task begin(const struct sysfs *sys, const struct sriov_change *change, const char *op,
			 uint64_t deadline_ns, struct sysfs_error *err)
{
	struct task task = {
		.sys = sys, .change = change, .op = op, .deadline_ns = deadline_ns, .err = err
	};

	(void)pci_address_format(&change->pf, task.name);
	return task;
}

static int judge_pf(const struct pci_function *pf, int n_vfs, struct sysfs_error *err)
{
	char name[PCI_ADDRESS_SIZE];

	(void)pci_address_format(&pf->address, name);
	if (pf->is_gone)
		return sysfs_error_set(err, EIO,
				       "%s does not answer: its config space reads all ones", name);
	if (pf->sriov_totalvfs < 0 || pf->sriov_numvfs < 0)
		return sysfs_error_set(err, EOPNOTSUPP, "%s has no VFs to make", name);
	if (n_vfs > pf->sriov_totalvfs)
		return sysfs_error_set(err, ERANGE, "%s can have %d VFs, not %d", name,
				       pf->sriov_totalvfs, n_vfs);
	if (pf->sriov_numvfs > 0 || pf->n_vfs > 0)
		return sysfs_error_set(err, EBUSY, "%s has %d VFs already", name, pf->sriov_numvfs);
	if (pf->driver[0] == '\0')
		return sysfs_error_set(err, ENOENT, "%s has no driver, which would make its VFs",
				       name);
	return 0;
}

int sriov_plan(const struct sysfs *sys, const struct pci_address *pf, int n_vfs,
	       struct sriov_change *ret, struct sysfs_error *err)
{
	AUTO_PCI_FUNCTION struct pci_function f = { 0 };

	if (n_vfs < 1 || n_vfs > UINT16_MAX)
		return sysfs_error_set(err, EINVAL, "%d is no number of VFs", n_vfs);

	int r = pci_function_read(sys, pf, &f, err);

	if (r == 0)
		r = judge_pf(&f, n_vfs, err);
	if (r < 0)
		return r;
	*ret = (struct sriov_change){ .pf = *pf,
				      .vendor = f.vendor,
				      .device = f.device,
				      .n_vfs = n_vfs,
				      .old_autoprobe = f.sriov_autoprobe };
	return 0;
}

/* Read how many VFs there are, of the same device as was planned. */
static int read_numvfs(const struct task *task, int *ret)
{
	char path[SYSFS_PATH_SIZE];
	int64_t vendor = 0, device = 0;
	int r = sysfs_read_number(task->sys->sys_fd, pci_path(path, &task->change->pf, "vendor"),
				  &vendor);

	if (r == 0)
		r = sysfs_read_number(task->sys->sys_fd,
				      pci_path(path, &task->change->pf, "device"), &device);
	if (r < 0)
		return sysfs_error_os(task->err, r == -ENOENT ? ENODEV : -r, "%s", task->name);
	if (vendor != task->change->vendor || device != task->change->device)
		return sysfs_error_set(task->err, ESTALE, "%s is another device now", task->name);
	return pci_numvfs_read(task->sys, &task->change->pf, ret, task->err);
}

/* Write a number to the PF's file @file, which holds @old. */
static int put_number(const struct task *task, const char *file, int old, int value, bool read_back)
{
	char path[SYSFS_PATH_SIZE], old_text[16], text[16];

	(void)snprintf(old_text, sizeof(old_text), "%d", old);
	(void)snprintf(text, sizeof(text), "%d", value);

	struct sysfs_change change = { .op = task->op,
				       .object = task->name,
				       .path = pci_path(path, &task->change->pf, file),
				       .old = old_text,
				       .value = text,
				       .expect = read_back ? text : NULL };

	return sysfs_change(task->sys, &change, task->deadline_ns, task->err);
}

static int explain(const struct task *task, int r)
{
	char driver[SYSFS_NAME_SIZE] = "";

	(void)pci_driver(task->sys, &task->change->pf, driver);
	if (r == -ENOENT && driver[0] == '\0')
		return sysfs_error_set(task->err, ENOENT,
				       "%s has lost its driver: bind it again first", task->name);
	if (r == -ENOENT)
		return sysfs_error_set(task->err, ENOENT,
				       "%s: the driver %s makes no VFs by sriov_numvfs", task->name,
				       driver);
	if (r == -ERANGE)
		return sysfs_error_set(task->err, ERANGE, "%s: fewer VFs are supported than %d",
				       task->name, task->change->n_vfs);
	if (r == -EBUSY)
		return sysfs_error_set(task->err, EBUSY,
				       "%s: in use, or somebody else made VFs meanwhile",
				       task->name);
	if (r == -ENOMEM)
		return sysfs_error_set(
			task->err, ENOMEM,
			"%s: no addresses or bus numbers for VFs (SR-IOV, ARI and "
			"above-4G decoding in the firmware; see the kernel's messages)",
			task->name);
	return r;
}

static bool vf_is_ready(const struct sysfs *sys, const struct pci_address *vf)
{
	char path[SYSFS_PATH_SIZE];

	return pci_group(sys, vf) >= 0 && sysfs_exists(sys->sys_fd, pci_path(path, vf, "config")) &&
	       !pci_is_gone(sys, vf);
}

/* Whether VFs 0 to n_vfs - 1 are there and ready. Return: 1 or 0; -errno. */
static int vfs_are_ready(const struct task *task)
{
	SYSFS_AUTO_FREE struct pci_vf *vfs = NULL;
	size_t n = 0;
	int r = pci_vfs_read(task->sys, &task->change->pf, &vfs, &n);

	if (r < 0)
		return sysfs_error_os(task->err, -r, "read the VFs of %s", task->name);
	if (n != (size_t)task->change->n_vfs)
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (vfs[i].index != i || !vf_is_ready(task->sys, &vfs[i].address))
			return 0;
	}
	return 1;
}

static int wait_vfs(const struct task *task)
{
	uint64_t limit_ns = sysfs_deadline_ms(VFS_LIMIT_MS);
	int ready;

	if (limit_ns > task->deadline_ns)
		limit_ns = task->deadline_ns;
	while ((ready = vfs_are_ready(task)) == 0) {
		if (!sysfs_nap(task->sys->poll_ms, limit_ns))
			return sysfs_error_set(task->err, ETIMEDOUT,
					       "%s: its VFs do not come up, or without IOMMU group",
					       task->name);
	}
	return ready < 0 ? ready : 0;
}

int sriov_create(const struct sysfs *sys, const struct sriov_change *change, uint64_t deadline_ns,
		 struct sysfs_error *err)
{
	struct task task = begin(sys, change, "create-vfs", deadline_ns, err);
	int numvfs = 0;
	int r = read_numvfs(&task, &numvfs);

	if (r < 0)
		return r;
	if (numvfs != 0)
		return sysfs_error_set(err, ESTALE, "%s has %d VFs since it was planned", task.name,
				       numvfs);
	if (change->old_autoprobe > 0)
		r = put_number(&task, "sriov_drivers_autoprobe", change->old_autoprobe, 0, true);
	if (r < 0)
		return r;
	r = put_number(&task, "sriov_numvfs", 0, change->n_vfs, false);
	if (r < 0)
		return explain(&task, r);

	/* Success may be a short count. */
	r = pci_numvfs_read(sys, &change->pf, &numvfs, err);
	if (r < 0)
		return r;
	if (numvfs != change->n_vfs)
		return sysfs_error_set(err, ENOSPC, "%s made %d VFs instead of %d", task.name,
				       numvfs, change->n_vfs);
	return wait_vfs(&task);
}

/*
 * Whether a VF does not answer any more and a guest had it that has let go. No driver of the host
 * can take it back, so it waits on vfio for nothing else than to be taken away.
 */
static bool is_lost(const struct sysfs *sys, const struct pci_address *vf, const char *driver)
{
	int r;

	if (!group_driver_is_vfio(driver) || !pci_is_gone(sys, vf) || iomem_is_vfio(sys, vf))
		return false;
	r = group_probe(sys, pci_group(sys, vf), NULL, NULL);
	return r == 0 || r == -ENOENT || r == -ENODEV;
}

/* Nobody may lose a VF under his feet. */
static int check_idle(const struct task *task)
{
	SYSFS_AUTO_FREE struct pci_vf *vfs = NULL;
	size_t n = 0;
	int r = pci_vfs_read(task->sys, &task->change->pf, &vfs, &n);

	if (r < 0)
		return sysfs_error_os(task->err, -r, "read the VFs of %s", task->name);
	for (size_t i = 0; i < n; i++) {
		char driver[SYSFS_NAME_SIZE], name[PCI_ADDRESS_SIZE];

		if (pci_driver(task->sys, &vfs[i].address, driver) < 0 || driver[0] == '\0' ||
		    is_lost(task->sys, &vfs[i].address, driver))
			continue;
		return sysfs_error_set(task->err, EBUSY, "%s: its VF %s is on the driver %s",
				       task->name, pci_address_format(&vfs[i].address, name),
				       driver);
	}
	return 0;
}

static int wait_no_vfs(const struct task *task)
{
	for (;;) {
		SYSFS_AUTO_FREE struct pci_vf *vfs = NULL;
		size_t n = 0;
		int r = pci_vfs_read(task->sys, &task->change->pf, &vfs, &n);

		if (r < 0)
			return sysfs_error_os(task->err, -r, "read the VFs of %s", task->name);
		if (n == 0)
			return 0;
		if (!sysfs_nap(task->sys->poll_ms, task->deadline_ns))
			return sysfs_error_set(task->err, ETIMEDOUT, "%s: %zu VFs do not go",
					       task->name, n);
	}
}

static int restore_autoprobe(const struct task *task)
{
	int64_t is;
	char path[SYSFS_PATH_SIZE];

	if (task->change->old_autoprobe <= 0)
		return 0;

	int r = sysfs_read_number(task->sys->sys_fd,
				  pci_path(path, &task->change->pf, "sriov_drivers_autoprobe"),
				  &is);

	if (r < 0)
		return sysfs_error_os(task->err, -r, "read %s", path);
	if (is == task->change->old_autoprobe)
		return 0;
	return put_number(task, "sriov_drivers_autoprobe", (int)is, task->change->old_autoprobe,
			  true);
}

int sriov_remove(const struct sysfs *sys, const struct sriov_change *change, uint64_t deadline_ns,
		 struct sysfs_error *err)
{
	struct task task = begin(sys, change, "remove-vfs", deadline_ns, err);
	int numvfs = 0;
	int r = read_numvfs(&task, &numvfs);

	if (r < 0)
		return r;
	if (numvfs > change->n_vfs)
		return sysfs_error_set(err, ESTALE, "%s has %d VFs, of which %d were made here",
				       task.name, numvfs, change->n_vfs);
	if (numvfs > 0) {
		r = check_idle(&task);
		if (r < 0)
			return r;
		r = put_number(&task, "sriov_numvfs", numvfs, 0, true);
		if (r < 0)
			return explain(&task, r);
		r = wait_no_vfs(&task);
		if (r < 0)
			return r;
	}
	return restore_autoprobe(&task);
}
