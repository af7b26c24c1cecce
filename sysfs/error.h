/* SPDX-License-Identifier: MIT */
/*
 * Why a call of this folder failed.
 *
 * Convention of this folder: a function that can fail returns 0 (or a count >= 0) or a NEGATIVE
 * errno, and fills its last parameter `struct sysfs_error *err`, which may be NULL. Outputs are
 * written on success only. Programs branch on the return value, people read the text. Nothing here
 * logs.
 *
 * Codes with one meaning throughout, beside what the kernel answers:
 *   ETIMEDOUT  the deadline passed. With @wedged set a write or read is stuck in the kernel and its
 *              helper is left behind; without, something did not happen in time
 *   ESTALE     the present state is neither ours nor the original one: somebody else changed it, so
 *              nothing was touched
 *   EBADMSG    a file of the tree does not hold what its format demands
 *   ENOLCK     somebody else holds the lock of struct sysfs exclusively; nothing was touched
 *   EINVAL     the caller's argument breaks a rule; nothing was touched
 */
#ifndef SYSFS_ERROR_H
#define SYSFS_ERROR_H

#include <sys/types.h>

/**
 * struct sysfs_error - One failure
 * @code:   errno value (> 0), the negative of what the function returned; 0 when none is recorded
 * @wedged: helper process that is stuck in the kernel, 0 when there is none. It is a child of this
 *          process, still holds the lock of struct sysfs, and finishes by itself or never: the
 *          device is to be left alone until it has gone (reap it with waitpid(..., WNOHANG))
 * @text:   one line, no trailing newline, cut to fit between two UTF-8 characters. It may quote the
 *          tree: treat it as untrusted before it reaches a terminal
 *
 * Owned by the caller, usually on its stack and initialised with { 0 }; nothing to free.
 */
struct sysfs_error {
	int code;
	pid_t wedged;
	char text[400];
};

/**
 * sysfs_error_set() - Record a failure
 * @err:  filled, its former content lost; NULL is allowed
 * @code: errno value, > 0
 * @fmt:  what failed, printf style
 *
 * Return: -@code.
 */
int sysfs_error_set(struct sysfs_error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * sysfs_error_os() - Record a failure of the system, its text appended after a colon
 * @err:  filled; NULL is allowed
 * @code: errno value, > 0
 * @fmt:  what was tried, printf style
 *
 * Return: -@code.
 */
int sysfs_error_os(struct sysfs_error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * sysfs_error_prefix() - Put a context before the text of a recorded failure
 * @err:    as filled by the call that failed; NULL is allowed
 * @r:      what that call returned
 * @prefix: put before the text with a colon
 *
 * Code and wedged stay. Return: @r.
 */
int sysfs_error_prefix(struct sysfs_error *err, int r, const char *prefix);

#endif
