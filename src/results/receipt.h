/* SPDX-License-Identifier: MIT */
/*
 * The receipt: one JSON file per run that says what was done and whether the host is as before.
 *
 * Kept as data_dir/receipts/NAME.json (the newest RECEIPTS_KEPT of them) and, if asked for, at a
 * path of the user's. Secrets never get in: values of --env are left out, names stay.
 */
#ifndef BMVM_RESULTS_RECEIPT_H
#define BMVM_RESULTS_RECEIPT_H

#include <json-c/json.h>

struct error;

#define RECEIPTS_KEPT   200
#define RECEIPTS_FOLDER "receipts" /* in data_dir */

/**
 * receipt_save() - Write a receipt
 * @data_fd:  handle of data_dir
 * @vm:       its name
 * @receipt:  borrowed
 * @also:     second path, absolute, or NULL
 *
 * Removes the oldest receipts above RECEIPTS_KEPT. @also belongs to its folder's owner. Return:
 * 0, or the errno of the write that failed; the other one is done nevertheless.
 */
int receipt_save(int data_fd, const char *vm, struct json_object *receipt, const char *also,
		 struct error *err);

#endif
