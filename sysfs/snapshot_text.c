/* SPDX-License-Identifier: MIT */
/* The text form of a snapshot: see snapshot.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sysfs/cleanup.h"
#include "sysfs/snapshot.h"
#include "sysfs/snapshot_lines.h"

/* Room of the worst case: each byte as \xNN. */
static char *escape(const char *s)
{
	char *text = malloc(4 * strlen(s) + 1);
	char *out = text;

	if (text == NULL)
		return NULL;
	for (const char *p = s; *p != '\0'; p++) {
		unsigned char c = (unsigned char)*p;

		if (c == '\\' || c == '\t' || c == '\n') {
			*out++ = '\\';
			*out++ = (char)(c == '\t' ? 't' : c == '\n' ? 'n' : '\\');
		} else if (c < 0x20 || c >= 0x7f) {
			out += snprintf(out, 5, "\\x%02x", c);
		} else {
			*out++ = (char)c;
		}
	}
	*out = '\0';
	return text;
}

static void print_field(struct snapshot_text *text, const char *s, char end)
{
	SYSFS_AUTO_FREE char *escaped = escape(s);

	if (escaped == NULL)
		text->r = -ENOMEM;
	else
		snapshot_text_add(text, "%s%c", escaped, end);
}

int snapshot_print(const struct snapshot *snapshot, char **ret)
{
	struct snapshot_text text = { 0 };

	snapshot_text_add(&text, "%s", "");
	for (size_t i = 0; i < snapshot->n; i++) {
		print_field(&text, snapshot->v[i].object, '\t');
		print_field(&text, snapshot->v[i].field, '\t');
		print_field(&text, snapshot->v[i].value, '\n');
	}
	if (text.r < 0) {
		free(text.s);
		return text.r;
	}
	*ret = text.s;
	return 0;
}

static int hex_value(char c)
{
	const char *digits = "0123456789abcdef";
	const char *p = c == '\0' ? NULL : strchr(digits, c);

	return p == NULL ? -1 : (int)(p - digits);
}

/* Read one escape at @p, a backslash. Return: bytes read; 0 for junk. */
static size_t unescape_one(const char *p, char *ret)
{
	if (p[1] == 't' || p[1] == 'n' || p[1] == '\\') {
		*ret = (char)(p[1] == 't' ? '\t' : p[1] == 'n' ? '\n' : '\\');
		return 2;
	}
	if (p[1] != 'x' || hex_value(p[2]) < 0 || hex_value(p[3]) < 0)
		return 0;

	unsigned int c = (unsigned int)hex_value(p[2]) * 16 + (unsigned int)hex_value(p[3]);

	*ret = (char)c;
	return c == 0 ? 0 : 4;
}

/* Take the field at @p up to @end out of its escapes, in place. Return: what follows; NULL junk. */
static char *parse_field(char *p, char end)
{
	char *out = p;

	while (*p != end) {
		size_t n = 1;

		if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f)
			return NULL;
		if (*p == '\\')
			n = unescape_one(p, out);
		else
			*out = *p;
		if (n == 0)
			return NULL;
		p += n;
		out++;
	}
	*out = '\0';
	return p + 1;
}

int snapshot_parse(const char *text, struct snapshot *ret, struct sysfs_error *err)
{
	SYSFS_AUTO_FREE char *copy = strdup(text);
	struct snapshot_lines lines = { .r = copy == NULL ? -ENOMEM : 0 };
	size_t number = 0;
	char *p = copy;

	while (lines.r == 0 && *p != '\0') {
		char *object = p;
		char *field = parse_field(object, '\t');
		char *value = field == NULL ? NULL : parse_field(field, '\t');

		number++;
		p = value == NULL ? NULL : parse_field(value, '\n');
		if (p == NULL) {
			snapshot_done(&lines.snapshot);
			return sysfs_error_set(err, EBADMSG, "line %zu of the snapshot is junk",
					       number);
		}
		snapshot_lines_add(&lines, object, field, value);
	}

	int r = snapshot_lines_finish(&lines, ret);

	return r < 0 ? sysfs_error_os(err, -r, "read a snapshot") : 0;
}
