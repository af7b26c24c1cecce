/* SPDX-License-Identifier: MIT */
/* The variables of a model's container. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "workload/container_env.h"
#include "workload/variables.h"

static struct json_object *parse(const char *text)
{
	struct json_object *o = NULL;

	cr_assert(json_parse(text, strlen(text), &o, NULL) == 0, "%s", text);
	return o;
}

static const char *const host[] = { "MAD_SECRETS_A=s", "NCCL_DEBUG=INFO", "HOME=/root", NULL };

#define AMD                                                                                        \
	"\"MAD_GPU_VENDOR\":\"AMD\",\"MAD_SYSTEM_NGPUS\":\"4\",\"MAD_SYSTEM_GPU_ARCHITECTURE\":"   \
	"\"gfx942\",\"MAD_SYSTEM_HIP_VERSION\":\"6.4\",\"MAD_SYSTEM_GPU_PRODUCT_NAME\":\"MI\","
#define TORCHRUN(n)                                                                                \
	"\"MAD_RUNTIME_NGPUS\":\"" n                                                               \
	"\",\"MAD_MULTI_NODE_RUNNER\":\"torchrun --standalone "                                    \
	"--nproc_per_node=" n "\"}"

static const struct {
	enum gpu_vendor vendor;
	size_t chosen;
	const char *given, *launcher, *rocm_path;
	const char *want;
} table[] = {
	{ GPU_VENDOR_AMD, 2, NULL, NULL, NULL,
	  "{" AMD "\"MAD_GUEST_OS\":\"UBUNTU\",\"ROCM_PATH\":\"/opt/rocm\"," TORCHRUN("2") },
	{ GPU_VENDOR_AMD, 4, "{\"ROCM_PATH\": \"/own\", \"MAD_RUNTIME_NGPUS\": \"9\", \"X\": 1}",
	  "deepspeed", "/opt/other",
	  "{\"ROCM_PATH\":\"/own\",\"MAD_RUNTIME_NGPUS\":\"4\",\"X\":\"1\"," AMD
	  "\"MAD_GUEST_OS\":\"UBUNTU\",\"MAD_MULTI_NODE_RUNNER\":\"deepspeed --num_gpus=4\"}" },
	{ GPU_VENDOR_AMD, 1, "{\"MAD_MULTI_NODE_RUNNER\": \"\"}", NULL, "/opt/other",
	  "{\"MAD_MULTI_NODE_RUNNER\":\"\"," AMD
	  "\"MAD_GUEST_OS\":\"UBUNTU\",\"ROCM_PATH\":\"/opt/other\",\"MAD_RUNTIME_NGPUS\":\"1\"}" },
	{ GPU_VENDOR_NONE, 0, NULL, NULL, NULL,
	  "{\"MAD_SYSTEM_NGPUS\":\"0\",\"MAD_GUEST_OS\":\"UBUNTU\",\"MAD_RUNTIME_NGPUS\":\"0\","
	  "\"MAD_MULTI_NODE_RUNNER\":\"torchrun --standalone --nproc_per_node=1\"}" },
	{ GPU_VENDOR_NONE, 0, "{}", "vllm", NULL,
	  "{\"MAD_SYSTEM_NGPUS\":\"0\",\"MAD_GUEST_OS\":\"UBUNTU\",\"MAD_RUNTIME_NGPUS\":\"0\","
	  "\"MAD_MULTI_NODE_RUNNER\":\"\"}" },
};

Test(container_env, order_and_precedence)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		AUTO_JSON struct json_object *given =
			table[i].given == NULL ? NULL : parse(table[i].given);
		AUTO_JSON struct json_object *got = NULL;
		AUTO_VARIABLES struct variables vars = VARIABLES_INIT;
		struct gpus gpus = { .vendor = table[i].vendor, .n = 4 };
		struct gpu_list chosen = { .v = { 0, 1, 2, 3 }, .n = table[i].chosen };
		struct container_env env = { .given = given,
					     .gpus = &gpus,
					     .architecture = "gfx942",
					     .product = "MI",
					     .runtime = "6.4",
					     .rocm_path = table[i].rocm_path,
					     .chosen = &chosen,
					     .launcher = table[i].launcher };

		cr_assert(container_env_make(&env, &vars, NULL) == 0);
		got = variables_object(&vars, false);
		cr_assert_str_eq(json_compact(got), table[i].want, "%zu: %s", i, json_compact(got));
	}
}

Test(container_env, the_hosts_come_behind_what_is_given)
{
	AUTO_JSON struct json_object *given = parse("{\"A\": \"1\", \"NCCL_DEBUG\": \"WARN\"}");
	AUTO_JSON struct json_object *got = NULL;
	AUTO_VARIABLES struct variables vars = VARIABLES_INIT;
	struct gpus gpus = { .vendor = GPU_VENDOR_NVIDIA, .n = 1 };
	struct gpu_list chosen = { .n = 1 };
	struct container_env env = { .given = given,
				     .environ_v = (char *const *)host,
				     .guest_os = "CENTOS",
				     .gpus = &gpus,
				     .chosen = &chosen };

	cr_assert(container_env_make(&env, &vars, NULL) == 0);
	got = variables_object(&vars, true);
	cr_assert_str_eq(json_compact(got),
			 "{\"A\":\"1\",\"NCCL_DEBUG\":\"WARN\",\"MAD_SECRETS_A\":\"" VARIABLES_MASK
			 "\",\"MAD_GPU_VENDOR\":\"NVIDIA\",\"MAD_SYSTEM_NGPUS\":\"1\","
			 "\"MAD_GUEST_OS\":\"CENTOS\"," TORCHRUN("1"));
}

Test(container_env, a_wrong_name_is_refused)
{
	AUTO_JSON struct json_object *given = parse("{\"A B\": \"1\"}");
	AUTO_VARIABLES struct variables vars = VARIABLES_INIT;
	struct gpus gpus = { .vendor = GPU_VENDOR_NONE };
	struct gpu_list chosen = { .n = 0 };
	struct container_env env = { .given = given, .gpus = &gpus, .chosen = &chosen };
	struct error err = ERROR_INIT;

	cr_assert_eq(container_env_make(&env, &vars, &err), -EINVAL);
	cr_assert(strstr(err.msg, "docker_env_vars: \"A B\"") != NULL, "%s", err.msg);
}
