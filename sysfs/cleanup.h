/* SPDX-License-Identifier: MIT */
/* Scope-bound release of resources; private to this folder, its public headers do not need it. */
#ifndef SYSFS_CLEANUP_H
#define SYSFS_CLEANUP_H

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static inline void sysfs_freep(void *p)
{
	free(*(void **)p);
}

/* Close and forget; keeps errno, so that it may run between a failing call and its report. */
static inline void sysfs_close_fd(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
	errno = saved;
}

/* Take a descriptor out of the care of its scope. */
static inline int sysfs_take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

#define SYSFS_AUTO_FREE     __attribute__((cleanup(sysfs_freep)))
#define SYSFS_AUTO_CLOSE    __attribute__((cleanup(sysfs_close_fd)))

#define SYSFS_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
