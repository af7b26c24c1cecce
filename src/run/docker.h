/* SPDX-License-Identifier: MIT */
/* The stage that makes Docker work in the guest: key `docker` of the configuration. */
#ifndef BMVM_RUN_DOCKER_H
#define BMVM_RUN_DOCKER_H

#include <stdbool.h>

struct error;
struct run;

/** stage_docker_wanted() - Whether the configuration has a key of `docker`, for runs of a command.
 */
bool stage_docker_wanted(const struct run *r);

/**
 * stage_docker() - Docker is there, or is installed; a container runs; archives are loaded
 *
 * Fills r->docker and the receipt's "docker". Return: 0; -ENOENT it is missing and must not be
 * installed; as the functions of guest/docker.h.
 */
int stage_docker(struct run *r, struct error *err);

#endif
