/* SPDX-License-Identifier: MIT */
/*
 * Which devices a run takes: the configuration (`gpu_passthrough`, `devices`) against what is
 * there. Only reads; the guardian does what is written here (run/assignment.h), and looks again
 * before.
 *
 * A function that the configuration names is taken or refused. Without names free GPUs are taken,
 * of one NUMA node if one has enough, else of several; the lowest addresses first. Free is what
 * would not be refused by name. What shows the machine's console is refused whatever is asked.
 *
 * A refusal for good goes before one that waiting may cure, wherever they stand: who gets -EBUSY
 * may try again later.
 */
#ifndef BMVM_RUN_DEVICE_CHOICE_H
#define BMVM_RUN_DEVICE_CHOICE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/strv.h"
#include "host/device.h"

struct config;
struct error;
struct host;

enum device_way {
	DEVICE_WHOLE,       /* bind the function, and the rest of its group, to vfio-pci */
	DEVICE_VFS,         /* VFs of a PF */
	DEVICE_MDEV,        /* mediated devices of a parent */
	DEVICE_VENDOR_VGPU, /* NVIDIA's vendor VFIO on VFs that are there */
};

/**
 * struct device_request - One thing to take
 * @address:   DEVICE_WHOLE: the function; DEVICE_VFS, DEVICE_VENDOR_VGPU: the PF; DEVICE_MDEV: the
 *             parent, a PCI address or a name in class/mdev_bus
 * @members:   DEVICE_WHOLE: addresses of all endpoints to bind, @address among them, sorted.
 *             DEVICE_VFS, DEVICE_VENDOR_VGPU: the @count VFs to use, by index; none for VFs that
 *             are still to be made. DEVICE_MDEV: none
 * @count:     VFs or vGPUs for this VM; 1 otherwise
 * @create:    DEVICE_VFS: how many to make if the PF has none by then; 0: its driver makes none
 * @type:      id of the vGPU type, "nvidia-558" or "1147"; else ""
 * @numa_node: of @address; -1 not known
 * @key:       the configuration key it comes from, for messages: "gpu_passthrough.gpu_ids[1]"
 */
struct device_request {
	enum device_way way;
	char address[SYSFS_NAME_SIZE];
	struct strv members;
	unsigned int count;
	unsigned int create;
	char type[SYSFS_NAME_SIZE];
	int numa_node;
	char key[64];
};

/** struct device_choice - All of a run, in the order of addresses; free with device_choice_done()
 */
struct device_choice {
	struct device_request *v;
	size_t n;
	struct strv warnings; /* for the user, one line each */
	int numa_node;        /* the node all devices are on; -1: none, several or not known */
	bool iommufd;         /* they are passed through /dev/iommu */
};

#define DEVICE_CHOICE_INIT                                                                         \
	{                                                                                          \
		.v = NULL, .numa_node = -1                                                         \
	}

/** device_choice_wanted() - Whether the configuration asks for any device. */
bool device_choice_wanted(const struct config *cfg);

/**
 * device_choice_make() - Choose
 * @cfg: validated
 * @ret: must be DEVICE_CHOICE_INIT; free it also on failure
 *
 * Return: 0; -ENODEV no such device, or the host has fewer than asked; -EBUSY it would do, but it,
 * or so many that too few are left, is in use, leased, quarantined or stuck in a change; -ENOTSUP
 * it cannot be passed this way (no IOMMU, not the only endpoint of its group, no SR-IOV, no such
 * vGPU type, the console, needs "force"); -EINVAL two keys ask for the same function; -ENOMEM;
 * errno of reading. The text names key, address and reason, the hint the way out.
 */
int device_choice_make(const struct host *host, const struct config *cfg, struct device_choice *ret,
		       struct error *err);

/** device_choice_done() - Free; accepts DEVICE_CHOICE_INIT. */
void device_choice_done(struct device_choice *choice);

#define AUTO_DEVICE_CHOICE CLEANUP(device_choice_done)

#endif
