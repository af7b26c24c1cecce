/* SPDX-License-Identifier: MIT */
#include "run/recover.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "host/ledger.h"
#include "image/draft.h"
#include "run/undo.h"

/* Whoever starts a run shall not wait for what another one could not finish. */
#define QUIET_SETTLE_MS 200

static bool is_preserved(const struct host *host, const struct vmdir *vd)
{
	AUTO_JSON struct json_object *info = NULL;

	return vmdir_load_info(host, vd, &info, NULL) == 0 &&
	       strncmp(json_str_or(info, "state", ""), "preserved", strlen("preserved")) == 0;
}

/* After a reboot there may be a data folder whose journal went with the run folder. */
static int remove_data(const struct host *host, const struct vmdir *vd, struct error *err)
{
	char path[VM_NAME_MAX + 8];

	(void)snprintf(path, sizeof(path), "vms/%s", vd->name);
	return file_remove_tree_at(host->data_fd, path, err);
}

int recover_vm(const struct host *host, struct vmdir *vd, const struct recover_how *how,
	       struct error *err)
{
	bool keep = !how->drop && is_preserved(host, vd);
	const struct undo_how undo = { .keep_data = keep,
				       .settle_ms = how->settle_ms,
				       .reports = how->reports };
	int r = undo_all(host, vd, &undo, err);

	if (r == 0 && !keep)
		r = remove_data(host, vd, err);
	if (r == 0 && !keep)
		r = ledger_release_lost(host, vd->name, err);
	/* a kept VM keeps its run folder too: the journal still names the data folder */
	if (r == 0 && !keep)
		r = vmdir_remove(host, vd, err);
	return r < 0 ? r : keep ? 1 : 0;
}

static const char *result_of(int r, const struct strv *reports)
{
	if (r < 0)
		return "failed";
	if (reports->n > 0)
		return "not as before";
	return r == 1 ? "kept" : "removed";
}

static void add_result(struct json_object *list, const char *name, int r, const struct error *err,
		       const struct strv *reports)
{
	struct json_object *o = json_new_object();
	struct json_object *texts = json_new_array();

	json_add_str(o, "vm", name);
	json_add_str(o, "result", result_of(r, reports));
	if (r < 0)
		json_add_str(o, "error", err->msg);
	for (size_t i = 0; i < reports->n; i++)
		(void)json_object_array_add(texts, json_new_string(reports->v[i]));
	json_add(o, "reports", texts);
	(void)json_object_array_add(list, o);
}

/* Return: 0 all is well, or it is alive; 1 it is not. */
static int recover_name(const struct host *host, const char *name, unsigned int settle_ms,
			struct json_object *list)
{
	AUTO_VMDIR struct vmdir vd = VMDIR_INIT;
	AUTO_STRV struct strv reports = STRV_INIT;
	const struct recover_how how = { .settle_ms = settle_ms, .reports = &reports };
	struct error err = ERROR_INIT;
	int r = vmdir_open(host, name, &vd, &err);

	if (r < 0 || strcmp(vd.name, name) != 0 || vmdir_is_alive(&vd))
		return 0;
	r = vmdir_claim(host, &vd, &err);
	if (r == -EWOULDBLOCK || r == -ENOENT)
		return 0;
	if (r == 0)
		r = recover_vm(host, &vd, &how, &err);
	add_result(list, name, r, &err, &reports);
	return r < 0 || reports.n > 0 ? 1 : 0;
}

static int recover_each(const struct host *host, unsigned int settle_ms, struct json_object **ret,
			struct error *err)
{
	AUTO_STRV struct strv names = STRV_INIT;
	struct json_object *list;
	int failed = 0, r = vmdir_list(host, &names, err);

	if (r < 0)
		return r;
	list = json_new_array();
	for (size_t i = 0; i < names.n; i++)
		failed += recover_name(host, names.v[i], settle_ms, list);
	if (draft_sweep(host, NULL) < 0)
		log_debug("what dead image builds left could not be removed");
	*ret = list;
	return failed;
}

int recover_all(const struct host *host, struct json_object **ret, struct error *err)
{
	return recover_each(host, 0, ret, err);
}

static void tell(struct json_object *o)
{
	const char *name = json_str_or(o, "vm", "?"), *result = json_str_or(o, "result", "");
	struct json_object *reports = NULL;

	if (strcmp(result, "removed") == 0)
		log_info("undid what the dead run of VM %s had left", name);
	else if (strcmp(result, "failed") == 0)
		log_warning("the dead run of VM %s could not be undone: %s", name,
			    json_str_or(o, "error", "?"));
	if (json_get_array(o, "reports", &reports, NULL) < 0)
		return;
	for (size_t i = 0; i < json_object_array_length(reports); i++)
		log_warning("not as before the dead run of VM %s: %s", name,
			    json_object_get_string(json_object_array_get_idx(reports, i)));
}

void recover_quietly(const struct host *host)
{
	AUTO_JSON struct json_object *list = NULL;

	if (recover_each(host, QUIET_SETTLE_MS, &list, NULL) < 0)
		return;
	for (size_t i = 0; i < json_object_array_length(list); i++)
		tell(json_object_array_get_idx(list, i));
}
