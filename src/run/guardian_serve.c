/* SPDX-License-Identifier: MIT */
#include "run/guardian_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "results/receipt.h"
#include "run/control.h"
#include "run/machine_plan.h"
#include "run/undo.h"
#include "run/verify.h"

static void answer(struct guardian *g, struct json_object *request, struct json_object *reply,
		   int r, const struct error *err)
{
	struct json_object *o = reply != NULL ? reply : json_new_object();

	json_add_u64(o, "id", json_u64_or(request, "id", 0));
	json_add_bool(o, "ok", r >= 0);
	if (r < 0) {
		json_add_i64(o, "code", -r);
		json_add_str(o, "error", err->msg);
		json_add_str(o, "hint", err->hint);
	}
	guardian_send(g, o);
}

static int do_create(struct guardian *g, struct json_object *reply, struct error *err)
{
	int r = machine_create(&g->machine, err);

	(void)reply;
	if (r == 0) {
		g->control_fd = control_listen(g->spec->vd, err);
		r = g->control_fd < 0 ? g->control_fd : 0;
	}
	return r;
}

static struct json_object *describe_bars(const struct assigned *d)
{
	struct json_object *list = json_new_array();

	for (size_t i = 0; i < PCI_N_BARS; i++)
		(void)json_object_array_add(list, json_object_new_uint64(d->bars[i]));
	return list;
}

static struct json_object *describe_devices(const struct assignment *a)
{
	struct json_object *list = json_new_array();

	for (size_t i = 0; i < a->n; i++) {
		const struct assigned *d = &a->v[i];
		struct json_object *o = json_new_object();

		json_add_str(o, "address", d->address[0] != '\0' ? d->address : NULL);
		json_add_str(o, "uuid", d->uuid[0] != '\0' ? d->uuid : NULL);
		json_add_i64(o, "iommu_group", d->group);
		json_add_u64(o, "vendor", d->vendor);
		json_add_u64(o, "device", d->device);
		json_add(o, "bars", describe_bars(d));
		(void)json_object_array_add(list, o);
	}
	return list;
}

static int do_assign(struct guardian *g, struct json_object *reply, struct error *err)
{
	struct watchset watch = guardian_watchset(g);
	const struct assignment_task task = {
		.host = g->spec->host,
		.vm = g->spec->vd->name,
		.journal = &g->machine.journal,
		.choice = g->spec->devices,
		.watch = &watch,
	};
	uint64_t start = clock_now_ns();
	int r = assignment_make(&g->machine.assignment, &task, err);

	json_add_seconds(g->machine.times, "devices", clock_seconds_since(start));
	if (r == 0)
		json_add(reply, "devices", describe_devices(&g->machine.assignment));
	return r;
}

static struct json_object *describe_mounts(const struct machine *m)
{
	struct json_object *list = json_new_array();

	for (size_t i = 0; i < m->spec->cfg->n_mounts; i++) {
		struct json_object *o = json_new_object();
		bool virtiofs = m->mounts[i].kind == VM_MOUNT_VIRTIOFS;

		json_add_str(o, "tag", m->mounts[i].tag);
		json_add_str(o, "kind", virtiofs ? "virtiofs" : "9p");
		(void)json_object_array_add(list, o);
	}
	return list;
}

static int do_start(struct guardian *g, struct json_object *reply, struct error *err)
{
	int r = machine_start(&g->machine, guardian_watchset(g), err);

	if (r < 0)
		return r;
	(void)guardian_watchset(g); /* the serial port is there now */
	if (g->spec->accel == VM_ACCEL_KVM && machine_boots_kernel(g->spec))
		g->speak_ns = deadline_in_s(GUARDIAN_SILENT_SECONDS);
	json_add_u64(reply, "port", g->machine.port);
	json_add(reply, "mounts", describe_mounts(&g->machine));
	if (g->machine.lan.tap[0] != '\0') {
		json_add(g->receipt, "network", lan_describe(&g->machine.lan));
		json_add(reply, "network", lan_describe(&g->machine.lan));
	}
	return 0;
}

static int do_reset(struct guardian *g, struct json_object *reply, struct error *err)
{
	int r = machine_reset(&g->machine, err);

	(void)reply;
	(void)guardian_watchset(g); /* the serial port is gone again */
	g->gone = false;
	json_object_object_del(g->receipt, "vm_ended");
	json_object_object_del(g->receipt, "serial");
	return r;
}

static int do_serial(struct guardian *g, struct json_object *reply, struct error *err)
{
	AUTO_FREE char *text = guardian_last_serial(g);

	(void)err;
	json_add_str(reply, "text", text != NULL ? text : "");
	return 0;
}

static int do_stop(struct guardian *g, struct json_object *reply, struct error *err)
{
	int r;

	(void)reply;
	if (g->stopped)
		return 0;
	g->ending = true;
	if (g->machine.started)
		qemu_set_watch(&g->machine.qemu, guardian_watchset(g));
	r = machine_stop(&g->machine, !g->gone && json_bool_or(g->request, "powerdown", false),
			 err);
	g->stopped = r == 0;
	return r;
}

static int do_undo(struct guardian *g, struct json_object *reply, struct error *err)
{
	const struct undo_how how = { .has_leases = true, .reports = &g->reports };
	uint64_t start;
	int r;

	(void)reply;
	if (g->undone)
		return 0;
	machine_close(&g->machine);
	start = clock_now_ns();
	r = undo_all(g->spec->host, g->spec->vd, &how, err);
	json_add_seconds(g->machine.times, "undo", clock_seconds_since(start));
	g->undone = r == 0;
	g->machine.assignment.given_back = g->undone;
	g->undo_code = r;
	if (r < 0)
		(void)snprintf(g->undo_message, sizeof(g->undo_message), "%s", err->msg);
	return r;
}

static void write_receipt(struct guardian *g, struct json_object *differences)
{
	struct json_object *argv = json_new_array();
	char now[CLOCK_ISO_SIZE];

	clock_iso(now);
	json_add_str(g->receipt, "ended", now);
	for (size_t i = 0; i < g->machine.arguments.n; i++)
		(void)json_object_array_add(argv, json_new_string(g->machine.arguments.v[i]));
	json_add(g->receipt, "qemu_arguments", argv);
	json_add(g->receipt, "times", json_object_get(g->machine.times));
	json_add(g->receipt, "stages", json_object_get(g->stages));
	if (differences != NULL) {
		json_add_bool(g->receipt, "verified", true);
		json_add_bool(g->receipt, "clean", json_object_array_length(differences) == 0);
		json_add(g->receipt, "differences", json_object_get(differences));
	} else {
		json_add_bool(g->receipt, "verified", false);
	}
}

static void add_difference(struct json_object *list, const char *what, const char *expected,
			   const char *found)
{
	struct json_object *o = json_new_object();

	json_add_str(o, "what", what);
	json_add_str(o, "expected", expected);
	json_add_str(o, "found", found);
	(void)json_object_array_add(list, o);
}

/* Undo's own failure is a difference too, whatever the comparison saw. */
static struct json_object *verify(struct guardian *g)
{
	struct json_object *list;
	uint64_t start = clock_now_ns();

	if (!g->spec->cfg->cleanup.verify_clean && g->undo_code == 0 && g->reports.n == 0)
		return NULL;
	list = verify_machine(&g->machine);
	for (size_t i = 0; i < g->reports.n; i++)
		add_difference(list, "device", "given back", g->reports.v[i]);
	json_add_seconds(g->machine.times, "verify", clock_seconds_since(start));
	if (g->undo_code < 0)
		add_difference(list, "undo", "done", g->undo_message);
	return list;
}

static int do_finish(struct guardian *g, struct json_object *reply, struct error *err)
{
	AUTO_JSON struct json_object *differences = verify(g);
	int r;

	write_receipt(g, differences);
	r = receipt_save(g->spec->host->data_fd, g->spec->vd->name, g->receipt, g->spec->receipt,
			 err);
	if (g->undo_code == 0) {
		close_fd(&g->control_fd);
		(void)vmdir_remove(g->spec->host, g->spec->vd, NULL);
	}
	json_add_bool(reply, "verified", differences != NULL);
	json_add_bool(reply, "clean",
		      g->undo_code == 0 &&
			      (differences == NULL || json_object_array_length(differences) == 0));
	json_add(reply, "differences", json_object_get(differences));
	json_add(reply, "times", json_object_get(g->machine.times));
	if (r < 0) /* told beside the verification, never instead of it */
		json_add_str(reply, "receipt_error", err->msg);
	g->result = json_object_get(reply);
	g->finished = true;
	return 0;
}

static int do_preserve(struct guardian *g, struct json_object *reply, struct error *err)
{
	int r = machine_save_info(&g->machine, "preserved", err);

	(void)reply;
	if (r < 0)
		return r;
	json_add_bool(g->receipt, "preserved", true);
	write_receipt(g, NULL);
	g->detached = true;
	return receipt_save(g->spec->host->data_fd, g->spec->vd->name, g->receipt, g->spec->receipt,
			    err);
}

static const struct request {
	const char *name;
	int (*serve)(struct guardian *g, struct json_object *reply, struct error *err);
} requests[] = {
	{ "create", do_create }, { "assign", do_assign }, { "reset", do_reset },
	{ "start", do_start },   { "serial", do_serial }, { "stop", do_stop },
	{ "undo", do_undo },     { "finish", do_finish }, { "preserve", do_preserve },
};

static void note_stage(struct guardian *g, struct json_object *message)
{
	struct json_object *o = json_new_object();
	struct json_object *seconds = NULL;

	json_add_str(o, "name", json_str_or(message, "name", "?"));
	if (json_object_object_get_ex(message, "seconds", &seconds))
		json_add(o, "seconds", json_object_get(seconds));
	(void)json_object_array_add(g->stages, o);
}

/* Messages that are only written down. */
static bool take_note(struct guardian *g, const char *what, struct json_object *message)
{
	struct json_object *value = NULL;

	if (strcmp(what, "stage") == 0) {
		note_stage(g, message);
	} else if (strcmp(what, "note") == 0) {
		(void)json_object_object_get_ex(message, "value", &value);
		json_add(g->receipt, json_str_or(message, "key", "?"), json_object_get(value));
	} else {
		return false;
	}
	return true;
}

static void serve(struct guardian *g, struct json_object *message)
{
	const char *what = json_str_or(message, "do", "");
	struct error err = ERROR_INIT;

	if (take_note(g, what, message))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		struct json_object *reply;
		int r;

		if (strcmp(requests[i].name, what) != 0)
			continue;
		reply = json_new_object();
		g->request = message;
		r = requests[i].serve(g, reply, &err);
		g->request = NULL;
		answer(g, message, reply, r, &err);
		return;
	}
	answer(g, message, NULL, error_set(&err, EPROTO, "unknown request \"%s\"", what), &err);
}

void guardian_serve_queue(struct guardian *g)
{
	while (g->n_queue > 0 && !g->finished) {
		AUTO_JSON struct json_object *message = g->queue[0];

		memmove(g->queue, g->queue + 1, (--g->n_queue) * sizeof(struct json_object *));
		serve(g, message);
	}
}

/* ---- the end ---- */

void guardian_answer_waiters(struct guardian *g, struct json_object *result)
{
	for (size_t i = 0; i < g->n_waiters; i++) {
		struct json_object *o = json_new_object();

		json_add_bool(o, "ok", true);
		json_add(o, "result", json_object_get(result));
		control_answer(g->waiters[i], o);
		close_fd(&g->waiters[i]);
	}
	g->n_waiters = 0;
}

/* The front is not there to ask for the steps: do what is left of them. */
void guardian_end_alone(struct guardian *g)
{
	AUTO_JSON struct json_object *reply = json_new_object();
	struct error err = ERROR_INIT;

	if (!json_object_object_get_ex(g->receipt, "outcome", NULL))
		json_add_str(g->receipt, "outcome", "front lost");
	(void)do_stop(g, reply, &err);
	/* what could not be stopped in an orderly way is killed by its journal record */
	(void)do_undo(g, reply, &err);
	(void)do_finish(g, reply, &err);
	guardian_answer_waiters(g, reply);
}
