/* SPDX-License-Identifier: MIT */
/*
 * What starts the processes of a distributed model: the command that its scripts find in
 * MAD_MULTI_NODE_RUNNER. Pure.
 */
#ifndef BMVM_WORKLOAD_LAUNCHER_H
#define BMVM_WORKLOAD_LAUNCHER_H

#include <stddef.h>

/**
 * launcher_runner() - The command for @n_gpus processes on one node
 * @launcher: its name; NULL and unknown ones, "docker" too, are torchrun
 * @n_gpus:   0 counts as 1
 *
 * Return: owned by the caller, "" for launchers that start their processes themselves; NULL without
 * memory.
 */
char *launcher_runner(const char *launcher, size_t n_gpus);

#endif
