/* SPDX-License-Identifier: MIT */
/*
 * Settings of a PCI function that do not outlive a change of its driver: vfio-pci takes power
 * management into its own hands, a GPU's driver starts with its defaults.
 *
 * Kept are (as far as the kernel has the file) current_compute_partition,
 * power_dpm_force_performance_level, hwmon/power1_cap (of the folder hwmonN that there is),
 * d3cold_allowed, reset_method, power/control.
 *
 * Outside: current_memory_partition, which takes a reload of the driver to change; what a vendor's
 * program sets without a file (power limit and clocks of NVIDIA's GPUs).
 */
#ifndef SYSFS_SETTINGS_H
#define SYSFS_SETTINGS_H

#include "sysfs/address.h"
#include "sysfs/tree.h"

#define SETTINGS_N   6
#define SETTING_SIZE 96

/**
 * struct setting - One of them
 * @is_there: whether the kernel has the file, with a text that fits
 * @text:     what it reads
 */
struct setting {
	bool is_there;
	char text[SETTING_SIZE];
};

/** struct settings - All of a function; plain data, zero: none */
struct settings {
	struct setting v[SETTINGS_N];
};

/** settings_name() - The name of setting @i, 0 to SETTINGS_N - 1; static. */
const char *settings_name(size_t i);

/** settings_read() - What they are now; a file that cannot be read is as none. */
void settings_read(const struct sysfs *sys, const struct pci_address *address,
		   struct settings *ret);

/**
 * settings_restore() - Give a function its settings back
 * @sys:
 * @address:
 * @settings:    as they were before the change of driver
 * @deadline_ns: absolute, CLOCK_MONOTONIC
 * @err:
 *
 * To be called when the former driver has it again. Writes what is different now and no more. A
 * setting whose file is not there (any more) is left out.
 *
 * Return: 0; -EUCLEAN the kernel refuses a former value: the others are restored; else as
 * sysfs_change(), the call can be repeated.
 */
int settings_restore(const struct sysfs *sys, const struct pci_address *address,
		     const struct settings *settings, uint64_t deadline_ns,
		     struct sysfs_error *err);

#endif
