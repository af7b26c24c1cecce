/* SPDX-License-Identifier: MIT */
/*
 * credential.json of a package: {CRED: {key: value, ...}}, and what the environment adds to it.
 */
#ifndef BMVM_WORKLOAD_CREDENTIALS_H
#define BMVM_WORKLOAD_CREDENTIALS_H

#include <json-c/json.h>

struct error;
struct variables;

/**
 * credentials_load() - Read the file
 * @package_fd: folder of the package, or AT_FDCWD
 * @environ_v:  of the host: MAD_DOCKERHUB_USER and MAD_DOCKERHUB_PASSWORD, both set, make the
 *              credential "dockerhub" (username, password, with MAD_DOCKERHUB_REPO also repository)
 *              and win over the file's
 * @ret:        an object, empty without a file; owned by the caller
 *
 * Return: 0; -EINVAL with place and rule, never with a value; -EFBIG over 1 MiB; errno of reading.
 */
int credentials_load(int package_fd, char *const *environ_v, struct json_object **ret,
		     struct error *err);

/**
 * credentials_find() - One credential
 * @all:  of credentials_load(); @cred: a model's, NULL or "" for none
 * @ret:  borrowed from @all; NULL when there is no @cred
 *
 * Return: 0; -ENOENT no such credential; -EINVAL it is no object.
 */
int credentials_find(struct json_object *all, const char *cred, struct json_object **ret,
		     struct error *err);

/**
 * credentials_variables() - CRED_KEY=value for each key, which is made capital; all secret
 *
 * As variables of containers and build arguments. Return: as credentials_find(); -EINVAL a value
 * is an array or an object; -ENOMEM.
 */
int credentials_variables(struct json_object *all, const char *cred, struct variables *ret,
			  struct error *err);

#endif
