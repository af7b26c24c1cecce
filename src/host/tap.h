/* SPDX-License-Identifier: MIT */
/*
 * A tap interface: what is sent to the interface is read from a descriptor, and the other way
 * round. One that is made here lives as long as its descriptor, so nothing of it outlives QEMU.
 */
#ifndef BMVM_HOST_TAP_H
#define BMVM_HOST_TAP_H

#include <stdbool.h>

#include "host/link.h"

struct error;
struct host;

/**
 * tap_name() - What the tap interface of a VM is called
 * @vm:  its name
 * @ret: LINK_NAME_SIZE bytes; "bmvm-" and the VM's name, or a number made of it where that is too
 *       long for the kernel
 */
void tap_name(const char *vm, char *ret);

/**
 * tap_make() - Make a tap interface; nobody else's is opened, whatever its name
 *
 * Return: its descriptor; -EBUSY there is an interface of that name; -ENOENT, -ENODEV, -EACCES,
 * -EPERM, as tap_open().
 */
int tap_make(const struct host *host, const char *name, struct error *err);

/**
 * tap_open() - Open a tap interface that is there
 * @tap: as link_get() has it; its settings are kept
 *
 * Return: its descriptor; -EBUSY somebody else has it open; -ENOENT, -ENODEV no /dev/net/tun, or
 * nothing behind it; -EACCES, -EPERM not for us.
 */
int tap_open(const struct host *host, const struct link_state *tap, struct error *err);

#endif
