/* SPDX-License-Identifier: MIT */
/*
 * What is run around a model: the context's pre_scripts, post_scripts and encapsulate_script, and
 * what its tools add to them. Pure.
 *
 * A tool is an entry of the package's scripts/common/tools.json,
 *
 *   {"tools": {"NAME": {"cmd": "...", "env_vars": {}, "pre_scripts": [], "post_scripts": []}}}
 *
 * whose cmd and env_vars the context's {"name": "NAME", "cmd": "...", "env_vars": {}} may replace
 * (env_vars one by one). In the order of the context's list each tool's cmd goes in front of what
 * is there, so that the last is outermost; its pre_scripts go in front, its post_scripts behind. A
 * cmd that was there is not added again. So tools A, B, with encapsulate_script E, user's scripts
 * and the environment report R make:
 *
 *   pre B A user R, then "cmd_B cmd_A E" MODEL, then post user A B
 *
 * Nothing is remembered from model to model (in madengine, scripts pile up).
 */
#ifndef BMVM_WORKLOAD_TOOLS_H
#define BMVM_WORKLOAD_TOOLS_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "workload/variables.h"

struct error;

#define TOOLS_CONFIG  "scripts/common/tools.json"
#define TOOLS_ROCENV  "scripts/common/pre_scripts/run_rocenv_tool.sh"
#define TOOLS_SCRIPTS 256 /* at most, of each kind */

/**
 * struct tools_script - A script of the package
 * @path: in the package; @args: appended to its command line as they are. Both owned
 */
struct tools_script {
	char *path;
	char *args;
};

struct tools_scripts {
	struct tools_script *v;
	size_t n;
};

/**
 * struct tools - Everything around the model
 * @encapsulate: in front of its command, "" for nothing; owned
 * @env:         of the tools
 */
struct tools {
	struct tools_scripts pre;
	struct tools_scripts post;
	char *encapsulate;
	struct variables env;
};

#define TOOLS_INIT                                                                                 \
	{                                                                                          \
		.encapsulate = NULL                                                                \
	}

/**
 * struct tools_query - What decides; all borrowed
 * @context: the additional context, or NULL
 * @config:  tools.json as read, or NULL when there is none
 * @rocenv:  the package has TOOLS_ROCENV. madengine brings that script itself, we have only the
 *           user's; gen_sys_env_details false in the context leaves it out too
 * @environment: names_environment() of the model; @guest_os: of the context, NULL for "UBUNTU"
 */
struct tools_query {
	struct json_object *context;
	struct json_object *config;
	bool rocenv;
	const char *environment;
	const char *guest_os;
};

/**
 * tools_resolve() - Put it all together
 * @ret: end with tools_done(), written only on success
 *
 * Return: 0; -ENOENT a tool that is not in @config; -EINVAL a member of a wrong form, or a script
 * outside of the package; each naming the member ("pre_scripts[1].path"). -ENOMEM.
 */
int tools_resolve(const struct tools_query *query, struct tools *ret, struct error *err);

/**
 * tools_load() - Read the tools of a package
 * @path: relative to the package; NULL: TOOLS_CONFIG, which may be missing
 * @ret:  owned by the caller; NULL where there is none
 *
 * Return: 0; -EINVAL with place and rule; errno of reading.
 */
int tools_load(int package_fd, const char *path, struct json_object **ret, struct error *err);

void tools_done(struct tools *tools);

#define AUTO_TOOLS CLEANUP(tools_done)

#endif
