/* SPDX-License-Identifier: MIT */
#include "host/modules.h"

#include <errno.h>
#include <fcntl.h>
#include <libkmod.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "host/host.h"

#define MODULE_NAME_MAX 64

static void ctx_unrefp(struct kmod_ctx **ctx)
{
	(void)kmod_unref(*ctx);
}

static void list_unrefp(struct kmod_list **list)
{
	(void)kmod_module_unref_list(*list);
}

static void module_unrefp(struct kmod_module **mod)
{
	(void)kmod_module_unref(*mod);
}

#define AUTO_KMOD   CLEANUP(ctx_unrefp)
#define AUTO_LIST   CLEANUP(list_unrefp)
#define AUTO_MODULE CLEANUP(module_unrefp)

static int open_kmod(struct kmod_ctx **ret, struct error *err)
{
	*ret = kmod_new(NULL, NULL);
	return *ret == NULL ? error_errno(err, "read the kernel's list of modules") : 0;
}

/* A module with parameters that is built in has a folder there as well. */
static bool is_named(const struct host *host, const char *name)
{
	char path[MODULE_NAME_MAX + 16];

	(void)snprintf(path, sizeof(path), "module/%.63s", name);
	for (char *c = path; *c != '\0'; c++)
		*c = (char)(*c == '-' ? '_' : *c);
	return faccessat(host->sys_fd, path, F_OK, 0) == 0;
}

bool module_is_loaded(const struct host *host, const char *name)
{
	return is_named(host, name);
}

static bool is_there(const struct host *host, struct kmod_module *mod)
{
	return is_named(host, kmod_module_get_name(mod)) ||
	       kmod_module_get_initstate(mod) == KMOD_MODULE_BUILTIN;
}

static int add_list(const struct host *host, struct kmod_list *list, struct strv *ret)
{
	struct kmod_list *at;

	kmod_list_foreach(at, list)
	{
		AUTO_MODULE struct kmod_module *mod = kmod_module_get_module(at);

		if (!is_there(host, mod) && !strv_contains(ret, kmod_module_get_name(mod)))
			strv_add(ret, kmod_module_get_name(mod));
	}
	return strv_error(ret);
}

/* What `softdep NAME pre: A B` asks for, then what its symbols need, then itself. */
static int add_module(const struct host *host, struct kmod_module *mod, struct strv *ret)
{
	AUTO_LIST struct kmod_list *before = NULL, *after = NULL;
	AUTO_LIST struct kmod_list *needs = kmod_module_get_dependencies(mod);
	struct kmod_list *at;
	int r = kmod_module_get_softdeps(mod, &before, &after);

	if (r < 0)
		return r;
	kmod_list_foreach(at, before)
	{
		AUTO_MODULE struct kmod_module *first = kmod_module_get_module(at);
		AUTO_LIST struct kmod_list *firsts = kmod_module_get_dependencies(first);

		if (!is_there(host, first)) {
			r = add_list(host, firsts, ret);
			strv_add(ret, kmod_module_get_name(first));
		}
	}
	if (r == 0)
		r = add_list(host, needs, ret);
	strv_add(ret, kmod_module_get_name(mod));
	return r < 0 ? r : strv_error(ret);
}

/* As modprobe without -b: a blacklisted module is only left out where an alias led to it. */
static int check_allowed(struct kmod_ctx *ctx, const char *name, struct kmod_list *found,
			 struct error *err)
{
	AUTO_LIST struct kmod_list *allowed = NULL;
	struct kmod_list *at;

	if (kmod_module_apply_filter(ctx, KMOD_FILTER_BLACKLIST, found, &allowed) < 0)
		return error_set(err, ENOMEM, "out of memory");
	if (allowed == NULL)
		return error_hint(
			err, error_set(err, EPERM, "the kernel module %s is blacklisted", name),
			"grep -r %s /etc/modprobe.d", name);
	kmod_list_foreach(at, found)
	{
		AUTO_MODULE struct kmod_module *mod = kmod_module_get_module(at);

		if (kmod_module_get_install_commands(mod) != NULL)
			return error_hint(
				err,
				error_set(err, EPERM,
					  "modprobe's configuration replaces the loading of %s by "
					  "a command",
					  name),
				"modprobe %s", name);
	}
	return 0;
}

int modules_missing(const struct host *host, const char *name, struct strv *ret, struct error *err)
{
	AUTO_KMOD struct kmod_ctx *ctx = NULL;
	AUTO_LIST struct kmod_list *found = NULL;
	struct kmod_list *at;
	bool missing = false;
	int r;

	if (is_named(host, name))
		return 0;
	r = open_kmod(&ctx, err);
	if (r < 0)
		return r;
	r = kmod_module_new_from_lookup(ctx, name, &found);
	if (r < 0)
		return error_set(err, -r, "look for the kernel module %s: %s", name, strerror(-r));
	if (found == NULL)
		return error_set(err, ENOENT, "the running kernel has no module %s", name);
	kmod_list_foreach(at, found)
	{
		AUTO_MODULE struct kmod_module *mod = kmod_module_get_module(at);

		missing = missing || !is_there(host, mod);
	}
	if (!missing)
		return 0;
	r = check_allowed(ctx, name, found, err);
	if (r < 0)
		return r;
	kmod_list_foreach(at, found)
	{
		AUTO_MODULE struct kmod_module *mod = kmod_module_get_module(at);

		if (!is_there(host, mod))
			r = add_module(host, mod, ret);
		if (r < 0)
			return error_set(err, -r, "what the kernel module %s needs: %s", name,
					 strerror(-r));
	}
	return 0;
}

static int find_one(struct kmod_ctx *ctx, const char *name, struct kmod_module **ret,
		    struct error *err)
{
	int r = kmod_module_new_from_name(ctx, name, ret);

	return r < 0 ? error_set(err, -r, "the kernel module %s: %s", name, strerror(-r)) : 0;
}

int module_insert(const char *name, struct error *err)
{
	AUTO_KMOD struct kmod_ctx *ctx = NULL;
	AUTO_MODULE struct kmod_module *mod = NULL;
	int r = open_kmod(&ctx, err);

	if (r == 0)
		r = find_one(ctx, name, &mod, err);
	if (r < 0)
		return r;
	r = kmod_module_insert_module(mod, 0, kmod_module_get_options(mod));
	if (r < 0 && r != -EEXIST)
		return error_set(err, -r, "load the kernel module %s: %s%s", name, strerror(-r),
				 r == -ENOEXEC ? " (built for another kernel?)" : "");
	return 0;
}
