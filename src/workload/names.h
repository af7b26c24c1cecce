/* SPDX-License-Identifier: MIT */
/*
 * The names madengine gives to images, containers and logs, from the name of a model and the path
 * of its Dockerfile. Pure.
 *
 * "/" of a model's name becomes "_" everywhere; its case stays but in the image. A Dockerfile is
 * known by its base name without ".Dockerfile" (wherever that text stands in it).
 *
 *   model dummy2/Model1, docker/dummy.ubuntu.amd.Dockerfile
 *   image      ci-dummy2_model1_dummy.ubuntu.amd
 *   container  container_ci-dummy2_model1_dummy.ubuntu.amd
 *   logs       dummy2_Model1_dummy.ubuntu.amd.{build.live,run.live,live}.log
 *
 * What would be no name to Docker or to a file system is refused here, before it gets there.
 * Return of all: 0 with an owned string in @ret; -EINVAL with what is wrong with which name;
 * -ENOMEM.
 */
#ifndef BMVM_WORKLOAD_NAMES_H
#define BMVM_WORKLOAD_NAMES_H

struct error;

/* What holds for a part of a path on every file system. */
#define NAMES_FILE_MAX 255

/**
 * names_image() - The image made of @dockerfile for @model
 * @architecture: a suffix, or NULL
 *
 * Docker takes small letters, digits and single separators (".", "_", "__", any run of "-") only;
 * another name, which madengine would have let fail in docker build, is -EINVAL.
 */
int names_image(const char *model, const char *dockerfile, const char *architecture, char **ret,
		struct error *err);

/** names_build_log() - MODEL_DOCKERFILE.build.live.log */
int names_build_log(const char *model, const char *dockerfile, char **ret, struct error *err);

/** names_full_log() - MODEL_DOCKERFILE.live.log, build log and run log in one */
int names_full_log(const char *model, const char *dockerfile, char **ret, struct error *err);

/**
 * names_run_log() - MODEL_IMAGE.run.live.log
 * @image: reference as run, checked by names_check_image(). Its tag alone when that starts with
 *         "ci-", else all of it but the digest; "ci-" and the model's name in front are left out
 *
 * For an image of names_image() this is the name of names_full_log() with "run.live" in it.
 */
int names_run_log(const char *model, const char *image, char **ret, struct error *err);

/**
 * names_container() - container_IMAGE
 *
 * "/", ":" and, unlike in madengine, "@" and "+" become "_": no container's name may have them.
 */
int names_container(const char *image, char **ret, struct error *err);

/**
 * names_environment() - MODEL_env, what the environment report of a model is called
 */
int names_environment(const char *model, char **ret, struct error *err);

/**
 * names_check_image() - Whether @image may be an argument of docker
 *
 * At most 512 bytes, and what Docker takes for a reference: [REGISTRY/]NAME[:TAG][@DIGEST]. So it
 * is neither taken for an option nor harmful in a file's name or a log.
 * Return: 0; -EINVAL; -ENOMEM.
 */
int names_check_image(const char *image, struct error *err);

/**
 * names_model_folder() - The folder the model runs in, below the package
 * @url: what is cloned into it, NULL or "" for nothing
 *
 * "run_directory", or the last part of @url without a ".git" behind it (madengine keeps that and
 * then does not find the folder). It is made and removed by the run, so a name that is "." or "..",
 * starts with "-" or "." or has other characters than letters, digits and ._- is -EINVAL.
 */
int names_model_folder(const char *url, char **ret, struct error *err);

#endif
