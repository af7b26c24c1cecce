/* SPDX-License-Identifier: MIT */
/*
 * Giving devices back: the undo procedures of the device records in a journal.
 *
 * A record is undone after those that were made later: modules last, and only when all devices are
 * given back. A module that has a device of its driver still, be it one that is lost, stays.
 * What another one has changed since is left alone and reported; a device that cannot be given back
 * is quarantined and reported. Each procedure may be killed at any moment and called again.
 */
#ifndef BMVM_RUN_UNDO_DEVICES_H
#define BMVM_RUN_UNDO_DEVICES_H

#include <json-c/json.h>
#include <stdbool.h>

#include "base/strv.h"
#include "host/host.h"
#include "host/journal.h"
#include "host/lease.h"
#include "run/device_writing.h"

struct error;

/**
 * struct device_undo - Who undoes
 * @vm:         name of the VM
 * @journal_fd: file on which the helpers of earlier writes hold a shared lock
 * @leases:     the VM's, taken over from its dead guardian; a device that is not among them and
 *              that another VM has by now is left alone. NULL: the caller is the guardian, which
 *              has them
 * @settle_ms:  how long a write that is on its way is waited for
 * @reports:    gets a line for each thing that is not as it was and yet will not be tried again;
 *              NULL: nobody wants them
 * @settled:    device_undo_settle() has succeeded
 * @hangs:      it has failed, and is not tried again
 * @failed:     a record could not be undone
 * @writer:     private
 */
struct device_undo {
	const struct host *host;
	const char *vm;
	int journal_fd;
	const struct leases *leases;
	unsigned int settle_ms;
	struct strv *reports;
	bool settled;
	bool hangs;
	bool failed;
	struct device_writer writer;
};

/** device_undo_is() - Whether a record's operation is one of a device. */
bool device_undo_is(const char *op);

/**
 * device_undo_settle() - Make sure that no write of this VM is on its way any more
 *
 * Blocks for up to @settle_ms, the first time. Return: 0; -ETIMEDOUT a write hangs in the kernel.
 */
int device_undo_settle(struct device_undo *u, struct error *err);

/**
 * device_undo_record() - Undo one record of this boot
 *
 * Blocks for up to a minute. Return: 0 undone, or reported for good; -errno it can be tried again
 * later. Its device is quarantined until then; but for -ETIMEDOUT as above only the one to which
 * the write hangs.
 */
int device_undo_record(struct device_undo *u, const char *op, struct json_object *record,
		       struct error *err);

#endif
