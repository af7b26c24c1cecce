/* SPDX-License-Identifier: MIT */
/* Reaching a VM that is there already: log in, its console, its end. */
#ifndef BMVM_RUN_ATTACH_H
#define BMVM_RUN_ATTACH_H

#include <json-c/json.h>
#include <stdbool.h>

#include "host/host.h"
#include "host/vmdir.h"

struct error;

/**
 * attach_ssh() - Log in to a live VM, or run a command in it
 * @argv: NULL-terminated; NULL: a login shell
 *
 * Streams as in `bmvm run`; signals too: the first Ctrl-C goes to the command.
 * Return: exit code of the command; -errno when there was none: -ENOTCONN the VM does not
 * run, or is off.
 */
int attach_ssh(const struct host *host, const struct vmdir *vd, char *const *argv,
	       struct error *err);

/**
 * attach_console() - Connect stdin and stdout to the serial port until "~." or the VM's end
 *
 * A terminal is made raw meanwhile. Return: 0; -ENOTCONN; errno.
 */
int attach_console(const struct host *host, const struct vmdir *vd, struct error *err);

/**
 * attach_destroy() - End a VM, alive or dead, and undo everything of it
 * @ret: {"clean","differences"}, owned by the caller; NULL for a dead one after which the host is
 *       as before
 *
 * Blocks until it is done. Return: 0; -EBUSY the host is not as before (see @ret); errno.
 */
int attach_destroy(const struct host *host, struct vmdir *vd, struct json_object **ret,
		   struct error *err);

#endif
