/* SPDX-License-Identifier: MIT */
/* Making a snapshot line by line; private to this folder. A failure (memory) is kept to the end. */
#ifndef SYSFS_SNAPSHOT_LINES_H
#define SYSFS_SNAPSHOT_LINES_H

#include "sysfs/snapshot.h"

/**
 * struct snapshot_lines - A snapshot in the making
 * @snapshot: unsorted, may hold a line twice
 * @r:        0; the first failure, after which additions do nothing
 */
struct snapshot_lines {
	struct snapshot snapshot;
	int r;
};

/**
 * struct snapshot_text - A text in the making
 * @s:   owned; NULL while there is none
 * @len:
 * @r:   0; the first failure, after which additions do nothing
 */
struct snapshot_text {
	char *s;
	size_t len;
	int r;
};

/** snapshot_text_add() - Append, printf style. */
void snapshot_text_add(struct snapshot_text *text, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/** snapshot_lines_add() - Add a line; copies all. */
void snapshot_lines_add(struct snapshot_lines *lines, const char *object, const char *field,
			const char *value);

/** snapshot_lines_take() - Add a line whose value is @text, which is empty afterwards. */
void snapshot_lines_take(struct snapshot_lines *lines, const char *object, const char *field,
			 struct snapshot_text *text);

/**
 * snapshot_lines_finish() - Sort, drop what is there twice
 * @lines: empty afterwards
 * @ret:
 *
 * Return: 0; the failure that was kept.
 */
int snapshot_lines_finish(struct snapshot_lines *lines, struct snapshot *ret);

#endif
