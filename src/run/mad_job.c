/* SPDX-License-Identifier: MIT */
/* What a model needs before it can be run, decided without a container: see mad.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "results/perf_record.h"
#include "run/mad.h"
#include "workload/container_env.h"
#include "workload/credentials.h"
#include "workload/docker_args.h"
#include "workload/names.h"
#include "workload/timeout.h"

#define ENV_SIZE  65536 /* of an image's environment, as JSON */
#define PATH_SIZE 4096

void mad_job_done(struct mad_job *j)
{
	live_log_done(&j->log);
	tools_done(&j->tools);
	exec_steps_done(&j->steps);
	variables_done(&j->run_env);
	variables_done(&j->context_env);
	strv_done(&j->mounts);
	free(j->before);
	csv_done(&j->table);
}

const char *mad_job_launcher(const struct mad_job *j)
{
	return perf_launcher(j->item->model.object, j->m->context,
			     variables_environ(environ, "MAD_LAUNCHER"));
}

/*
 * An image that says where its ROCm is keeps its word. @ret: "" where it says nothing, or cannot be
 * asked.
 */
static void find_rocm(struct mad_job *j, char *ret, size_t size)
{
	AUTO_STRV struct strv argv = STRV_INIT;
	AUTO_JSON struct json_object *env = NULL;
	char text[ENV_SIZE];

	ret[0] = '\0';
	strv_add(&argv, "docker");
	strv_add(&argv, "image");
	strv_add(&argv, "inspect");
	strv_add(&argv, "--format={{json .Config.Env}}");
	strv_add(&argv, j->item->image);
	if (strv_error(&argv) < 0 ||
	    mad_capture(j->m, &argv, deadline_in_s(MAD_STEP_SECONDS), text, sizeof(text), NULL) < 0)
		return;
	env = json_tokener_parse(text);
	for (size_t n = json_object_is_type(env, json_type_array) ? json_object_array_length(env)
								  : 0;
	     n-- > 0;) {
		const char *one = json_object_get_string(json_object_array_get_idx(env, n));

		if (one == NULL || (strncmp(one, "ROCM_PATH=", 10) != 0 &&
				    (strncmp(one, "ROCM_HOME=", 10) != 0 || ret[0] != '\0')))
			continue;
		(void)snprintf(ret, size, "%s", one + 10);
	}
}

static int set_context_env(struct mad_job *j, struct error *err)
{
	const struct mad *m = j->m;
	struct json_object *given = NULL;
	struct container_env env = {
		.environ_v = environ,
		.guest_os = m->run->o->cfg.guest_os,
		.gpus = &m->guest.gpus,
		.architecture = m->guest.architecture,
		.product = m->guest.product,
		.runtime = m->guest.runtime,
		.chosen = &j->chosen,
		.launcher = mad_job_launcher(j),
	};
	char rocm[PATH_SIZE] = "";
	int r;

	if (m->guest.gpus.vendor == GPU_VENDOR_AMD)
		find_rocm(j, rocm, sizeof(rocm));
	env.rocm_path = rocm;
	(void)json_get_object(m->context, "docker_env_vars", &given, NULL);
	env.given = given;
	r = container_env_make(&env, &j->context_env, err);
	if (r == 0)
		variables_set(&j->context_env, "MAD_DEPLOYMENT_TYPE", "baremetal_vm");
	return r;
}

static int set_run_env(struct mad_job *j, struct error *err)
{
	const char *cred = model_cred(&j->item->model);
	int r = 0;

	data_plan_variables(&j->item->data, &j->run_env);
	if (cred != NULL)
		r = credentials_variables(j->m->credentials, cred, &j->run_env, err);
	if (r == 0)
		r = credentials_find(j->m->credentials, cred, &j->credential, err);
	variables_merge(&j->run_env, &j->tools.env);
	return r;
}

static int set_mounts(struct mad_job *j, struct error *err)
{
	int r = data_plan_mounts(&j->item->data, &j->mounts, err);

	return r < 0 ? r : docker_args_mounts(&j->mounts, j->m->docker_mounts, err);
}

/* A guest without GPUs gives none; the books then have what the user says there were. */
static int64_t count_gpus(const struct mad_job *j, int count, size_t n_system)
{
	if (j->m->guest.gpus.vendor != GPU_VENDOR_NONE)
		return (int64_t)j->chosen.n;
	return count == MODEL_GPUS_ALL ? (int64_t)n_system : 0;
}

static int choose_gpus(struct mad_job *j, struct error *err)
{
	struct mad *m = j->m;
	int count = gpu_selection_count(m->context, m->deployment, &j->item->model);
	size_t n_system = 0;
	int r = mad_system_gpus(m, &n_system, err);

	if (r == 0)
		r = gpu_selection_choose(&m->guest.gpus, n_system,
					 json_str_or(m->context, "docker_gpus", NULL), count,
					 &j->chosen, err);
	if (r == 0)
		j->outcome->gpus = count_gpus(j, count, n_system);
	return r;
}

static int find_tools(struct mad_job *j, struct error *err)
{
	AUTO_FREE char *environment = NULL;
	struct tools_query query = {
		.context = j->m->context,
		.config = j->m->tools,
		.rocenv = faccessat(j->m->package_fd, TOOLS_ROCENV, F_OK, 0) == 0,
		.guest_os = j->m->run->o->cfg.guest_os,
	};
	int r = names_environment(model_name(&j->item->model), &environment, err);

	query.environment = environment;
	return r < 0 ? r : tools_resolve(&query, &j->tools, err);
}

static int list_steps(struct mad_job *j, struct error *err)
{
	struct exec_query query = {
		.model = &j->item->model,
		.args = json_str_or(j->m->context, "model_args", NULL),
		.vendor = j->m->guest.gpus.vendor,
		.tools = &j->tools,
		.data = &j->item->data,
		.credential = j->credential,
		.skip_model = j->m->o->skip_model_run,
		.keep_folder = j->m->o->keep_alive || j->m->o->keep_model_dir,
	};

	return exec_steps_make(&query, &j->steps, err);
}

/* Everything that can be wrong without a container. */
int mad_job_prepare(struct mad_job *j, struct error *err)
{
	int r = 0;

	if (!j->item->ready || j->item->failed.msg[0] != '\0') {
		*err = j->item->failed;
		return -EINVAL;
	}
	r = timeout_resolve(j->m->o->timeout, model_timeout(&j->item->model), &j->timeout_s, err);
	if (r == 0)
		r = choose_gpus(j, err);
	if (r == 0)
		r = find_tools(j, err);
	if (r == 0)
		r = set_run_env(j, err);
	if (r == 0)
		r = set_context_env(j, err);
	if (r == 0)
		r = set_mounts(j, err);
	return r < 0 ? r : list_steps(j, err);
}
