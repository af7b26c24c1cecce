/* SPDX-License-Identifier: MIT */
/* The UEFI firmware of a VM: where the host keeps OVMF, and the VM's own copy of its variables. */
#ifndef BMVM_RUN_FIRMWARE_H
#define BMVM_RUN_FIRMWARE_H

#include <stddef.h>

#include "config/config.h"

struct error;

/** firmware_check() - Whether the configured firmware is there. 0; -ENOENT with the package's name.
 */
int firmware_check(const struct config *cfg, struct error *err);

/**
 * firmware_open() - Open the code read-only and a copy of the variables read-write
 * @data_fd: the VM's data folder, where the copy is made
 * @fds:     the two descriptors are appended, code first; owned by the caller
 * @n:       how many @fds there are; grows by two
 *
 * Return: 0; -ENOENT; errno.
 */
int firmware_open(const struct config *cfg, int data_fd, int *fds, size_t *n, struct error *err);

#endif
