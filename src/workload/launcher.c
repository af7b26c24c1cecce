/* SPDX-License-Identifier: MIT */
#include "workload/launcher.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

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
