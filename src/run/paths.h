/* SPDX-License-Identifier: MIT */
/* Host files and folders that a run needs only after the guest's boot, looked at before it. */
#ifndef BMVM_RUN_PATHS_H
#define BMVM_RUN_PATHS_H

struct error;
struct run_options;

/**
 * paths_check() - Whether --copy-in can be read and collected results can be written
 *
 * Links are followed. Nothing is opened. Return: 0; -EINVAL of the wrong kind; -ENOTDIR the
 * destination is no folder; errno of stat and access, with option or key in @err.
 */
int paths_check(const struct run_options *o, struct error *err);

#endif
