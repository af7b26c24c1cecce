/* SPDX-License-Identifier: MIT */
#include "run/dry_run.h"

#include <stdio.h>

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "run/pipeline.h"
#include "vm/args.h"

/*
 * The plan with stand-ins for what only exists in a real run: descriptors are numbers from 3 on, as
 * QEMU would inherit them.
 */
static int arguments(const struct run *r, struct strv *ret, struct error *err)
{
	const struct config *cfg = &r->o->cfg;
	struct vm_plan plan = VM_PLAN_INIT;
	char mac[VM_MAC_SIZE];
	int fd = 3;

	vm_mac(r->uuid, 0, mac);
	plan.name = r->o->name != NULL ? r->o->name : "vm-XXXXXX";
	plan.uuid = r->uuid;
	plan.accel = r->accel.accel;
	plan.vcpus = cfg->vcpus;
	plan.memory = cfg->memory;
	plan.memory_kind = cfg->hugepages > 0 ? VM_MEMORY_HUGE : VM_MEMORY_PLAIN;
	plan.huge_page = cfg->hugepages;
	plan.network = true;
	plan.isolated = cfg->network.isolated;
	plan.mac = mac;
	plan.extra = cfg->qemu_args.v;
	plan.qmp_fd = fd++;
	plan.serial_fd = fd++;
	plan.disk = (struct vm_node){ .fd = fd++, .format = VM_FORMAT_QCOW2 };
	plan.n_backing = 1;
	plan.backing[0] = (struct vm_node){ .fd = fd++, .format = VM_FORMAT_QCOW2 };
	if (r->image.kernel.path != NULL) {
		plan.kernel = r->image.kernel.path;
		plan.initrd = r->image.initrd.path;
		plan.append = r->image.append;
	}
	return vm_args_build(&plan, &r->caps, ret, err);
}

static void print_text(const struct run *r, const struct strv *argv)
{
	(void)printf("image       %s\n", r->image.chain[0].path);
	(void)printf("hypervisor  %s (%s)\n", r->accel.accel == VM_ACCEL_KVM ? "kvm" : "tcg",
		     r->accel.reason);
	(void)printf("vcpus       %u\nmemory      %llu bytes\ndisk        %llu bytes\n",
		     r->o->cfg.vcpus, (unsigned long long)r->o->cfg.memory,
		     (unsigned long long)r->spec.disk_size);
	(void)printf("would make  %s/vms/NAME, %s/vms/NAME\n", r->host.run_dir, r->host.data_dir);
	for (size_t i = 0; i < argv->n; i++)
		(void)printf("%s%s\n", i == 0 ? "would run   " : "            ", argv->v[i]);
}

static void print_json(const struct run *r, const struct strv *argv)
{
	AUTO_JSON struct json_object *o = json_new_object();
	struct json_object *list = json_new_array();

	json_add_str(o, "image", r->image.chain[0].path);
	json_add_str(o, "hypervisor", r->accel.accel == VM_ACCEL_KVM ? "kvm" : "tcg");
	json_add_u64(o, "vcpus", r->o->cfg.vcpus);
	json_add_u64(o, "memory", r->o->cfg.memory);
	json_add_u64(o, "disk", r->spec.disk_size);
	for (size_t i = 0; i < argv->n; i++)
		(void)json_object_array_add(list, json_object_new_string(argv->v[i]));
	json_add(o, "qemu_arguments", list);
	(void)printf("%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
								       JSON_C_TO_STRING_NOSLASHESCAPE));
}

int dry_run(struct run *r)
{
	AUTO_STRV struct strv argv = STRV_INIT;
	struct error err = ERROR_INIT;
	int ret = stage_validate(r, &err);

	if (ret == 0)
		ret = arguments(r, &argv, &err);
	if (ret < 0) {
		log_failure(&err);
		return 125;
	}
	if (r->o->json)
		print_json(r, &argv);
	else
		print_text(r, &argv);
	return 0;
}
