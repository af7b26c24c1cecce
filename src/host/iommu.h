/* SPDX-License-Identifier: MIT */
/*
 * What the kernel tells of the IOMMU: whether it is on, how the host's own devices use it, and
 * whether it checks their interrupts too. Part of host/facts.h.
 *
 * On is what has groups; what the kernel was told on its command line only explains it.
 */
#ifndef BMVM_HOST_IOMMU_H
#define BMVM_HOST_IOMMU_H

#include <stdbool.h>
#include <stddef.h>

struct host;

/**
 * enum iommu_interrupts - Interrupt remapping: a device can raise its own interrupts only
 * @IOMMU_INTERRUPTS_UNKNOWN: nothing tells
 */
enum iommu_interrupts {
	IOMMU_INTERRUPTS_UNKNOWN,
	IOMMU_INTERRUPTS_PLAIN,
	IOMMU_INTERRUPTS_REMAPPED,
};

/**
 * struct iommu_facts - All of it
 * @units:      entries of /sys/class/iommu; 0: the IOMMU is off
 * @groups:     of devices
 * @identity:   those of them whose devices reach all memory while the host has them
 * @arg_on:     the kernel was told to use it
 * @arg_pt:     the word that told the kernel to leave the host's own devices alone; "" none
 * @arg_off:    the word that told the kernel not to use it; "" none
 * @interrupts: as the names of the interrupt controllers in /proc/interrupts say
 * @unsafe_interrupts: VFIO was told to do without interrupt remapping
 */
struct iommu_facts {
	size_t units, groups, identity;
	bool arg_on;
	char arg_pt[24], arg_off[24];
	enum iommu_interrupts interrupts;
	bool unsafe_interrupts;
};

/** host_iommu_read() - Read it; what cannot be read stays 0. Does not block. */
void host_iommu_read(const struct host *host, struct iommu_facts *ret);

#endif
