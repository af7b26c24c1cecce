/* SPDX-License-Identifier: MIT */
/*
 * The docker commands of a run as argument vectors, each with "docker" in front. Pure; no shell is
 * between them and docker, and words_text() shows them. They run in the guest, in the package's
 * folder.
 *
 * What differs from madengine: --pull only where asked for; the user's additional options are split
 * and their variables expanded as a shell does, but no more (docker_args_options()); madengine's
 * trailing comma in --gpus is not written; /dev/fuse is only asked for where the guest has it;
 * SELinux gives containers no label, with which they could not read the package; the groups of
 * AMD's devices are those of the guest, by number.
 *
 * Return of all that can fail: 0; -EINVAL naming what is wrong; -ENOMEM. The vector is appended to;
 * after a failure it is good for nothing but strv_done().
 */
#ifndef BMVM_WORKLOAD_DOCKER_ARGS_H
#define BMVM_WORKLOAD_DOCKER_ARGS_H

#include <json-c/json.h>
#include <stdbool.h>

#include "base/strv.h"

struct error;
struct gpu_list;
struct gpus;
struct model;
struct variables;

/* Where a container sees the package, and where it works. */
#define DOCKER_PACKAGE "/myworkspace"

/**
 * struct docker_build - What an image is made of; all borrowed
 * @folder:   docker context, see docker_args_folder()
 * @args:     build arguments, in order
 * @pull:     fetch newer base images, which fails for those that are only in the guest
 * @no_cache: --clean-docker-cache
 * @common:   the package has a folder docker/common
 * @masked:   show VARIABLES_MASK for secrets: for logs and manifests
 */
struct docker_build {
	const char *image;
	const char *dockerfile;
	const char *folder;
	const struct variables *args;
	bool pull;
	bool no_cache;
	bool common;
	bool masked;
};

/** docker_args_build() - docker build */
int docker_args_build(const struct docker_build *b, struct strv *ret, struct error *err);

/**
 * docker_args_folder() - The docker context of a model: its dockercontext; else "." when its
 * dockerfile has "primus" in it, in any case, as those copy from the package's top; else "./docker"
 */
const char *docker_args_folder(const struct model *model);

/**
 * docker_args_build_variables() - The build arguments of an image, in madengine's order
 * @environ_v:    of the host, for MAD_SECRETS
 * @given:        docker_build_arg of the context, or NULL
 * @architecture: of the GPUs, or NULL; a given MAD_SYSTEM_GPU_ARCHITECTURE wins
 * @credentials:  of the model's cred, or NULL
 * @ret:          struct variables, set
 */
int docker_args_build_variables(char *const *environ_v, struct json_object *given,
				const char *architecture, const struct variables *credentials,
				struct variables *ret, struct error *err);

/**
 * struct docker_run - A container; all borrowed
 * @folder:       the package in the guest, absolute
 * @environ_v:    of the host, for the model's own options; NULL: empty
 * @build_number: BUILD_NUMBER of the host; NULL: "0"
 * @cpus:         docker_cpus, blanks are left out; NULL: all
 * @gpus, @chosen: see gpu_selection.h
 * @run_env:      of data, credentials and tools; @context_env: docker_env_vars and what belongs to
 *                them. The latter comes later, so it wins
 * @mounts:       of docker_args_mount(), those of data first
 * @fuse:         the guest has /dev/fuse
 * @masked:       as above
 */
struct docker_run {
	const struct model *model;
	const char *image;
	const char *container;
	const char *folder;
	char *const *environ_v;
	const char *build_number;
	const char *cpus;
	const struct gpus *gpus;
	const struct gpu_list *chosen;
	const struct variables *run_env;
	const struct variables *context_env;
	const struct strv *mounts;
	bool fuse;
	bool masked;
};

/** docker_args_run() - docker run, in the background; its command is cat, which waits. */
int docker_args_run(const struct docker_run *d, struct strv *ret, struct error *err);

/**
 * docker_args_options() - The model's additional_docker_run_options as words
 * @environ_v: of the host, see expand_variables(), with @masked and @unset
 *
 * -EINVAL also for what only a shell could do, see words_split(); names the model.
 */
int docker_args_options(const struct model *model, char *const *environ_v, bool masked,
			struct strv *unset, struct strv *ret, struct error *err);

/**
 * docker_args_binds() - Absolute paths that such options give to a container
 * @ret: sources of -v, --volume and --mount with type=bind are added; they are the guest's
 */
void docker_args_binds(const struct strv *options, struct strv *ret);

/** docker_args_check_cpus() - Whether docker_cpus is numbers and ranges, or "". 0 or -EINVAL. */
int docker_args_check_cpus(const char *cpus, struct error *err);

/**
 * docker_args_mount() - Append a mount, as -v wants it
 * @host:      path in the guest, or the name of a volume; no ":" in it
 * @container: absolute
 */
int docker_args_mount(struct strv *mounts, const char *host, const char *container, bool readonly,
		      struct error *err);

/** docker_args_mounts() - Append those of docker_mounts, {CONTAINER: HOST}; NULL: none. */
int docker_args_mounts(struct strv *mounts, struct json_object *docker_mounts, struct error *err);

/** docker_args_exec() - docker exec CONTAINER bash -c COMMAND */
void docker_args_exec(const char *container, const char *command, struct strv *ret);

/** docker_args_find() - docker ps: prints the id of the container of exactly that name, or nothing
 */
void docker_args_find(const char *container, struct strv *ret);

/** docker_args_stop(), docker_args_remove() - docker stop -t 1, docker rm -f */
void docker_args_stop(const char *container, struct strv *ret);
void docker_args_remove(const char *container, struct strv *ret);

#endif
