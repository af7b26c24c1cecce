/* SPDX-License-Identifier: MIT */
/*
 * From a machine's specification to the plan of its QEMU: opens the files, makes the sockets, forks
 * the (held) servers of mounts, chooses the uid.
 */
#ifndef BMVM_RUN_MACHINE_PLAN_H
#define BMVM_RUN_MACHINE_PLAN_H

#include "run/machine.h"
#include "vm/jail.h"
#include "vm/plan.h"

/**
 * struct machine_plan - The plan and what it stands on
 * @qmp_fd, @serial_fd: our ends of the socketpairs, owned until taken
 * @theirs:    descriptors only QEMU needs, closed by machine_plan_close_theirs()
 * @append, @kernel, @initrd, @seed_dir: owned texts the plan points to
 */
struct machine_plan {
	struct vm_plan plan;
	struct jail jail;
	int qmp_fd;
	int serial_fd;
	int theirs[MACHINE_FDS_MAX];
	size_t n_theirs;
	char *append;
	char *seed_dir;
	char kernel[40];
	char initrd[40];
	char mac[VM_MAC_SIZE];
	char lan_mac[VM_MAC_SIZE];
};

#define MACHINE_PLAN_INIT                                                                          \
	{                                                                                          \
		.plan = VM_PLAN_INIT, .jail = JAIL_INIT, .qmp_fd = -1, .serial_fd = -1             \
	}

/** machine_plan_fill() - Fill @mp for @m, whose data folder is there. Return: 0 or -errno. */
int machine_plan_fill(struct machine *m, struct machine_plan *mp, struct error *err);

/*
 * The parts of it that need no open file: --dry-run shows a plan made of these.
 */

/** machine_plan_basics() - What the configuration says; @s needs cfg, uuid, accel, keep_disk only.
 */
void machine_plan_basics(const struct machine_spec *s, struct machine_plan *mp);

/** machine_plan_append() - The kernel command line, kept in @mp. Return: 0 or -ENOMEM. */
int machine_plan_append(const struct image *image, struct machine_plan *mp, struct error *err);

/** machine_boots_kernel() - Whether QEMU loads the kernel, or the disk boots by itself. */
bool machine_boots_kernel(const struct machine_spec *s);

/** machine_plan_format() - Format of an image file. */
enum vm_format machine_plan_format(const struct image_file *f);

/** machine_plan_close_theirs() - Close our copies of QEMU's descriptors, once it has them. */
void machine_plan_close_theirs(struct machine_plan *mp);

/** machine_plan_done() - Close and free. */
void machine_plan_done(struct machine_plan *mp);

#endif
