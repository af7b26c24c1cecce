/* SPDX-License-Identifier: MIT */
#include "run/undo.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/process.h"
#include "host/journal.h"
#include "host/lease.h"
#include "host/ledger.h"
#include "run/lan.h"
#include "run/undo_devices.h"

#define KILL_SECONDS 20
#define SETTLE_MS    10000

struct undo {
	const struct host *host;
	struct vmdir *vd;
	const struct undo_how *how;
	struct device_undo devices;
};

static int undo_process(struct undo *u, struct json_object *record, bool same_boot,
			struct error *err)
{
	uint64_t pid = json_u64_or(record, "pid", 0);
	uint64_t start = json_u64_or(record, "start", 0);
	int r;

	if (!same_boot || pid == 0)
		return 0;
	r = process_kill_identity(u->host->proc_fd, (pid_t)pid, start, deadline_in_s(KILL_SECONDS));
	if (r < 0)
		return error_set(err, -r, "process %llu (%s) does not end: %s",
				 (unsigned long long)pid, json_str_or(record, "what", "?"),
				 strerror(-r));
	return 0;
}

static int undo_data(struct undo *u, struct json_object *record, bool same_boot, struct error *err)
{
	char path[VM_NAME_MAX + 8];

	(void)record;
	(void)same_boot;
	if (u->how->keep_data)
		return 1;
	(void)snprintf(path, sizeof(path), "vms/%s", u->vd->name);
	return file_remove_tree_at(u->host->data_fd, path, err);
}

static int undo_ledger(struct undo *u, struct json_object *record, bool same_boot,
		       struct error *err)
{
	if (!same_boot)
		return 0;
	return ledger_release(u->host, json_str_or(record, "key", ""), u->vd->name, err);
}

static int undo_tap(struct undo *u, struct json_object *record, bool same_boot, struct error *err)
{
	(void)u;
	return same_boot ? lan_undo(record, err) : 0;
}

static const struct undo_op {
	const char *op;
	int (*undo)(struct undo *u, struct json_object *record, bool same_boot, struct error *err);
} undo_ops[] = {
	{ OP_PROCESS, undo_process },
	{ OP_DATA, undo_data },
	{ OP_LEDGER, undo_ledger },
	{ OP_TAP, undo_tap },
};

static int undo_one(void *data, struct json_object *record, bool same_boot, struct error *err)
{
	const char *op = json_str_or(record, "op", "");

	if (device_undo_is(op)) /* what they changed is as new after a reboot */
		return same_boot ? device_undo_record(&((struct undo *)data)->devices, op, record,
						      err)
				 : 0;
	for (size_t i = 0; i < ARRAY_SIZE(undo_ops); i++) {
		if (strcmp(undo_ops[i].op, op) == 0)
			return undo_ops[i].undo(data, record, same_boot, err);
	}
	return error_set(err, ENOTSUP, "the journal holds \"%s\", which this version cannot undo",
			 op);
}

int undo_all(const struct host *host, struct vmdir *vd, const struct undo_how *how,
	     struct error *err)
{
	struct undo u = { .host = host, .vd = vd, .how = how };
	AUTO_JOURNAL struct journal j = JOURNAL_INIT;
	AUTO_LEASES struct leases leases = LEASES_INIT;
	int r = journal_open(vd->run_fd, host->boot_id, &j, err);

	if (r == 0 && !how->has_leases)
		r = leases_inherit(host, vd->name, &leases, err);
	if (r < 0)
		return r;
	u.devices = (struct device_undo){
		.host = host,
		.vm = vd->name,
		.journal_fd = j.fd,
		.leases = how->has_leases ? NULL : &leases,
		.settle_ms = how->settle_ms != 0 ? how->settle_ms : SETTLE_MS,
		.reports = how->reports,
	};
	r = journal_walk_back(&j, undo_one, &u, err);
	if (r == 0)
		leases_clear(&leases); /* the run folder of a preserved VM stays */
	return r;
}
