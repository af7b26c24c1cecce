/* SPDX-License-Identifier: MIT */
/*
 * A process in the jail that looks around there. A function with the signature of look.around runs
 * in it, states with MUST() what has to be, and fails the test that sent it otherwise.
 */
#ifndef BMVM_TESTS_HELPER_JAIL_H
#define BMVM_TESTS_HELPER_JAIL_H

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/error.h"
#include "vm/jail.h"

#define UID (JAIL_UID_BASE + 7)

#define MUST(condition)                                                                            \
	do {                                                                                       \
		if (!(condition))                                                                  \
			return error_set(err, EINVAL, "line %d: %s (%s)", __LINE__, #condition,    \
					 strerror(errno));                                         \
	} while (0)

/** struct place - A host folder to share, with a seed beside it, as the guardian would have them */
struct place {
	char dir[64];
	int dir_fd, share_fd, seed_fd;
};

/** struct look - Runs in the child after jail_enter(); what it returns fails the test */
struct look {
	struct jail jail;
	int (*around)(struct error *err);
};

/** need_root() - Skip the test when it runs without root. */
void need_root(void);

/** make_folder() - A folder with exactly that mode. Return: descriptor. */
int make_folder(int dir_fd, const char *name, mode_t mode);

/** open_place() - Make the folders. */
void open_place(struct place *p);

/** close_place() - Remove them. */
void close_place(struct place *p);

/** fill_jail() - A jail for UID with the seed and the share, read-only and writable. */
void fill_jail(const struct place *p, struct jail *j);

/** look_around() - Start the process; the test fails when it is not content. */
void look_around(struct look *l);

/** become_nobody_and_enter() - Give up root, then go into @data, a struct jail; for a spawn. */
int become_nobody_and_enter(void *data, struct error *err);

/** opens() - Whether a file can be opened. */
bool opens(const char *path, int flags);

#endif
