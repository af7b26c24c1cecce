/* SPDX-License-Identifier: MIT */
/*
 * Inside of the literal parser: its state, and the scanning of strings and numbers. Only
 * base/literal.c includes this; everyone else wants base/literal.h.
 */
#ifndef BMVM_BASE_LITERAL_SCAN_H
#define BMVM_BASE_LITERAL_SCAN_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

#define LITERAL_PATH_MAX 1024

/**
 * struct literal_parser - A parse under way
 * @text, @len: valid UTF-8 without NUL bytes, borrowed
 * @pos:        next byte
 * @error:      errno of the first failure, or 0; nobody goes on after one
 * @error_pos, @rule: its place and its message
 * @trailing_comma: whether the container that ended last had a comma before its bracket
 * @want:       path looked for (literal_locate()), or NULL
 * @found_pos:  where it is, if @found
 * @path, @path_len: of the present member; LITERAL_PATH_MAX when it is too long to be told
 */
struct literal_parser {
	const char *text;
	size_t len;
	size_t pos;
	bool python;
	bool trailing_comma;
	unsigned int depth;
	int error;
	size_t error_pos;
	char rule[512];
	const char *want;
	size_t found_pos;
	bool found;
	char path[LITERAL_PATH_MAX];
	size_t path_len;
};

/** literal_fail() - Record a failure at @pos. Return: -EINVAL. */
int literal_fail(struct literal_parser *p, size_t pos, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/** literal_no_memory() - Record that. Return: -ENOMEM. */
int literal_no_memory(struct literal_parser *p);

/** literal_at() - The byte at @pos, 0 behind the end. */
static inline char literal_at(const struct literal_parser *p, size_t pos)
{
	if (pos >= p->len)
		return '\0';
	return p->text[pos];
}

/** literal_here() - The next byte, 0 at the end. */
static inline char literal_here(const struct literal_parser *p)
{
	return literal_at(p, p->pos);
}

/**
 * literal_scan_string() - Read a string, whose quote is the next byte
 * @ret: decoded, NUL-terminated, owned by the caller
 *
 * Return: 0; -EINVAL or -ENOMEM as recorded in @p.
 */
int literal_scan_string(struct literal_parser *p, char **ret, size_t *ret_len);

/** literal_scan_number() - Read a number; @ret is owned by the caller. Return: as above. */
int literal_scan_number(struct literal_parser *p, struct json_object **ret);

#endif
