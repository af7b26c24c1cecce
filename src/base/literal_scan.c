/* SPDX-License-Identifier: MIT */
#include "base/literal_scan.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/utf8.h"

#define NUMBER_MAX 128

int literal_fail(struct literal_parser *p, size_t pos, const char *fmt, ...)
{
	va_list ap;

	p->error = EINVAL;
	p->error_pos = pos;
	va_start(ap, fmt);
	(void)vsnprintf(p->rule, sizeof(p->rule), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

int literal_no_memory(struct literal_parser *p)
{
	p->error = ENOMEM;
	p->error_pos = p->pos;
	(void)snprintf(p->rule, sizeof(p->rule), "out of memory");
	return -ENOMEM;
}

/* --- strings ---------------------------------------------------------------------------------- */

struct string {
	char *buf;
	size_t len;
};

static int put_code(struct literal_parser *p, struct string *s, size_t pos, uint32_t code)
{
	size_t n = utf8_encode(code, s->buf + s->len);

	if (n == 0)
		return literal_fail(p, pos,
				    "\\u escape names half of a surrogate pair or no character");
	if (code == 0)
		return literal_fail(p, pos, "a string must not contain the NUL character");
	s->len += n;
	return 0;
}

/* Value of a digit of any base up to 16, or 16 for no digit. */
static unsigned int digit_value(char c)
{
	static const char all[] = "0123456789abcdef";
	const char *at = c == '\0' ? NULL : strchr(all, tolower((unsigned char)c));

	return at == NULL ? 16 : (unsigned int)(at - all);
}

/* @n hexadecimal digits at the present place. */
static int digits(struct literal_parser *p, size_t pos, unsigned int n, uint32_t *ret)
{
	uint32_t value = 0;

	for (unsigned int i = 0; i < n; i++, p->pos++) {
		unsigned int digit = digit_value(literal_here(p));

		if (digit == 16)
			return literal_fail(p, pos, "escape needs %u hexadecimal digits", n);
		value = value * 16 + digit;
	}
	*ret = value;
	return 0;
}

static int parse_unicode(struct literal_parser *p, struct string *s, size_t pos, unsigned int n)
{
	uint32_t code = 0, low = 0;
	int r = digits(p, pos, n, &code);

	if (r < 0)
		return r;
	if (!p->python && code >= 0xd800 && code <= 0xdbff && literal_here(p) == '\\' &&
	    literal_at(p, p->pos + 1) == 'u') {
		p->pos += 2;
		r = digits(p, pos, 4, &low);
		if (r < 0)
			return r;
		if (low < 0xdc00 || low > 0xdfff)
			return literal_fail(p, pos, "\\u escape names half of a surrogate pair");
		code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
	}
	return put_code(p, s, pos, code);
}

static int parse_octal(struct literal_parser *p, struct string *s, size_t pos)
{
	uint32_t code = 0;

	for (unsigned int i = 0; i < 3 && literal_here(p) >= '0' && literal_here(p) <= '7';
	     i++, p->pos++)
		code = code * 8 + (uint32_t)(literal_here(p) - '0');
	return put_code(p, s, pos, code);
}

/* Behind the backslash, for what only Python has. */
static int parse_python_escape(struct literal_parser *p, struct string *s, size_t pos)
{
	uint32_t code = 0;
	char c = literal_here(p);
	int r;

	if (c >= '0' && c <= '7')
		return parse_octal(p, s, pos);
	p->pos++;
	switch (c) {
	case '\n':
		return 0; /* a continued line */
	case '\'':
		return put_code(p, s, pos, '\'');
	case 'a':
		return put_code(p, s, pos, '\a');
	case 'v':
		return put_code(p, s, pos, '\v');
	case 'x':
		r = digits(p, pos, 2, &code);
		return r < 0 ? r : put_code(p, s, pos, code);
	case 'U':
		return parse_unicode(p, s, pos, 8);
	default:
		return literal_fail(p, pos,
				    "unknown escape in a string; a backslash is written \\\\");
	}
}

static int parse_escape(struct literal_parser *p, struct string *s)
{
	static const char names[] = "\"\\bfnrt", values[] = "\"\\\b\f\n\r\t";
	size_t pos = p->pos++;
	char c = literal_here(p);
	const char *name = c == '\0' ? NULL : strchr(names, c);

	if (name != NULL) {
		p->pos++;
		return put_code(p, s, pos, (uint32_t)values[name - names]);
	}
	if (c == '/' && !p->python) {
		p->pos++;
		return put_code(p, s, pos, '/');
	}
	if (c == 'u') {
		p->pos++;
		return parse_unicode(p, s, pos, 4);
	}
	if (p->python)
		return parse_python_escape(p, s, pos);
	return literal_fail(p, pos, "unknown escape in a string; a backslash is written \\\\");
}

/* An upper bound of the decoded bytes, as no escape decodes to more than its own length. */
static size_t string_bound(const struct literal_parser *p, char quote)
{
	size_t pos = p->pos;

	while (pos < p->len && p->text[pos] != quote)
		pos += p->text[pos] == '\\' ? 2 : 1;
	return pos - p->pos;
}

static bool is_raw_control(const struct literal_parser *p, char c)
{
	return (unsigned char)c < 0x20 && !(c == '\t' && p->python);
}

/* @ret: NUL-terminated, owned by the caller. */
int literal_scan_string(struct literal_parser *p, char **ret, size_t *ret_len)
{
	size_t start = p->pos;
	char quote = p->text[p->pos++];
	AUTO_FREE char *buf = malloc(string_bound(p, quote) + UTF8_MAX + 1);
	struct string s = { .buf = buf };
	int r = 0;

	if (buf == NULL)
		return literal_no_memory(p);
	while (literal_here(p) != quote) {
		if (p->pos >= p->len)
			return literal_fail(p, start, "string without its closing quote");
		if (literal_here(p) == '\n')
			return literal_fail(p, start,
					    "string without its closing quote on the same line");
		if (is_raw_control(p, literal_here(p)))
			return literal_fail(p, p->pos,
					    "control character in a string; write an escape");
		if (literal_here(p) == '\\')
			r = parse_escape(p, &s);
		else
			buf[s.len++] = p->text[p->pos++];
		if (r < 0)
			return r;
	}
	p->pos++;
	buf[s.len] = '\0';
	*ret = TAKE_PTR(buf);
	*ret_len = s.len;
	return 0;
}

/* --- numbers ---------------------------------------------------------------------------------- */

static bool is_number_char(const struct literal_parser *p, size_t pos)
{
	char c = literal_at(p, pos);

	if (c == '+' || c == '-')
		return pos == p->pos || tolower((unsigned char)literal_at(p, pos - 1)) == 'e';
	return isalnum((unsigned char)c) || c == '.' || (c == '_' && p->python);
}

static size_t skip_digits(const char *s, size_t i)
{
	while (isdigit((unsigned char)s[i]))
		i++;
	return i;
}

/* Whether @s is a number of the grammar; tells apart integers. A sign has been cut off. */
static bool is_decimal(const char *s, bool python, bool *ret_integer)
{
	size_t whole = skip_digits(s, 0), i = whole, fraction = 0, exponent;

	*ret_integer = true;
	if (whole > 1 && s[0] == '0')
		return false;
	if (s[i] == '.') {
		*ret_integer = false;
		fraction = skip_digits(s, i + 1) - (i + 1);
		i += 1 + fraction;
	}
	if (python ? whole + fraction == 0 : whole == 0 || (s[whole] == '.' && fraction == 0))
		return false;
	if (s[i] == 'e' || s[i] == 'E') {
		*ret_integer = false;
		i += s[i + 1] == '+' || s[i + 1] == '-' ? 2 : 1;
		exponent = skip_digits(s, i) - i;
		if (exponent == 0)
			return false;
		i += exponent;
	}
	return s[i] == '\0';
}

static struct json_object *make_integer(bool negative, uint64_t n)
{
	if (!negative)
		return n <= INT64_MAX ? json_object_new_int64((int64_t)n)
				      : json_object_new_uint64(n);
	if (n > (uint64_t)INT64_MAX + 1)
		return NULL;
	return json_object_new_int64(n == 0 ? 0 : -(int64_t)(n - 1) - 1);
}

static int parse_integer(struct literal_parser *p, size_t pos, const char *text, int base,
			 struct json_object **ret)
{
	bool negative = text[0] == '-';
	const char *s = text[0] == '-' || text[0] == '+' ? text + 1 : text;
	struct json_object *o = NULL;
	unsigned long long n;

	errno = 0;
	n = strtoull(base == 10 ? s : s + 2, NULL, base);
	if (errno == 0)
		o = make_integer(negative, n);
	if (o == NULL)
		return literal_fail(p, pos, "integer %.40s does not fit in 64 bits", text);
	*ret = o;
	return 0;
}

static int parse_float(struct literal_parser *p, size_t pos, const char *text,
		       struct json_object **ret)
{
	double d = strtod(text, NULL);

	if (!isfinite(d))
		return literal_fail(p, pos, "number %.40s is too large", text);
	/* JSON has no "1." and ".5": let json-c print those its own way */
	*ret = p->python ? json_object_new_double(d) : json_object_new_double_s(d, text);
	return *ret == NULL ? literal_no_memory(p) : 0;
}

/* 16, 8 or 2 for a Python integer with a prefix and right digits; else 0. */
static int prefix_base(const char *s)
{
	static const struct {
		char letter;
		int base;
	} prefixes[] = { { 'x', 16 }, { 'o', 8 }, { 'b', 2 } };
	int base = 0;

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		if (s[0] == '0' && (s[1] | 0x20) == prefixes[i].letter)
			base = prefixes[i].base;
	}
	if (base == 0 || s[2] == '\0')
		return 0;
	for (s += 2; *s != '\0'; s++) {
		if (digit_value(*s) >= (unsigned int)base)
			return 0;
	}
	return base;
}

/* Copies the number without Python's underscores, which must stand between digits. */
static int number_text(struct literal_parser *p, char *buf)
{
	size_t n = 0, pos = p->pos;

	for (; is_number_char(p, pos); pos++) {
		if (literal_at(p, pos) == '_') {
			if (!isxdigit((unsigned char)literal_at(p, pos - 1)) ||
			    !isxdigit((unsigned char)literal_at(p, pos + 1)))
				return literal_fail(
					p, pos, "underscore in a number must stand between digits");
			continue;
		}
		if (n + 1 >= NUMBER_MAX)
			return literal_fail(p, p->pos, "number has too many digits");
		buf[n++] = literal_at(p, pos);
	}
	buf[n] = '\0';
	p->pos = pos;
	return 0;
}

int literal_scan_number(struct literal_parser *p, struct json_object **ret)
{
	char text[NUMBER_MAX] = "";
	const char *s = text;
	size_t pos = p->pos;
	bool integer = false;
	int r = number_text(p, text), base;

	if (r < 0)
		return r;
	if (*s == '-' || (*s == '+' && p->python))
		s++;
	base = p->python ? prefix_base(s) : 0;
	if (base != 0)
		return parse_integer(p, pos, text, base, ret);
	if (!is_decimal(s, p->python, &integer))
		return literal_fail(
			p, pos, "\"%.40s\" is not a number%s", text,
			s[0] == '0' && isdigit((unsigned char)s[1]) ? " (no leading zeros)" : "");
	return integer ? parse_integer(p, pos, text, 10, ret) : parse_float(p, pos, text, ret);
}
