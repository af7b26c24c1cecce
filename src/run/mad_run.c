/* SPDX-License-Identifier: MIT */
#include "run/models.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "results/summary.h"
#include "run/devices.h"
#include "run/docker.h"
#include "run/mad.h"
#include "run/results.h"
#include "run/task.h"

#define CODE_BUILD 2
#define CODE_RUN   3

static const struct stage stages[] = {
	{ "validate", "Validate", NULL, stage_validate, NULL, false },
	{ "create", "Create the VM", NULL, stage_create, stage_create_undo, false },
	{ "devices", "Take the devices", stage_devices_wanted, stage_devices, NULL, false },
	{ "start", "Start the VM", NULL, stage_start, stage_start_undo, false },
	{ "prepare", "Prepare the guest", stage_prepare_wanted, stage_prepare, NULL, false },
	{ "docker", "Set up Docker", NULL, stage_docker, NULL, false },
	{ "package", "Copy the package", NULL, stage_mad_package, NULL, false },
	{ "build", "Bring the images", NULL, stage_mad_build, NULL, false },
	{ "models", "Run the models", NULL, stage_mad_models, NULL, false },
	{ "results", "Collect results", stage_results_wanted, stage_mad_results, NULL, true },
};

static struct mad *mad_of(const struct run *r)
{
	return r->extra;
}

/* The receipt is to have all models: not those of an attempt that is made again. */
static void ending(struct run *r, const struct error *failed)
{
	struct mad *m = mad_of(r);

	if (failed != NULL && devices_try_again(r, -failed->code))
		return;
	m->started = m->started || r->guest != NULL;
	if (failed != NULL)
		mad_books_unreached(m, failed);
	mad_books_note(m);
}

/* Each attempt is a run of its own. */
static void prepare(struct run *r)
{
	mad_of(r)->run = r;
	r->ending = ending;
}

/* madengine's codes; those of signals and of a host that is not as before are ours. */
static int exit_code(struct run *r, int failed, const struct error *err)
{
	struct mad *m = mad_of(r);
	struct error why = ERROR_INIT;
	int code = pipeline_exit_code(r, failed, err);

	if (r->o->dry_run)
		return failed < 0 ? CODE_RUN : 0;
	if (mad_books_close(m, failed < 0 ? err : NULL, &why) < 0) {
		log_error("%s", why.msg);
		failed = -1;
	}
	if (r->unclean || r->front.caught != 0)
		return code;
	return failed < 0 ? CODE_RUN : mad_verdict(m);
}

int mad_verdict(const struct mad *m)
{
	if (summary_failed(m->summary) || m->books_failed)
		return CODE_RUN;
	return m->n_build_failures > 0 ? CODE_BUILD : 0;
}

/* For --dry-run. */
static struct json_object *list_items(const struct mad *m)
{
	struct json_object *list = json_new_array();

	for (size_t i = 0; i < m->n_items; i++) {
		struct json_object *o = json_new_object();

		json_add_str(o, "model", model_name(&m->items[i].model));
		json_add_str(o, "image", m->items[i].image);
		json_add_str(o, "dockerfile", m->items[i].dockerfile);
		if (m->items[i].failed.msg[0] != '\0')
			json_add_str(o, "failed", m->items[i].failed.msg);
		(void)json_object_array_add(list, o);
	}
	return list;
}

int run_models(struct run_options *o, const struct mad_options *options)
{
	struct error err = ERROR_INIT;
	struct mad m = { .o = options,
			 .cfg = &o->cfg,
			 .folder = MAD_FOLDER,
			 .dry_run = o->dry_run,
			 .receipt = o->receipt,
			 .manifest = BUILD_MANIFEST_INIT,
			 .package_fd = -1 };
	struct task task = { .stages = stages,
			     .n_stages = ARRAY_SIZE(stages),
			     .extra = &m,
			     .prepare = prepare,
			     .exit_code = exit_code };
	int code;

	if (o->workdir == NULL)
		o->workdir = strdup(MAD_FOLDER); /* where results.collect looks */
	if (mad_plan(&m, &err) < 0) {
		log_failure(&err);
		code = m.code != 0 ? m.code : CODE_RUN;
	} else {
		task.models = list_items(&m);
		code = task_run(o, &task);
		(void)json_object_put(task.models);
	}
	mad_done(&m);
	return code;
}
