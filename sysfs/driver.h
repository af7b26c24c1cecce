/* SPDX-License-Identifier: MIT */
/*
 * Binding a PCI function to another driver, and giving it back.
 *
 * Only driver_override is used: new_id would catch every other device of the same ids, and cannot
 * be taken back. While a function is on the new driver its override is the original one again, so
 * that what is left to undo after a crash is the driver alone.
 *
 * Theory of operation. driver_plan() reads what the undo needs; the caller stores that (struct
 * driver_binding is plain data); then driver_bind() writes. driver_give_back() may be called after
 * success, after any failure and after a crash at any point, again and again: it knows the states
 * that binding and giving back pass through and takes it from there. In any other state somebody
 * else had a hand in it, and nothing is touched (-ESTALE).
 *
 *   bind:       (old, old)  -> (old, new) -> (none, new) -> (new, new)  -> (new, old)
 *   give back:  (new, old)  -> (new, OLD) -> (none, OLD) -> (old, OLD)  -> (old, old)
 *   no old driver:  (new, old) -> (none, old)
 *
 * as (driver, driver_override), where OLD is the old driver's name as an override: it makes the
 * function match that driver even where its PF switched automatic probing off, and no other. With
 * its old driver the function gets its old settings back (settings.h). Before a GPU is taken from
 * NVIDIA's driver, that is asked whether it agrees (nvidia_unbind.h).
 *
 * Outside: who uses the device (check before, as unbinding waits for users, some drivers for ever),
 * loading modules, the choice of a driver.
 */
#ifndef SYSFS_DRIVER_H
#define SYSFS_DRIVER_H

#include "sysfs/pci.h"
#include "sysfs/settings.h"

/**
 * struct driver_binding - One function's change of driver, and what it takes to undo it
 * @address:
 * @vendor:       with @device, tells another device at this address
 * @device:
 * @driver:       the new driver
 * @old_driver:   "" none
 * @old_override: raw
 * @settings:     what the change of driver may alter, as it was
 */
struct driver_binding {
	struct pci_address address;
	uint16_t vendor;
	uint16_t device;
	char driver[SYSFS_NAME_SIZE];
	char old_driver[SYSFS_NAME_SIZE];
	char old_override[SYSFS_NAME_SIZE];
	struct settings settings;
};

/**
 * driver_look() - Read what giving back would restore: driver, override, settings
 * @sys:
 * @address:
 * @ret: its driver stays empty
 * @err:
 *
 * Return: 0; -ENODEV no such function; -EBADMSG.
 */
int driver_look(const struct sysfs *sys, const struct pci_address *address,
		struct driver_binding *ret, struct sysfs_error *err);

/**
 * driver_plan() - Find out whether a function can be bound, and what its undo needs
 * @sys:
 * @address:
 * @driver:  new driver, e.g. "vfio-pci"; its module must be loaded
 * @ret:
 * @err:
 *
 * Changes nothing.
 *
 * Return: 0; -EINVAL @driver is no name, or the function is a bridge; -ENODEV no such function;
 * -ENOENT no such driver; -EIO the device does not answer; -EBUSY it is a PF with VFs, or somebody
 * else is taking it from its driver; -EOPNOTSUPP it has no driver_override, no IOMMU group (for
 * vfio), or is to stay with its driver (vendor VFIO); -ETIMEDOUT with @err->wedged it is stuck in
 * another change; -EBADMSG.
 */
int driver_plan(const struct sysfs *sys, const struct pci_address *address, const char *driver,
		struct driver_binding *ret, struct sysfs_error *err);

/**
 * driver_bind() - Carry out a plan
 * @sys:
 * @binding:
 * @deadline_ns: absolute, CLOCK_MONOTONIC; unbinding may take a minute
 * @err:
 *
 * Writes nothing if the function is on the new driver already, also when a function without driver
 * was taken by it since, as an override makes a driver do that is loaded. For vfio drivers it waits
 * for the group's device node too.
 *
 * Return: 0; -ESTALE driver or override are not as planned; -EBUSY the old driver does not agree,
 * see nvidia_unbind.h; -EREMOTEIO the new driver did not take it; -ENODEV there is no such
 * function any more; -ETIMEDOUT, with @err->wedged if a write is stuck; else as sysfs_change().
 * After a failure call driver_give_back(), unless wedged.
 */
int driver_bind(const struct sysfs *sys, const struct driver_binding *binding, uint64_t deadline_ns,
		struct sysfs_error *err);

/**
 * driver_give_back() - Undo a binding, wherever it stands
 * @sys:
 * @binding:
 * @deadline_ns: absolute, CLOCK_MONOTONIC
 * @err:
 *
 * Waits until nobody has the function's group open, and vfio has let go of its memory, for half a
 * minute at most. Writes nothing if all is as it was.
 *
 * Return: 0 all is as it was. -ENODEV there is no such function any more. Nothing written: -ESTALE
 * somebody else changed it, or it is another device; -EBUSY its group is still open at the
 * deadline. -EIO the device does not answer, a driver would hang on it: it stays where it is, or
 * without driver. -EUCLEAN it is on its old driver, but a setting is refused.
 * -ENOENT the old driver is not loaded any more, -EREMOTEIO it refuses the function: that is
 * without driver, with its old override. Else as sysfs_change(); the call can be repeated.
 */
int driver_give_back(const struct sysfs *sys, const struct driver_binding *binding,
		     uint64_t deadline_ns, struct sysfs_error *err);

#endif
