/* SPDX-License-Identifier: MIT */
/* The options of `bmvm run` that are for runs of MAD models, under madengine's names. */
#ifndef BMVM_CLI_MAD_OPTIONS_H
#define BMVM_CLI_MAD_OPTIONS_H

#include <stddef.h>

#include "cli/options.h"
#include "workload/mad_options.h"

#define MAD_TEXT_ROW(at, option, short_name, member, name_of_value, text)                          \
	{                                                                                          \
		.name = (option), .letter = (short_name), .kind = OPTION_TEXT,                     \
		.offset = (at) + offsetof(struct mad_options, member), .value = (name_of_value),   \
		.help = (text)                                                                     \
	}
#define MAD_FLAG_ROW(at, option, short_name, member, text)                                         \
	{                                                                                          \
		.name = (option), .letter = (short_name), .kind = OPTION_FLAG,                     \
		.offset = (at) + offsetof(struct mad_options, member), .help = (text)              \
	}

/* Rows for the table of `run`; @at: offset of its struct mad_options. */
#define MAD_OPTION_ROWS(at)                                                                        \
	{ .name = "tags",                                                                          \
	  .letter = 't',                                                                           \
	  .kind = OPTION_LIST,                                                                     \
	  .offset = (at) + offsetof(struct mad_options, tags),                                     \
	  .value = "TAG,...",                                                                      \
	  .help = "run the models with these tags instead of a command; may be repeated" },        \
		MAD_TEXT_ROW(at, "manifest-file", 'm', manifest, "FILE",                           \
			     "run the images of this manifest instead of a command"),              \
		MAD_FLAG_ROW(at, "live-output", 'l', live_output,                                  \
			     "show the model's output; a command's always is"),                    \
		MAD_TEXT_ROW(at, "output", 'o', output, "FILE", "performance file (perf.csv)"),    \
		MAD_TEXT_ROW(at, "summary-output", 's', summary, "FILE", "summary, JSON"),         \
		MAD_TEXT_ROW(at, "registry", 'r', registry, "URL", "registry of the images"),      \
		MAD_FLAG_ROW(at, "keep-alive", 0, keep_alive,                                      \
			     "keep the containers; needs a VM that is kept: --preserve"),          \
		MAD_FLAG_ROW(at, "keep-model-dir", 0, keep_model_dir,                              \
			     "keep the model's folder and bring it out"),                          \
		MAD_FLAG_ROW(at, "skip-model-run", 0, skip_model_run,                              \
			     "do everything but run the model"),                                   \
		MAD_FLAG_ROW(at, "clean-docker-cache", 0, clean_docker_cache,                      \
			     "build without cache"),                                               \
		MAD_TEXT_ROW(at, "manifest-output", 0, manifest_output, "FILE",                    \
			     "manifest of what was built (build_manifest.json)"),                  \
		MAD_TEXT_ROW(at, "data-config", 0, data_config, "FILE",                            \
			     "data sources (data.json)"),                                          \
		MAD_TEXT_ROW(at, "tools-config", 0, tools_config, "FILE",                          \
			     "tools (scripts/common/tools.json)"),                                 \
		MAD_TEXT_ROW(at, "force-mirror-local", 0, mirror, "FOLDER", "mirror data there"),  \
		MAD_FLAG_ROW(at, "disable-skip-gpu-arch", 0, disable_skip_gpu_arch,                \
			     "run also models that skip this GPU"),                                \
		MAD_FLAG_ROW(at, "cleanup-perf", 0, cleanup_perf,                                  \
			     "remove perf_entry.* and perf_entry_super.* at the end"),             \
		MAD_FLAG_ROW(at, "sys-env-details", 0, sys_env_details,                            \
			     "does nothing: see the key gen_sys_env_details"),                     \
		MAD_FLAG_ROW(at, "ignore-deprecated", 0, ignore_deprecated,                        \
			     "does nothing: deprecated models are run anyway")

/** mad_options_given() - The names of those that were given, for a run that has no use for them. */
void mad_options_given(const struct mad_options *o, struct strv *ret);

#endif
