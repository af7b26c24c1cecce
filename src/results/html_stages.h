/* SPDX-License-Identifier: MIT */
/*
 * Where the time of runs went, from their receipts: a bar for each run, cut into its stages, all to
 * one scale.
 */
#ifndef BMVM_RESULTS_HTML_STAGES_H
#define BMVM_RESULTS_HTML_STAGES_H

#include <json-c/json.h>
#include <stdio.h>

struct error;

#define HTML_STAGES_RUNS 100 /* the newest, of more receipts */

/**
 * html_stages_load() - Read a receipt, or those of a folder
 * @path:     a receipt; or a folder, whose *.json that are receipts are taken and others left
 * @receipts: array that is added to
 *
 * Return: how many were added; -EINVAL when a file is none; errno of reading.
 */
int html_stages_load(const char *path, struct json_object *receipts, struct error *err);

/**
 * html_stages_find() - Read the receipts of the runs of models whose rows are in a CSV file
 * @folder: of receipts, relative to @dir_fd
 * @csv:    the receipts' "perf_csv" is the path that this one resolves to
 *
 * Return: how many were added; none where nothing can be read.
 */
int html_stages_find(int dir_fd, const char *folder, const char *csv, struct json_object *receipts);

/** html_stages() - Write the bars, the newest run first; nothing for an empty array. */
void html_stages(FILE *out, struct json_object *receipts);

#endif
