/* SPDX-License-Identifier: MIT */
#include "results/html.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

#define REPLACEMENT   "\xef\xbf\xbd" /* U+FFFD */
#define MINUS         "\xe2\x88\x92" /* U+2212 */
#define NUMBER_CAP    64             /* bytes; what is longer is no number anybody wrote */
#define GROUPED_BELOW 1e15           /* larger ones are written with an exponent */

/* Marks that embed, override or isolate a direction: they could show a text as another one. */
static bool is_reordering(uint32_t c)
{
	return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0x200e ||
	       c == 0x200f || c == 0x061c;
}

static void put_ascii(FILE *out, unsigned char c)
{
	char picture[UTF8_MAX];

	switch (c) {
	case '&':
		(void)fputs("&amp;", out);
		break;
	case '<':
		(void)fputs("&lt;", out);
		break;
	case '>':
		(void)fputs("&gt;", out);
		break;
	case '"':
		(void)fputs("&quot;", out);
		break;
	case '\t':
	case '\n':
		(void)putc(c, out);
		break;
	default:
		if (c < ' ' || c == 0x7f)
			(void)fwrite(picture, 1,
				     utf8_encode(c == 0x7f ? 0x2421 : 0x2400U + c, picture), out);
		else
			(void)putc(c, out);
	}
}

void html_text(FILE *out, const char *text, size_t len)
{
	size_t valid = utf8_valid_length(text, len);

	for (size_t i = 0; i < len;) {
		uint32_t code;
		size_t n;

		if (i == valid) {
			(void)fputs(REPLACEMENT, out);
			i++;
			valid = i + utf8_valid_length(text + i, len - i);
			continue;
		}
		n = utf8_decode(text + i, &code);
		if (n == 1)
			put_ascii(out, (unsigned char)text[i]);
		else if (code < 0xa0 || is_reordering(code))
			(void)fputs(REPLACEMENT, out);
		else
			(void)fwrite(text + i, 1, n, out);
		i += n;
	}
}

void html_str(FILE *out, const char *text)
{
	if (text != NULL)
		html_text(out, text, strlen(text));
}

size_t html_head(const char *text, size_t len, size_t n_chars)
{
	size_t i = 0;

	for (size_t n = 0; i < len && n < n_chars; n++) {
		i++;
		while (i < len && ((unsigned char)text[i] & 0xc0) == 0x80)
			i++;
	}
	return i;
}

/* Digits with an optional fraction behind them, grouped by thousands. */
static void put_grouped(FILE *out, const char *digits)
{
	size_t whole = strcspn(digits, ".");

	for (size_t i = 0; i < whole; i++) {
		if (i > 0 && (whole - i) % 3 == 0)
			(void)putc(',', out);
		(void)putc(digits[i], out);
	}
	(void)fputs(digits + whole, out);
}

void html_count(FILE *out, uint64_t n)
{
	char digits[32];

	(void)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n);
	put_grouped(out, digits);
}

void html_number(FILE *out, double value, int decimals)
{
	char digits[64];
	double size = fabs(value);

	(void)snprintf(digits, sizeof(digits), size < GROUPED_BELOW ? "%.*f" : "%.*g",
		       size >= GROUPED_BELOW ? 4
		       : decimals < 0        ? 0
					     : decimals,
		       size);
	if (value < 0 && strspn(digits, "0.") < strlen(digits))
		(void)fputs(MINUS, out);
	if (size < GROUPED_BELOW)
		put_grouped(out, digits);
	else
		(void)fputs(digits, out);
}

void html_seconds(FILE *out, double seconds)
{
	unsigned long long whole;

	if (!(seconds >= 0) || seconds > 1e12) {
		(void)fputs("?", out);
	} else if (seconds < 59.95) {
		(void)fprintf(out, "%.*f s", seconds < 9.95 && seconds > 0 ? 1 : 0, seconds);
	} else {
		whole = (unsigned long long)(seconds + 0.5);
		if (whole < 3600)
			(void)fprintf(out, "%llu min %02llu s", whole / 60, whole % 60);
		else
			(void)fprintf(out, "%llu h %02llu min", whole / 3600, whole / 60 % 60);
	}
}

static const char *skip_digits(const char *p)
{
	return p + strspn(p, "0123456789");
}

/* The end of a decimal number at @p, or NULL. */
static const char *number_end(const char *p)
{
	const char *whole, *fraction;

	if (*p == '+' || *p == '-')
		p++;
	whole = p;
	p = skip_digits(p);
	fraction = p;
	if (*p == '.') {
		p = skip_digits(p + 1);
		if (p == fraction + 1 && fraction == whole)
			return NULL;
	} else if (p == whole) {
		return NULL;
	}
	if (*p == 'e' || *p == 'E') {
		const char *exponent = p + 1 + (p[1] == '+' || p[1] == '-');

		p = skip_digits(exponent);
		if (p == exponent)
			return NULL;
	}
	return p;
}

bool html_parse_number(const char *text, size_t len, double *ret)
{
	char copy[NUMBER_CAP + 1];
	const char *end;
	double value;

	while (len > 0 && (*text == ' ' || *text == '\t')) {
		text++;
		len--;
	}
	while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t'))
		len--;
	if (len == 0 || len > NUMBER_CAP || memchr(text, '\0', len) != NULL)
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	end = number_end(copy);
	if (end == NULL || *end != '\0')
		return false;
	value = strtod(copy, NULL);
	if (fabs(value) > 1e200)
		return false;
	*ret = fabs(value) < 1e-200 ? 0 : value;
	return true;
}
