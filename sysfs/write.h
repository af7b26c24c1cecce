/* SPDX-License-Identifier: MIT */
/*
 * The one function through which every change goes.
 *
 * A write to the kernel's files can block for ever: unbinding waits for the last user of a device.
 * So it is made by a helper process, and when the deadline passes the helper is left alone: killing
 * it would not take the operation back, and the kernel may still finish it. For as long as the
 * helper lives it holds a shared lock; whoever wants to undo takes the lock exclusively first and
 * so never races a late write.
 */
#ifndef SYSFS_WRITE_H
#define SYSFS_WRITE_H

#include "sysfs/tree.h"

/**
 * struct sysfs_change - One write, or another call that changes something; everything borrowed
 * @op:     see struct sysfs_intent, as for the next four
 * @object:
 * @in_proc: @path lies below the /proc root instead of the /sys root
 * @path:   attribute, relative to that root
 * @old:    what it holds now, for the intent; NULL for one that holds nothing
 * @value:  what is written, as it is, in one write(2); an empty text is a no-op in sysfs, so one
 *          clears by "\n"
 * @expect: what the attribute reads afterwards; NULL: not read
 * @call:   made instead of the write, of what has no file, in the helper as @write of struct
 *          sysfs_kernel, which stands in for it; NULL: the write
 * @accept: judges what it reads instead of @expect, which is its second argument; NULL: equality
 */
struct sysfs_change {
	const char *op;
	const char *object;
	bool in_proc;
	const char *path;
	const char *old;
	const char *value;
	const char *expect;
	int (*call)(void *data, int dir_fd, const char *path, const char *value, size_t len);
	bool (*accept)(const char *text, const char *expect);
};

/**
 * sysfs_change() - Tell the intent, write, read back
 * @sys:
 * @change:
 * @deadline_ns: absolute, CLOCK_MONOTONIC
 * @err:
 *
 * The order: the lock of @sys->lock_fd is taken (shared, on an open file description of its own, so
 * that it does not touch a lock the caller holds on the same file by another one); the intent is
 * told; a helper is forked, which inherits the lock, and writes; the value is read back. The lock
 * is ours before the intent is told, and the helper's before we let go of it: a process that takes
 * it exclusively after we were killed sees each intent, and no write can follow.
 *
 * Return: 0. Nothing was written: -EINVAL @path leads out of the root or @value is empty;
 * -ETIMEDOUT without @err->wedged; -EBUSY with "lock" in the text, somebody holds the lock
 * exclusively; what the intent function returned; errno of fork(2). Nothing was changed: what the
 * kernel answered to open or write. Unknown: -ETIMEDOUT with @err->wedged; -ECHILD the helper was
 * killed. Written: -EREMOTEIO the value reads otherwise; errno of reading back.
 */
int sysfs_change(const struct sysfs *sys, const struct sysfs_change *change, uint64_t deadline_ns,
		 struct sysfs_error *err);

#endif
