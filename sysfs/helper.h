/* SPDX-License-Identifier: MIT */
/*
 * Calls that may block for ever in the kernel, made in a child process; private to this folder.
 *
 * The child outlives a parent that is killed, on purpose: what it has begun must be allowed to
 * finish, and it holds the lock meanwhile. It keeps nothing of the parent but what it needs: no
 * descriptors (0, 1 and 2 are /dev/null), no signal handlers, no session, no working directory.
 */
#ifndef SYSFS_HELPER_H
#define SYSFS_HELPER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sysfs/error.h"

/**
 * struct helper - One such call
 * @run:     made in the child of a process that may have threads: async-signal-safe functions
 *           only. It may fill @reply, up to @size bytes. Return: bytes of the reply; -errno
 * @data:    passed to @run
 * @dir_fd:  the descriptor that @run is given
 * @lock_fd: a descriptor the child holds until it ends; -1 for none
 * @what:    names the call in an error
 */
struct helper {
	ssize_t (*run)(void *data, int dir_fd, char *reply, size_t size);
	void *data;
	int dir_fd;
	int lock_fd;
	const char *what;
};

/**
 * helper_run() - Make the call, wait until the deadline for its result
 * @helper:
 * @deadline_ns:
 * @reply:       receives what @run put there
 * @size:        of @reply, at most SYSFS_TEXT_SIZE
 * @err:         filled only for -ETIMEDOUT, with the pid of the child, and for failures of making
 *               the call, not for what @run returned
 *
 * Return: what @run returned; -ETIMEDOUT; -ECHILD the child died before it could tell, so that the
 * call may have been made or not; errno of fork(2), pipe(2).
 */
ssize_t helper_run(const struct helper *helper, uint64_t deadline_ns, char *reply, size_t size,
		   struct sysfs_error *err);

#endif
