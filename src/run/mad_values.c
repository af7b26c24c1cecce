/* SPDX-License-Identifier: MIT */
/* Values of the context that would be found wrong only when a container is to be made: see mad.h.
 */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "run/mad.h"
#include "workload/docker_args.h"
#include "workload/gpu_selection.h"

static int check_gpus(const struct mad *m, struct error *err)
{
	struct gpu_list listed;

	return gpu_selection_parse(json_str_or(m->context, "docker_gpus", NULL), 0, &listed, err);
}

static int check_cpus(const struct mad *m, struct error *err)
{
	struct json_object *cpus = json_object_object_get(m->context, "docker_cpus");

	if (cpus == NULL)
		return 0;
	if (!json_object_is_type(cpus, json_type_string) &&
	    !json_object_is_type(cpus, json_type_int))
		return error_set(err, EINVAL, "docker_cpus: must be a text like \"0-3,7\"");
	return docker_args_check_cpus(json_object_get_string(cpus), err);
}

/* A text that is no number counts for nothing, as with madengine, but is told. */
static int check_count(const struct mad *m, struct error *err)
{
	const char *ignored = NULL;
	int r = model_check_gpu_count(m->context, &ignored, err);

	if (r == 0 && ignored != NULL)
		log_warning("%s: \"%.80s\" is no number of GPUs, and counts for nothing", ignored,
			    json_str_or(m->context, ignored, ""));
	return r;
}

static int check_launcher(const struct mad *m, struct error *err)
{
	struct json_object *distributed = NULL, *launcher;

	if (json_get_object(m->context, "distributed", &distributed, NULL) < 0)
		return 0;
	launcher = json_object_object_get(distributed, "launcher");
	if (launcher == NULL || json_object_is_type(launcher, json_type_string))
		return 0;
	return error_set(err, EINVAL, "distributed.launcher: must be a string, as \"torchrun\"");
}

int mad_values_check(const struct mad *m, struct error *err)
{
	static int (*const checks[])(const struct mad *, struct error *) = {
		check_gpus,
		check_cpus,
		check_count,
		check_launcher,
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(checks) && r == 0; i++)
		r = checks[i](m, err);
	return r;
}
