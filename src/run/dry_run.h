/* SPDX-License-Identifier: MIT */
/* --dry-run: what a run would do, told without touching anything. */
#ifndef BMVM_RUN_DRY_RUN_H
#define BMVM_RUN_DRY_RUN_H

struct run;

/** dry_run() - Validate, then print plan and QEMU's arguments on stdout. Return: exit code. */
int dry_run(struct run *r);

#endif
