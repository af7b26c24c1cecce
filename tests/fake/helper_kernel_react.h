/* SPDX-License-Identifier: MIT */
/* The reactions of the fake kernel to writes; for helper_kernel*.c. */
#ifndef BMVM_TESTS_HELPER_KERNEL_REACT_H
#define BMVM_TESTS_HELPER_KERNEL_REACT_H

#include "helper_kernel.h"

/** fake_at() - Put a path together. Return: one of eight static ones, so use it at once. */
const char *fake_at(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** fake_react() - What a write to @path below /sys does. Return: 0 or -errno. */
int fake_react(struct fake_kernel *k, const char *path, const char *value, size_t len);

/** fake_bind() - Bind a function to a driver, whatever matches. */
void fake_bind(struct fake_kernel *k, const char *address, const char *driver);

/** fake_group() - Put the device in the real folder @path, named @name, into a group. */
void fake_group(const struct fake_kernel *k, const char *path, const char *name, int group);

#endif
