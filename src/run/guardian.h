/* SPDX-License-Identifier: MIT */
/*
 * The guardian: the process that owns a VM and everything that is changed on the host for it.
 *
 * Theory of operation. The front forks it before the first change to the host. It has its own
 * session, no terminal, no SSH and no configuration parser; it is QEMU's parent and holds journal,
 * leases, QMP and serial port. The front asks for each step over a SOCK_SEQPACKET pair
 * (run/channel.h); the guardian answers, and sends events on its own:
 *
 *   front -> guardian   {"id":N,"do":WHAT, ...}
 *     create            VM folder, overlay, seed
 *     assign            take the devices, all or none; {"devices":[...]}
 *     start             QEMU up to the SSH port; {"port","mounts":[{"tag","kind"}],...}
 *     reset             forget a start that failed, so that it can be asked for again
 *     stage             {"name","seconds"}: to be kept for the receipt, no answer
 *     note              {"key":..., "value":...}: a member of the receipt, no answer
 *     serial            {"lines"}: the last lines of the guest's serial port
 *     stop              {"powerdown"}: end the guest; ask it first, if it ever came up
 *     undo              what the journal says
 *     finish            verification and receipt, then it ends; {"clean","differences":[]}, and
 *                       "receipt_error" if the receipt could not be written
 *     preserve          write the receipt, stay behind with the VM until `bmvm destroy`
 *
 *   guardian -> front   {"id":N,"ok":true,...} or {"id":N,"ok":false,"code","error","hint"}
 *                       {"event":"gone","text","serial"}: the VM ended or is ending by itself
 *                       {"event":"destroy"}: somebody asked for its end
 *
 * When the front is gone (its end of the socket closes) the guardian does what is left of stop,
 * undo and finish on its own. When the guardian is gone QEMU dies with it, and whoever is left
 * reads the journal (run/undo.h).
 */
#ifndef BMVM_RUN_GUARDIAN_H
#define BMVM_RUN_GUARDIAN_H

#include <sys/types.h>

#include "run/machine.h"

struct error;

/**
 * guardian_start() - Fork the guardian of a VM
 * @spec:   everything it works on; the child uses its own copy of this memory
 * @ret_fd: our end of the socket, owned by the caller
 *
 * Return: pid of the child, to be waited for; -errno.
 */
pid_t guardian_start(const struct machine_spec *spec, int *ret_fd, struct error *err);

#endif
