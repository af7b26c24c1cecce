/* SPDX-License-Identifier: MIT */
/*
 * One VM as its guardian holds it: from the specification to a running QEMU, and back to nothing.
 * Everything that changes the host is journaled first.
 */
#ifndef BMVM_RUN_MACHINE_H
#define BMVM_RUN_MACHINE_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "config/config.h"
#include "host/cpus.h"
#include "host/host.h"
#include "host/journal.h"
#include "host/vmdir.h"
#include "image/image.h"
#include "image/seed.h"
#include "run/assignment.h"
#include "run/lan.h"
#include "vm/caps.h"
#include "vm/plan.h"
#include "vm/qemu.h"
#include "vm/serial.h"
#include "vm/virtiofsd.h"

#define MACHINE_UUID_SIZE 37

/* Files of the data folder. */
#define MACHINE_OVERLAY  "overlay.qcow2"
#define MACHINE_SEED     "seed"
#define MACHINE_KEY      "id_ed25519"
#define MACHINE_HOST_KEY "host_key.pub"
#define MACHINE_QEMU_LOG "qemu.log"

/**
 * struct machine_spec - What the VM shall be; everything borrowed
 * @vd:          its folders, locked
 * @disk_size:   bytes
 * @uuid:        of the VM
 * @seed:        identity of the guest; @seed.macs is filled in by machine_create()
 * @client_key:  private key for logging in, stored for `bmvm ssh`; NULL: the user's own ssh_key
 * @pin_host_key: the guest must present the seed's host key; else the first contact counts
 * @pin:         host CPU of each vCPU, NULL: no pinning
 * @numa_node:   host node all of its memory comes from, -1: any
 * @node_cpus:   with @numa_node, the CPUs its vCPUs may run on unless @pin says it of each
 * @keep_disk:   the disk will be read after the VM is gone: honour the guest's flushes
 * @replaces_image: the front puts another image in the place of @image once the VM is stopped
 * @phys_bits:   physical address bits of the host's CPU, 0: not known
 * @devices:     what to pass to the guest
 * @facts:       members for the receipt that the front knows (command, image digest, versions)
 * @receipt:     absolute path of the receipt's second copy, or NULL
 */
struct machine_spec {
	const struct host *host;
	struct vmdir *vd;
	const struct config *cfg;
	const struct image *image;
	const struct qemu_caps *caps;
	enum vm_accel accel;
	uint64_t disk_size;
	const char *uuid;
	struct seed seed;
	const char *client_key;
	bool pin_host_key;
	const unsigned int *pin;
	int numa_node;
	const struct cpu_mask *node_cpus;
	bool keep_disk;
	bool replaces_image;
	unsigned int phys_bits;
	const struct device_choice *devices;
	struct json_object *facts;
	const char *receipt;
};

#define MACHINE_FDS_MAX 40

/**
 * struct machine - The VM; start from machine_init()
 * @uid:        QEMU runs under it; 0: our own
 * @held:       descriptors that only live as long as the VM: image locks, uid lease
 * @servers:    virtiofsd processes
 * @arguments:  QEMU's argument list as started
 * @times:      {"overlay": seconds, ...}, for the receipt
 * @port:       of 127.0.0.1, leads to the guest's SSH port; 0 before
 * @spawned_ns: when QEMU was let go
 * @first_output_ns: when the guest first wrote to its serial port, 0: not yet
 * @assignment: the devices the guest gets
 * @lan:        its second network card, if it has one
 * @started:    QEMU was spawned
 * @stopped_image: with spec->replaces_image, what became of the image's files until the VM stopped
 */
struct machine {
	const struct machine_spec *spec;
	struct journal journal;
	int data_fd;
	uid_t uid;
	int held[MACHINE_FDS_MAX];
	size_t n_held;
	struct virtiofsd servers[VM_MOUNTS_MAX];
	size_t n_servers;
	struct vm_mount mounts[VM_MOUNTS_MAX];
	char tags[VM_MOUNTS_MAX][32];
	char paths[VM_MOUNTS_MAX][64];
	struct qemu qemu;
	struct serial serial;
	struct strv arguments;
	struct json_object *times;
	struct json_object *info;
	unsigned int port;
	pid_t qemu_pid;
	uint64_t qemu_start;
	uint64_t spawned_ns;
	uint64_t first_output_ns;
	struct assignment assignment;
	struct lan lan;
	bool started;
	struct error stopped_image;
};

/** machine_init() - Prepare @m for @spec, which must outlive it. Return: 0; errno of the journal.
 */
int machine_init(struct machine *m, const struct machine_spec *spec, struct error *err);

/** machine_create() - Data folder, keys, seed, overlay. Blocks for qemu-img. Return: 0 or -errno.
 */
int machine_create(struct machine *m, struct error *err);

/**
 * machine_start() - Spawn the servers and QEMU, up to the SSH port
 * @watch: served while waiting
 *
 * Return: 0; why not; what a watch returned.
 */
int machine_start(struct machine *m, struct watchset watch, struct error *err);

/**
 * machine_stop() - End the guest: power button, quit, TERM, KILL, each bounded; then the servers
 * @powerdown: ask the guest first
 *
 * Bounded by cleanup.timeout. Return: 0; -ETIMEDOUT when something does not end.
 */
int machine_stop(struct machine *m, bool powerdown, struct error *err);

/**
 * machine_reset() - After a failed machine_start(): nothing of it is left, it can be tried again
 *
 * Return: 0; -ETIMEDOUT when something does not end.
 */
int machine_reset(struct machine *m, struct error *err);

/** machine_close() - Let go of all descriptors, so that nothing of the VM is held when it is
 * undone. */
void machine_close(struct machine *m);

/** machine_save_info() - Write vm.json, with @state ("running", "preserved", "preserved, off"). 0
 * or -errno. */
int machine_save_info(struct machine *m, const char *state, struct error *err);

/** machine_note_output() - Look whether the guest has spoken, for the "kernel" time. */
void machine_note_output(struct machine *m);

/** machine_done() - Free everything; a QEMU that still runs is killed. */
void machine_done(struct machine *m);

#endif
