/* SPDX-License-Identifier: MIT */
/*
 * IOMMU groups: the unit in which devices are given away.
 *
 * The kernel gives a group to a guest only when no host driver can do DMA in it. So all endpoints
 * of the group have to be passed, or be without driver, or on a driver that leaves DMA alone;
 * bridges do not matter. What is in the way is told with its driver, never moved by itself.
 */
#ifndef SYSFS_GROUP_H
#define SYSFS_GROUP_H

#include "sysfs/address.h"
#include "sysfs/tree.h"

/**
 * struct group_member - A device of a group
 * @name:      of its folder: the address of a PCI function, or a platform device
 * @is_pci:    whether @address is set
 * @address:
 * @is_bridge: a PCI bridge: stays with its driver
 * @driver:    "" none
 */
struct group_member {
	char name[SYSFS_NAME_SIZE];
	bool is_pci;
	struct pci_address address;
	bool is_bridge;
	char driver[SYSFS_NAME_SIZE];
};

/**
 * struct iommu_group - A group; release it with group_done()
 * @number:
 * @name:               "" for most
 * @type:               "DMA", "identity", ...; "" absent
 * @is_noiommu:         made by vfio without any IOMMU: not fit for a guest
 * @has_direct_regions: firmware wants memory mapped one to one ("direct", not "direct-relaxable"):
 *                      the kernel refuses its devices to a guest
 * @members:            by name, owned
 * @n_members:
 */
struct iommu_group {
	int number;
	char name[64];
	char type[32];
	bool is_noiommu;
	bool has_direct_regions;
	struct group_member *members;
	size_t n_members;
};

/**
 * group_read() - Read a group
 * @sys:
 * @number:
 * @ret:    release it with group_done()
 * @err:
 *
 * Return: 0; -ENOENT there is no such group; -ENOMEM; errno of reading.
 */
int group_read(const struct sysfs *sys, int number, struct iommu_group *ret,
	       struct sysfs_error *err);

/** group_done() - Release what a group owns; accepts zeroes. */
void group_done(struct iommu_group *group);

#define AUTO_IOMMU_GROUP __attribute__((cleanup(group_done)))

/** group_driver_is_vfio() - Whether a driver is vfio-pci or one of its variants. */
bool group_driver_is_vfio(const char *driver);

/** group_driver_is_placeholder() - Whether a driver only keeps others away: vfio, or pci-stub. */
bool group_driver_is_placeholder(const char *driver);

/**
 * group_in_the_way() - Endpoints that keep a group from a guest
 * @group:
 * @passed:   functions that will be bound to vfio
 * @n_passed:
 * @ret:      receives up to @max members, borrowed from @group
 * @max:
 *
 * In the way is a member on a host driver that is not among @passed. Functions without driver, on
 * vfio or pci-stub, and bridges are not. An empty answer says the group is viable.
 *
 * Return: how many there are, which may be more than @max.
 */
size_t group_in_the_way(const struct iommu_group *group, const struct pci_address *passed,
			size_t n_passed, const struct group_member **ret, size_t max);

/**
 * group_probe() - Open a group's device node and close it again
 * @sys:
 * @number:
 * @ret_viable: whether the kernel would give the group to a guest; NULL: not asked
 * @err:
 *
 * Return: 0 nobody has it open; -EBUSY somebody has; -ENOENT there is no node: no member is on
 * vfio; -ENODEV it is being removed; -EPERM, -EACCES; errno of the ioctl.
 */
int group_probe(const struct sysfs *sys, int number, bool *ret_viable, struct sysfs_error *err);

/**
 * group_wait_node() - Wait for a group's device node after a bind
 * @sys:
 * @number:
 * @deadline_ns: absolute, CLOCK_MONOTONIC
 * @err:
 *
 * The node is there when its number is the one of class/vfio, where that is told: udev makes it a
 * moment later, and one of a former group with this number may linger.
 *
 * Return: 0; -ETIMEDOUT.
 */
int group_wait_node(const struct sysfs *sys, int number, uint64_t deadline_ns,
		    struct sysfs_error *err);

/**
 * group_wait_closed() - Wait until nobody has a group open
 * @sys:
 * @number:      negative: there is none, so nobody has
 * @deadline_ns:
 * @err:
 *
 * Unbinding from vfio while the group is open waits for the opener, uninterruptibly in the end. So
 * this comes before it.
 *
 * Return: 0 closed, or no node; -EBUSY still open at the deadline; else as group_probe().
 */
int group_wait_closed(const struct sysfs *sys, int number, uint64_t deadline_ns,
		      struct sysfs_error *err);

#endif
