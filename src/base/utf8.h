/* SPDX-License-Identifier: MIT */
/*
 * UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF.
 */
#ifndef BMVM_BASE_UTF8_H
#define BMVM_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/** utf8_valid_length() - How many of @len bytes, from the start, are valid UTF-8. */
size_t utf8_valid_length(const char *text, size_t len);

/**
 * utf8_decode() - Read one code point
 * @text: valid UTF-8, see utf8_valid_length()
 *
 * Return: bytes read, 1 to 4.
 */
size_t utf8_decode(const char *text, uint32_t *ret);

#define UTF8_MAX 4

/**
 * utf8_encode() - Write one code point
 * @buf: UTF8_MAX bytes; no NUL is added
 *
 * Return: bytes written; 0 when @code is a surrogate or above U+10FFFF.
 */
size_t utf8_encode(uint32_t code, char *buf);

#endif
