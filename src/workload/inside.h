/* SPDX-License-Identifier: MIT */
/*
 * Paths that a package gives: each must stay in the package, which is all that the guest has. Pure.
 */
#ifndef BMVM_WORKLOAD_INSIDE_H
#define BMVM_WORKLOAD_INSIDE_H

#include <stdbool.h>

struct error;

/**
 * inside_check() - Whether a path of the package may be used
 * @what: whose path, for the message: "dockerfile", "a pre_script"
 *
 * Relative, never above the package on its way ("a/../b" is fine), UTF-8 without control
 * characters, at most 1024 bytes, not beginning with "-". Symbolic links are not looked at.
 * Return: 0; -EINVAL naming @what, @path and the rule.
 */
int inside_check(const char *what, const char *path, struct error *err);

/** inside_is_top() - Whether a path that inside_check() takes is the package's top: ".", "a/.." */
bool inside_is_top(const char *path);

#endif
