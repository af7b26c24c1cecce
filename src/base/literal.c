/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: one recursive descent over the text, which is known to be UTF-8. The first
 * failure is recorded with its offset; every function returns 0 or -EINVAL/-ENOMEM and nobody goes
 * on after a failure. While descending, the path of the present member is kept in a buffer, which
 * costs little and lets literal_locate() reuse the parser.
 */
#include "base/literal.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/literal_scan.h"
#include "base/utf8.h"

#define NUMBER_MAX       128
#define LITERAL_PATH_MAX 1024

static int parse_value(struct literal_parser *p, struct json_object **ret);

#define FOUND_SIZE 48

/* What stands at the present place, for "expected ..., found ...". */
static const char *found(const struct literal_parser *p, char *buf)
{
	size_t n = 0;

	if (p->pos >= p->len) {
		(void)snprintf(buf, FOUND_SIZE, "the end of the text");
		return buf;
	}
	while (n < 20 && (isalnum((unsigned char)literal_at(p, p->pos + n)) ||
			  literal_at(p, p->pos + n) == '_'))
		n++;
	if (n == 0) {
		n = 1;
		while (n < UTF8_MAX && (literal_at(p, p->pos + n) & 0xc0) == 0x80)
			n++;
	}
	(void)snprintf(buf, FOUND_SIZE, "%.*s", (int)n, p->text + p->pos);
	return buf;
}

static void skip_space(struct literal_parser *p)
{
	bool comment = false;

	for (; p->pos < p->len; p->pos++) {
		char c = literal_here(p);

		if (c == '\n')
			comment = false;
		else if (c == '#' && p->python)
			comment = true;
		else if (!comment && c != ' ' && c != '\t' && c != '\r')
			return;
	}
}

/* --- paths ------------------------------------------------------------------------------------ */

static size_t path_push(struct literal_parser *p, const char *key, size_t index)
{
	size_t before = p->path_len;
	int n;

	if (p->want == NULL || before >= sizeof(p->path))
		return before;
	if (key != NULL)
		n = snprintf(p->path + before, sizeof(p->path) - before, "%s%s",
			     before == 0 ? "" : ".", key);
	else
		n = snprintf(p->path + before, sizeof(p->path) - before, "[%zu]", index);
	p->path_len = n < 0 || (size_t)n >= sizeof(p->path) - before ? sizeof(p->path)
								     : before + (size_t)n;
	return before;
}

static void path_pop(struct literal_parser *p, size_t before)
{
	p->path_len = before;
	if (before < sizeof(p->path))
		p->path[before] = '\0';
}

static void path_look(struct literal_parser *p, size_t pos)
{
	if (p->want == NULL || p->found || p->path_len >= sizeof(p->path) ||
	    strcmp(p->path, p->want) != 0)
		return;
	p->found = true;
	p->found_pos = pos;
}

static bool at_quote(const struct literal_parser *p)
{
	return literal_here(p) == '"' || (p->python && literal_here(p) == '\'');
}

/* --- containers ------------------------------------------------------------------------------- */

static int enter(struct literal_parser *p)
{
	if (++p->depth > LITERAL_DEPTH_MAX)
		return literal_fail(p, p->pos, "more than %d arrays and objects inside one another",
				    LITERAL_DEPTH_MAX);
	p->pos++;
	return 0;
}

static int parse_key(struct literal_parser *p, struct json_object *o, char **ret)
{
	char text[FOUND_SIZE];
	size_t pos = p->pos, len = 0;
	int r;

	if (!at_quote(p))
		return literal_fail(p, pos, "expected a key in %squotes, found %s",
				    p->python ? "" : "double ", found(p, text));
	r = literal_scan_string(p, ret, &len);
	if (r < 0)
		return r;
	if (json_object_object_get_ex(o, *ret, NULL))
		return literal_fail(p, pos, "duplicate key \"%s\"", *ret);
	skip_space(p);
	if (literal_here(p) != ':')
		return literal_fail(p, p->pos, "expected ':' after the key \"%s\", found %s", *ret,
				    found(p, text));
	p->pos++;
	return 0;
}

static int parse_member(struct literal_parser *p, struct json_object *o)
{
	AUTO_FREE char *key = NULL;
	struct json_object *value = NULL;
	size_t pos = p->pos, before;
	int r = parse_key(p, o, &key);

	if (r < 0)
		return r;
	before = path_push(p, key, 0);
	path_look(p, pos);
	r = parse_value(p, &value);
	path_pop(p, before);
	if (r < 0)
		return r;
	if (json_object_object_add(o, key, value) < 0) {
		(void)json_object_put(value);
		return literal_no_memory(p);
	}
	return 0;
}

static int parse_element(struct literal_parser *p, struct json_object *array)
{
	struct json_object *value = NULL;
	size_t before = path_push(p, NULL, json_object_array_length(array));
	int r;

	path_look(p, p->pos);
	r = parse_value(p, &value);
	path_pop(p, before);
	if (r < 0)
		return r;
	if (json_object_array_add(array, value) < 0) {
		(void)json_object_put(value);
		return literal_no_memory(p);
	}
	return 0;
}

/*
 * Behind an item. Return: 1 another one follows, 0 the container has ended, -EINVAL.
 */
static int after_item(struct literal_parser *p, char close)
{
	char text[FOUND_SIZE];
	size_t comma;

	p->trailing_comma = false;
	skip_space(p);
	if (literal_here(p) == close) {
		p->pos++;
		return 0;
	}
	if (literal_here(p) != ',')
		return literal_fail(p, p->pos, "expected ',' or '%c', found %s", close,
				    found(p, text));
	comma = p->pos++;
	skip_space(p);
	if (literal_here(p) != close)
		return 1;
	if (!p->python)
		return literal_fail(p, comma, "comma before '%c'", close);
	p->trailing_comma = true;
	p->pos++;
	return 0;
}

static int parse_items(struct literal_parser *p, struct json_object *container, char close)
{
	bool object = json_object_is_type(container, json_type_object);
	int more = 1, r = enter(p);

	if (r < 0)
		return r;
	skip_space(p);
	if (literal_here(p) == close) {
		p->pos++;
		more = 0;
	}
	while (more == 1) {
		r = object ? parse_member(p, container) : parse_element(p, container);
		if (r < 0)
			return r;
		more = after_item(p, close);
	}
	p->depth--;
	return more;
}

static char closing(char open)
{
	switch (open) {
	case '{':
		return '}';
	case '[':
		return ']';
	default:
		return ')';
	}
}

static int parse_container(struct literal_parser *p, struct json_object **ret)
{
	bool object = literal_here(p) == '{';
	AUTO_JSON struct json_object *o =
		object ? json_object_new_object() : json_object_new_array();
	char close = closing(literal_here(p));
	size_t start = p->pos;
	int r;

	if (o == NULL)
		return literal_no_memory(p);
	r = parse_items(p, o, close);
	if (r < 0)
		return r;
	/* "(1)" is the number 1 in brackets, a tuple of one is written "(1,)" */
	if (close == ')' && json_object_array_length(o) == 1 && !p->trailing_comma)
		return literal_fail(p, start, "a tuple of one is written (x,)");
	*ret = TAKE_PTR(o);
	return 0;
}

/* --- values ----------------------------------------------------------------------------------- */

static const struct word {
	const char *json;
	const char *python;
} words[] = {
	{ "true", "True" },
	{ "false", "False" },
	{ "null", "None" },
};

static int parse_word(struct literal_parser *p, struct json_object **ret)
{
	char text[FOUND_SIZE];

	(void)found(p, text);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		const char *mine = p->python ? words[i].python : words[i].json;
		const char *other = p->python ? words[i].json : words[i].python;

		if (strcmp(text, other) == 0)
			return literal_fail(p, p->pos, "%s is written %s here", other, mine);
		if (strcmp(text, mine) != 0)
			continue;
		p->pos += strlen(mine);
		*ret = i == 2 ? NULL : json_object_new_boolean(i == 0);
		return i < 2 && *ret == NULL ? literal_no_memory(p) : 0;
	}
	if (!p->python && text[0] == '\'')
		return literal_fail(p, p->pos, "strings are in double quotes here");
	if (!p->python && (text[0] == '#' || text[0] == '/'))
		return literal_fail(p, p->pos, "JSON has no comments");
	return literal_fail(p, p->pos, "expected a value, found %s", text);
}

static int parse_value(struct literal_parser *p, struct json_object **ret)
{
	AUTO_FREE char *s = NULL;
	size_t len = 0;
	char c;
	int r;

	skip_space(p);
	c = literal_here(p);
	if (c == '{' || c == '[' || (c == '(' && p->python))
		return parse_container(p, ret);
	if (isdigit((unsigned char)c) || c == '-' || (p->python && (c == '+' || c == '.')))
		return literal_scan_number(p, ret);
	if (!at_quote(p))
		return parse_word(p, ret);
	r = literal_scan_string(p, &s, &len);
	if (r < 0)
		return r;
	*ret = json_object_new_string_len(s, (int)len);
	return *ret == NULL ? literal_no_memory(p) : 0;
}

/* The whole text as one syntax. */
static int parse_text(struct literal_parser *p, struct json_object **ret)
{
	AUTO_JSON struct json_object *o = NULL;
	char text[FOUND_SIZE];
	int r;

	if (p->len >= 3 && memcmp(p->text, "\xef\xbb\xbf", 3) == 0)
		return literal_fail(p, 0,
				    "the text begins with a byte order mark; save it without one");
	r = parse_value(p, &o);
	if (r < 0)
		return r;
	skip_space(p);
	if (p->pos < p->len)
		return literal_fail(p, p->pos, "expected the end of the text, found %s",
				    found(p, text));
	*ret = TAKE_PTR(o);
	return 0;
}

static void place(const char *text, size_t pos, unsigned int *ret_line, unsigned int *ret_column)
{
	unsigned int line = 1, column = 1;

	for (size_t i = 0; i < pos; i++) {
		if (text[i] == '\n') {
			line++;
			column = 1;
		} else if ((text[i] & 0xc0) != 0x80) {
			column++;
		}
	}
	*ret_line = line;
	*ret_column = column;
}

static int report(const struct literal_text *in, const struct literal_parser *p, struct error *err)
{
	unsigned int line = 0, column = 0;

	place(in->text, p->error_pos, &line, &column);
	return error_set(err, p->error, "%s:%u:%u: %s", in->name, line, column, p->rule);
}

static struct literal_parser parser_of(const struct literal_text *in, bool python)
{
	return (struct literal_parser){ .text = in->text, .len = in->len, .python = python };
}

static int check_bytes(const struct literal_text *in, struct error *err)
{
	struct literal_parser p = parser_of(in, false);
	size_t valid = utf8_valid_length(in->text, in->len);
	const char *nul = memchr(in->text, '\0', in->len);

	if (nul != NULL && (size_t)(nul - in->text) < valid)
		literal_fail(&p, (size_t)(nul - in->text), "NUL byte in the text");
	else if (valid < in->len)
		literal_fail(&p, valid, "byte 0x%02x is not UTF-8", (unsigned char)in->text[valid]);
	else if (in->len > INT32_MAX)
		literal_fail(&p, 0, "text too long");
	return p.error == 0 ? 0 : report(in, &p, err);
}

int literal_parse(const struct literal_text *in, struct json_object **ret, struct error *err)
{
	struct literal_parser first = parser_of(in, in->syntax == LITERAL_PYTHON);
	struct literal_parser second = parser_of(in, true);
	int r = check_bytes(in, err);

	if (r < 0)
		return r;
	r = parse_text(&first, ret);
	if (r == 0)
		return 0;
	if (in->syntax == LITERAL_EITHER && parse_text(&second, ret) == 0)
		return 0;
	if (second.error != 0 && second.error_pos > first.error_pos)
		return report(in, &second, err);
	return report(in, &first, err);
}

bool literal_locate(const struct literal_text *in, const char *path, unsigned int *ret_line,
		    unsigned int *ret_column)
{
	for (int python = 0; python < 2; python++) {
		AUTO_JSON struct json_object *o = NULL;
		struct literal_parser p = parser_of(in, python != 0);

		p.want = path;
		if ((python == 0 && in->syntax == LITERAL_PYTHON) ||
		    (python == 1 && in->syntax == LITERAL_JSON))
			continue;
		if (parse_text(&p, &o) < 0)
			continue;
		if (p.found)
			place(in->text, p.found_pos, ret_line, ret_column);
		return p.found;
	}
	return false;
}
