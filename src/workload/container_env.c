/* SPDX-License-Identifier: MIT */
#include "workload/container_env.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"
#include "workload/launcher.h"
#include "workload/variables.h"

#define NUMBER_SIZE 24

static bool is_known(const char *value)
{
	return value != NULL && value[0] != '\0';
}

/* Sets what is known and was not given. */
static void add(struct variables *vars, const char *name, const char *value)
{
	if (is_known(value) && variables_get(vars, name) == NULL)
		variables_set(vars, name, value);
}

static void add_system(const struct container_env *env, struct variables *ret)
{
	const struct gpus *gpus = env->gpus;
	bool any = gpus->vendor != GPU_VENDOR_NONE;
	char number[NUMBER_SIZE];

	(void)snprintf(number, sizeof(number), "%zu", any ? gpus->n : 0);
	add(ret, "MAD_GPU_VENDOR", gpu_vendor_name(gpus->vendor));
	add(ret, "MAD_SYSTEM_NGPUS", number);
	add(ret, "MAD_SYSTEM_GPU_ARCHITECTURE", any ? env->architecture : NULL);
	add(ret, "MAD_SYSTEM_HIP_VERSION", any ? env->runtime : NULL);
	add(ret, "MAD_SYSTEM_GPU_PRODUCT_NAME", any ? env->product : NULL);
	add(ret, "MAD_GUEST_OS", is_known(env->guest_os) ? env->guest_os : "UBUNTU");
	if (gpus->vendor == GPU_VENDOR_AMD)
		add(ret, "ROCM_PATH", is_known(env->rocm_path) ? env->rocm_path : "/opt/rocm");
}

int container_env_make(const struct container_env *env, struct variables *ret, struct error *err)
{
	AUTO_FREE char *runner = launcher_runner(env->launcher, env->chosen->n);
	char number[NUMBER_SIZE];
	int r = variables_set_object(ret, "docker_env_vars", env->given, err);

	if (r < 0)
		return r;
	if (runner == NULL)
		return error_set(err, ENOMEM, "out of memory");
	variables_set_secrets(ret, env->environ_v);
	variables_inherit(ret, env->environ_v);
	add_system(env, ret);
	(void)snprintf(number, sizeof(number), "%zu", env->chosen->n);
	variables_set(ret, "MAD_RUNTIME_NGPUS", number);
	if (variables_get(ret, "MAD_MULTI_NODE_RUNNER") == NULL)
		variables_set(ret, "MAD_MULTI_NODE_RUNNER", runner);
	return ret->r < 0 ? error_set(err, ENOMEM, "out of memory") : 0;
}
