/* SPDX-License-Identifier: MIT */
/*
 * QMP events, and the bounded queue in which they wait for their reader.
 *
 * The queue holds at most QMP_EVENTS_MAX events and QMP_EVENT_BYTES_MAX bytes of their text. When a
 * new event does not fit, the OLDEST go and are counted: the newest say what state the VM is in,
 * and a reader that was away that long must query the state anyway once it sees the counter move.
 */
#ifndef QMP_EVENT_H
#define QMP_EVENT_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QMP_EVENTS_MAX      256
#define QMP_EVENT_BYTES_MAX ((size_t)1024 * 1024)

/**
 * struct qmp_event - One event; zeroed means none
 * @json:    the whole message; owned, released by qmp_event_done()
 * @name:    e.g. "SHUTDOWN"; borrowed from @json
 * @data:    its "data" object; borrowed from @json, NULL when it has none
 * @time_us: microseconds since the epoch by the peer's clock, 0 when it had none
 * @seq:     number of its arrival on this connection, from 1
 */
struct qmp_event {
	struct json_object *json;
	const char *name;
	struct json_object *data;
	uint64_t time_us;
	uint64_t seq;
};

/**
 * qmp_event_done() - Release an event
 * @event: zeroed; NULL or already zeroed is fine
 */
void qmp_event_done(struct qmp_event *event);

/* Release the event when the variable goes out of scope. Initialise it with { 0 }. */
#define AUTO_QMP_EVENT __attribute__((cleanup(qmp_event_done)))

/**
 * qmp_event_from_json() - Read the fixed members of an event message
 * @json:  of kind QMP_MESSAGE_EVENT; borrowed, @event takes a reference of its own
 * @seq:   number of its arrival
 * @event: filled; release it with qmp_event_done()
 */
void qmp_event_from_json(struct json_object *json, uint64_t seq, struct qmp_event *event);

/**
 * struct qmp_queue - Events in order of arrival; zeroed means empty. Private to event.c and qmp.c
 * @slot:    events and the bytes of text each came in; the oldest first
 * @n:       events held
 * @bytes:   sum of the bytes
 * @dropped: events lost for want of room since the beginning
 */
struct qmp_queue {
	struct {
		struct qmp_event event;
		size_t bytes;
	} slot[QMP_EVENTS_MAX];
	size_t n;
	size_t bytes;
	uint64_t dropped;
};

/**
 * qmp_queue_push() - Append an event, dropping the oldest until it fits
 * @queue:
 * @event: taken over and zeroed; an event above QMP_EVENT_BYTES_MAX by itself is dropped
 * @bytes: length of the text it came in
 *
 * Return: how many events were dropped for it.
 */
size_t qmp_queue_push(struct qmp_queue *queue, struct qmp_event *event, size_t bytes);

/**
 * qmp_queue_take() - Remove one event
 * @queue:
 * @i:   its position, < @queue->n; 0 is the oldest
 * @ret: receives the event, owned by the caller
 */
void qmp_queue_take(struct qmp_queue *queue, size_t i, struct qmp_event *ret);

/**
 * qmp_queue_clear() - Drop all events, uncounted
 * @queue:
 */
void qmp_queue_clear(struct qmp_queue *queue);

#endif
