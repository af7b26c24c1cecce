/* SPDX-License-Identifier: MIT */
#include "run/dry_run.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "host/tap.h"
#include "run/device_plan.h"
#include "run/machine_plan.h"
#include "run/pipeline.h"
#include "vm/args.h"

#define TEXT_SIZE 512
#define TAG_SIZE  32

/*
 * The plan with stand-ins for what only exists in a real run: descriptors are numbers from 3 on, as
 * QEMU would inherit them.
 */
static void stand_ins(const struct run *r, const struct device_plan *devices,
		      char tags[VM_MOUNTS_MAX][TAG_SIZE], struct machine_plan *mp)
{
	const struct config *cfg = &r->o->cfg;
	struct vm_plan *plan = &mp->plan;
	int fd = 3;

	plan->name = r->o->name != NULL ? r->o->name : "vm-NAME";
	plan->qmp_fd = fd++;
	plan->serial_fd = fd++;
	plan->disk.fd = fd++;
	for (; plan->n_backing < r->image.n_chain; plan->n_backing++)
		plan->backing[plan->n_backing] = (struct vm_node){
			.fd = fd++,
			.format = machine_plan_format(&r->image.chain[plan->n_backing]),
		};
	if (cfg->firmware != FIRMWARE_BIOS) {
		plan->firmware_code_fd = fd++;
		plan->firmware_vars_fd = fd++;
	}
	if (machine_boots_kernel(&r->spec)) {
		plan->kernel = r->image.kernel.path;
		plan->initrd = r->image.initrd.path;
		plan->append = mp->append;
	}
	if (r->image.seed != IMAGE_SEED_NONE) {
		plan->seed = r->caps.vvfat ? VM_SEED_VVFAT : VM_SEED_ISO;
		plan->seed_dir = JAIL_SEED;
		plan->seed_fd = r->caps.vvfat ? -1 : fd++;
	}
	if (cfg->network.mode != NETWORK_USER)
		plan->lan_fd = fd;
	for (; plan->n_mounts < cfg->n_mounts && plan->n_mounts < VM_MOUNTS_MAX; plan->n_mounts++) {
		size_t i = plan->n_mounts;

		(void)snprintf(tags[i], TAG_SIZE, "share%zu", i);
		plan->mounts[i] = (struct vm_mount){
			.kind = VM_MOUNT_9P,
			.tag = tags[i],
			.fd = -1,
			.path = cfg->mounts[i].host,
			.readonly = cfg->mounts[i].readonly,
		};
	}
	memcpy(plan->devices, devices->devices, sizeof(plan->devices));
	plan->n_devices = devices->n_devices;
	plan->iommufd = cfg->iommufd;
	plan->mmio64 = devices->mmio64;
	plan->phys_bits = r->facts.phys_bits;
}

static int arguments(struct run *r, const struct device_plan *devices, struct strv *ret,
		     struct error *err)
{
	struct machine_plan mp = MACHINE_PLAN_INIT;
	char tags[VM_MOUNTS_MAX][TAG_SIZE];
	int e;

	r->spec.cfg = &r->o->cfg;
	r->spec.image = &r->image;
	r->spec.uuid = r->uuid;
	r->spec.accel = r->accel.accel;
	r->spec.numa_node = r->numa_node;
	machine_plan_basics(&r->spec, &mp);
	e = machine_boots_kernel(&r->spec) ? machine_plan_append(&r->image, &mp, err) : 0;
	if (e == 0) {
		stand_ins(r, devices, tags, &mp);
		e = vm_args_build(&mp.plan, &r->caps, ret, err);
	}
	machine_plan_done(&mp);
	return e;
}

/* The CPUs that the vCPUs may run on, all together. */
static const char *vcpu_text(const struct run *r, char ret[TEXT_SIZE])
{
	const struct config *cfg = &r->o->cfg;
	struct cpu_mask cpus = { { 0 } };

	if (cfg->cpu_pinning == CPU_PINNING_NONE)
		cpus = r->node_cpus;
	for (size_t i = 0; cfg->cpu_pinning != CPU_PINNING_NONE && i < cfg->n_pin_cpus; i++)
		cpu_mask_add(&cpus, cfg->pin_cpus[i]);
	return cpu_mask_text(&cpus, ret, TEXT_SIZE);
}

static const char *network_text(const struct run *r, char ret[TEXT_SIZE])
{
	const struct config *cfg = &r->o->cfg;
	char name[LINK_NAME_SIZE] = "bmvm-NAME";

	if (r->o->name != NULL)
		tap_name(r->o->name, name);
	if (cfg->network.tap != NULL)
		(void)snprintf(ret, TEXT_SIZE, "use tap interface %s", cfg->network.tap);
	else
		(void)snprintf(ret, TEXT_SIZE, "make tap interface %s%s%s", name,
			       cfg->network.bridge != NULL ? " on bridge " : "",
			       cfg->network.bridge != NULL ? cfg->network.bridge : "");
	return ret;
}

static void print_models(struct json_object *models)
{
	size_t n = models == NULL ? 0 : json_object_array_length(models);

	for (size_t i = 0; i < n; i++) {
		struct json_object *o = json_object_array_get_idx(models, i);
		const char *dockerfile = json_str_or(o, "dockerfile", NULL);
		const char *failed = json_str_or(o, "failed", NULL);

		if (failed != NULL) {
			(void)printf("cannot run  model %s: %s\n", json_str_or(o, "model", "?"),
				     failed);
			continue;
		}
		if (dockerfile != NULL)
			(void)printf("would build %s of %s\n", json_str_or(o, "image", "?"),
				     dockerfile);
		(void)printf("would run   model %s in %s\n", json_str_or(o, "model", "?"),
			     json_str_or(o, "image", "?"));
	}
}

static void print_text(const struct run *r, const struct device_plan *devices,
		       const struct strv *argv, struct json_object *models)
{
	char cpus[TEXT_SIZE], text[TEXT_SIZE];

	(void)printf("image       %s\n", r->image.chain[0].path);
	(void)printf("hypervisor  %s (%s)\n", r->accel.accel == VM_ACCEL_KVM ? "kvm" : "tcg",
		     r->accel.reason);
	(void)printf("vcpus       %u\nmemory      %llu bytes\ndisk        %llu bytes\n",
		     r->o->cfg.vcpus, (unsigned long long)r->o->cfg.memory,
		     (unsigned long long)r->spec.disk_size);
	if (r->numa_node >= 0)
		(void)printf("numa node   %d, CPUs %s\n", r->numa_node, vcpu_text(r, cpus));
	device_plan_print(stdout, devices);
	if (r->o->cfg.network.mode != NETWORK_USER)
		(void)printf("would %s\n", network_text(r, text));
	(void)printf("would make  %s/vms/NAME, %s/vms/NAME\n", r->host.run_dir, r->host.data_dir);
	for (size_t i = 0; i < argv->n; i++)
		(void)printf("%s%s\n", i == 0 ? "would run   " : "            ", argv->v[i]);
	print_models(models);
}

static void print_json(const struct run *r, const struct device_plan *devices,
		       const struct strv *argv, struct json_object *models)
{
	char text[TEXT_SIZE];
	AUTO_JSON struct json_object *o = json_new_object();
	struct json_object *list = json_new_array();

	json_add_str(o, "image", r->image.chain[0].path);
	json_add_str(o, "hypervisor", r->accel.accel == VM_ACCEL_KVM ? "kvm" : "tcg");
	json_add_u64(o, "vcpus", r->o->cfg.vcpus);
	json_add_u64(o, "memory", r->o->cfg.memory);
	json_add_u64(o, "disk", r->spec.disk_size);
	if (r->numa_node >= 0)
		json_add_i64(o, "numa_node", r->numa_node);
	json_add(o, "devices", device_plan_json(devices));
	if (r->o->cfg.network.mode != NETWORK_USER)
		json_add_str(o, "network", network_text(r, text));
	for (size_t i = 0; i < argv->n; i++)
		(void)json_object_array_add(list, json_new_string(argv->v[i]));
	json_add(o, "qemu_arguments", list);
	if (models != NULL)
		json_add(o, "models", json_object_get(models));
	(void)printf("%s\n", json_object_to_json_string_ext(
				     o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
}

int dry_run(struct run *r, struct json_object *models, struct error *err)
{
	AUTO_DEVICE_PLAN struct device_plan devices = { .n_writes = 0 };
	AUTO_STRV struct strv argv = STRV_INIT;
	int ret = stage_validate(r, err);

	if (ret == 0)
		ret = device_plan_make(&r->host, &r->devices, &devices, err);
	if (ret == 0)
		ret = arguments(r, &devices, &argv, err);
	if (ret < 0)
		return ret;
	if (r->o->json)
		print_json(r, &devices, &argv, models);
	else
		print_text(r, &devices, &argv, models);
	return 0;
}
