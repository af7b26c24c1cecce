/* SPDX-License-Identifier: MIT */
/* qmp/event: reading events, and the bounded queue that drops its oldest. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qmp/event.h"
#include "qmp/message.h"

static struct qmp_event make(const char *text, uint64_t seq)
{
	struct qmp_event event = { 0 };
	struct json_object *json = json_tokener_parse(text);

	cr_assert(json != NULL, "%s", text);
	qmp_event_from_json(json, seq, &event);
	json_object_put(json);
	return event;
}

Test(qmp_event, members_are_read)
{
	struct qmp_event event =
		make("{\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true},"
		     " \"timestamp\": {\"seconds\": 17, \"microseconds\": 999999}}",
		     3);
	bool is_guest = false;

	cr_expect(eq(str, (char *)event.name, (char *)"SHUTDOWN"));
	cr_expect(qmp_member_bool(event.data, "guest", &is_guest));
	cr_expect(is_guest);
	cr_expect(eq(u64, event.time_us, 17999999));
	cr_expect(eq(u64, event.seq, 3));
	qmp_event_done(&event);
	cr_expect(event.json == NULL && event.name == NULL && event.data == NULL);
	qmp_event_done(&event);
	qmp_event_done(NULL);
}

Test(qmp_event, odd_members_read_as_none)
{
	static const char *const texts[] = {
		"{\"event\": \"STOP\"}",
		"{\"event\": \"STOP\", \"data\": 1, \"timestamp\": 2}",
		"{\"event\": \"STOP\", \"data\": null, \"timestamp\":"
		" {\"seconds\": -1, \"microseconds\": -1}}",
		"{\"event\": \"STOP\", \"timestamp\":"
		" {\"seconds\": 18446744073709551615, \"microseconds\": 1}}",
		"{\"event\": \"STOP\", \"timestamp\": {\"seconds\": 1, \"microseconds\": 1000000}}",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct qmp_event event = make(texts[i], 1);

		cr_expect(event.data == NULL, "case %zu", i);
		cr_expect(eq(u64, event.time_us, 0), "case %zu", i);
		qmp_event_done(&event);
	}
}

Test(qmp_queue, full_queue_drops_its_oldest_and_counts)
{
	struct qmp_queue *queue = calloc(1, sizeof(*queue));
	struct qmp_event event;

	for (uint64_t seq = 1; seq <= QMP_EVENTS_MAX + 10; seq++) {
		event = make("{\"event\": \"STOP\"}", seq);
		cr_assert(eq(sz, qmp_queue_push(queue, &event, 17), seq > QMP_EVENTS_MAX ? 1 : 0));
		cr_assert(event.json == NULL);
	}
	cr_expect(eq(sz, queue->n, QMP_EVENTS_MAX));
	cr_expect(eq(u64, queue->dropped, 10));
	for (uint64_t seq = 11; seq <= QMP_EVENTS_MAX + 10; seq++) {
		qmp_queue_take(queue, 0, &event);
		cr_assert(eq(u64, event.seq, seq));
		qmp_event_done(&event);
	}
	cr_expect(eq(sz, queue->n, 0));
	cr_expect(eq(sz, queue->bytes, 0));
	free(queue);
}

Test(qmp_queue, bytes_are_bounded_too)
{
	struct qmp_queue *queue = calloc(1, sizeof(*queue));
	struct qmp_event event;

	for (uint64_t seq = 1; seq <= 4; seq++) {
		event = make("{\"event\": \"STOP\"}", seq);
		cr_assert(eq(sz, qmp_queue_push(queue, &event, QMP_EVENT_BYTES_MAX / 4), 0));
	}
	event = make("{\"event\": \"STOP\"}", 5);
	cr_expect(eq(sz, qmp_queue_push(queue, &event, QMP_EVENT_BYTES_MAX / 4 + 1), 2));
	cr_expect(eq(sz, queue->n, 3));
	cr_expect(le(sz, queue->bytes, QMP_EVENT_BYTES_MAX));

	/* One too large by itself does not push out the others. */
	event = make("{\"event\": \"STOP\"}", 6);
	cr_expect(eq(sz, qmp_queue_push(queue, &event, QMP_EVENT_BYTES_MAX + 1), 1));
	cr_expect(event.json == NULL);
	cr_expect(eq(sz, queue->n, 3));
	cr_expect(eq(u64, queue->dropped, 3));
	qmp_queue_clear(queue);
	cr_expect(eq(sz, queue->n, 0));
	free(queue);
}

Test(qmp_queue, taking_from_the_middle_keeps_the_order)
{
	struct qmp_queue *queue = calloc(1, sizeof(*queue));
	struct qmp_event event;

	for (uint64_t seq = 1; seq <= 3; seq++) {
		event = make("{\"event\": \"STOP\"}", seq);
		qmp_queue_push(queue, &event, 10 * seq);
	}
	qmp_queue_take(queue, 1, &event);
	cr_expect(eq(u64, event.seq, 2));
	qmp_event_done(&event);
	cr_expect(eq(sz, queue->bytes, 40));
	qmp_queue_take(queue, 0, &event);
	cr_expect(eq(u64, event.seq, 1));
	qmp_event_done(&event);
	qmp_queue_take(queue, 0, &event);
	cr_expect(eq(u64, event.seq, 3));
	qmp_event_done(&event);
	free(queue);
}
