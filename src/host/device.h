/* SPDX-License-Identifier: MIT */
/*
 * A PCI function as somebody sees it who wants to pass it to a VM: what it is, what it shares, who
 * uses or has it, and what speaks against it. Everything is read, nothing is changed.
 */
#ifndef BMVM_HOST_DEVICE_H
#define BMVM_HOST_DEVICE_H

#include "host/device_users.h"
#include "host/lease.h"
#include "host/pci_names.h"
#include "host/quarantine.h"
#include "sysfs/group.h"
#include "sysfs/pci.h"

struct error;
struct host;
struct sysfs_error;

/* PCI vendors of GPUs that can be asked for. */
#define PCI_VENDOR_AMD    0x1002
#define PCI_VENDOR_NVIDIA 0x10de
#define PCI_VENDOR_INTEL  0x8086

/**
 * struct device_offer - A type of vGPU that the function, or a VF of it, can turn into
 * @id:        mdev type "nvidia-558", or the number of NVIDIA's vendor VFIO
 * @available: how many more; -1 not told
 */
struct device_offer {
	char id[SYSFS_NAME_SIZE];
	char name[SYSFS_NAME_SIZE];
	int available;
};

/**
 * struct device - One function; free with device_done()
 * @f:           as sysfs tells; its group is @group, zero without one
 * @address:     or the name, of a parent
 * @is_parent:   no PCI function but another parent of mediated devices (class/mdev_bus): of @f only
 *               that it has mdev types is set
 * @is_stuck:    reading it does not come back: of @f there is the address, ids, class and driver
 * @vendor, @model: names, "" when not known
 * @users:       who uses it
 * @hidden:      whether it is leased or quarantined only root can tell (host_sees_vms())
 * @leased:      by @holder
 * @quarantined: see @quarantine, which is its own entry, or of a VF that of its PF; @quarantine_of
 *               says whose
 * @console:     the machine's console is on it, @console_by says how; never taken
 * @offers:      types of vGPU, @n_offers of them
 */
struct device {
	struct pci_function f;
	char address[SYSFS_NAME_SIZE];
	bool is_parent;
	bool is_stuck;
	char vendor[96];
	char model[128];
	struct iommu_group group;
	struct device_users users;
	bool hidden;
	bool leased;
	struct lease_holder holder;
	bool quarantined;
	struct quarantine quarantine;
	char quarantine_of[SYSFS_NAME_SIZE];
	bool console;
	char console_by[64];
	struct device_offer *offers;
	size_t n_offers;
};

/** struct device_list - Devices by address; free with device_list_done() */
struct device_list {
	struct device *v;
	size_t n;
};

#define DEVICE_LIST_INIT                                                                           \
	{                                                                                          \
		.v = NULL                                                                          \
	}

/** device_sysfs() - The sysfs library's view of @host: reading only, no intents, no lock. */
struct sysfs device_sysfs(const struct host *host);

/** device_error() - A failure of the sysfs library as one of ours. Return: @r. */
int device_error(struct error *err, int r, const struct sysfs_error *from);

/**
 * device_is_gpu() - A display controller (class 03) or processing accelerator (12) of AMD, NVIDIA
 * or Intel that is no VF
 */
bool device_is_gpu(const struct pci_function *f);

/**
 * device_list_read() - Look at the functions of this host
 * @all: every function, not only GPUs; bridges too
 *
 * Parents of mediated devices that are no PCI functions are always there, behind the others. What
 * is stuck costs three seconds. Looks through /proc once for each. Return: 0; -ENOMEM; errno.
 */
int device_list_read(const struct host *host, bool all, struct device_list *ret, struct error *err);

/**
 * device_read() - Look at one function
 * @names: NULL: no names
 * @ret:   free with device_done(), also on failure
 *
 * A child looks first (device_probe.h): three seconds at most. Return: 0; -ENODEV no such function;
 * -ETIMEDOUT reading it does not come back; -ENOMEM; errno.
 */
int device_read(const struct host *host, const struct pci_names *names,
		const struct pci_address *address, struct device *ret, struct error *err);

/**
 * device_read_parent() - Look at a parent of mediated devices that is no PCI function
 * @name: as in class/mdev_bus
 *
 * Return: 0; -ENODEV there is none; -ETIMEDOUT it is stuck; -ENOMEM; errno.
 */
int device_read_parent(const struct host *host, const char *name, struct device *ret,
		       struct error *err);

/** device_done() - Free; accepts zeroes. */
void device_done(struct device *d);

#define AUTO_DEVICE CLEANUP(device_done)

/** device_list_done() - Free; accepts DEVICE_LIST_INIT. */
void device_list_done(struct device_list *list);

#define AUTO_DEVICE_LIST CLEANUP(device_list_done)

#endif
