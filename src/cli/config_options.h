/* SPDX-License-Identifier: MIT */
/*
 * Options that several commands share because they make the configuration: -c, -f, and those that
 * set one key each. They are collected while parsing and applied afterwards, so that their order
 * on the command line does not matter.
 */
#ifndef BMVM_CLI_CONFIG_OPTIONS_H
#define BMVM_CLI_CONFIG_OPTIONS_H

#include <stddef.h>

#include "cli/options.h"
#include "config/config.h"

#define CONFIG_OVERRIDES_MAX 256

/** struct config_override - One option that sets a key; all borrowed */
struct config_override {
	const char *key;
	const char *value;
	const char *option;
};

/**
 * struct config_options - What was given; zero-initialised, nothing to free
 * @file: -f, or NULL
 * @text: -c, or NULL
 */
struct config_options {
	const char *file;
	const char *text;
	struct config_override overrides[CONFIG_OVERRIDES_MAX];
	size_t n_overrides;
};

/** config_option_set() - option_apply_fn: set the row's key to the value. */
int config_option_set(void *at, const struct cli_option *option, const char *value,
		      struct error *err);

/** config_option_gpus() - option_apply_fn of --gpus: a count, or addresses with commas. */
int config_option_gpus(void *at, const struct cli_option *option, const char *value,
		       struct error *err);

/** config_option_preserve() - option_apply_fn of --preserve[=on-failure]. */
int config_option_preserve(void *at, const struct cli_option *option, const char *value,
			   struct error *err);

/* Rows for a command's table; @at: offset of its struct config_options. */
#define CONFIG_OPTION_ROWS(at)                                                                     \
	{ .name = "additional-context-file",                                                       \
	  .letter = 'f',                                                                           \
	  .kind = OPTION_TEXT,                                                                     \
	  .offset = (at) + offsetof(struct config_options, file),                                  \
	  .value = "FILE",                                                                         \
	  .help = "configuration, JSON" },                                                         \
		{ .name = "additional-context",                                                    \
		  .letter = 'c',                                                                   \
		  .kind = OPTION_TEXT,                                                             \
		  .offset = (at) + offsetof(struct config_options, text),                          \
		  .value = "TEXT",                                                                 \
		  .help = "configuration, JSON or a Python literal; its top-level keys replace "   \
			  "those of "                                                              \
			  "FILE" },                                                                \
		{ .name = "hypervisor",                                                            \
		  .kind = OPTION_CALL,                                                             \
		  .offset = (at),                                                                  \
		  .apply = config_option_set,                                                      \
		  .value = "NAME",                                                                 \
		  .key = "hypervisor",                                                             \
		  .help = "kvm, tcg or auto" },                                                    \
		{ .name = "image",                                                                 \
		  .kind = OPTION_CALL,                                                             \
		  .offset = (at),                                                                  \
		  .apply = config_option_set,                                                      \
		  .value = "IMAGE",                                                                \
		  .key = "base_image",                                                             \
		  .help = "base image: a name or a path" },                                        \
		{ .name = "vcpus",                                                                 \
		  .kind = OPTION_CALL,                                                             \
		  .offset = (at),                                                                  \
		  .apply = config_option_set,                                                      \
		  .value = "N",                                                                    \
		  .key = "vcpus",                                                                  \
		  .help = "virtual CPUs" },                                                        \
		{ .name = "memory",                                                                \
		  .kind = OPTION_CALL,                                                             \
		  .offset = (at),                                                                  \
		  .apply = config_option_set,                                                      \
		  .value = "SIZE",                                                                 \
		  .key = "memory",                                                                 \
		  .help = "guest memory" },                                                        \
		{ .name = "gpus",                                                                  \
		  .kind = OPTION_CALL,                                                             \
		  .offset = (at),                                                                  \
		  .apply = config_option_gpus,                                                     \
		  .value = "N|ADDR,...",                                                           \
		  .help = "how many GPUs, or which; needs a GPU mode" },                           \
	{                                                                                          \
		.name = "gpu-mode", .kind = OPTION_CALL, .offset = (at),                           \
		.apply = config_option_set, .value = "MODE", .key = "gpu_passthrough.mode",        \
		.help = "sriov, vfio, vgpu or none"                                                \
	}

/**
 * config_options_load() - Read the file, parse both texts, apply the options, check the rules
 * @cfg: initialised with config_init()
 *
 * Return: 0; -EINVAL, or the errno of reading the file, with everything said in @err.
 */
int config_options_load(const struct config_options *o, struct config *cfg, struct error *err);

#endif
