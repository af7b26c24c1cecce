/* SPDX-License-Identifier: MIT */
#include "cli/mad_options.h"

#include "base/cleanup.h"

void mad_options_given(const struct mad_options *o, struct strv *ret)
{
	const struct {
		const char *name;
		bool given;
	} all[] = {
		{ "live-output", o->live_output },
		{ "output", o->output != NULL },
		{ "summary-output", o->summary != NULL },
		{ "registry", o->registry != NULL },
		{ "keep-alive", o->keep_alive },
		{ "keep-model-dir", o->keep_model_dir },
		{ "skip-model-run", o->skip_model_run },
		{ "clean-docker-cache", o->clean_docker_cache },
		{ "manifest-output", o->manifest_output != NULL },
		{ "data-config", o->data_config != NULL },
		{ "tools-config", o->tools_config != NULL },
		{ "force-mirror-local", o->mirror != NULL },
		{ "disable-skip-gpu-arch", o->disable_skip_gpu_arch },
		{ "cleanup-perf", o->cleanup_perf },
		{ "sys-env-details", o->sys_env_details },
		{ "ignore-deprecated", o->ignore_deprecated },
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		if (all[i].given)
			strv_add(ret, all[i].name);
	}
}
