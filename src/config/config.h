/* SPDX-License-Identifier: MIT */
/*
 * The configuration of one run: the `baremetal_vm` object of madengine's context and the top-level
 * keys beside it, parsed, validated, with defaults filled in.
 *
 * One const field table (config/fields.c) drives parsing, defaults, unknown-key suggestions, the
 * help text and the README's key table. Values given explicitly are never changed; whoever adapts a
 * default to the host asks config_explicit() first.
 */
#ifndef BMVM_CONFIG_CONFIG_H
#define BMVM_CONFIG_CONFIG_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/strv.h"

struct error;

enum hypervisor {
	HYPERVISOR_KVM,
	HYPERVISOR_TCG,
	HYPERVISOR_AUTO,
};

enum firmware {
	FIRMWARE_BIOS,
	FIRMWARE_UEFI,  /* OVMF as found on the host */
	FIRMWARE_PATHS, /* firmware_code and firmware_vars */
};

enum network_mode {
	NETWORK_USER,
	NETWORK_BRIDGE,
	NETWORK_TAP,
};

enum gpu_mode {
	GPU_MODE_ABSENT, /* no gpu_passthrough key */
	GPU_MODE_NONE,
	GPU_MODE_SRIOV,
	GPU_MODE_VFIO,
	GPU_MODE_VGPU,
};

enum cleanup_mode {
	CLEANUP_DESTROY,
	CLEANUP_PRESERVE,
	CLEANUP_PRESERVE_ON_FAILURE,
};

enum cpu_pinning {
	CPU_PINNING_NONE,
	CPU_PINNING_AUTO,
	CPU_PINNING_LIST, /* pin_cpus: one host CPU per vCPU */
};

enum docker_install {
	DOCKER_AUTO,
	DOCKER_NEVER,
	DOCKER_SCRIPT,
};

#define NUMA_NODE_NONE (-1)
#define NUMA_NODE_AUTO (-2)

/**
 * struct config_mount - A host folder in the guest; strings owned
 * @unmade: of a dry run: it is not there, a real run would have made it
 */
struct config_mount {
	char *host;
	char *guest;
	bool readonly;
	bool unmade;
};

/** struct config_device - Another PCI function to pass; strings owned; as in "gpu" below */
struct config_device {
	char *address;
	enum gpu_mode mode; /* never GPU_MODE_NONE */
	unsigned int num_vfs;
	unsigned int create_vfs;
	char *vgpu_type;
	bool force;
};

/**
 * struct config - All of it; sizes in bytes, times in seconds, strings owned (NULL: not given)
 *
 * @explicit_keys: dotted paths within baremetal_vm ("memory", "timeouts.boot") that were given.
 * @context:       the whole merged context (owned), with keys nobody here knows kept.
 */
struct config {
	bool enabled;
	bool iommufd;
	enum hypervisor hypervisor;
	char *base_image;
	unsigned int vcpus;
	uint64_t memory;
	uint64_t disk_size;
	char *ssh_user;
	char *ssh_key;
	enum firmware firmware;
	char *firmware_code, *firmware_vars;
	char *kernel, *initrd, *append;
	enum cpu_pinning cpu_pinning;
	unsigned int *pin_cpus;
	size_t n_pin_cpus;
	uint64_t hugepages; /* page size in bytes, 0: none */
	int numa_node;
	struct {
		enum network_mode mode;
		bool isolated;
		char *bridge; /* mode bridge: its name */
		char *tap;    /* mode tap: an existing interface, or NULL */
	} network;
	struct {
		enum gpu_mode mode;
		char *gpu_vendor;
		char *gpu_architecture;
		struct strv gpu_ids;
		unsigned int gpu_count; /* 0: not given */
		unsigned int num_vfs;
		unsigned int create_vfs; /* 0: num_vfs */
		char *vgpu_type;
		bool force;
	} gpu;
	struct config_device *devices;
	size_t n_devices;
	struct config_mount *mounts;
	size_t n_mounts;
	struct {
		enum docker_install install;
		char *script;
		char *proxy;
		char *mirror;
		struct strv load;
		bool pull;
	} docker;
	struct {
		unsigned int boot, ssh, docker, shutdown, unresponsive;
	} timeouts;
	struct {
		unsigned int tries;
		double delay, factor, max_delay;
	} retry;
	struct {
		enum cleanup_mode mode;
		bool verify_clean;
		unsigned int timeout;
	} cleanup;
	struct {
		struct strv collect; /* globs, relative to the workdir in the guest */
		char *to;            /* destination folder on the host, NULL: current folder */
		uint64_t max_size;
	} results;
	char *qemu_binary;
	struct strv qemu_args;
	/* madengine's own keys beside baremetal_vm */
	char *gpu_vendor;
	char *guest_os;
	struct strv explicit_keys;
	struct json_object *context;
};

/**
 * struct config_source - Where a context text came from
 * @name: for messages: a file's name, or "--additional-context"
 * @text: the text, borrowed; @len bytes
 * @allow_python: accept madengine's Python-literal form too (only -c does)
 */
struct config_source {
	const char *name;
	const char *text;
	size_t len;
	bool allow_python;
};

/** config_init() - Fill in the defaults. Never fails but for memory (then assert). */
void config_init(struct config *cfg);

/** config_done() - Free everything; accepts a zeroed struct. */
void config_done(struct config *cfg);

/**
 * config_parse() - Read the sources in order into an initialised configuration
 * @file: the -f file's text, or NULL
 * @text: the -c text, or NULL (an empty one is an error, as an empty file is); its top-level keys
 * replace whole keys of @file, with a warning (log_warning) when that drops keys of a baremetal_vm
 *
 * Strict inside baremetal_vm: unknown key (with the nearest known one), wrong type, out of range,
 * duplicate key. Nothing outside memory is touched, no path is opened.
 * Return: 0; -EINVAL with source, place (line:column), JSON path and rule in @err.
 */
int config_parse(struct config *cfg, const struct config_source *file,
		 const struct config_source *text, struct error *err);

/**
 * config_set() - Set one key as an option of the command line does
 * @path:   dotted path within baremetal_vm, "memory"
 * @value:  text as typed; numbers, sizes and booleans are parsed by the field's type; a list gets
 *          it as one more element
 * @option: name of the option for messages, "--memory"
 *
 * Return: 0; -EINVAL naming @option and the rule; -ENOENT no such key (a bug).
 */
int config_set(struct config *cfg, const char *path, const char *value, const char *option,
	       struct error *err);

/**
 * config_finish() - Rules between keys, once more, after the last config_set()
 *
 * Also fills in what follows from other keys: vcpus from a pinning list, the GPU vendor from the
 * top-level one. Return: 0; -EINVAL with key and rule in @err; -ENOMEM.
 */
int config_finish(struct config *cfg, struct error *err);

/** config_explicit() - Whether a key (dotted path within baremetal_vm) was given. */
bool config_explicit(const struct config *cfg, const char *path);

/**
 * config_default_text() - A key's default as the documentation shows it
 * @path: dotted path within baremetal_vm
 *
 * Return: static JSON text such as "32" or "\"128G\""; NULL for an unknown key and for one whose
 * default is "not given".
 */
const char *config_default_text(const char *path);

/** config_describe() - Write the table of all keys for people (help) to @out. */
void config_describe(FILE *out);

/** config_describe_markdown() - The same as the Markdown table of the README. */
void config_describe_markdown(FILE *out);

#define AUTO_CONFIG CLEANUP(config_done)

#endif
