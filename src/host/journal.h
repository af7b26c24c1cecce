/* SPDX-License-Identifier: MIT */
/*
 * The write-ahead journal of one VM: what this run is about to change, written and synced before
 * the change is made, so that whoever is left (guardian, front, a later run) can undo it.
 *
 * Theory of operation. The file is JSON lines in the VM's run folder. A record is a semantic
 * operation with everything its undo needs ({"seq":3,"op":"process","pid":4711,...}); it says "this
 * may have happened". Undo walks the records from the last to the first, skips those already marked
 * {"undone":SEQ}, calls the operation's procedure (run/undo.c) and marks it. The procedures are
 * idempotent, so undo itself may be killed at any moment and run again. A torn last line is an
 * operation that was never begun, and is ignored.
 *
 * Records name the boot they were made in: processes and ports of an earlier boot are gone by
 * themselves and their numbers mean something else now.
 */
#ifndef BMVM_HOST_JOURNAL_H
#define BMVM_HOST_JOURNAL_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

struct error;

/**
 * struct journal - An open journal
 * @fd:       the file, append only
 * @next_seq: number of the next record
 * @boot_id:  written into each record, borrowed
 */
struct journal {
	int fd;
	uint64_t next_seq;
	const char *boot_id;
};

#define JOURNAL_INIT                                                                               \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/**
 * journal_open() - Open the journal of a VM folder, making it when missing
 * @dir_fd:  the VM's run folder
 * @boot_id: of this boot; must live as long as @ret
 *
 * Return: 0; errno of open or read; -EFBIG for a file no run of ours can have written.
 */
int journal_open(int dir_fd, const char *boot_id, struct journal *ret, struct error *err);

/** journal_close() - Close; accepts JOURNAL_INIT. */
void journal_close(struct journal *j);

/**
 * journal_intend() - Write down an operation before it is begun
 * @op:   its name in run/undo.c's table
 * @what: members that its undo needs; taken (freed), also on failure
 *
 * Blocks until it is on the disk. Return: the record's number (> 0), or -errno: then the operation
 * must not be begun.
 */
int64_t journal_intend(struct journal *j, const char *op, struct json_object *what,
		       struct error *err);

/** journal_undone() - Mark a record as undone. Return: 0 or -errno. */
int journal_undone(struct journal *j, uint64_t seq, struct error *err);

/**
 * journal_fn - Undo one record
 * @record:    with "op" and the members given to journal_intend()
 * @same_boot: whether it was written in this boot
 *
 * Return: 0 undone (it is then marked); 1 left in place on purpose (not marked); -errno failed: the
 * walk goes on with the others.
 */
typedef int journal_fn(void *data, struct json_object *record, bool same_boot, struct error *err);

/**
 * journal_walk_back() - Call @fn for each record that is not undone, the last first
 *
 * Return: 0; the first -errno of @fn, with @err; errno of reading.
 */
int journal_walk_back(struct journal *j, journal_fn *fn, void *data, struct error *err);

/**
 * journal_each() - Call @fn for each record of an operation, the undone ones too, the first first
 *
 * Return: 0; errno of reading; -ENOMEM.
 */
int journal_each(const struct journal *j, const char *op,
		 void (*fn)(void *data, struct json_object *record), void *data, struct error *err);

#define AUTO_JOURNAL CLEANUP(journal_close)

#endif
