/* SPDX-License-Identifier: MIT */
#include "run/models.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "results/summary.h"
#include "run/devices.h"
#include "run/docker.h"
#include "run/dry_run.h"
#include "run/mad.h"

#define CODE_BUILD 2
#define CODE_RUN   3
#define CODE_HOST  125

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
};

/* madengine's codes; those of signals and of a host that is not as before are ours. */
static int exit_code(const struct mad *m, int failed, int pipeline)
{
	const struct run *r = m->run;

	if (r->unclean || r->front.caught != 0)
		return pipeline;
	if (failed < 0)
		return CODE_RUN;
	if (summary_failed(m->summary))
		return CODE_RUN;
	return m->n_build_failures > 0 ? CODE_BUILD : 0;
}

static int run_plan(struct mad *m, struct error *err)
{
	struct error why = ERROR_INIT;
	int ret = pipeline_run(m->run, stages, ARRAY_SIZE(stages), err);
	int code = pipeline_exit_code(m->run, ret, err);

	if (mad_books_close(m, &why) < 0) {
		log_error("%s", why.msg);
		ret = -1;
	}
	return exit_code(m, ret, code);
}

int run_models(struct run_options *o, const struct mad_options *options)
{
	struct error err = ERROR_INIT;
	struct run r;
	struct mad m = {
		.o = options, .run = &r, .manifest = BUILD_MANIFEST_INIT, .package_fd = -1
	};
	int ret = run_init(&r, o, &err), code = CODE_RUN;

	r.extra = &m;
	if (ret == 0)
		ret = mad_plan(&m, &err);
	if (ret < 0) {
		log_error("%s", err.msg);
		if (err.hint[0] != '\0')
			log_error("  %s", err.hint);
		code = m.code != 0 ? m.code : CODE_RUN;
	} else if (o->dry_run) {
		code = dry_run(&r);
	} else {
		code = run_plan(&m, &err);
	}
	mad_done(&m);
	run_done(&r);
	return code;
}
