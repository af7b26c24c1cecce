/* SPDX-License-Identifier: MIT */
/*
 * What qemu.c (process), qemu_event.c (events) and qemu_query.c (questions) share. Nobody else
 * includes this.
 */
#ifndef BMVM_VM_QEMU_PRIVATE_H
#define BMVM_VM_QEMU_PRIVATE_H

#include "qmp/qmp.h"
#include "vm/qemu.h"

/** qemu_read_output() - Take what QEMU has written to its stderr. */
void qemu_read_output(struct qemu *q);

/** qemu_reap() - Reap the process if it has ended. Return: whether it has. */
bool qemu_reap(struct qemu *q);

/** qemu_describe_end() - Status and the last @lines of stderr. Return: owned, or NULL. */
char *qemu_describe_end(const struct qemu *q, size_t lines);

/** qemu_qmp_failed() - Why a QMP call failed: a watch, a dead QEMU, or QMP itself. */
int qemu_qmp_failed(struct qemu *q, int r, const struct qmp_error *why, const char *doing,
		    struct error *err);

#endif
