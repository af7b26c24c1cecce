/* SPDX-License-Identifier: MIT */
/*
 * Why a QMP call failed.
 *
 * Convention of this folder: a function that can fail returns 0 (or a count >= 0) or a NEGATIVE
 * errno, and fills its last parameter `struct qmp_error *err`, which may be NULL. Programs branch
 * on the return value and on class_; people read desc. Nothing here logs.
 */
#ifndef QMP_ERROR_H
#define QMP_ERROR_H

/**
 * struct qmp_error - One failure
 * @code:   errno value (> 0), the negative of what the function returned; 0 when none is recorded
 * @class_: QMP's error class ("CommandNotFound", "DeviceNotFound", "GenericError", ...) when the
 *          peer answered with an error (code EIO), empty otherwise
 * @desc:   one line, no trailing newline, cut to fit between two UTF-8 characters. It may quote
 *          the peer: treat it as untrusted text before it reaches a terminal
 *
 * Owned by the caller, usually on its stack and initialised with { 0 }; nothing to free.
 *
 * Codes used throughout: ECONNRESET the connection is gone, ETIMEDOUT the deadline passed (the
 * connection stays usable), EIO the peer answered with an error, EPROTO the peer broke the
 * protocol (the connection is closed), EMSGSIZE it sent a line above the size cap (closed too),
 * ENOMEM.
 */
struct qmp_error {
	int code;
	char class_[32];
	char desc[256];
};

/**
 * qmp_error_set() - Record a failure
 * @err:  filled, its former content lost; NULL is allowed
 * @code: errno value, > 0
 * @fmt:  what failed, printf style
 *
 * Return: -@code.
 */
int qmp_error_set(struct qmp_error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * qmp_error_reply() - Record an error that the peer replied
 * @err:   filled; NULL is allowed
 * @class: QMP error class, cut to fit
 * @desc:  the peer's text, cut to fit
 *
 * Return: -EIO.
 */
int qmp_error_reply(struct qmp_error *err, const char *class, const char *desc);

#endif
