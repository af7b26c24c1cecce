/* SPDX-License-Identifier: MIT */
/*
 * The two folders of one VM, its name, and whether anybody still lives in it.
 *
 *   run_dir/vms/NAME    lock, journal, control socket: what matters while it runs
 *   data_dir/vms/NAME   vm.json, overlay, seed, keys, logs: what a preserved VM keeps
 *
 * Liveness is a lock, not a pid: an flock on run_dir/vms/NAME/lock, whose descriptor the front, the
 * guardian and every helper inherit. Whoever can take the lock knows that all of them are gone.
 * The guardian also holds data_dir/vms/NAME/lock: who has another run folder (another session, a
 * container, another host that shares the data folder) cannot see the first lock, and must not take
 * the VM for a dead one.
 * Making, judging and removing the folders happens under the host lock (run_dir/lock), so a folder
 * is never judged between its making and its locking.
 */
#ifndef BMVM_HOST_VMDIR_H
#define BMVM_HOST_VMDIR_H

#include <json-c/json.h>
#include <stdbool.h>

#include "base/cleanup.h"
#include "base/strv.h"
#include "config/syntax.h"
#include "host/host.h"

struct error;

/* Bytes of a name that syntax_is_vm_name() allows. */
#define VM_NAME_MAX SYNTAX_VM_NAME_MAX

/**
 * struct vmdir - One VM's folders
 * @name:      owned
 * @run_fd:    handle of run_dir/vms/NAME, -1 when that is missing (after a reboot)
 * @lock_fd:   holds the lock; -1 when it is not ours
 * @data_lock_fd: holds the lock of the data folder; -1 when it is not ours
 * @data_path: data_dir/vms/NAME, owned; the folder may not be there yet
 */
struct vmdir {
	char *name;
	int run_fd;
	int lock_fd;
	int data_lock_fd;
	char *data_path;
};

#define VMDIR_INIT                                                                                 \
	{                                                                                          \
		.run_fd = -1, .lock_fd = -1, .data_lock_fd = -1                                    \
	}

/** host_lock() - Take run_dir/lock. Return: descriptor that holds it until closed, or -errno. */
int host_lock(const struct host *host, struct error *err);

/**
 * vmdir_create() - Make and lock the run folder of a new VM
 * @name: NULL makes one up
 *
 * Return: 0; -EEXIST when a VM of that name is there, alive, preserved or not yet recovered; errno.
 */
int vmdir_create(const struct host *host, const char *name, struct vmdir *ret, struct error *err);

/** vmdir_check_free() - Whether no VM has this name. Return: 0; -EEXIST with a hint. */
int vmdir_check_free(const struct host *host, const char *name, struct error *err);

/**
 * vmdir_open() - Open a VM that is there
 * @name: its name, or an unambiguous beginning of it
 *
 * Does not lock. Return: 0; -ENOENT; -EEXIST ambiguous (both named in @err); errno.
 */
int vmdir_open(const struct host *host, const char *name, struct vmdir *ret, struct error *err);

/**
 * vmdir_claim() - Take the lock of a VM whose processes are all gone
 *
 * Makes the run folder anew when only the data folder is left. Return: 0 claimed; -EWOULDBLOCK it
 * is alive, perhaps with another run folder; errno.
 */
int vmdir_claim(const struct host *host, struct vmdir *vd, struct error *err);

/**
 * vmdir_make_data() - Make and lock the data folder
 * Return: 0; -EWOULDBLOCK somebody else has just made it; errno.
 */
int vmdir_make_data(const struct host *host, struct vmdir *vd, struct error *err);

/** vmdir_is_alive() - Whether somebody holds one of the locks. */
bool vmdir_is_alive(const struct vmdir *vd);

/** vmdir_was_removed() - Whether the run folder that @vd has open was removed by somebody. */
bool vmdir_was_removed(const struct vmdir *vd);

/** vmdir_list() - Names of all VMs, run or data folder, sorted, into @ret. Return: 0 or -errno. */
int vmdir_list(const struct host *host, struct strv *ret, struct error *err);

/**
 * vmdir_remove() - Remove the run folder, last of all; the lock must be held
 *
 * The data folder is the journal's business. Return: 0 or -errno.
 */
int vmdir_remove(const struct host *host, struct vmdir *vd, struct error *err);

/** vmdir_load_info() - Read vm.json of the data folder. Return: 0; -ENOENT; -EINVAL. */
int vmdir_load_info(const struct host *host, const struct vmdir *vd, struct json_object **ret,
		    struct error *err);

/** vmdir_save_info() - Replace vm.json of the data folder. Return: 0 or -errno. */
int vmdir_save_info(const struct host *host, const struct vmdir *vd, struct json_object *info,
		    struct error *err);

/** vmdir_open_data() - Handle of the data folder. Return: descriptor (caller closes) or -errno. */
int vmdir_open_data(const struct host *host, const struct vmdir *vd, struct error *err);

/** vmdir_done() - Close and free; the lock goes with its last descriptor. */
void vmdir_done(struct vmdir *vd);

#define AUTO_VMDIR CLEANUP(vmdir_done)

#endif
