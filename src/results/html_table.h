/* SPDX-License-Identifier: MIT */
/*
 * A CSV file as an HTML table, with what all its rows have in common said once above it.
 *
 * Runs of models (columns.h) come newest first, other rows as in the file. All rows are in the
 * page, up to HTML_TABLE_ROWS of them; src/results/page/report.js sorts, filters and pages them.
 */
#ifndef BMVM_RESULTS_HTML_TABLE_H
#define BMVM_RESULTS_HTML_TABLE_H

#include <stdio.h>

#include "results/page.h"

struct csv;

#define HTML_TABLE_ROWS  100000 /* the newest, or last, of a larger file */
#define HTML_TABLE_FIRST 200    /* rows a browser with script lays out at once */
#define HTML_TABLE_CELL  8192   /* bytes of a longer cell that are shown */

/**
 * html_table() - Write a table with its facts, notes and tools
 * @kind:  what the page is for; a mail gets neither tools nor folded cells
 * @label: id of the heading above it; not used in a mail
 *
 * What is left out (rows, columns, surplus cells, ends of cells) is said.
 */
void html_table(FILE *out, const struct csv *csv, enum page_kind kind, const char *label);

#endif
