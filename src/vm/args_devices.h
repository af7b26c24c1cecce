/* SPDX-License-Identifier: MIT */
/*
 * The part of QEMU's argument list for passed-through devices (called by args.c alone): where they
 * are in the guest's PCI topology, and that there is room for their memory.
 *
 * Each slot of the plan is a PCIe root port of its own, because drivers expect a GPU below one. Up
 * to 64 of them are functions of eight device numbers at the upper end of bus 0, where nothing
 * else is: the guest finds its disks and its NIC first, under the names they have without devices.
 *
 * Hot-plug stays on at the ports. When somebody takes a device away from a running VM (unbinds it,
 * or removes the VF), the kernel asks QEMU for it; a port without hot-plug would refuse, and the
 * one who asked hang in the kernel until the VM ends.
 */
#ifndef BMVM_VM_ARGS_DEVICES_H
#define BMVM_VM_ARGS_DEVICES_H

struct args_builder;

/**
 * args_devices() - Append root ports, devices and, for UEFI, the size of the 64-bit window
 *
 * Fails with EINVAL when the plan's devices are out of order, not placed or not named, ENOTSUP when
 * this QEMU cannot pass devices (so), or the guest's address space has no room for vm_plan.mmio64
 * (vm_window()).
 */
void args_devices(struct args_builder *b);

#endif
