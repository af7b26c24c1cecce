/* SPDX-License-Identifier: MIT */
/*
 * Writing to devices for a VM, and what the last write was made to.
 *
 * The writes of a VM are made one after the other, each by a helper that holds the journal's lock.
 * If one hangs in the kernel and whoever waited for it was killed, the lock tells that there is
 * one, and the note run_dir/vms/NAME/writing, made before each write, to what.
 */
#ifndef BMVM_RUN_DEVICE_WRITING_H
#define BMVM_RUN_DEVICE_WRITING_H

#include <stdbool.h>

#include "host/host.h"
#include "sysfs/tree.h"

/**
 * struct device_writer - Who writes
 * @vm:         name of the VM, which has a run folder
 * @journal_fd: its journal
 */
struct device_writer {
	const struct host *host;
	const char *vm;
	int journal_fd;
};

/** device_writer_sysfs() - The sysfs library's view for it; @w must live as long. */
struct sysfs device_writer_sysfs(struct device_writer *w);

/**
 * device_writing_read() - To what the last write was made, or was about to be
 * @ret: PCI address, UUID of a mediated device, or name of a module
 *
 * Return: false: nobody could note it.
 */
bool device_writing_read(const struct host *host, const char *vm, char ret[SYSFS_NAME_SIZE]);

#endif
