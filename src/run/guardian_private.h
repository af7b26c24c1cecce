/* SPDX-License-Identifier: MIT */
/* What the two halves of the guardian share: guardian.c (process and loop), guardian_serve.c. */
#ifndef BMVM_RUN_GUARDIAN_PRIVATE_H
#define BMVM_RUN_GUARDIAN_PRIVATE_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/watch.h"
#include "run/machine.h"

#define GUARDIAN_WAITERS_MAX 8
#define GUARDIAN_QUEUE_MAX   64

/*
 * A kernel started by QEMU speaks within a second under a KVM that works. One that says nothing for
 * so long is on a host whose KVM hangs guests: no use waiting for timeouts.boot.
 */
#define GUARDIAN_SILENT_SECONDS 30

/**
 * struct guardian - State of the process
 * @front_fd:   the front; -1 once it left
 * @detached:   the front left as agreed (preserve)
 * @ending:     the teardown has begun: nothing interrupts any more
 * @end_wanted: the teardown shall begin: front gone, signal, or destroy
 * @told_to_end: by a signal or `destroy`; then a front that does not lead the teardown counts as
 * gone
 * @lead_ns:    when it does, DEADLINE_NEVER: nothing is awaited from it
 * @queue:      requests of the front not yet served
 * @request:    the one being served, borrowed; NULL: none
 * @waiters:    clients of the control socket that wait for the end
 * @gone:       the VM ended by itself; told to the front once
 * @speak_ns:   when the guest's kernel must have spoken, DEADLINE_NEVER: it need not
 * @receipt:    what the receipt will say
 * @stages:     its array of stages
 * @reports:    what the undo has given up for good
 * @result:     what do_finish() told, for clients of `destroy`
 * @stopped, @undone, @finished: how far the teardown is
 */
struct guardian {
	const struct machine_spec *spec;
	struct machine machine;
	int front_fd;
	int signal_fd;
	int control_fd;
	struct watch watches[4];
	bool detached;
	bool ending;
	bool end_wanted;
	bool told_to_end;
	uint64_t lead_ns;
	struct json_object *queue[GUARDIAN_QUEUE_MAX];
	size_t n_queue;
	struct json_object *request;
	int waiters[GUARDIAN_WAITERS_MAX];
	size_t n_waiters;
	bool gone;
	uint64_t speak_ns;
	struct json_object *receipt;
	struct json_object *stages;
	struct json_object *result;
	bool stopped, undone, finished;
	int undo_code;
	char undo_message[1024];
	struct strv reports;
};

/* guardian.c */

/** guardian_front_lost() - The front is gone: unless it left as agreed, the teardown begins. */
void guardian_front_lost(struct guardian *g);

/** guardian_send() - Send the front a message, taken; a front that is gone is noticed here. */
void guardian_send(struct guardian *g, struct json_object *message);

/** guardian_last_serial() - Last lines of the serial port. Return: owned, NULL when there are none.
 */
char *guardian_last_serial(struct guardian *g);

/** guardian_watchset() - What every wait serves: serial port, front, signals, control socket. */
struct watchset guardian_watchset(struct guardian *g);

/* guardian_serve.c */

/** guardian_serve_queue() - Serve the requests that have come in. */
void guardian_serve_queue(struct guardian *g);

/** guardian_end_alone() - What is left of stop, undo and finish, without a front to ask for them.
 */
void guardian_end_alone(struct guardian *g);

/** guardian_answer_waiters() - Tell the clients of `destroy`; @result is borrowed, may be NULL. */
void guardian_answer_waiters(struct guardian *g, struct json_object *result);

#endif
