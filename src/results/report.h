/* SPDX-License-Identifier: MIT */
/*
 * Reports: a CSV file as a page for a browser, or several as a page for a mail.
 *
 * Made wholly in memory; writing them somewhere is the caller's. The files they are made of are
 * hostile: whatever is in them, it is text on the page.
 */
#ifndef BMVM_RESULTS_REPORT_H
#define BMVM_RESULTS_REPORT_H

#include <json-c/json.h>
#include <stddef.h>

struct csv;
struct error;
struct strv;

/**
 * struct report - What a page is about
 * @csv:      the rows
 * @name:     what the file is called, for the heading
 * @receipts: array of receipts (html_stages_load()), or NULL
 * @made:     see page_end()
 */
struct report {
	const struct csv *csv;
	const char *name;
	struct json_object *receipts;
	const char *made;
};

/**
 * report_page() - Make the page of one file
 * @ret: owned by the caller; @ret_len bytes
 *
 * In it: how many runs there were and how they ended, a plot for each model and metric that was
 * measured more than once, the stages of the receipts' runs, and the table.
 * Return: 0; -ENOMEM.
 */
int report_page(const struct report *report, char **ret, size_t *ret_len, struct error *err);

/**
 * struct report_mail - What a page for a mail is made of
 * @dir_fd: the folder
 * @names:  its CSV files, in the order of the page
 * @made:   see page_end()
 */
struct report_mail {
	int dir_fd;
	const struct strv *names;
	const char *made;
};

/**
 * report_mail() - Make a page of all CSV files of a folder, to be put into a mail
 * @ret: owned by the caller; @ret_len bytes
 *
 * Plain tables, which mail readers show: no script, no plots, all rows. A file that cannot be read
 * is warned of, and the page says so in its place. Return: how many could not be read; -ENOMEM.
 */
int report_mail(const struct report_mail *mail, char **ret, size_t *ret_len, struct error *err);

#endif
