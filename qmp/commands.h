/* SPDX-License-Identifier: MIT */
/*
 * Typed wrappers around the QMP commands that running a VM needs.
 *
 * Each takes an absolute deadline (nanoseconds of CLOCK_MONOTONIC), blocks until then at most, and
 * returns what qmp_execute() returns; only what is beyond that is listed. A reply of an unexpected
 * shape is -EPROTO, without closing the connection.
 */
#ifndef QMP_COMMANDS_H
#define QMP_COMMANDS_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "qmp/error.h"
#include "qmp/event.h"
#include "qmp/qmp.h"

/**
 * struct qmp_status - Answer of query-status
 * @running: the vCPUs run
 * @status:  run state: "prelaunch", "running", "paused", "shutdown", "guest-panicked", "io-error",
 * ...
 */
struct qmp_status {
	bool running;
	char status[32];
};

/**
 * struct qmp_cpu - One vCPU
 * @cpu_index: QEMU's number for it, from 0
 * @thread_id: its thread on the host, as QEMU sees it; the number to give to sched_setaffinity()
 */
struct qmp_cpu {
	unsigned int cpu_index;
	pid_t thread_id;
};

/**
 * struct qmp_io_error - What a BLOCK_IO_ERROR event says
 * @device:      block backend or node name, may be empty
 * @reason:      the system's message, may be empty; untrusted text
 * @is_write:    a write failed, else a read
 * @is_no_space: it failed for want of space on the host (ENOSPC)
 * @is_stopped:  the VM was stopped for it (werror/rerror=stop, or enospc)
 */
struct qmp_io_error {
	char device[64];
	char reason[128];
	bool is_write;
	bool is_no_space;
	bool is_stopped;
};

/**
 * qmp_query_status() - Ask for the run state
 * @q:
 * @deadline_ns:
 * @ret: filled
 * @err:
 */
int qmp_query_status(struct qmp *q, uint64_t deadline_ns, struct qmp_status *ret,
		     struct qmp_error *err);

/**
 * qmp_system_powerdown() - Press the guest's power button
 * @q:
 * @deadline_ns:
 * @err:
 *
 * Only asks: a guest that agrees is over when SHUTDOWN arrives.
 */
int qmp_system_powerdown(struct qmp *q, uint64_t deadline_ns, struct qmp_error *err);

/**
 * qmp_quit() - End QEMU at once, whatever the guest does
 * @q:
 * @deadline_ns:
 * @err:
 *
 * QEMU sends SHUTDOWN, then the reply, then hangs up; the event stays readable. The process may
 * still be there for a moment: wait for it by its pid.
 *
 * Return: 0 also when the connection was or is lost, since QEMU is then gone or going.
 */
int qmp_quit(struct qmp *q, uint64_t deadline_ns, struct qmp_error *err);

/**
 * qmp_stop() - Stop the vCPUs
 * @q:
 * @deadline_ns:
 * @err:
 */
int qmp_stop(struct qmp *q, uint64_t deadline_ns, struct qmp_error *err);

/**
 * qmp_cont() - Let the vCPUs run (on)
 * @q:
 * @deadline_ns:
 * @err:
 */
int qmp_cont(struct qmp *q, uint64_t deadline_ns, struct qmp_error *err);

/**
 * qmp_device_add() - Plug a device in
 * @q:
 * @device:      its properties: "driver", "id", "bus", ...; borrowed
 * @deadline_ns:
 * @err:
 */
int qmp_device_add(struct qmp *q, struct json_object *device, uint64_t deadline_ns,
		   struct qmp_error *err);

/**
 * qmp_device_del() - Ask the guest to release a device and wait until it is gone
 * @q:
 * @id:          of the device
 * @deadline_ns: bounds the request and the wait together
 * @err:
 *
 * Takes the DEVICE_DELETED of this device out of the queue; those of its children, which carry
 * only a path, stay there like all other events.
 *
 * Return: 0 gone; -EIO refused, class_ "DeviceNotFound" when there is none such (any more);
 * -EBUSY the guest refused; -ETIMEDOUT the guest did not answer. The request is still standing
 * then: wait on with qmp_wait_device_deleted().
 */
int qmp_device_del(struct qmp *q, const char *id, uint64_t deadline_ns, struct qmp_error *err);

/**
 * qmp_wait_device_deleted() - Wait for a device whose removal was requested earlier
 * @q:
 * @id:          of the device
 * @deadline_ns:
 * @err:
 *
 * Also takes an event that came before the call, so an id must not be used twice in a connection
 * if earlier removals went unwaited.
 *
 * Return: 0 gone; -EBUSY the guest refused; -ETIMEDOUT; as qmp_next_event().
 */
int qmp_wait_device_deleted(struct qmp *q, const char *id, uint64_t deadline_ns,
			    struct qmp_error *err);

/**
 * qmp_query_cpus() - Ask for the vCPUs and their threads (query-cpus-fast)
 * @q:
 * @deadline_ns:
 * @ret:   malloc'ed array, NULL when there are none
 * @ret_n: its length
 * @err:
 */
int qmp_query_cpus(struct qmp *q, uint64_t deadline_ns, struct qmp_cpu **ret, size_t *ret_n,
		   struct qmp_error *err);

/**
 * qmp_getfd() - Give QEMU a copy of a descriptor, under a name
 * @q:           over a Unix socket
 * @name:        for later reference by devices and commands; does not begin with a digit. A
 *               descriptor of that name that QEMU holds already is replaced
 * @fd:          borrowed
 * @deadline_ns:
 * @err:
 *
 * Return: also -EBADF @fd is not open.
 */
int qmp_getfd(struct qmp *q, const char *name, int fd, uint64_t deadline_ns, struct qmp_error *err);

/**
 * qmp_closefd() - Have QEMU close a descriptor given by qmp_getfd()
 * @q:
 * @name:
 * @deadline_ns:
 * @err:
 */
int qmp_closefd(struct qmp *q, const char *name, uint64_t deadline_ns, struct qmp_error *err);

/**
 * qmp_human_monitor_command() - Run a command of the human monitor
 * @q:
 * @line:        the command line, e.g. "info mtree"
 * @deadline_ns:
 * @ret:         malloc'ed text for people, with CRLF line ends; NULL if not wanted
 * @err:
 *
 * Most failures are told in the text only.
 */
int qmp_human_monitor_command(struct qmp *q, const char *line, uint64_t deadline_ns, char **ret,
			      struct qmp_error *err);

/**
 * qmp_has_type() - Is this QOM type there, and can it be made?
 * @q:
 * @type:        e.g. a device's driver name, "vmgenid"
 * @deadline_ns:
 * @ret:         the answer
 * @err:
 */
int qmp_has_type(struct qmp *q, const char *type, uint64_t deadline_ns, bool *ret,
		 struct qmp_error *err);

/**
 * qmp_has_command() - Does this QEMU know a command?
 * @q:
 * @command:
 * @deadline_ns:
 * @ret:         the answer
 * @err:
 */
int qmp_has_command(struct qmp *q, const char *command, uint64_t deadline_ns, bool *ret,
		    struct qmp_error *err);

/**
 * qmp_event_io_error() - Read a BLOCK_IO_ERROR event
 * @event: any event
 * @ret:   filled on success; long texts are cut
 *
 * Return: false when it is another event or lacks the members that every such event has.
 */
bool qmp_event_io_error(const struct qmp_event *event, struct qmp_io_error *ret);

#endif
