/* SPDX-License-Identifier: MIT */
/* The first stage: everything a run needs is found and checked before anything is changed. */
#include "run/devices.h"
#include "run/pipeline.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/uuid.h"
#include "base/log.h"
#include "host/check.h"
#include "host/fit.h"
#include "host/ledger.h"
#include "host/numa.h"
#include "image/overlay.h"
#include "run/device_backend.h"
#include "run/firmware.h"
#include "run/paths.h"
#include "run/recover.h"

static void add_taken(void *data, const char *cpu)
{
	cpu_mask_add(data, (unsigned int)strtoul(cpu, NULL, 10));
}

static void print_notes(const struct run *r, const struct strv *notes)
{
	for (size_t i = 0; i < notes->n && !r->o->quiet; i++)
		log_info("note: %s", notes->v[i]);
}

static int fit_to_host(struct run *r, struct error *err)
{
	AUTO_STRV struct strv notes = STRV_INIT;
	struct config *cfg = &r->o->cfg;
	int ret = host_facts_read(&r->host, &r->facts, err);

	if (ret < 0)
		return ret;
	host_facts_find_tools(&r->facts, cfg->qemu_binary);
	ret = ledger_held(&r->host, LEDGER_MEMORY, NULL, &r->facts.mem_promised, err);
	if (ret == 0)
		ret = ledger_each(&r->host, LEDGER_CPU, add_taken, &r->facts.taken, err);
	if (ret == 0)
		ret = host_fit_config(&r->host, &r->facts, cfg, &notes, err);
	print_notes(r, &notes);
	if (ret == 0)
		ret = host_check_run(&r->host, cfg, err);
	return ret;
}

/* "auto" is the node of the devices, which may be several, or unknown: then nothing is bound. */
static int wanted_node(const struct run *r, struct strv *notes)
{
	if (r->o->cfg.numa_node != NUMA_NODE_AUTO)
		return r->o->cfg.numa_node;
	if (r->devices.n == 0)
		strv_add(notes, "numa_node: no device is passed, so \"auto\" binds nothing");
	else if (r->devices.numa_node < 0)
		strv_add(notes,
			 "numa_node: the devices are on no node that is known, or on "
			 "several, so \"auto\" binds nothing");
	return r->devices.n == 0 ? -1 : r->devices.numa_node;
}

static int fit_to(struct run *r, unsigned int node, struct strv *notes, struct error *err)
{
	int ret = 0;
	char key[32];

	for (size_t i = 0; i < r->facts.n_nodes && ret == 0; i++) {
		struct host_node *n = &r->facts.nodes[i];

		(void)snprintf(key, sizeof(key), LEDGER_NODE "%u", n->id);
		ret = ledger_held(&r->host, key, NULL, &n->mem_promised, err);
	}
	if (ret == 0)
		ret = numa_cpus(&r->facts, node, &r->node_cpus, err);
	return ret < 0 ? ret : numa_fit(&r->host, &r->facts, &r->o->cfg, node, notes, err);
}

static int fit_to_node(struct run *r, struct error *err)
{
	AUTO_STRV struct strv notes = STRV_INIT;
	int ret = 0, node = wanted_node(r, &notes);

	if (node >= 0)
		ret = fit_to(r, (unsigned int)node, &notes, err);
	else if (r->devices.n > 0 && r->devices.numa_node >= 0)
		ret = numa_follow(&r->host, &r->facts, &r->o->cfg,
				  (unsigned int)r->devices.numa_node, &notes, err);
	print_notes(r, &notes);
	r->numa_node = ret == 0 ? node : -1;
	return ret;
}

/* vmdir_create() says the same later, should another run take the name meanwhile. */
static int check_name(const struct run *r, struct error *err)
{
	int ret = r->o->name == NULL ? 0 : vmdir_check_free(&r->host, r->o->name, err);

	return ret < 0 ? error_prefix(err, ret, "--name") : 0;
}

static int load_keys(struct run *r, struct error *err)
{
	const struct config *cfg = &r->o->cfg;
	int ret;

	if (cfg->ssh_key != NULL)
		ret = keys_load_file(cfg->ssh_key, &r->client, err);
	else if (r->image.seed == IMAGE_SEED_NONE)
		return error_hint(err,
				  error_set(err, EINVAL,
					    "base image %s has no cloud-init, so ssh_key "
					    "is needed to log in",
					    r->image.name),
				  "set baremetal_vm.ssh_key to a private key the image accepts");
	else
		ret = keypair_generate("bmvm", &r->client, err);
	if (ret == 0 && r->image.seed != IMAGE_SEED_NONE)
		ret = keypair_generate("bmvm-guest", &r->guest_host, err);
	return ret;
}

static int make_ids(struct run *r, struct error *err)
{
	char id[UUID_SIZE];
	size_t n = 0;
	int ret = uuid_new(r->uuid, err);

	if (ret == 0)
		ret = uuid_new(id, err);
	/* a machine-id is a UUID without its dashes */
	for (size_t i = 0; ret == 0 && id[i] != '\0'; i++) {
		if (id[i] != '-')
			r->machine_id[n++] = id[i];
	}
	return ret;
}

/* The guardian and `bmvm ssh` have other current folders. What is not there is told by its user. */
static void make_paths_absolute(struct config *cfg)
{
	char **const paths[] = { &cfg->ssh_key, &cfg->firmware_code, &cfg->firmware_vars };

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		char *absolute = *paths[i] != NULL ? realpath(*paths[i], NULL) : NULL;

		if (absolute == NULL)
			continue;
		free(*paths[i]);
		*paths[i] = absolute;
	}
}

/*
 * For the receipt; seconds of reading the first time. Done here because between the making of the
 * VM's folder and the start of its guardian nothing may take long: who dies there leaves the
 * folder.
 */
static int hash_image(struct run *r, struct error *err)
{
	struct watchset ws = front_watchset(&r->front);
	int ret;

	if (r->o->dry_run)
		return 0;
	ret = image_file_digest(&r->host, &r->image.chain[0], &ws, r->image_sha256, err);
	if (ret == 0)
		return 0;
	r->image_sha256[0] = '\0';
	return r->front.caught != 0 ? ret : 0;
}

/* The image, what the host has for it, the devices, and where on the host all of it goes. */
static int choose_parts(struct run *r, struct error *err)
{
	int ret = check_name(r, err);

	if (ret == 0)
		ret = image_resolve(&r->host, &r->o->cfg, &r->image, err);
	if (ret == 0)
		ret = fit_to_host(r, err);
	if (ret == 0)
		ret = devices_choose(r, err);
	return ret < 0 ? ret : fit_to_node(r, err);
}

/* What QEMU must be able to do for this configuration. */
static int ask_qemu(struct run *r, struct error *err)
{
	const struct config *cfg = &r->o->cfg;
	int ret = qemu_caps_get(cfg->qemu_binary, r->host.run_fd, &r->caps, err);

	if (ret == 0)
		ret = qemu_caps_check_vcpus(&r->caps, cfg->vcpus, err);
	if (ret == 0 && cfg->iommufd && r->devices.n > 0)
		ret = device_backend_check(&r->host, &r->caps, err);
	return ret;
}

int stage_validate(struct run *r, struct error *err)
{
	struct config *cfg = &r->o->cfg;
	uint64_t disk = 0;
	int ret;

	make_paths_absolute(cfg);
	ret = paths_check(r->o, err);
	if (ret == 0)
		ret = host_open(&r->host, "", err);
	if (ret == 0 && !r->o->dry_run)
		recover_quietly(&r->host);
	if (ret == 0)
		ret = choose_parts(r, err);
	if (ret == 0)
		ret = ask_qemu(r, err);
	if (ret == 0)
		ret = overlay_size(&r->image, cfg, &disk, err);
	if (ret == 0)
		ret = firmware_check(cfg, err);
	if (ret == 0)
		ret = load_keys(r, err);
	if (ret == 0)
		ret = make_ids(r, err);
	if (ret == 0)
		ret = vm_accel_decide(&r->host, &r->caps, cfg->hypervisor, r->image.kernel.path,
				      &r->accel, err);
	if (ret == 0)
		ret = devices_check_room(r, err);
	if (ret == 0)
		ret = hash_image(r, err);
	if (ret < 0)
		return ret;
	if (cfg->hypervisor != HYPERVISOR_KVM && r->accel.accel == VM_ACCEL_TCG && !r->o->quiet)
		log_info("note: %s", r->accel.reason);
	/* an image made from this one shall not grow for nothing */
	if (r->keep_disk && !config_explicit(cfg, "disk_size"))
		disk = r->image.virtual_size;
	r->spec.disk_size = disk;
	return 0;
}
