/* SPDX-License-Identifier: MIT */
/*
 * Which of the VFIO drivers a PCI function goes to: vfio-pci, or a variant of it that its vendor
 * has for this device (mlx5_vfio_pci, xe-vfio-pci, ...) and that does more for the guest.
 *
 * In this order: the one it is on; the one that the administrator's driver_override names; the
 * variant that the kernel's modules.alias has for it ("alias vfio_pci:v000015B3d0000101E...
 * MODULE"), of several the one with the fewest wildcards; vfio-pci.
 */
#ifndef BMVM_RUN_VFIO_DRIVER_H
#define BMVM_RUN_VFIO_DRIVER_H

#include "sysfs/pci.h"

struct error;
struct host;

/**
 * struct vfio_driver - The choice
 * @driver: its name; while @module is not loaded, that of the module, as drivers are named after it
 * @module: to be loaded for it; "" for none but that of vfio-pci
 */
struct vfio_driver {
	char driver[SYSFS_NAME_SIZE];
	char module[SYSFS_NAME_SIZE];
};

/**
 * vfio_driver_find() - Choose; only reads
 *
 * A variant whose module is blacklisted, or cannot be loaded otherwise, is none.
 */
void vfio_driver_find(const struct host *host, const struct pci_function *f,
		      struct vfio_driver *ret);

/**
 * vfio_driver_loaded() - Fill in the driver's real name once its module is loaded
 *
 * Return: 0; -ENOENT the module brought no PCI driver.
 */
int vfio_driver_loaded(const struct host *host, struct vfio_driver *d, struct error *err);

/**
 * vfio_driver_match() - The module that modules.alias has for a device
 * @aliases:  text of modules.alias
 * @modalias: of the device, "pci:v000015B3d0000101E..."
 * @ret:      SYSFS_NAME_SIZE bytes; "" when there is none but vfio_pci
 */
void vfio_driver_match(const char *aliases, const char *modalias, char *ret);

#endif
