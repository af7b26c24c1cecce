/* SPDX-License-Identifier: MIT */
/*
 * Mediated devices: slices of a device that its own driver makes, one folder with a UUID each.
 *
 * A parent is named by a PCI address, or by its name in class/mdev_bus (a parent need not be a PCI
 * function). What the caller stores before mdev_create() is the UUID: with it mdev_remove() finds
 * the device, at any time and as often as it likes.
 */
#ifndef SYSFS_MDEV_H
#define SYSFS_MDEV_H

#include "sysfs/tree.h"

/* A UUID and its NUL. */
#define MDEV_UUID_SIZE 37

/**
 * struct mdev_type - A type that a parent offers
 * @id:          folder, e.g. "nvidia-558"
 * @name:        "" absent; for people, but unique enough to be asked for
 * @description: "" absent; may have several lines
 * @device_api:  "vfio-pci" for what a guest can use as PCI device; "" absent
 * @available:   how many more can be made now
 */
struct mdev_type {
	char id[SYSFS_NAME_SIZE];
	char name[SYSFS_NAME_SIZE];
	char description[512];
	char device_api[32];
	int available;
};

/**
 * struct mdev_types - Types by id; release them with mdev_types_done()
 * @v: owned
 * @n:
 */
struct mdev_types {
	struct mdev_type *v;
	size_t n;
};

/**
 * mdev_types_read() - Read what a parent offers
 * @sys:
 * @parent:
 * @ret:
 * @err:
 *
 * Return: 0; -EINVAL @parent is no name; -ENOENT it is no parent; -ENOMEM; errno of reading.
 */
int mdev_types_read(const struct sysfs *sys, const char *parent, struct mdev_types *ret,
		    struct sysfs_error *err);

/** mdev_types_done() - Release the types; accepts zeroes. */
void mdev_types_done(struct mdev_types *types);

#define AUTO_MDEV_TYPES __attribute__((cleanup(mdev_types_done)))

/** mdev_find_type() - Find a type by its id or else its name. Return: borrowed; NULL for none. */
const struct mdev_type *mdev_find_type(const struct mdev_types *types, const char *id_or_name);

/** mdev_parents() - Names of all parents. Return: 0, also when there are none; -errno. */
int mdev_parents(const struct sysfs *sys, struct sysfs_names *ret, struct sysfs_error *err);

/** mdev_uuid_is_valid() - Whether @uuid has the form the kernel gives back: 36 characters, lower
 * case. */
bool mdev_uuid_is_valid(const char *uuid);

/**
 * struct mdev_device - A mediated device
 * @uuid:
 * @type:   id
 * @parent: name of the parent's folder: a PCI address or the like
 * @group:  number of its IOMMU group, -1 none (yet)
 */
struct mdev_device {
	char uuid[MDEV_UUID_SIZE];
	char type[SYSFS_NAME_SIZE];
	char parent[SYSFS_NAME_SIZE];
	int group;
};

/**
 * mdev_read() - Read a device
 * @sys:
 * @uuid:
 * @ret:
 * @err:
 *
 * Return: 0; -EINVAL no UUID; -ENODEV there is none; -EBADMSG its links are junk.
 */
int mdev_read(const struct sysfs *sys, const char *uuid, struct mdev_device *ret,
	      struct sysfs_error *err);

/**
 * mdev_create() - Make a device and wait until it can be opened
 * @sys:
 * @parent:
 * @type:        id
 * @uuid:        new, see mdev_uuid_is_valid()
 * @deadline_ns: absolute, CLOCK_MONOTONIC
 * @err:
 *
 * Return: 0 it is there, of that type, with its group's device node; -EINVAL; -ENOENT no such
 * parent or type; -EEXIST the UUID is taken; -ENOSPC, -EIO no room, or the parent's service is not
 * running; -ETIMEDOUT, with @err->wedged if the write is stuck; else as sysfs_change(). After a
 * failure other than -EEXIST call mdev_remove(), unless wedged.
 */
int mdev_create(const struct sysfs *sys, const char *parent, const char *type, const char *uuid,
		uint64_t deadline_ns, struct sysfs_error *err);

/**
 * mdev_remove() - Remove a device, if it is there
 * @sys:
 * @uuid:        one that was made here
 * @grace_ms:    time in which it may go by itself, once nobody has it open: some drivers do that,
 *               and fail when they are hurried
 * @deadline_ns: absolute, CLOCK_MONOTONIC
 * @err:
 *
 * Return: 0 it is not there any more; -EINVAL no UUID; -EBUSY it is still open at the deadline,
 * nothing written; -ETIMEDOUT; else as sysfs_change(); the call can be repeated.
 */
int mdev_remove(const struct sysfs *sys, const char *uuid, unsigned int grace_ms,
		uint64_t deadline_ns, struct sysfs_error *err);

#endif
