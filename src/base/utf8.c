/* SPDX-License-Identifier: MIT */
#include "base/utf8.h"

#include <stdbool.h>

static bool is_tail(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/* Bytes of the sequence at @s (1..4), or 0 when it is not valid. */
static size_t sequence(const unsigned char *s, size_t left)
{
	size_t n;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (left < n)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if (!is_tail(s[i]))
			return 0;
	}
	/* overlong, surrogate, beyond U+10FFFF: told by the second byte */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

size_t utf8_valid_length(const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t pos = 0;

	while (pos < len) {
		size_t n = sequence(s + pos, len - pos);

		if (n == 0)
			break;
		pos += n;
	}
	return pos;
}

size_t utf8_decode(const char *text, uint32_t *ret)
{
	static const unsigned char mask[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	const unsigned char *s = (const unsigned char *)text;
	size_t n = s[0] < 0x80 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

	*ret = s[0] & mask[n];
	for (size_t i = 1; i < n; i++)
		*ret = *ret << 6 | (s[i] & 0x3f);
	return n;
}

size_t utf8_encode(uint32_t code, char *buf)
{
	unsigned char *out = (unsigned char *)buf;

	if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	if (code < 0x80) {
		out[0] = (unsigned char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (unsigned char)(0xc0 | (code >> 6));
		out[1] = (unsigned char)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (unsigned char)(0xe0 | (code >> 12));
		out[1] = (unsigned char)(0x80 | ((code >> 6) & 0x3f));
		out[2] = (unsigned char)(0x80 | (code & 0x3f));
		return 3;
	}
	out[0] = (unsigned char)(0xf0 | (code >> 18));
	out[1] = (unsigned char)(0x80 | ((code >> 12) & 0x3f));
	out[2] = (unsigned char)(0x80 | ((code >> 6) & 0x3f));
	out[3] = (unsigned char)(0x80 | (code & 0x3f));
	return 4;
}
