/* SPDX-License-Identifier: MIT */
/*
 * build_manifest.json: which images were built of which models, in madengine's schema.
 *
 * It is kept as the JSON it is: what nobody here knows stays. In memory it is in clear; a file
 * never is: where the name of a variable says that it is a secret (variables_is_secret()), in each
 * docker_env_vars, docker_build_arg and env_vars, VARIABLES_MASK stands for the value. When such a
 * file is run, the values come from the environment.
 */
#ifndef BMVM_WORKLOAD_BUILD_MANIFEST_H
#define BMVM_WORKLOAD_BUILD_MANIFEST_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/strv.h"
#include "workload/model.h"

struct error;

#define BUILD_MANIFEST_FILE "build_manifest.json"
#define BUILD_MANIFEST_MAX  ((size_t)64 << 20)

/**
 * struct build_manifest - The manifest
 * @object: owned
 * @name:   of the file, for messages; owned
 */
struct build_manifest {
	struct json_object *object;
	char *name;
};

#define BUILD_MANIFEST_INIT                                                                        \
	{                                                                                          \
		.object = NULL                                                                     \
	}

void build_manifest_done(struct build_manifest *m);

#define AUTO_BUILD_MANIFEST CLEANUP(build_manifest_done)

/* --- writing ---------------------------------------------------------------------------------- */

/**
 * build_manifest_init() - A manifest without images
 * @context:    the additional context; NULL: none. What madengine records of it is copied, see its
 *              schema
 * @environ_v:  of the host: what variables_set_secrets() takes of it is used for images and
 *              containers, so it is in docker_build_arg and docker_env_vars; NULL: nothing
 * @gpu_vendor, @guest_os: in capitals; NULL: "AMD", "UBUNTU"
 *
 * Return: 0; -ENOMEM.
 */
int build_manifest_init(struct build_manifest *ret, struct json_object *context,
			char *const *environ_v, const char *gpu_vendor, const char *guest_os,
			struct error *err);

/**
 * struct build_manifest_build - A build that went well; all borrowed
 * @image:            its name, the key of both lists; one that is there is replaced
 * @base_docker, @docker_sha: NULL: ""
 * @command:          as to be shown: docker_args_build() with masked secrets, as text
 * @gpu_vendor:       see struct dockerfile
 * @gpu_architecture: NULL: none
 */
struct build_manifest_build {
	const char *image;
	const struct model *model;
	const char *dockerfile;
	const char *base_docker;
	const char *docker_sha;
	const char *command;
	const char *log_file;
	const char *gpu_vendor;
	const char *gpu_architecture;
	double seconds;
};

/** build_manifest_add() - Record a build. */
void build_manifest_add(struct build_manifest *m, const struct build_manifest_build *build);

/**
 * build_manifest_add_given() - Record a model that runs in an image which the user gave
 *
 * The key of both lists is local-NAME, "/" of the model's name as "_"; local_image_mode and
 * local_image_name say that nothing was built. The model is recorded in full, so that it runs the
 * same again (madengine leaves out its url and multiple_results).
 * Return: its entry of built_images; borrowed, NULL without memory.
 */
struct json_object *build_manifest_add_given(struct build_manifest *m, const struct model *model,
					     const char *image);

/**
 * build_manifest_add_failure() - Record a build that failed
 * @architecture: NULL: none
 */
void build_manifest_add_failure(struct build_manifest *m, const char *model,
				const char *architecture, const char *error);

/** build_manifest_is_empty() - Whether it has no image. */
bool build_manifest_is_empty(const struct build_manifest *m);

/** build_manifest_summary() - Its member "summary"; borrowed, NULL when there is none. */
struct json_object *build_manifest_summary(const struct build_manifest *m);

/** build_manifest_masked() - A copy with masked secrets; owned by the caller, NULL without memory.
 */
struct json_object *build_manifest_masked(const struct build_manifest *m);

/** build_manifest_save() - Write it masked, atomically, mode 0644. 0, or as
 * json_save_for_user_at(). */
int build_manifest_save(const struct build_manifest *m, int dir_fd, const char *path,
			struct error *err);

/* --- reading ---------------------------------------------------------------------------------- */

/**
 * build_manifest_parse() - Read a manifest's text
 * @name: for messages; copied
 * @ret:  end with build_manifest_done(), written only on success
 *
 * Required: built_images and built_models, objects of objects; of each model what model_init()
 * requires; names of images that docker takes. Of the context: docker_env_vars and
 * docker_build_arg, if there, are objects. All else may be anything. Return: 0; -EINVAL with place
 * or member, and the rule; -ENOMEM.
 */
int build_manifest_parse(const char *name, const char *text, size_t len, struct build_manifest *ret,
			 struct error *err);

/** build_manifest_load() - The same from a file; may block on a FIFO. -EFBIG over
 * BUILD_MANIFEST_MAX. */
int build_manifest_load(const char *path, struct build_manifest *ret, struct error *err);

/**
 * build_manifest_unmask() - Put the values of masked variables in their places
 * @context:   additional context of the run, whose docker_env_vars win and need no value here, and
 *             whose tools, if any, take the place of the manifest's; NULL: none
 * @environ_v: "NAME=VALUE", NULL-terminated
 *
 * Build arguments are left masked when the environment has no value, as nothing is built of them.
 * Return: 0; -ENOENT naming every variable that the environment lacks.
 */
int build_manifest_unmask(struct build_manifest *m, struct json_object *context,
			  char *const *environ_v, struct error *err);

/**
 * build_manifest_context() - The context in which its images are run
 * @context: additional context of the run, or NULL
 *
 * That one, with docker_env_vars, gpu_vendor, guest_os, tools, pre_scripts, post_scripts,
 * encapsulate_script, deployment_config and its "distributed" of the manifest where it has none of
 * its own; docker_env_vars are taken one by one. (madengine lets the manifest's variables win.)
 * docker_mounts, docker_gpus and docker_build_arg of the manifest do not count, as in madengine.
 * Return: owned by the caller; NULL without memory.
 */
struct json_object *build_manifest_context(const struct build_manifest *m,
					   struct json_object *context);

/**
 * struct build_manifest_image - An image with its model
 * @key:      borrowed from the manifest, as all texts here
 * @object:   its entry of built_images; borrowed
 * @model:    owned
 * @image:    docker_image, else @key
 * @pull:     registry_image, which is to be pulled and tagged @image; NULL: @image is there, was
 *            loaded, or is pulled itself
 * @gpu_vendor, @gpu_architecture: NULL when absent
 */
struct build_manifest_image {
	const char *key;
	struct json_object *object;
	struct model model;
	const char *image;
	const char *pull;
	const char *gpu_vendor;
	const char *gpu_architecture;
};

struct build_manifest_images {
	struct build_manifest_image *v;
	size_t n;
	struct strv without_model;
};

#define BUILD_MANIFEST_IMAGES_INIT                                                                 \
	{                                                                                          \
		.v = NULL                                                                          \
	}

/**
 * build_manifest_images() - What is to be run, in order
 * @ret: lives no longer than @m; end with build_manifest_images_done(). Keys of images without a
 * model are in its @without_model, worth a warning each
 *
 * Return: 0; -EINVAL naming the member and the rule (only when @m was not parsed); -ENOMEM.
 */
int build_manifest_images(const struct build_manifest *m, struct build_manifest_images *ret,
			  struct error *err);

void build_manifest_images_done(struct build_manifest_images *images);

#define AUTO_BUILD_MANIFEST_IMAGES CLEANUP(build_manifest_images_done)

#endif
