/* SPDX-License-Identifier: MIT */
/*
 * Recorded hosts: the files of /sys and /proc of a machine as one text, as scripts/record-sysfs
 * writes it. A line is one of
 *
 *   # comment
 *   in FOLDER          what follows lies in this folder, "in /" for the root
 *   PATH<tab>TEXT      a file with TEXT and a newline; \n, \t and \\ stand for themselves; an empty
 *                      TEXT makes an empty file
 *   PATH<tab>hex:HH..  a file with these bytes
 *   PATH -> TARGET     a link
 *   PATH/              a folder
 */
#ifndef BMVM_TESTS_HELPER_RECORDED_H
#define BMVM_TESTS_HELPER_RECORDED_H

#include <stddef.h>

/** recorded_load() - Make the host tests/data/hosts/@name.tree below @root; aborts on junk. */
void recorded_load(const char *root, const char *name);

/** recorded_load_text() - The same of a text, NUL-terminated. Return: how many lines made one. */
size_t recorded_load_text(const char *root, const char *text);

#endif
