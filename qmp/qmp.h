/* SPDX-License-Identifier: MIT */
/*
 * A QMP connection: the JSON protocol in which QEMU is controlled.
 *
 * Theory of operation. One thread, one stream socket, one command in flight. Calls that wait take
 * an ABSOLUTE deadline: nanoseconds of CLOCK_MONOTONIC (UINT64_MAX: none). Both directions are
 * non-blocking underneath, so a peer that stops reading or writing costs at most the deadline.
 *
 *  - Each command gets an id, and only the reply with that id ends the call. Replies with another
 *    or no id (a command that timed out earlier) are dropped and shown to the trace function.
 *  - A timeout leaves the connection usable. The command may or may not be carried out. Should only
 *    part of it have been written, the rest goes out before the next command.
 *  - Events that arrive meanwhile wait in a bounded queue (see event.h) for qmp_next_event().
 *  - When the connection ends, the reason is kept and the descriptor closed. The command in flight
 *    and all later calls fail with that reason, but events received before stay readable: QEMU says
 *    SHUTDOWN before it replies to `quit`.
 *  - The peer is not trusted: lines are capped, JSON and UTF-8 checked strictly; whatever breaks
 *    the protocol closes the connection with EPROTO or EMSGSIZE.
 *
 * In an event loop: poll qmp_fd() for qmp_poll_events(), call qmp_process() when it is ready, then
 * take events with qmp_next_event(q, 0, ...) until there are none. Do the same after each command
 * and before the first poll: what a call has read already does not make the descriptor ready again.
 *
 * Nothing here logs, prints, starts threads or touches signal handlers (SIGPIPE is avoided).
 */
#ifndef QMP_QMP_H
#define QMP_QMP_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "qmp/error.h"
#include "qmp/event.h"

/* Cap on one line from the peer, in bytes. The largest real one, query-qmp-schema, is 0.2 MiB. */
#define QMP_LINE_MAX ((size_t)16 * 1024 * 1024)

struct qmp;

/**
 * enum qmp_state - Where a connection stands
 * @QMP_STATE_GREETING:     attached; the peer's greeting has not come yet. Only qmp_handshake()
 *                          makes progress. Anything but a greeting breaks the protocol.
 * @QMP_STATE_CAPABILITIES: greeted; qmp_capabilities is under way or was refused. Commands are
 *                          still refused with -ENOTCONN; events are accepted.
 * @QMP_STATE_READY:        commands and events.
 * @QMP_STATE_CLOSED:       the connection is lost or the protocol was broken; final. No descriptor
 *                          any more. Queued events can still be read.
 *
 * Only forward: GREETING -> CAPABILITIES -> READY, and from each of them to CLOSED.
 */
enum qmp_state {
	QMP_STATE_GREETING,
	QMP_STATE_CAPABILITIES,
	QMP_STATE_READY,
	QMP_STATE_CLOSED,
};

/**
 * enum qmp_trace - What a trace line is about
 * @QMP_TRACE_SENT:          a command is queued for writing
 * @QMP_TRACE_RECEIVED:      a line came, not yet parsed
 * @QMP_TRACE_REPLY_DROPPED: the line just received is a reply nobody waits for
 * @QMP_TRACE_EVENT_DROPPED: the line just received cost an event of the full queue
 * @QMP_TRACE_CLOSED:        the connection ended; the text is the reason
 */
enum qmp_trace {
	QMP_TRACE_SENT,
	QMP_TRACE_RECEIVED,
	QMP_TRACE_REPLY_DROPPED,
	QMP_TRACE_EVENT_DROPPED,
	QMP_TRACE_CLOSED,
};

/*
 * Called with each line of the wire. @text is borrowed, not NUL-terminated, has no newline and is
 * untrusted. Must not call back into the connection.
 */
typedef void (*qmp_trace_fn)(void *data, enum qmp_trace kind, const char *text, size_t len);

/*
 * Called instead of poll(2) whenever a call has to wait: return 0 once @fd may be ready for
 * @events (struct pollfd's), at the latest at @deadline_ns; being early is fine. A negative errno
 * abandons the call with that error as a timeout would, e.g. -ECANCELED on a signal. Must not call
 * back into the connection (qmp_poll_events() and the like excepted).
 */
typedef int (*qmp_wait_fn)(void *data, int fd, short events, uint64_t deadline_ns);

/* Does the caller want this event? Must not keep or release it. */
typedef bool (*qmp_match_fn)(const struct qmp_event *event, const void *data);

/**
 * struct qmp_request - One command to be executed
 * @command: name
 * @args:    JSON object, borrowed; NULL for none
 * @pass_fd: descriptor sent along by SCM_RIGHTS (for "getfd", "add-fd"); borrowed, the peer gets
 *           its own copy; NULL for none. Needs a Unix socket
 */
struct qmp_request {
	const char *command;
	struct json_object *args;
	const int *pass_fd;
};

/**
 * qmp_attach() - Make a connection out of a socket, without any I/O
 * @fd:  connected stream socket. Taken over on success AND failure, and set close-on-exec
 * @ret: the connection in state GREETING; release it with qmp_close()
 * @err:
 *
 * For callers that set a trace or wait function before qmp_handshake().
 *
 * Return: 0; -EBADF, -ENOTSOCK, -EPROTOTYPE not a stream socket; -ENOMEM.
 */
int qmp_attach(int fd, struct qmp **ret, struct qmp_error *err);

/**
 * qmp_handshake() - Wait for the greeting and negotiate capabilities
 * @q:
 * @deadline_ns: absolute, CLOCK_MONOTONIC
 * @err:
 *
 * Blocks until the deadline. After a timeout it can be called again and goes on where it stopped.
 *
 * Return: 0 the state is READY (also if it was before); -ETIMEDOUT; -ECONNRESET; -EPROTO no QMP
 * greeting, or broken protocol; -EMSGSIZE; -EIO the peer refused; -ENOMEM.
 */
int qmp_handshake(struct qmp *q, uint64_t deadline_ns, struct qmp_error *err);

/**
 * qmp_connect_fd() - qmp_attach() and qmp_handshake() in one
 * @fd:          connected stream socket. Taken over on success AND failure
 * @deadline_ns: absolute, CLOCK_MONOTONIC
 * @ret:         the connection in state READY; release it with qmp_close()
 * @err:
 *
 * Blocks until the deadline.
 *
 * Return: 0; else as qmp_attach() and qmp_handshake().
 */
int qmp_connect_fd(int fd, uint64_t deadline_ns, struct qmp **ret, struct qmp_error *err);

/**
 * qmp_close() - Close the descriptor and release everything
 * @q: NULL is fine
 *
 * Keeps errno.
 */
void qmp_close(struct qmp *q);

static inline void qmp_closep(struct qmp **q)
{
	qmp_close(*q);
	*q = NULL;
}

/* Close the connection when the variable goes out of scope. */
#define AUTO_QMP __attribute__((cleanup(qmp_closep)))

/**
 * qmp_set_trace() - See the wire
 * @q:
 * @fn:   called for each line; NULL for none
 * @data: passed to @fn
 */
void qmp_set_trace(struct qmp *q, qmp_trace_fn fn, void *data);

/**
 * qmp_set_wait() - Wait in another way than by polling this one descriptor
 * @q:
 * @fn:   called instead of poll(2); NULL for poll(2)
 * @data: passed to @fn
 *
 * Lets a program serve its other descriptors, or notice a signal, while a command is in flight.
 */
void qmp_set_wait(struct qmp *q, qmp_wait_fn fn, void *data);

/**
 * qmp_state() - Where the connection stands
 * @q:
 *
 * Return: the state; it changes only within calls that do I/O.
 */
enum qmp_state qmp_state(const struct qmp *q);

/**
 * qmp_greeting() - What the peer said of itself
 * @q:
 *
 * Return: the "QMP" object (members "version", "capabilities"), borrowed; NULL before the greeting.
 */
struct json_object *qmp_greeting(const struct qmp *q);

/**
 * qmp_fd() - The descriptor, for poll(2) only
 * @q:
 *
 * Return: borrowed descriptor; -1 in state CLOSED (poll ignores it).
 */
int qmp_fd(const struct qmp *q);

/**
 * qmp_poll_events() - What to poll qmp_fd() for
 * @q:
 *
 * Return: POLLIN, with POLLOUT while part of a command waits to be written.
 */
short qmp_poll_events(const struct qmp *q);

/**
 * qmp_process() - Read and write what is possible without blocking
 * @q:
 * @err:
 *
 * Does a bounded amount of work per call, so that a chatty peer cannot hold up an event loop.
 *
 * Return: 0; in state CLOSED its reason: -ECONNRESET, -EPROTO, -EMSGSIZE or -ENOMEM. Events may be
 * in the queue either way.
 */
int qmp_process(struct qmp *q, struct qmp_error *err);

/**
 * qmp_execute() - Execute a command and wait for its reply
 * @q:
 * @command:     name
 * @args:        JSON object, borrowed; NULL for none
 * @deadline_ns: absolute, CLOCK_MONOTONIC. If it has passed already nothing is sent
 * @ret:         the value of "return", owned by the caller (json_object_put()); NULL if not wanted
 * @err:
 *
 * Blocks until the deadline.
 *
 * Return: 0; -EIO the peer replied with an error, see class_ and desc; -ETIMEDOUT; -ENOTCONN no
 * handshake yet; -ECONNRESET; -EPROTO; -EMSGSIZE; -EINVAL @args is no object or not UTF-8; -ENOMEM.
 */
int qmp_execute(struct qmp *q, const char *command, struct json_object *args, uint64_t deadline_ns,
		struct json_object **ret, struct qmp_error *err);

/**
 * qmp_call() - qmp_execute() for a request that may carry a descriptor
 * @q:
 * @request:     borrowed
 * @deadline_ns: absolute, CLOCK_MONOTONIC
 * @ret:         as for qmp_execute()
 * @err:
 *
 * Return: as qmp_execute(); -EBADF the descriptor is not open.
 */
int qmp_call(struct qmp *q, const struct qmp_request *request, uint64_t deadline_ns,
	     struct json_object **ret, struct qmp_error *err);

/**
 * qmp_next_event() - Take the oldest event, waiting for one if need be
 * @q:
 * @deadline_ns: absolute, CLOCK_MONOTONIC; 0 or a time that has passed: do not block, but do read
 *               what is there
 * @ret:         the event; release it with qmp_event_done()
 * @err:
 *
 * Return: 0; -ETIMEDOUT none by then; once none is left in state CLOSED, its reason as for
 * qmp_process().
 */
int qmp_next_event(struct qmp *q, uint64_t deadline_ns, struct qmp_event *ret,
		   struct qmp_error *err);

/**
 * qmp_wait_event() - Take the first event that matches, leaving the others queued
 * @q:
 * @match:       called for each event, queued ones first; an event that arrives while waiting goes
 *               to the caller even if the queue overflows
 * @data:        passed to @match
 * @deadline_ns: as for qmp_next_event()
 * @ret:         the event; release it with qmp_event_done()
 * @err:
 *
 * Return: as qmp_next_event().
 */
int qmp_wait_event(struct qmp *q, qmp_match_fn match, const void *data, uint64_t deadline_ns,
		   struct qmp_event *ret, struct qmp_error *err);

/**
 * qmp_n_events() - Events in the queue
 * @q:
 *
 * Return: their number; does no I/O.
 */
size_t qmp_n_events(const struct qmp *q);

/**
 * qmp_events_seen() - Events that ever arrived on this connection
 * @q:
 *
 * Return: their number, which is the @seq of the latest.
 */
uint64_t qmp_events_seen(const struct qmp *q);

/**
 * qmp_events_dropped() - Events lost because the queue was full
 * @q:
 *
 * Return: their number since the beginning.
 */
uint64_t qmp_events_dropped(const struct qmp *q);

#endif
