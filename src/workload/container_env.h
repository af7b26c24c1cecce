/* SPDX-License-Identifier: MIT */
/*
 * The variables of a model's container that come from the context, the host and the guest's GPUs.
 * Pure. (Those of data, credentials and tools come before them on docker's command line.)
 */
#ifndef BMVM_WORKLOAD_CONTAINER_ENV_H
#define BMVM_WORKLOAD_CONTAINER_ENV_H

#include <json-c/json.h>

#include "workload/gpu_selection.h"

struct error;
struct variables;

/**
 * struct container_env - What decides; all borrowed, NULL and "" mean unknown
 * @given:        docker_env_vars of the context
 * @environ_v:    of the host: MAD_SECRETS and what variables_inherit() takes
 * @guest_os:     of the context; unknown: "UBUNTU"
 * @architecture, @product: of the guest's GPUs, "gfx942"
 * @runtime:      version of HIP or CUDA in the guest, "6.4"
 * @rocm_path:    in the image; unknown: "/opt/rocm"
 * @chosen:       the GPUs of the container
 * @launcher:     see launcher_runner()
 */
struct container_env {
	struct json_object *given;
	char *const *environ_v;
	const char *guest_os;
	const struct gpus *gpus;
	const char *architecture;
	const char *product;
	const char *runtime;
	const char *rocm_path;
	const struct gpu_list *chosen;
	const char *launcher;
};

/**
 * container_env_make() - Set the variables, in madengine's order
 * @ret: what is in it already stays in front
 *
 * What is @given is never replaced, but for MAD_RUNTIME_NGPUS, which says how many GPUs there
 * really are. Then come the host's, MAD_GPU_VENDOR, MAD_SYSTEM_NGPUS, MAD_SYSTEM_GPU_ARCHITECTURE,
 * MAD_SYSTEM_HIP_VERSION, MAD_SYSTEM_GPU_PRODUCT_NAME, MAD_GUEST_OS, ROCM_PATH (AMD),
 * MAD_RUNTIME_NGPUS and MAD_MULTI_NODE_RUNNER; unknown ones are left out. Without a vendor both
 * numbers are 0 and the rest that is about GPUs is left out. Nothing is remembered from model to
 * model. Return: 0; -EINVAL as variables_set_object(); -ENOMEM.
 */
int container_env_make(const struct container_env *env, struct variables *ret, struct error *err);

#endif
