/* SPDX-License-Identifier: MIT */
/*
 * What of /dev and of the network belongs to a PCI function, as /sys tells: device nodes of every
 * driver below it (DRM, sound, NVMe, ...), its VFIO group and those of its mediated devices, nodes
 * that a vendor's driver makes elsewhere, network interfaces.
 */
#ifndef BMVM_HOST_DEVICE_NODES_H
#define BMVM_HOST_DEVICE_NODES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/strv.h"

struct error;
struct host;

/**
 * struct device_node - One node
 * @name:  below /dev, "dri/card0"; owned
 * @rdev:  its number
 * @block: a block device
 * @held:  block: another block device stands on it (device mapper, RAID)
 * @any:   any node whose name is @name and a number, or that has the major of @rdev (if that is not
 *         0) and a minor below 255
 */
struct device_node {
	char *name;
	dev_t rdev;
	bool block;
	bool held;
	bool any;
};

/* Partitions that the compute driver can divide a GPU into. */
#define DEVICE_KFD_MAX 16

/**
 * struct device_nodes - All of a function; free with device_nodes_done()
 * @interfaces: names of its network interfaces
 * @kfd:        its gpu_ids in the AMD compute driver's topology, one for each partition
 * @n_mdevs:    mediated devices that were made of it
 * @shared:     names of disks that several controllers lead to, it among them
 */
struct device_nodes {
	struct device_node *v;
	size_t n;
	struct strv interfaces;
	unsigned long kfd[DEVICE_KFD_MAX];
	size_t n_kfd;
	size_t n_mdevs;
	struct strv shared;
};

#define DEVICE_NODES_INIT                                                                          \
	{                                                                                          \
		.v = NULL                                                                          \
	}

/**
 * device_nodes_find() - Find them
 * @address: "0000:41:00.0", or the name of another parent of mediated devices
 * @ret:     must be DEVICE_NODES_INIT
 *
 * However deep they lie: a disk behind SAS expanders or USB hubs, or in the PCI domain of a VMD
 * controller. Functions behind a bridge @address are not looked into. Return: 0, also when there
 * are none; -ENOENT no such function; -ELOOP; -ENOMEM.
 */
int device_nodes_find(const struct host *host, const char *address, struct device_nodes *ret,
		      struct error *err);

/** device_nodes_add() - Add a copy of a node. Return: 0; -ENOMEM. */
int device_nodes_add(struct device_nodes *nodes, const struct device_node *node);

/** device_rdev_parse() - Read "MAJOR:MINOR", as the kernel writes it. Return: whether it is one. */
bool device_rdev_parse(const char *text, dev_t *ret);

/** device_nodes_done() - Free; accepts DEVICE_NODES_INIT. */
void device_nodes_done(struct device_nodes *nodes);

#define AUTO_DEVICE_NODES CLEANUP(device_nodes_done)

#endif
