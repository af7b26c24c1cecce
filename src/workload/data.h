/* SPDX-License-Identifier: MIT */
/*
 * The data a model asks for: which provider of data.json gives it, and where it is in the
 * container.
 *
 * data.json is {NAME: {PROVIDER: {path, home, readwrite, args, mirrorlocal}}}. Of the providers
 * "custom" is tried first, then "local"; the first whose path is there is taken. "minio", "nas" and
 * "aws" are not done here: a name that only they could give is refused. When a name is known but
 * what it names is not there, the model runs without it, as in madengine.
 *
 * Data NAME is at HOME_INDEX in the container, HOME being /data_dlm unless given, INDEX counting
 * all providers tried so far in the run. Local data with a "home" are at HOME, too: madengine
 * mounts them there only, although MAD_DATAHOME says HOME_INDEX.
 */
#ifndef BMVM_WORKLOAD_DATA_H
#define BMVM_WORKLOAD_DATA_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/strv.h"

struct error;
struct model;
struct variables;

/* Folders of the host have their own path below this one in the guest. */
#define DATA_GUEST_ROOT "/run/bmvm-host"

enum data_provider {
	DATA_CUSTOM, /* a script of the package, run in the container */
	DATA_LOCAL,  /* a folder of the host */
};

/**
 * struct data_source - Where one name's data come from; strings owned
 * @path:      custom: of the package; local: of the host, absolute
 * @place:     absolute path in the container; MAD_DATAHOME
 * @home:      local: second place, or NULL
 * @mirror:    custom: folder of the host to be mounted at @place, writable, or NULL; relative if
 *             it was given so, until mad_folders_plan()
 * @args:      custom: appended to the script's command line as they are
 */
struct data_source {
	char *name;
	enum data_provider provider;
	char *path;
	char *place;
	char *home;
	char *mirror;
	char *args;
	bool readwrite;
};

/**
 * struct data_plan - The data of one model
 * @missing: names that are known, whose data are not there: worth a warning
 */
struct data_plan {
	struct data_source *v;
	size_t n;
	struct strv missing;
};

#define DATA_PLAN_INIT                                                                             \
	{                                                                                          \
		.v = NULL                                                                          \
	}

/**
 * struct data_query - What decides; all borrowed
 * @config:  of data_load()
 * @exists:  whether a path is there: of the package (custom) or of the host (local)
 * @mirror:  --force-mirror-local, or NULL
 * @index:   providers tried so far, counted up; starts at 0 with the run
 */
struct data_query {
	struct json_object *config;
	bool (*exists)(void *arg, enum data_provider provider, const char *path);
	void *arg;
	const char *mirror;
	unsigned int *index;
};

/**
 * data_load() - Read data.json
 * @dir_fd:  folder of the package, or AT_FDCWD
 * @path:    of the file, NULL for "data.json", which may be missing
 * @context: its key "data", an object, has names that win over the file's; NULL: none
 * @ret:     an object, owned by the caller
 *
 * Return: 0; -EINVAL with place and rule; -ENOENT a @path that was given is missing; errno of
 * reading.
 */
int data_load(int dir_fd, const char *path, struct json_object *context, struct json_object **ret,
	      struct error *err);

/**
 * data_plan_make() - Decide for each name in the model's "data"
 * @ret: empty for a model without; end with data_plan_done()
 *
 * Return: 0; -ENOENT an unknown name; -ENOTSUP only providers that are not done here; -EINVAL a
 * wrong member; each naming the model, the name and the rule. -ENOMEM.
 */
int data_plan_make(const struct model *model, const struct data_query *query, struct data_plan *ret,
		   struct error *err);

/** data_plan_variables() - Set MAD_DATAHOME (places with "," between) and MAD_DATANAME. */
void data_plan_variables(const struct data_plan *plan, struct variables *vars);

/**
 * data_plan_mounts() - Append the mounts, see docker_args_mount()
 *
 * Folders of the host are expected below DATA_GUEST_ROOT. Return: 0; -EINVAL; -ENOMEM.
 */
int data_plan_mounts(const struct data_plan *plan, struct strv *mounts, struct error *err);

/**
 * data_plan_names(), data_plan_providers() - For the CSV files: "a,b" and "local,custom"
 *
 * Return: owned by the caller, "" for an empty plan; NULL without memory.
 */
char *data_plan_names(const struct data_plan *plan);
char *data_plan_providers(const struct data_plan *plan);

/** data_plan_done() - Free all. */
void data_plan_done(struct data_plan *plan);

#define AUTO_DATA_PLAN CLEANUP(data_plan_done)

#endif
