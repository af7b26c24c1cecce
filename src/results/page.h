/* SPDX-License-Identifier: MIT */
/*
 * The frame of a report: one HTML file with its styles and its script in it (src/results/page),
 * that loads nothing from elsewhere. A content security policy in it allows just these two, by
 * their digests, so a browser runs nothing else even if something got in.
 */
#ifndef BMVM_RESULTS_PAGE_H
#define BMVM_RESULTS_PAGE_H

#include <stdio.h>

enum page_kind {
	PAGE_BROWSER,
	PAGE_MAIL, /* what mail readers show: a few styles, no script, no policy */
};

/** page_begin() - Write what comes before the content: the head, and @title as the heading. */
void page_begin(FILE *out, enum page_kind kind, const char *title);

/**
 * page_end() - Write what comes behind it
 * @made: when it was made, as clock_iso() writes it, or NULL
 */
void page_end(FILE *out, const char *made);

#endif
