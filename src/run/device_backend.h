/* SPDX-License-Identifier: MIT */
/*
 * How QEMU is given its devices: through VFIO's groups and container, or, where `iommufd` is asked
 * for, through /dev/iommu and a node of each device.
 *
 * Groups work with every kernel and QEMU, and let devices reach each other's memory. iommufd needs
 * Linux 6.6 (CONFIG_IOMMUFD, CONFIG_VFIO_DEVICE_CDEV) and QEMU 9.0. What is bound, leased and
 * undone is the same: an IOMMU group goes to one VM either way, and its node is busy while a device
 * of it is open by the other way.
 */
#ifndef BMVM_RUN_DEVICE_BACKEND_H
#define BMVM_RUN_DEVICE_BACKEND_H

#include <stdbool.h>
#include <sys/types.h>

struct error;
struct host;
struct qemu_caps;

/** device_backend_module() - The kernel module that does it, beside vfio-pci. Return: its name. */
const char *device_backend_module(bool iommufd);

/**
 * device_backend_check() - Whether iommufd will work, before a device is touched
 *
 * Whether the kernel gives devices nodes of their own is known once the VFIO modules are there;
 * until then device_backend_node() has the last word. Return: 0; -ENOTSUP QEMU or kernel cannot;
 * as modules_missing().
 */
int device_backend_check(const struct host *host, const struct qemu_caps *caps, struct error *err);

/** device_backend_iommu() - The number of /dev/iommu. Return: 0; -ENOTSUP there is none. */
int device_backend_iommu(const struct host *host, dev_t *ret, struct error *err);

/**
 * device_backend_node() - The node of a device that has been bound, or made
 * @address:    of a PCI function; "" for a mediated device
 * @uuid:       of that
 * @ret_number: N of /dev/vfio/devices/vfioN
 * @ret:        its number
 *
 * Return: 0; -ENOTSUP it has none; errno of reading.
 */
int device_backend_node(const struct host *host, const char *address, const char *uuid,
			int *ret_number, dev_t *ret, struct error *err);

#endif
