/* SPDX-License-Identifier: MIT */
/*
 * The front's side of a run, as functions of a stage table (run/stage.h). run_cmd.c and image_run.c
 * put them into their tables; what differs between them is the workload and what becomes of the
 * disk.
 */
#ifndef BMVM_RUN_PIPELINE_H
#define BMVM_RUN_PIPELINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/progress.h"
#include "guest/docker.h"
#include "guest/exec.h"
#include "guest/keys.h"
#include "guest/session.h"
#include "host/facts.h"
#include "run/device_choice.h"
#include "run/front.h"
#include "run/machine.h"
#include "run/options.h"
#include "run/stage.h"
#include "vm/accel.h"

/**
 * struct run - One run; start from run_init()
 * @o:         what was asked for; o->cfg is fitted to the host
 * @keep_disk: the disk is read after the VM's end: orderly shutdown, honoured flushes
 * @replaces_image: once the VM has ended, another image takes the place of the one it stands on
 * @guest:     the SSH connection while there is one
 * @mounts:    the guardian's answer about mounts, owned
 * @devices:   what was chosen to be passed
 * @docker:    of the guest, once stage_docker() is done
 * @numa_node: `numa_node` as it turned out, -1: none; @node_cpus: the CPUs of it that we may use
 * @assigned:  the guardian's answer about them, owned
 * @wait_ns:   until when devices that others have are waited for
 * @too_late:  somebody else took one between choosing and taking
 * @n_late:    runs before this one to which that happened
 * @port:      of 127.0.0.1, leads to the guest's sshd
 * @result:    of the workload
 * @ran:       the workload has been started
 * @has_dir:   the VM's run folder has been made
 * @preserved: the VM stays
 * @ending:    called before the teardown and before the receipt is written, for notes to it;
 *             @failed: what went wrong, NULL: nothing. NULL: not wanted
 * @n_wanted:   stages begun
 * @validate_s: of the stage that ends before there is a guardian to tell
 * @unclean:   the host is not as before
 */
struct run {
	struct run_options *o;
	struct host host;
	struct host_facts facts;
	struct image image;
	struct qemu_caps caps;
	struct accel_choice accel;
	struct keypair client;
	struct keypair guest_host;
	struct vmdir vd;
	struct machine_spec spec;
	struct front front;
	struct progress progress;
	struct guest *guest;
	struct json_object *mounts;
	struct device_choice devices;
	struct guest_docker docker;
	int numa_node;
	struct cpu_mask node_cpus;
	struct json_object *assigned;
	uint64_t wait_ns;
	bool too_late;
	unsigned int n_late;
	unsigned short port;
	struct guest_result result;
	size_t n_wanted;
	double validate_s;
	char image_sha256[IMAGE_DIGEST_SIZE];
	char uuid[MACHINE_UUID_SIZE];
	char machine_id[33];
	bool keep_disk;
	bool replaces_image;
	bool ran;
	bool has_dir;
	bool preserved;
	bool unclean;
	void (*ending)(struct run *r, const struct error *failed);
	/* image_run.c */
	void *extra;
};

/** run_init() - Prepare @r for @o: signals, progress. Return: 0 or -errno. */
int run_init(struct run *r, struct run_options *o, struct error *err);

/** run_done() - Free everything. */
void run_done(struct run *r);

/* Stage functions; see the names. */
int stage_validate(struct run *r, struct error *err);
int stage_create(struct run *r, struct error *err);
int stage_create_undo(struct run *r, struct error *err);
int stage_start(struct run *r, struct error *err);
int stage_start_undo(struct run *r, struct error *err);
int stage_prepare(struct run *r, struct error *err);
bool stage_prepare_wanted(const struct run *r);

/**
 * pipeline_retry() - Do a step, and do it again as the key `retry` says while its failure may pass
 * @step: called with @i; what can never pass is -ENOTSUP, -EINVAL, -ENOENT, -EACCES, -EPERM,
 *        -ETIMEDOUT and the end of VM or connection
 *
 * Waits between the tries, each time longer, and serves signals meanwhile. Return: 0; the last
 * failure; -EINTR.
 */
int pipeline_retry(struct run *r, int (*step)(struct run *r, size_t i, struct error *err), size_t i,
		   struct error *err);

/**
 * pipeline_run() - Run a table with progress, receipt notes and the preserve rule
 *
 * Return: 0, or the first error; then r->unclean, r->preserved, r->front.caught say more.
 */
int pipeline_run(struct run *r, const struct stage *stages, size_t n, struct error *err);

/** pipeline_exit_code() - The program's exit code, errors printed. @failed: pipeline_run()'s value.
 */
int pipeline_exit_code(struct run *r, int failed, const struct error *err);

#endif
