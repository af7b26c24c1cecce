/* SPDX-License-Identifier: MIT */
/*
 * Why an operation failed, for people.
 *
 * Convention of the whole program: a function that can fail returns 0 (or a count >= 0) or a
 * NEGATIVE errno, and fills its last parameter `struct error *err`. The first error wins;
 * callers add outer context with error_prefix(). NULL is allowed wherever nobody reads it.
 */
#ifndef BMVM_BASE_ERROR_H
#define BMVM_BASE_ERROR_H

/**
 * struct error - One failure
 * @code: errno value (> 0), or 0 when no error is recorded
 * @msg:  one line, no trailing newline, outermost context first
 * @hint: what to do about it, one line, or empty
 *
 * Owned by the caller, usually on its stack; nothing to free.
 */
struct error {
	int code;
	char msg[1024];
	char hint[512];
};

#define ERROR_INIT                                                                                 \
	{                                                                                          \
		.code = 0                                                                          \
	}

/**
 * error_set() - Record a failure
 * @err:  filled, its former content lost; NULL is allowed
 * @code: errno value, > 0
 * @fmt:  what failed, printf style
 *
 * Return: -@code, so that `return error_set(...)` is one line.
 */
int error_set(struct error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * error_errno() - Record the current errno
 * @err: filled; NULL is allowed
 * @fmt: what was being done; ": " and strerror(errno) are appended
 *
 * Return: -errno (-EIO should errno be 0).
 */
int error_errno(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/**
 * error_prefix() - Put outer context before a recorded message
 * @err: as filled by the failed call; NULL is allowed
 * @r:   passed through
 * @fmt: the context; ": " is added
 *
 * Return: @r.
 */
int error_prefix(struct error *err, int r, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * error_hint() - Say what to do about a recorded failure
 * @err: as filled by the failed call; NULL is allowed
 * @r:   passed through
 * @fmt: the hint, best a command to type
 *
 * Return: @r.
 */
int error_hint(struct error *err, int r, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
