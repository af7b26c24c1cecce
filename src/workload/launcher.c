/* SPDX-License-Identifier: MIT */
#include "workload/launcher.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "workload/model.h"

static const char *of_context(struct json_object *context)
{
	struct json_object *distributed = NULL;
	const char *launcher;

	if (context == NULL || json_get_object(context, "distributed", &distributed, NULL) < 0)
		return NULL;
	launcher = json_str_or(distributed, "launcher", NULL);
	return launcher == NULL || launcher[0] == '\0' ? NULL : launcher;
}

const char *launcher_name(struct json_object *context, const struct model *model,
			  const char *from_environ)
{
	const char *name = of_context(context);

	if (name == NULL)
		name = model_launcher(model);
	if (name == NULL && from_environ != NULL && from_environ[0] != '\0')
		name = from_environ;
	return name;
}

char *launcher_runner(const char *launcher, size_t n_gpus)
{
	static const char *const themselves[] = { "vllm", "sglang", "sglang-disagg", "primus" };
	size_t n = n_gpus == 0 ? 1 : n_gpus;
	char *runner = NULL;
	int r;

	for (size_t i = 0; launcher != NULL && i < ARRAY_SIZE(themselves); i++) {
		if (strcmp(launcher, themselves[i]) == 0)
			return strdup("");
	}
	if (launcher != NULL && strcmp(launcher, "deepspeed") == 0)
		r = asprintf(&runner, "deepspeed --num_gpus=%zu", n);
	else
		r = asprintf(&runner, "torchrun --standalone --nproc_per_node=%zu", n);
	return r < 0 ? NULL : runner;
}
