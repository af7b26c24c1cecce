/* SPDX-License-Identifier: MIT */
#include "vm/tail.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"

#define READ_MAX ((size_t)1 << 20)

void tail_add(struct tail *t, const void *data, size_t len)
{
	size_t drop;

	if (t->data == NULL)
		t->data = malloc(TAIL_SIZE);
	if (t->data == NULL)
		return;
	if (len > TAIL_SIZE) {
		data = (const char *)data + (len - TAIL_SIZE);
		len = TAIL_SIZE;
	}
	drop = t->len + len > TAIL_SIZE ? t->len + len - TAIL_SIZE : 0;
	memmove(t->data, t->data + drop, t->len - drop);
	memcpy(t->data + t->len - drop, data, len);
	t->len += len - drop;
}

int tail_read(struct tail *t, int fd)
{
	char buf[16384];
	size_t total = 0;

	while (total < READ_MAX) {
		ssize_t n = read(fd, buf, sizeof(buf));

		if (n == 0)
			return 0;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 1 : -errno;
		tail_add(t, buf, (size_t)n);
		total += (size_t)n;
	}
	return 1;
}

char *tail_text(const struct tail *t, size_t lines)
{
	size_t from = t->data == NULL ? 0 : text_last_lines(t->data, t->len, lines);
	char *text = text_printable(t->data == NULL ? "" : t->data + from, t->len - from);
	size_t n = text == NULL ? 0 : strlen(text);

	while (n > 0 && text[n - 1] == '\n')
		text[--n] = '\0';
	return text;
}

void tail_done(struct tail *t)
{
	free(t->data);
	t->data = NULL;
	t->len = 0;
}

size_t text_last_lines(const char *data, size_t len, size_t lines)
{
	size_t i = len, seen = 0;

	if (lines == 0)
		return 0;
	while (i > 0 && (data[i - 1] == '\n' || data[i - 1] == '\r'))
		i--; /* the end of the last line, and empty ones behind it, are no lines */
	for (; i > 0; i--) {
		if (data[i - 1] == '\n' && ++seen == lines)
			return i;
	}
	return 0;
}

/* ---- terminal control sequences (ECMA-48) ---- */

static bool in_range(char c, int low, int high)
{
	unsigned char u = (unsigned char)c;

	return u >= low && u <= high;
}

/* Skip what follows "ESC ]", "ESC P" and their like: up to BEL or ESC \, on one line. */
static size_t skip_string(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (s[i] == '\a')
			return i + 1;
		if (s[i] == '\n')
			return i;
		if (s[i] == '\033')
			return i + 1 < len && s[i + 1] == '\\' ? i + 2 : i;
	}
	return len;
}

/* Length of the control sequence at @s, which begins with ESC. */
static size_t escape_length(const char *s, size_t len)
{
	size_t i = 1;

	if (i < len && strchr("]PX^_", s[i]) != NULL && s[i] != '\0')
		return 2 + skip_string(s + 2, len - 2);
	if (i < len && s[i] == '[') {
		i++;
		while (i < len && in_range(s[i], 0x20, 0x3f))
			i++;
		return i < len && in_range(s[i], 0x40, 0x7e) ? i + 1 : i;
	}
	while (i < len && in_range(s[i], 0x20, 0x2f))
		i++;
	return i < len && in_range(s[i], 0x30, 0x7e) ? i + 1 : i;
}

/* Bytes of the printable UTF-8 character at @s; 0 when it is none. */
static size_t char_length(const char *s, size_t len)
{
	unsigned char lead = (unsigned char)s[0];
	size_t n = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;

	if (n == 1)
		return lead == '\n' || lead == '\t' || (lead >= 0x20 && lead != 0x7f) ? 1 : 0;
	if (n > len || utf8_valid_length(s, n) != n)
		return 0;
	if (lead == 0xc2 && in_range(s[1], 0x80, 0x9f))
		return 0; /* C1 controls: some terminals obey them */
	return n;
}

char *text_printable(const char *data, size_t len)
{
	char *out = malloc(len + 1);
	size_t n = 0, i = 0;

	if (out == NULL)
		return NULL;
	while (i < len) {
		size_t take = char_length(data + i, len - i);

		if (data[i] == '\033') {
			i += escape_length(data + i, len - i);
		} else if (data[i] == '\r') {
			i++;
		} else if (take == 0) {
			out[n++] = '?';
			i++;
		} else {
			memcpy(out + n, data + i, take);
			n += take;
			i += take;
		}
	}
	out[n] = '\0';
	return out;
}
