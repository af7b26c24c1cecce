/* SPDX-License-Identifier: MIT */
/* Device nodes that a GPU's driver makes outside of the GPU's folder in /sys. */
#ifndef BMVM_HOST_VENDOR_NODES_H
#define BMVM_HOST_VENDOR_NODES_H

#include "host/device_nodes.h"

/**
 * nvidia_nodes_find() - NVIDIA's: /dev/nvidiaN, the capabilities of its MIG instances, those of
 * an NVSwitch, those of vGPUs
 * @nodes: gets them
 *
 * /dev/nvidiactl, nvidia-uvm and nvidia-modeset are shared by all GPUs; who has only these uses
 * none. Return: 0; -ENOMEM.
 */
int nvidia_nodes_find(const struct host *host, const char *address, struct device_nodes *nodes);

/**
 * kfd_nodes_find() - Of AMD's compute driver: gpu_ids, and the render nodes of its partitions
 * @nodes: gets them; those of the function itself are in it already
 *
 * Return: 0; -ENOMEM.
 */
int kfd_nodes_find(const struct host *host, const char *address, struct device_nodes *nodes);

#endif
