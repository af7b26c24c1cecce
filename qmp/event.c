/* SPDX-License-Identifier: MIT */
/* QMP events and their bounded queue: see event.h. */
#include "qmp/event.h"

#include <assert.h>
#include <string.h>

#include "qmp/message.h"

void qmp_event_done(struct qmp_event *event)
{
	if (event == NULL)
		return;
	json_object_put(event->json);
	*event = (struct qmp_event){ 0 };
}

void qmp_event_from_json(struct json_object *json, uint64_t seq, struct qmp_event *event)
{
	struct json_object *stamp = qmp_member(json, "timestamp", json_type_object);
	uint64_t s = 0;
	uint64_t us = 0;

	/* QEMU sends -1 for both when it cannot read its clock. */
	if (!qmp_member_u64(stamp, "seconds", &s) || !qmp_member_u64(stamp, "microseconds", &us) ||
	    s > UINT64_MAX / 1000000 - 1 || us >= 1000000)
		s = us = 0;
	*event = (struct qmp_event){
		.json = json_object_get(json),
		.name = qmp_member_str(json, "event"),
		.data = qmp_member(json, "data", json_type_object),
		.time_us = s * 1000000 + us,
		.seq = seq,
	};
}

static void drop_oldest(struct qmp_queue *queue)
{
	struct qmp_event event;

	qmp_queue_take(queue, 0, &event);
	qmp_event_done(&event);
	queue->dropped++;
}

size_t qmp_queue_push(struct qmp_queue *queue, struct qmp_event *event, size_t bytes)
{
	size_t dropped = 0;

	if (bytes > QMP_EVENT_BYTES_MAX) {
		qmp_event_done(event);
		queue->dropped++;
		return 1;
	}
	for (; queue->n == QMP_EVENTS_MAX || queue->bytes > QMP_EVENT_BYTES_MAX - bytes; dropped++)
		drop_oldest(queue);
	queue->slot[queue->n].event = *event;
	queue->slot[queue->n].bytes = bytes;
	queue->n++;
	queue->bytes += bytes;
	*event = (struct qmp_event){ 0 };
	return dropped;
}

void qmp_queue_take(struct qmp_queue *queue, size_t i, struct qmp_event *ret)
{
	assert(i < queue->n);
	*ret = queue->slot[i].event;
	queue->bytes -= queue->slot[i].bytes;
	queue->n--;
	memmove(&queue->slot[i], &queue->slot[i + 1], (queue->n - i) * sizeof(queue->slot[0]));
}

void qmp_queue_clear(struct qmp_queue *queue)
{
	for (size_t i = 0; i < queue->n; i++)
		qmp_event_done(&queue->slot[i].event);
	queue->n = 0;
	queue->bytes = 0;
}
