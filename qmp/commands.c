/* SPDX-License-Identifier: MIT */
/* Typed wrappers around QMP commands: see commands.h. */
#include "qmp/commands.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qmp/message.h"

/* An object with one string member. Return: owned by the caller; NULL out of memory. */
static struct json_object *string_args(const char *key, const char *value)
{
	struct json_object *args = json_object_new_object();
	struct json_object *text = json_object_new_string(value);

	if (args != NULL && text != NULL && json_object_object_add(args, key, text) == 0)
		return args;
	json_object_put(text);
	json_object_put(args);
	return NULL;
}

static int no_memory(struct qmp_error *err, const char *command)
{
	return qmp_error_set(err, ENOMEM, "%s: out of memory", command);
}

static int bad_shape(struct qmp_error *err, const char *command)
{
	return qmp_error_set(err, EPROTO, "%s: the reply has an unexpected shape", command);
}

/* Execute a command and drop its arguments; NULL for them means that memory ran out. */
static int execute_consume(struct qmp *q, const char *command, struct json_object *args,
			   uint64_t deadline_ns, struct json_object **ret, struct qmp_error *err)
{
	if (args == NULL)
		return no_memory(err, command);

	int r = qmp_execute(q, command, args, deadline_ns, ret, err);

	json_object_put(args);
	return r;
}

/* Execute a command and insist on the type of what it returns. */
static int execute_typed(struct qmp *q, const char *command, uint64_t deadline_ns,
			 enum json_type type, struct json_object **ret, struct qmp_error *err)
{
	int r = qmp_execute(q, command, NULL, deadline_ns, ret, err);

	if (r == 0 && !json_object_is_type(*ret, type))
		return bad_shape(err, command);
	return r;
}

/* ---- run state ---- */

int qmp_query_status(struct qmp *q, uint64_t deadline_ns, struct qmp_status *ret,
		     struct qmp_error *err)
{
	static const char command[] = "query-status";
	QMP_AUTO_JSON struct json_object *reply = NULL;
	struct qmp_status status = { 0 };
	int r = execute_typed(q, command, deadline_ns, json_type_object, &reply, err);

	if (r < 0)
		return r;

	const char *text = qmp_member_str(reply, "status");

	if (text == NULL || strlen(text) >= sizeof(status.status) ||
	    !qmp_member_bool(reply, "running", &status.running))
		return bad_shape(err, command);
	(void)snprintf(status.status, sizeof(status.status), "%s", text);
	*ret = status;
	return 0;
}

int qmp_system_powerdown(struct qmp *q, uint64_t deadline_ns, struct qmp_error *err)
{
	return qmp_execute(q, "system_powerdown", NULL, deadline_ns, NULL, err);
}

int qmp_quit(struct qmp *q, uint64_t deadline_ns, struct qmp_error *err)
{
	int r = qmp_execute(q, "quit", NULL, deadline_ns, NULL, err);

	return r == -ECONNRESET ? 0 : r;
}

int qmp_stop(struct qmp *q, uint64_t deadline_ns, struct qmp_error *err)
{
	return qmp_execute(q, "stop", NULL, deadline_ns, NULL, err);
}

int qmp_cont(struct qmp *q, uint64_t deadline_ns, struct qmp_error *err)
{
	return qmp_execute(q, "cont", NULL, deadline_ns, NULL, err);
}

/* ---- devices ---- */

/* The answer to a device_del: for this device, and not older than the request. */
struct unplug {
	const char *id;
	uint64_t after_seq;
};

static bool is_unplug_answer(const struct qmp_event *event, const void *data)
{
	const struct unplug *unplug = data;
	const char *device = qmp_member_str(event->data, "device");

	return event->seq > unplug->after_seq && device != NULL &&
	       strcmp(device, unplug->id) == 0 &&
	       (strcmp(event->name, "DEVICE_DELETED") == 0 ||
		strcmp(event->name, "DEVICE_UNPLUG_GUEST_ERROR") == 0);
}

static int wait_unplug(struct qmp *q, const struct unplug *unplug, uint64_t deadline_ns,
		       struct qmp_error *err)
{
	AUTO_QMP_EVENT struct qmp_event event = { 0 };
	int r = qmp_wait_event(q, is_unplug_answer, unplug, deadline_ns, &event, err);

	if (r == -ETIMEDOUT)
		return qmp_error_set(err, ETIMEDOUT, "the guest did not release device %s in time",
				     unplug->id);
	if (r < 0)
		return r;
	if (strcmp(event.name, "DEVICE_DELETED") != 0)
		return qmp_error_set(err, EBUSY, "the guest refused to release device %s",
				     unplug->id);
	return 0;
}

int qmp_device_add(struct qmp *q, struct json_object *device, uint64_t deadline_ns,
		   struct qmp_error *err)
{
	return qmp_execute(q, "device_add", device, deadline_ns, NULL, err);
}

int qmp_device_del(struct qmp *q, const char *id, uint64_t deadline_ns, struct qmp_error *err)
{
	const struct unplug unplug = { .id = id, .after_seq = qmp_events_seen(q) };
	int r = execute_consume(q, "device_del", string_args("id", id), deadline_ns, NULL, err);

	return r < 0 ? r : wait_unplug(q, &unplug, deadline_ns, err);
}

int qmp_wait_device_deleted(struct qmp *q, const char *id, uint64_t deadline_ns,
			    struct qmp_error *err)
{
	const struct unplug unplug = { .id = id };

	return wait_unplug(q, &unplug, deadline_ns, err);
}

/* ---- vCPUs ---- */

static bool read_cpu(struct json_object *json, struct qmp_cpu *ret)
{
	uint64_t index = 0;
	uint64_t thread = 0;

	if (!qmp_member_u64(json, "cpu-index", &index) || index > UINT_MAX ||
	    !qmp_member_u64(json, "thread-id", &thread) || thread == 0 || thread > INT_MAX)
		return false;
	*ret = (struct qmp_cpu){ .cpu_index = (unsigned int)index, .thread_id = (pid_t)thread };
	return true;
}

int qmp_query_cpus(struct qmp *q, uint64_t deadline_ns, struct qmp_cpu **ret, size_t *ret_n,
		   struct qmp_error *err)
{
	static const char command[] = "query-cpus-fast";
	QMP_AUTO_JSON struct json_object *reply = NULL;
	int r = execute_typed(q, command, deadline_ns, json_type_array, &reply, err);

	if (r < 0)
		return r;

	size_t n = json_object_array_length(reply);
	struct qmp_cpu *cpus = n > 0 ? calloc(n, sizeof(*cpus)) : NULL;

	if (n > 0 && cpus == NULL)
		return no_memory(err, command);
	for (size_t i = 0; i < n; i++) {
		if (!read_cpu(json_object_array_get_idx(reply, i), &cpus[i])) {
			free(cpus);
			return bad_shape(err, command);
		}
	}
	*ret = cpus;
	*ret_n = n;
	return 0;
}

/* ---- descriptors ---- */

int qmp_getfd(struct qmp *q, const char *name, int fd, uint64_t deadline_ns, struct qmp_error *err)
{
	QMP_AUTO_JSON struct json_object *args = string_args("fdname", name);
	const struct qmp_request request = { .command = "getfd", .args = args, .pass_fd = &fd };

	if (args == NULL)
		return no_memory(err, request.command);
	return qmp_call(q, &request, deadline_ns, NULL, err);
}

int qmp_closefd(struct qmp *q, const char *name, uint64_t deadline_ns, struct qmp_error *err)
{
	return execute_consume(q, "closefd", string_args("fdname", name), deadline_ns, NULL, err);
}

/* ---- the human monitor ---- */

int qmp_human_monitor_command(struct qmp *q, const char *line, uint64_t deadline_ns, char **ret,
			      struct qmp_error *err)
{
	static const char command[] = "human-monitor-command";
	QMP_AUTO_JSON struct json_object *reply = NULL;
	int r = execute_consume(q, command, string_args("command-line", line), deadline_ns, &reply,
				err);

	if (r < 0 || ret == NULL)
		return r;
	if (!json_object_is_type(reply, json_type_string))
		return bad_shape(err, command);

	char *text = strdup(json_object_get_string(reply));

	if (text == NULL)
		return no_memory(err, command);
	*ret = text;
	return 0;
}

/* ---- what this QEMU can do ---- */

/* Look for {"name": @name} in an array of objects, as query-commands and its like return. */
static int find_name(struct json_object *list, const char *name, bool *ret)
{
	if (!json_object_is_type(list, json_type_array))
		return -EPROTO;

	bool is_found = false;

	for (size_t i = 0; i < json_object_array_length(list) && !is_found; i++) {
		const char *entry = qmp_member_str(json_object_array_get_idx(list, i), "name");

		is_found = entry != NULL && strcmp(entry, name) == 0;
	}
	*ret = is_found;
	return 0;
}

int qmp_has_type(struct qmp *q, const char *type, uint64_t deadline_ns, bool *ret,
		 struct qmp_error *err)
{
	static const char command[] = "qom-list-types";
	QMP_AUTO_JSON struct json_object *reply = NULL;
	/* Abstract types are left out by default. */
	int r = execute_consume(q, command, string_args("implements", type), deadline_ns, &reply,
				err);

	if (r < 0)
		return r;
	return find_name(reply, type, ret) < 0 ? bad_shape(err, command) : 0;
}

int qmp_has_command(struct qmp *q, const char *command, uint64_t deadline_ns, bool *ret,
		    struct qmp_error *err)
{
	static const char query[] = "query-commands";
	QMP_AUTO_JSON struct json_object *reply = NULL;
	int r = qmp_execute(q, query, NULL, deadline_ns, &reply, err);

	if (r < 0)
		return r;
	return find_name(reply, command, ret) < 0 ? bad_shape(err, query) : 0;
}

/* ---- events ---- */

static void copy_text(char *to, size_t size, const char *from)
{
	(void)snprintf(to, size, "%s", from != NULL ? from : "");
}

bool qmp_event_io_error(const struct qmp_event *event, struct qmp_io_error *ret)
{
	const char *operation = qmp_member_str(event->data, "operation");
	const char *action = qmp_member_str(event->data, "action");
	const char *device = qmp_member_str(event->data, "device");

	if (strcmp(event->name, "BLOCK_IO_ERROR") != 0 || operation == NULL || action == NULL)
		return false;
	/* Disks made by -blockdev have no backend name; QEMU then leaves "device" empty. */
	if (device == NULL || device[0] == '\0')
		device = qmp_member_str(event->data, "node-name");
	*ret = (struct qmp_io_error){
		.is_write = strcmp(operation, "write") == 0,
		.is_stopped = strcmp(action, "stop") == 0,
	};
	(void)qmp_member_bool(event->data, "nospace", &ret->is_no_space);
	copy_text(ret->device, sizeof(ret->device), device);
	copy_text(ret->reason, sizeof(ret->reason), qmp_member_str(event->data, "reason"));
	return true;
}
