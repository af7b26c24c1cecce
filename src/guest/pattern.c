/* SPDX-License-Identifier: MIT */
#include "guest/pattern.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"

const char *name_plain(const char *name)
{
	while (name[0] == '.' && name[1] == '/') {
		name++;
		while (*name == '/')
			name++;
	}
	return strcmp(name, ".") == 0 ? "" : name;
}

static bool has_part(const char *path, const char *part)
{
	size_t len = strlen(part);

	for (const char *p = path; p != NULL; p = strchr(p, '/')) {
		p += *p == '/';
		if (strncmp(p, part, len) == 0 && (p[len] == '/' || p[len] == '\0'))
			return true;
	}
	return false;
}

int pattern_check(const char *pattern, char **ret, struct error *err)
{
	const char *plain = name_plain(pattern);
	size_t len = strlen(plain);

	if (pattern[0] == '\0')
		return error_set(err, EINVAL, "results: empty pattern");
	if (pattern[0] == '/')
		return error_set(err, EINVAL,
				 "results: pattern \"%s\": must be relative to the working folder",
				 pattern);
	if (has_part(pattern, ".."))
		return error_set(err, EINVAL, "results: pattern \"%s\": \"..\" is not allowed",
				 pattern);
	if (strstr(pattern, "**") != NULL)
		return error_set(err, EINVAL,
				 "results: pattern \"%s\": \"**\" is not supported; name the "
				 "folder, it comes whole",
				 pattern);
	while (len > 0 && plain[len - 1] == '/')
		len--;
	*ret = strndup(plain, len);
	return *ret != NULL ? 0 : error_set(err, ENOMEM, "out of memory");
}

/* The end of the first @parts parts of a path; NULL when it has fewer. */
static const char *after_parts(const char *path, size_t parts)
{
	const char *p = path;

	while (parts-- > 0) {
		if (*p == '\0')
			return NULL;
		p += strcspn(p, "/");
		if (parts > 0)
			p += *p == '/';
	}
	return p;
}

bool pattern_allows(const char *pattern, const char *name)
{
	AUTO_FREE char *head = NULL;
	const char *end;
	size_t parts = 1;

	if (*pattern == '\0')
		return true;
	for (const char *p = pattern; *p != '\0'; p++)
		parts += *p == '/';
	end = after_parts(name, parts);
	if (end == NULL)
		return false;
	head = strndup(name, (size_t)(end - name));
	return head != NULL && fnmatch(pattern, head, FNM_PATHNAME | FNM_PERIOD) == 0;
}

/* Length of the sound UTF-8 character at @s, 0 if there is none; its value in @ret. */
static size_t utf8(const unsigned char *s, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len;
	uint32_t c;

	if (s[0] < 0x80) {
		*ret = s[0];
		return 1;
	}
	if (s[0] < 0xc0 || s[0] >= 0xf8)
		return 0;
	len = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	c = s[0] & (0x7fU >> len);
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3fU);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	*ret = c;
	return len;
}

static const char *bad_character(const char *name)
{
	const unsigned char *s = (const unsigned char *)name;

	while (*s != '\0') {
		uint32_t c = 0;
		size_t len = utf8(s, &c);

		if (len == 0)
			return "its name is not UTF-8";
		if (c < ' ' || (c >= 0x7f && c < 0xa0))
			return "control character in its name";
		s += len;
	}
	return NULL;
}

const char *name_refusal(const char *name)
{
	size_t parts = 0;

	if (name[0] == '/')
		return "absolute name";
	if (has_part(name, ".."))
		return "\"..\" in its name";
	for (const char *p = name;; p++) {
		size_t len = strcspn(p, "/");

		if (len == 0 || (len == 1 && *p == '.'))
			return "malformed name";
		if (len > 255)
			return "name too long";
		if (++parts > NAME_DEPTH_MAX)
			return "too many folders deep";
		p += len;
		if (*p == '\0')
			break;
	}
	return bad_character(name);
}

char *name_printable(const char *name)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return NULL;
	for (const unsigned char *s = (const unsigned char *)name; *s != '\0';) {
		uint32_t c = 0;
		size_t len = utf8(s, &c);
		bool fine = len > 0 && c >= ' ' && (c < 0x7f || c >= 0xa0) && c != '\\';

		if (fine)
			(void)fwrite(s, 1, len, out);
		else
			(void)fprintf(out, "\\x%02x", (unsigned int)*s);
		s += fine ? len : 1;
	}
	(void)fclose(out);
	return text;
}
