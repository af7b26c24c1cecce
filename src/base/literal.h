/* SPDX-License-Identifier: MIT */
/*
 * Strict reading of JSON text and of Python literals into json-c objects.
 *
 * json-c's own parser silently takes the last of two equal keys and rounds large integers; here
 * both are errors, and every error has a place and a rule. Python literals are what people pass to
 * madengine: {'a': True, 'b': None, 'c': (1, 2,)}. A tuple becomes an array. Strings have no
 * prefixes and are not joined, sets, complex numbers and keys other than strings are refused.
 * In both: no NUL in a string, UTF-8 only, at most LITERAL_DEPTH_MAX containers deep, integers
 * within 64 bits.
 */
#ifndef BMVM_BASE_LITERAL_H
#define BMVM_BASE_LITERAL_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

struct error;

#define LITERAL_DEPTH_MAX 64

enum literal_syntax {
	LITERAL_JSON,
	LITERAL_PYTHON,
	LITERAL_EITHER, /* JSON, else Python; never a mixture. The error is of whichever got further
			 */
};

/**
 * struct literal_text - A text and where it came from; all borrowed
 * @name: for messages, a file's name
 */
struct literal_text {
	const char *name;
	const char *text;
	size_t len;
	enum literal_syntax syntax;
};

/**
 * literal_parse() - Parse one value
 * @in:  nothing but white space (in Python also comments) may surround the value
 * @ret: owned by the caller, written only on success; NULL stands for null and None
 *
 * Return: 0; -EINVAL with "NAME:LINE:COLUMN: rule" in @err (columns count characters, from 1);
 * -ENOMEM.
 */
int literal_parse(const struct literal_text *in, struct json_object **ret, struct error *err);

/**
 * literal_locate() - Where a member stands in a text that literal_parse() has accepted
 * @path: "a.b[2].c"; a member's place is that of its key, an element's that of its value
 *
 * Parses again, so it is for error messages. Return: whether there is such a place; only then
 * are @ret_line and @ret_column (from 1) written.
 */
bool literal_locate(const struct literal_text *in, const char *path, unsigned int *ret_line,
		    unsigned int *ret_column);

#endif
