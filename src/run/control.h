/* SPDX-License-Identifier: MIT */
/*
 * The control socket of a live VM: how `bmvm ps`, `console` and `destroy` reach its guardian.
 *
 * A stream socket run_dir/vms/NAME/control, which only the VM's owner can reach. A client sends one
 * line of JSON, {"do":"destroy"} or {"do":"console","backlog":N}; the guardian answers with one
 * line,
 * {"ok":true,...}. After a console's answer the socket carries the serial port's bytes.
 */
#ifndef BMVM_RUN_CONTROL_H
#define BMVM_RUN_CONTROL_H

#include <json-c/json.h>
#include <stdint.h>

#include "host/vmdir.h"

struct error;

/** control_listen() - Make the socket in a VM's run folder. Return: descriptor or -errno. */
int control_listen(const struct vmdir *vd, struct error *err);

/**
 * control_accept() - Take a client and its request
 * @ret: the request, owned by the caller
 *
 * A client that connects and says nothing costs 200 ms at most. Return: the client's descriptor
 * (owned by the caller, blocking); -EAGAIN nobody there, or not a request.
 */
int control_accept(int listen_fd, struct json_object **ret);

/** control_answer() - Send one line of JSON; failures are the client's. @answer is taken. */
void control_answer(int fd, struct json_object *answer);

/**
 * control_request() - Ask a live VM's guardian
 * @request:     taken
 * @deadline_ns: for the answer
 * @ret:         the answer, owned by the caller
 * @ret_fd:      the connection, for a console; NULL: it is closed
 *
 * Return: 0; -ECONNREFUSED or -ENOENT nobody listens; -ETIMEDOUT; the error the guardian answered.
 */
int control_request(const struct vmdir *vd, struct json_object *request, uint64_t deadline_ns,
		    struct json_object **ret, int *ret_fd, struct error *err);

#endif
