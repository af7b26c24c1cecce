/* SPDX-License-Identifier: MIT */
/*
 * Scope-bound release of resources (the GCC/Clang cleanup attribute).
 *
 * Declare the variable where the resource is acquired and initialise it in the same statement.
 * Types bring their own AUTO_X beside their destructor.
 */
#ifndef BMVM_BASE_CLEANUP_H
#define BMVM_BASE_CLEANUP_H

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(fn) __attribute__((cleanup(fn)))

static inline void freep(void *p)
{
	free(*(void **)p);
}

/* Close and forget; keeps errno, so that it may run between a failing call and its report. */
static inline void close_fd(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
	errno = saved;
}

static inline void fclosep(FILE **f)
{
	if (*f != NULL)
		(void)fclose(*f);
	*f = NULL;
}

static inline void closedirp(DIR **d)
{
	if (*d != NULL)
		(void)closedir(*d);
	*d = NULL;
}

#define AUTO_FREE     CLEANUP(freep)
#define AUTO_CLOSE    CLEANUP(close_fd)
#define AUTO_FCLOSE   CLEANUP(fclosep)
#define AUTO_CLOSEDIR CLEANUP(closedirp)

/* Move a value out of a variable, leaving it empty. */
#define TAKE(var, empty)                                                                           \
	({                                                                                         \
		__typeof__(var) taken_ = (var);                                                    \
		(var) = (empty);                                                                   \
		taken_;                                                                            \
	})
#define TAKE_PTR(p)   TAKE(p, NULL)
#define TAKE_FD(fd)   TAKE(fd, -1)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
