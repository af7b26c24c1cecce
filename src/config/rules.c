/* SPDX-License-Identifier: MIT */
/*
 * Rules between keys, and what is not built yet. Each rule looks at a configuration whose single
 * values are in order.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/size.h"
#include "config/fields.h"

static int rule_enabled(const struct config *cfg, const char **ret_path, struct error *err)
{
	*ret_path = "enabled";
	if (!cfg->enabled)
		return error_set(err, EINVAL, "must be true: this program only runs VMs");
	return 0;
}

static int rule_sizes(const struct config *cfg, const char **ret_path, struct error *err)
{
	char page[SIZE_TEXT_SIZE];

	*ret_path = "memory";
	if (cfg->memory % SIZE_MIB != 0)
		return error_set(err, EINVAL,
				 "must be whole MiB, %" PRIu64 " bytes are not: write \"%" PRIu64
				 "M\"",
				 cfg->memory, cfg->memory / SIZE_MIB);
	if (cfg->hugepages != 0 && cfg->memory % cfg->hugepages != 0)
		return error_set(err, EINVAL, "must be a multiple of the huge page size %s",
				 size_format(cfg->hugepages, page));
	*ret_path = "disk_size";
	if (cfg->disk_size % 512 != 0)
		return error_set(err, EINVAL, "must be a multiple of 512 bytes, %" PRIu64 " is not",
				 cfg->disk_size);
	return 0;
}

static int rule_boot(const struct config *cfg, const char **ret_path, struct error *err)
{
	*ret_path = "initrd";
	if (cfg->initrd != NULL && cfg->kernel == NULL)
		return error_set(err, EINVAL, "needs a kernel");
	*ret_path = "append";
	if (cfg->append != NULL && cfg->kernel == NULL)
		return error_set(err, EINVAL, "needs a kernel");
	return 0;
}

static int rule_pinning(const struct config *cfg, const char **ret_path, struct error *err)
{
	*ret_path = "cpu_pinning";
	if (cfg->cpu_pinning == CPU_PINNING_LIST && cfg->n_pin_cpus != cfg->vcpus)
		return error_set(err, EINVAL, "lists %zu host CPUs for %u virtual CPUs",
				 cfg->n_pin_cpus, cfg->vcpus);
	return 0;
}

static int rule_network(const struct config *cfg, const char **ret_path, struct error *err)
{
	*ret_path = "network.isolated";
	if (cfg->network.isolated && cfg->network.mode != NETWORK_USER)
		return error_set(err, EINVAL, "contradicts mode bridge and tap");
	*ret_path = "network.bridge";
	if (cfg->network.bridge == NULL && cfg->network.mode == NETWORK_BRIDGE)
		return error_set(err, EINVAL, "is required by mode bridge");
	if (cfg->network.bridge != NULL && cfg->network.mode != NETWORK_BRIDGE)
		return error_set(err, EINVAL, "is for mode bridge only");
	*ret_path = "network.tap";
	if (cfg->network.tap != NULL && cfg->network.mode != NETWORK_TAP)
		return error_set(err, EINVAL, "is for mode tap only");
	return 0;
}

static bool has_virtual_functions(const struct config *cfg)
{
	return cfg->gpu.mode == GPU_MODE_SRIOV || cfg->gpu.mode == GPU_MODE_VGPU;
}

static int rule_gpu_functions(const struct config *cfg, const char **ret_path, struct error *err)
{
	*ret_path = "gpu_passthrough.num_vfs";
	if (config_explicit(cfg, *ret_path) && !has_virtual_functions(cfg))
		return error_set(err, EINVAL, "is for mode sriov and vgpu only");
	*ret_path = "gpu_passthrough.create_vfs";
	if (cfg->gpu.create_vfs != 0 && !has_virtual_functions(cfg))
		return error_set(err, EINVAL, "is for mode sriov and vgpu only");
	if (cfg->gpu.create_vfs != 0 && cfg->gpu.create_vfs < cfg->gpu.num_vfs)
		return error_set(err, EINVAL, "must be at least num_vfs (%u), not %u",
				 cfg->gpu.num_vfs, cfg->gpu.create_vfs);
	*ret_path = "gpu_passthrough.vgpu_type";
	if (cfg->gpu.vgpu_type != NULL && cfg->gpu.mode != GPU_MODE_VGPU)
		return error_set(err, EINVAL, "is for mode vgpu only");
	return 0;
}

static int rule_gpu(const struct config *cfg, const char **ret_path, struct error *err)
{
	bool chosen = cfg->gpu.gpu_ids.n > 0 || cfg->gpu.gpu_count > 0;

	*ret_path = "gpu_passthrough.mode";
	if (cfg->gpu.mode == GPU_MODE_ABSENT && chosen)
		return error_set(err, EINVAL, "is required with GPUs: sriov, vfio or vgpu");
	*ret_path =
		cfg->gpu.gpu_ids.n > 0 ? "gpu_passthrough.gpu_ids" : "gpu_passthrough.gpu_count";
	if (cfg->gpu.mode == GPU_MODE_NONE && chosen)
		return error_set(err, EINVAL, "contradicts mode none");
	*ret_path = "gpu_passthrough.gpu_count";
	if (cfg->gpu.gpu_ids.n > 0 && cfg->gpu.gpu_count > 0 &&
	    cfg->gpu.gpu_ids.n != cfg->gpu.gpu_count)
		return error_set(err, EINVAL, "is %u, but gpu_ids lists %zu", cfg->gpu.gpu_count,
				 cfg->gpu.gpu_ids.n);
	return rule_gpu_functions(cfg, ret_path, err);
}

/* Keys that the mode of a device has no use for. */
static int rule_device_mode(const struct config_device *d, size_t i, struct error *err)
{
	if (d->mode == GPU_MODE_VFIO && (d->num_vfs > 1 || d->create_vfs != 0))
		return error_set(err, EINVAL, "[%zu]: %s is for mode sriov and vgpu only", i,
				 d->num_vfs > 1 ? "num_vfs" : "create_vfs");
	if (d->create_vfs != 0 && d->create_vfs < d->num_vfs)
		return error_set(err, EINVAL,
				 "[%zu]: create_vfs must be at least num_vfs (%u), not %u", i,
				 d->num_vfs, d->create_vfs);
	if (d->vgpu_type != NULL && d->mode != GPU_MODE_VGPU)
		return error_set(err, EINVAL, "[%zu]: vgpu_type is for mode vgpu only", i);
	return 0;
}

static int rule_gpu_ids(const struct config *cfg, const char **ret_path, struct error *err)
{
	*ret_path = "gpu_passthrough.gpu_ids";
	for (size_t i = 0; i < cfg->gpu.gpu_ids.n; i++) {
		if (cfg->gpu.mode != GPU_MODE_VGPU && syntax_is_parent_name(cfg->gpu.gpu_ids.v[i]))
			return error_set(err, EINVAL,
					 "must be PCI addresses such as \"0000:01:00.0\": a name "
					 "(\"%s\") is for mode vgpu only",
					 cfg->gpu.gpu_ids.v[i]);
	}
	return 0;
}

static int rule_devices(const struct config *cfg, const char **ret_path, struct error *err)
{
	*ret_path = "devices";
	for (size_t i = 0; i < cfg->n_devices; i++) {
		const char *address = cfg->devices[i].address;

		if (strv_contains(&cfg->gpu.gpu_ids, address))
			return error_set(err, EINVAL, "%s is in gpu_passthrough.gpu_ids too",
					 address);
		for (size_t k = 0; k < i; k++) {
			if (strcmp(address, cfg->devices[k].address) == 0)
				return error_set(err, EINVAL, "%s is there twice", address);
		}
		if (rule_device_mode(&cfg->devices[i], i, err) < 0)
			return -EINVAL;
	}
	return 0;
}

static int rule_mounts(const struct config *cfg, const char **ret_path, struct error *err)
{
	*ret_path = "mounts";
	for (size_t i = 0; i < cfg->n_mounts; i++) {
		for (size_t k = 0; k < i; k++) {
			if (strcmp(cfg->mounts[i].guest, cfg->mounts[k].guest) == 0)
				return error_set(err, EINVAL, "guest folder %.200s is there twice",
						 cfg->mounts[i].guest);
		}
	}
	return 0;
}

static int rule_docker(const struct config *cfg, const char **ret_path, struct error *err)
{
	*ret_path = "docker.script";
	if (cfg->docker.install == DOCKER_SCRIPT && cfg->docker.script == NULL)
		return error_set(err, EINVAL, "is required by install \"script\"");
	if (cfg->docker.install == DOCKER_NEVER && cfg->docker.script != NULL)
		return error_set(err, EINVAL, "contradicts install \"never\"");
	return 0;
}

static int rule_retry(const struct config *cfg, const char **ret_path, struct error *err)
{
	*ret_path = "retry.max_delay";
	if (cfg->retry.max_delay < cfg->retry.delay)
		return error_set(err, EINVAL, "must be at least delay (%g), not %g",
				 cfg->retry.delay, cfg->retry.max_delay);
	return 0;
}

typedef int (*rule_fn)(const struct config *cfg, const char **ret_path, struct error *err);

static const rule_fn rules[] = {
	rule_enabled, rule_sizes,   rule_boot,   rule_pinning, rule_network, rule_gpu,
	rule_gpu_ids, rule_devices, rule_mounts, rule_docker,  rule_retry,
};

int rules_check(const struct config *cfg, const char **ret_path, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		int r = rules[i](cfg, ret_path, err);

		if (r < 0)
			return r;
	}
	*ret_path = NULL;
	return 0;
}
