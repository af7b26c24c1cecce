/* SPDX-License-Identifier: MIT */
/*
 * Results out of a guest that is not trusted.
 *
 * Theory of operation: a script in the guest expands the patterns and writes a tar stream; what
 * arrives is checked here as if an attacker had written it. An entry is created only if its name is
 * one the patterns ask for, plain UTF-8 without control characters, ".." or an absolute path; only
 * regular files and folders; beneath the destination with no symbolic link followed; no setuid,
 * setgid or sticky bit and not writable for group and others; under a temporary name first, then
 * renamed. Sizes count as the bytes really sent. Everything else is skipped and reported.
 */
#ifndef BMVM_GUEST_COLLECT_H
#define BMVM_GUEST_COLLECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strv.h"

struct beneath_keep;
struct error;
struct guest;
struct watchset;

/**
 * struct guest_collect - What to fetch; everything borrowed for the call
 * @globs:       patterns relative to @workdir, NULL-terminated: *, ?, [...] of the POSIX shell; no
 *               "**"; a folder that matches comes whole. Not absolute, no ".." (-EINVAL)
 * @workdir:     in the guest, NULL: the user's home
 * @dest:        folder on the host; must exist
 * @keep:        names on the host that nothing takes, files and folders: what has one is skipped;
 *               see guest/beneath.h; NULL: none
 * @max_size:    cap on the bytes of all files together
 * @deadline_ns: -ETIMEDOUT then
 */
struct guest_collect {
	char *const *globs;
	const char *workdir;
	const char *dest;
	const struct beneath_keep *keep;
	uint64_t max_size;
	uint64_t deadline_ns;
};

/**
 * struct collect_report - What became of it; free with collect_report_done()
 * @files, @folders: created or replaced (folders: only new ones)
 * @bytes:     in those files
 * @n_skipped: entries not taken
 * @skipped:   "NAME: why" of the first 100 of them, NAME escaped for people
 * @unmatched: patterns that matched nothing
 */
struct collect_report {
	uint64_t files;
	uint64_t folders;
	uint64_t bytes;
	uint64_t n_skipped;
	struct strv skipped;
	struct strv unmatched;
};

#define COLLECT_REPORT_INIT                                                                        \
	{                                                                                          \
		.files = 0                                                                         \
	}

/**
 * guest_collect() - Fetch files that match patterns from the guest
 * @ret: filled also on failure, with what was collected before; must be COLLECT_REPORT_INIT
 * @ws:  NULL: none
 *
 * Existing files of the destination are replaced; an existing symbolic link or other non-file in
 * the way is not touched, the entry is skipped. Made by root in someone's folder, the entries
 * belong to that folder's owner. What was complete when an error came stays; the file in progress
 * does not. Return: 0, also when something was skipped or nothing matched; -EINVAL bad pattern;
 * -EFBIG cap on size, number (100000) or depth (64) reached; -ENOENT no @workdir in the guest;
 * -EPROTO no sound tar stream; errno of opening or writing the destination; -EIO the guest's words;
 * -ETIMEDOUT; -ECONNRESET; what a watch returned.
 */
int guest_collect(struct guest *g, const struct guest_collect *what, struct collect_report *ret,
		  const struct watchset *ws, struct error *err);

/** collect_report_done() - Free; accepts an empty report. */
void collect_report_done(struct collect_report *report);

#define AUTO_COLLECT_REPORT CLEANUP(collect_report_done)

#endif
