/* SPDX-License-Identifier: MIT */
/* What `bmvm run --tags` was asked for beside the configuration: madengine's options. */
#ifndef BMVM_WORKLOAD_MAD_OPTIONS_H
#define BMVM_WORKLOAD_MAD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/strv.h"

/**
 * struct mad_options - One run of models; texts borrowed from the command line, NULL: not given
 * @tags:     of --tags, as typed; see workload/tag.h
 * @manifest: --manifest-file: run what it lists, build nothing
 * @manifest_output, @output, @summary: files that are written
 * @context:  --additional-context-file, already read: it is only not to be replaced
 * @registry: where images of a manifest are pulled from
 * @data_config, @tools_config: instead of data.json and scripts/common/tools.json
 * @mirror:   --force-mirror-local
 * @timeout:  seconds; -1: the default, 0: no limit
 */
struct mad_options {
	struct strv tags;
	const char *manifest;
	const char *manifest_output;
	const char *output;
	const char *summary;
	const char *context;
	const char *registry;
	const char *data_config;
	const char *tools_config;
	const char *mirror;
	int64_t timeout;
	bool live_output;
	bool keep_alive;
	bool keep_model_dir;
	bool skip_model_run;
	bool clean_docker_cache;
	bool disable_skip_gpu_arch;
	bool cleanup_perf;
	bool sys_env_details;
	bool ignore_deprecated;
};

#define MAD_OPTIONS_INIT                                                                           \
	{                                                                                          \
		.timeout = -1                                                                      \
	}

#endif
