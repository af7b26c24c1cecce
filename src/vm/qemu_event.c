/* SPDX-License-Identifier: MIT */
/*
 * QMP events and the end of the process, as enum vm_event.
 */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "vm/qemu.h"
#include "vm/qemu_private.h"

#define GONE_LINES 20

/* Foreign text goes to @text printable and cut. */
static void describe(char *text, const char *format, const char *foreign)
{
	AUTO_FREE char *clean = text_printable(foreign, strlen(foreign));

	(void)snprintf(text, VM_EVENT_TEXT_SIZE, "%s%s", format, clean == NULL ? "" : clean);
}

static enum vm_event on_shutdown(struct json_object *data, char *text)
{
	const char *reason = json_str_or(data, "reason", "");

	describe(text, "QEMU shuts down: ", reason);
	if (strcmp(reason, "guest-reset") == 0)
		return VM_EVENT_RESET;
	if (strcmp(reason, "guest-panic") == 0)
		return VM_EVENT_PANIC;
	return json_bool_or(data, "guest", false) ? VM_EVENT_POWEROFF : VM_EVENT_QUIT;
}

static enum vm_event on_reset(struct json_object *data, char *text)
{
	describe(text, "reset: ", json_str_or(data, "reason", ""));
	return json_bool_or(data, "guest", false) ? VM_EVENT_RESET : VM_EVENT_OTHER;
}

static enum vm_event on_panic(struct json_object *data, char *text)
{
	describe(text, "the guest's kernel panicked; action: ", json_str_or(data, "action", "?"));
	return VM_EVENT_PANIC;
}

static enum vm_event on_io_error(struct json_object *data, char *text)
{
	const char *reason = json_str_or(data, "reason", "error");
	const char *node = json_str_or(data, "node-name", "");
	char what[256];

	if (json_bool_or(data, "nospace", false))
		reason = "no space left";
	(void)snprintf(what, sizeof(what), "%s on %s: %s", json_str_or(data, "operation", "access"),
		       node, reason);
	describe(text, "disk error: ", what);
	return strcmp(json_str_or(data, "action", "stop"), "stop") == 0 ? VM_EVENT_IO_ERROR
									: VM_EVENT_OTHER;
}

static enum vm_event on_stop(struct json_object *data, char *text)
{
	(void)data;
	describe(text, "the guest is paused", "");
	return VM_EVENT_STOPPED;
}

static enum vm_event on_resume(struct json_object *data, char *text)
{
	(void)data;
	describe(text, "the guest runs again", "");
	return VM_EVENT_RESUMED;
}

static const struct {
	const char *name;
	enum vm_event (*handle)(struct json_object *data, char *text);
} handlers[] = {
	{ "SHUTDOWN", on_shutdown },       { "RESET", on_reset }, { "GUEST_PANICKED", on_panic },
	{ "BLOCK_IO_ERROR", on_io_error }, { "STOP", on_stop },   { "RESUME", on_resume },
};

static enum vm_event classify(const struct qmp_event *event, char *text)
{
	for (size_t i = 0; i < ARRAY_SIZE(handlers); i++) {
		if (strcmp(event->name, handlers[i].name) == 0)
			return handlers[i].handle(event->data, text);
	}
	describe(text, "", event->name);
	return VM_EVENT_OTHER;
}

static enum vm_event next_qmp_event(struct qemu *q, char *text)
{
	AUTO_QMP_EVENT struct qmp_event event = { 0 };

	if (q->qmp == NULL || qmp_next_event(q->qmp, 0, &event, NULL) < 0)
		return VM_EVENT_NONE;
	return classify(&event, text);
}

enum vm_event qemu_next_event(struct qemu *q, char *text)
{
	char buf[VM_EVENT_TEXT_SIZE];
	bool ended =
		qemu_reap(q); /* before the last look at the socket, so that nothing is missed */
	enum vm_event event;
	AUTO_FREE char *end = NULL;

	if (text == NULL)
		text = buf;
	text[0] = '\0';
	qemu_read_output(q);
	event = next_qmp_event(q, text);
	if (event != VM_EVENT_NONE || !ended || q->gone_told)
		return event;
	q->gone_told = true;
	end = qemu_describe_end(q, GONE_LINES);
	(void)snprintf(text, VM_EVENT_TEXT_SIZE, "%s", end == NULL ? "QEMU ended" : end);
	return VM_EVENT_GONE;
}
