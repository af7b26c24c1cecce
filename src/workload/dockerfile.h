/* SPDX-License-Identifier: MIT */
/*
 * The Dockerfiles of a model: which there are, which of them fit the context, and what they say
 * about the image before it is built.
 *
 * Candidates are the files PREFIX.*, in the order of their bytes. Each says in its first five lines
 * what it is for:
 *
 *   # CONTEXT {'gpu_vendor': 'AMD', 'guest_os': 'UBUNTU'}
 *
 * a Python dict, which may go on in a further such line. It fits when every key of it that the
 * context has, too, has an equal value there; the other keys do not count. Unlike in madengine, a
 * candidate without a header or with a bad one is an error, and not the reason why there silently
 * is no image; and a prefix is no shell pattern.
 */
#ifndef BMVM_WORKLOAD_DOCKERFILE_H
#define BMVM_WORKLOAD_DOCKERFILE_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

struct error;

#define DOCKERFILE_MAX          ((size_t)4 << 20)
#define DOCKERFILE_HEADER_LINES 5

/**
 * struct dockerfile - One file; all owned
 * @path:         as madengine lists it: the prefix as given and the rest of the name
 * @context:      its header, an object
 * @base:         text behind the first "ARG BASE_DOCKER=", without quotes around it; NULL without
 * @architecture: default of an ARG or ENV MAD_SYSTEM_GPU_ARCHITECTURE, or NULL
 * @wants_architecture: it declares an ARG of that name and there is no default, so its build
 *                wants a value
 * @gpu_vendor:   static: "AMD" or "NVIDIA", as ".amd." or ".nvidia." in the path says, else what
 *                the text speaks of first of all (rocm, amd; then nvidia, cuda), else ""
 */
struct dockerfile {
	char *path;
	struct json_object *context;
	char *base;
	char *architecture;
	bool wants_architecture;
	const char *gpu_vendor;
};

/** struct dockerfile_list - Several, in order */
struct dockerfile_list {
	struct dockerfile *v;
	size_t n;
};

/** dockerfile_done(), dockerfile_list_done() - Free; an empty one is fine. */
void dockerfile_done(struct dockerfile *d);
void dockerfile_list_done(struct dockerfile_list *list);

#define AUTO_DOCKERFILE      CLEANUP(dockerfile_done)
#define AUTO_DOCKERFILE_LIST CLEANUP(dockerfile_list_done)

/**
 * dockerfile_header() - Parse the header of a Dockerfile's text
 * @name: for messages
 * @ret:  an object, owned by the caller
 *
 * Pure. Return: 0; -EINVAL "NAME:LINE:COLUMN: rule", or that there is none; -ENOMEM.
 */
int dockerfile_header(const char *name, const char *text, size_t len, struct json_object **ret,
		      struct error *err);

/**
 * dockerfile_fits() - Whether a header fits
 * @header:  an object
 * @context: an object, or NULL for an empty one
 * @ret_key: the first key that differs, borrowed from @header; NULL if not wanted
 */
bool dockerfile_fits(struct json_object *header, struct json_object *context, const char **ret_key);

/**
 * dockerfile_parse() - Everything a Dockerfile's text says. Pure.
 * @path: copied
 * @ret:  end with dockerfile_done(), written only on success
 *
 * Return: as dockerfile_header().
 */
int dockerfile_parse(const char *path, const char *text, size_t len, struct dockerfile *ret,
		     struct error *err);

/**
 * dockerfile_select() - The Dockerfiles of a model that fit
 * @package_fd: folder of the package, or AT_FDCWD
 * @prefix:     the model's "dockerfile"; symbolic links are followed
 * @context:    see dockerfile_context()
 * @ret:        at least one; end with dockerfile_list_done(), written only on success
 *
 * Reads every candidate. Return: 0; -ENOENT no candidate, or none that fits, with each one's reason
 * as far as there is space; -EINVAL a bad prefix; -EBADMSG a candidate's bad header, or none;
 * -EFBIG a file over DOCKERFILE_MAX; errno of reading.
 */
int dockerfile_select(int package_fd, const char *prefix, struct json_object *context,
		      struct dockerfile_list *ret, struct error *err);

/**
 * dockerfile_context() - The context that headers are compared with
 * @additional: the additional context, borrowed; NULL: none. Each top-level key of it but
 *              "baremetal_vm" wins over what follows
 * @gpu_vendor: "AMD" when NULL
 * @guest_os:   "UBUNTU" when NULL
 * @host_os:    "HOST_UBUNTU", ...; NULL: madengine's "Unable to detect Host OS"
 * @ctx_test:   text of the package's file ctx_test, without white space at its end; NULL: there is
 *              none, which is the text "None"
 *
 * @gpu_vendor and @guest_os (of struct config, in capitals) win over the additional context's own
 * spelling. Return: owned by the caller, never NULL.
 */
struct json_object *dockerfile_context(struct json_object *additional, const char *gpu_vendor,
				       const char *guest_os, const char *host_os,
				       const char *ctx_test);

#endif
