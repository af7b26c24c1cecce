/* SPDX-License-Identifier: MIT */
/*
 * Environment variables and build arguments on their way into a container: an ordered list in which
 * setting a name again replaces its value in place, as madengine's dictionaries do. Pure.
 *
 * A secret is marked, so that commands and manifests can show VARIABLES_MASK instead of its value.
 */
#ifndef BMVM_WORKLOAD_VARIABLES_H
#define BMVM_WORKLOAD_VARIABLES_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

struct error;

#define VARIABLES_MASK "***masked***"

struct variable {
	char *name;
	char *value;
	bool secret;
};

/**
 * struct variables - The list
 * @r: 0, or -ENOMEM once an addition failed; later ones then do nothing
 */
struct variables {
	struct variable *v;
	size_t n;
	int r;
};

#define VARIABLES_INIT                                                                             \
	{                                                                                          \
		.v = NULL                                                                          \
	}

/** variables_set() - Set @name to a copy of @value; secret if variables_is_secret(@name). */
void variables_set(struct variables *vars, const char *name, const char *value);

/** variables_set_secret() - Set a secret, whatever its name. */
void variables_set_secret(struct variables *vars, const char *name, const char *value);

/** variables_merge() - Set each of @from, in its order. */
void variables_merge(struct variables *vars, const struct variables *from);

/**
 * variables_set_object() - Set each member of an object of the context
 * @what:   its key, for messages
 * @object: borrowed; NULL: none
 *
 * Values that are no strings become the text that Python makes of them: True, 1.5, None.
 * Return: 0; -EINVAL naming @what and the member: a name that is no shell identifier, a value that
 * is an array or an object.
 */
int variables_set_object(struct variables *vars, const char *what, struct json_object *object,
			 struct error *err);

/**
 * variables_set_secrets() - Set each variable of the host whose name has MAD_SECRETS in it
 * @environ_v: "NAME=VALUE", NULL-terminated
 *
 * What is set already stays.
 */
void variables_set_secrets(struct variables *vars, char *const *environ_v);

/**
 * variables_inherit() - Set what containers inherit from the host's environment
 *
 * These are madengine's, but not those that name the host's own GPUs and network interfaces
 * (HIP_, ROCR_ and CUDA_VISIBLE_DEVICES, NCCL_ and GLOO_SOCKET_IFNAME), as the guest numbers and
 * names its own; the context's docker_env_vars can say them. What is set already stays. When there
 * is a HIP_VISIBLE_DEVICES, RAY_EXPERIMENTAL_NOSET_HIP_VISIBLE_DEVICES is set, empty.
 */
void variables_inherit(struct variables *vars, char *const *environ_v);

/** variables_get() - Return: borrowed; NULL when it is not set. */
const char *variables_get(const struct variables *vars, const char *name);

/** variables_shown() - The value of @var, or VARIABLES_MASK for a secret. */
const char *variables_shown(const struct variable *var, bool masked);

/** variables_object() - {NAME: VALUE}, secrets masked if @masked; owned, never NULL. */
struct json_object *variables_object(const struct variables *vars, bool masked);

/** variables_done() - Free all. */
void variables_done(struct variables *vars);

#define AUTO_VARIABLES CLEANUP(variables_done)

/** variables_is_name() - Whether @name is a shell identifier: [A-Za-z_][A-Za-z0-9_]* */
bool variables_is_name(const char *name);

/**
 * variables_is_secret() - Whether a variable's name says that its value is one
 *
 * That is: MAD_SECRETS in it; or, parted at "_" and in any case, a part SECRET, SECRETS, PASSWORD,
 * PASSWD or CREDENTIALS, a last part TOKEN, PASS or APIKEY, or API, ACCESS, PRIVATE or SECRET
 * followed by KEY at the end. (TOKENIZERS_PARALLELISM and MAX_TOKENS are none.)
 */
bool variables_is_secret(const char *name);

/** variables_environ() - A variable in NAME=VALUE strings. Return: borrowed; NULL without one. */
const char *variables_environ(char *const *environ_v, const char *name);

#endif
