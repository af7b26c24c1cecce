/* SPDX-License-Identifier: MIT */
/*
 * Text and numbers as HTML. Everything that is not our own goes through html_text(), so that it
 * stays text wherever it is put: between tags, or in an attribute with double quotes.
 *
 * The sink is a FILE, whose error flag is looked at once, by whoever opened it.
 */
#ifndef BMVM_RESULTS_HTML_H
#define BMVM_RESULTS_HTML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/**
 * html_text() - Write foreign bytes
 * @len: bytes; NULs may be among them
 *
 * Bytes that are no UTF-8 become U+FFFD, control characters their pictures (U+2400 and on; tab and
 * line feed stay), marks that reorder what is beside them U+FFFD.
 */
void html_text(FILE *out, const char *text, size_t len);

/** html_str() - The same for a NUL-terminated string; nothing for NULL. */
void html_str(FILE *out, const char *text);

/** html_head() - How many bytes the first @n_chars characters of a text are; @len if it has less.
 */
size_t html_head(const char *text, size_t len, size_t n_chars);

/** html_count() - Write a whole number with commas between its thousands. */
void html_count(FILE *out, uint64_t n);

/** html_number() - Write a number with @decimals, commas and a true minus sign. */
void html_number(FILE *out, double value, int decimals);

/** html_seconds() - Write a duration: "0.3 s", "2 min 05 s", "3 h 20 min". */
void html_seconds(FILE *out, double seconds);

/**
 * html_parse_number() - Read a decimal number, exponent allowed, blanks around it
 *
 * Return: whether all of @text is one whose size is between 1e-200 and 1e200, or 0. No hexadecimal,
 * no "inf", no "nan".
 */
bool html_parse_number(const char *text, size_t len, double *ret);

#endif
