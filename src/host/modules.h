/* SPDX-License-Identifier: MIT */
/*
 * Kernel modules: what loading one would add, and adding it. sysfs/module.h takes one out again.
 *
 * libkmod reads modprobe's configuration and indices of the running kernel, so a module that the
 * administrator has blacklisted, or an `install` line, counts here as it does for modprobe. Unlike
 * there each module is inserted by a call of its own, so that each can be journaled before and only
 * what this program inserted is removed.
 */
#ifndef BMVM_HOST_MODULES_H
#define BMVM_HOST_MODULES_H

#include <stdbool.h>

#include "base/strv.h"

struct error;
struct host;

/**
 * modules_missing() - What has to be inserted, in this order, for a module to be there
 * @host: its /sys tells what is loaded or built in
 * @name: as modprobe takes it; an alias is looked up, '-' and '_' are the same
 * @ret:  names are added; none when the module is there or built in
 *
 * Return: 0; -ENOENT no such module for the running kernel; -EPERM blacklisted, or the
 * configuration has an `install` line for it, which this program does not run; errno of libkmod.
 */
int modules_missing(const struct host *host, const char *name, struct strv *ret, struct error *err);

/** module_is_loaded() - Whether a module of that name is there, as /sys tells. */
bool module_is_loaded(const struct host *host, const char *name);

/**
 * module_insert() - Insert one module whose dependencies are there
 *
 * Options come from modprobe's configuration. Blocks while the module initialises. Return: 0, also
 * when it is there already; errno of init_module(2), with what it means.
 */
int module_insert(const char *name, struct error *err);

#endif
