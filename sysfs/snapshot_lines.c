/* SPDX-License-Identifier: MIT */
/* Making a snapshot line by line, and comparing two: see snapshot_lines.h and snapshot.h. */
#include "sysfs/snapshot_lines.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void snapshot_text_add(struct snapshot_text *text, const char *fmt, ...)
{
	char *more = NULL, *s = NULL;
	va_list ap;

	if (text->r < 0)
		return;
	va_start(ap, fmt);

	int n = vasprintf(&more, fmt, ap);

	va_end(ap);
	if (n >= 0)
		s = realloc(text->s, text->len + (size_t)n + 1);
	if (n < 0 || s == NULL) {
		text->r = -ENOMEM;
	} else {
		memcpy(s + text->len, more, (size_t)n + 1);
		text->s = s;
		text->len += (size_t)n;
	}
	if (n >= 0)
		free(more);
}

static void line_done(struct snapshot_line *line)
{
	free(line->object);
	free(line->field);
	free(line->value);
	*line = (struct snapshot_line){ 0 };
}

void snapshot_lines_add(struct snapshot_lines *lines, const char *object, const char *field,
			const char *value)
{
	struct snapshot *s = &lines->snapshot;

	if (lines->r < 0)
		return;

	struct snapshot_line line = { .object = strdup(object),
				      .field = strdup(field),
				      .value = strdup(value) };
	struct snapshot_line *v = realloc(s->v, (s->n + 1) * sizeof(*v));

	if (v != NULL)
		s->v = v;
	if (v == NULL || line.object == NULL || line.field == NULL || line.value == NULL) {
		line_done(&line);
		lines->r = -ENOMEM;
		return;
	}
	s->v[s->n++] = line;
}

void snapshot_lines_take(struct snapshot_lines *lines, const char *object, const char *field,
			 struct snapshot_text *text)
{
	if (text->r < 0)
		lines->r = text->r;
	else
		snapshot_lines_add(lines, object, field, text->s == NULL ? "" : text->s);
	free(text->s);
	*text = (struct snapshot_text){ 0 };
}

static int compare_lines(const void *a, const void *b)
{
	const struct snapshot_line *left = a, *right = b;
	int r = strcmp(left->object, right->object);

	return r != 0 ? r : strcmp(left->field, right->field);
}

int snapshot_lines_finish(struct snapshot_lines *lines, struct snapshot *ret)
{
	struct snapshot s = lines->snapshot;
	int r = lines->r;
	size_t n = 0;

	*lines = (struct snapshot_lines){ 0 };
	if (r < 0) {
		snapshot_done(&s);
		return r;
	}
	if (s.n > 1)
		qsort(s.v, s.n, sizeof(*s.v), compare_lines);
	for (size_t i = 0; i < s.n; i++) {
		if (n > 0 && compare_lines(&s.v[n - 1], &s.v[i]) == 0)
			line_done(&s.v[i]);
		else
			s.v[n++] = s.v[i];
	}
	s.n = n;
	*ret = s;
	return 0;
}

void snapshot_done(struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->n; i++)
		line_done(&snapshot->v[i]);
	free(snapshot->v);
	*snapshot = (struct snapshot){ 0 };
}

/* What is different between two lines of the same object and field, one of which may be missing. */
static bool differs(const struct snapshot_line *before, const struct snapshot_line *after,
		    struct snapshot_difference *ret)
{
	const struct snapshot_line *any = before != NULL ? before : after;

	if (any == NULL)
		return false;
	if (before != NULL && after != NULL && strcmp(before->value, after->value) == 0)
		return false;
	*ret = (struct snapshot_difference){ .object = any->object,
					     .field = any->field,
					     .before = before == NULL ? NULL : before->value,
					     .after = after == NULL ? NULL : after->value };
	return true;
}

/* Which of two lines comes first; @right does when there is no @left, and the other way round. */
static int order_of(const struct snapshot_line *left, const struct snapshot_line *right)
{
	if (left == NULL || right == NULL)
		return left == NULL ? 1 : -1;
	return compare_lines(left, right);
}

ssize_t snapshot_compare(const struct snapshot *before, const struct snapshot *after,
			 snapshot_filter_fn *filter, void *data, struct snapshot_difference **ret)
{
	struct snapshot_difference *v = calloc(before->n + after->n + 1, sizeof(*v));
	size_t n = 0, i = 0, j = 0;

	if (v == NULL)
		return -ENOMEM;
	while (i < before->n || j < after->n) {
		const struct snapshot_line *left = i < before->n ? &before->v[i] : NULL;
		const struct snapshot_line *right = j < after->n ? &after->v[j] : NULL;
		int order = order_of(left, right);

		if (differs(order > 0 ? NULL : left, order < 0 ? NULL : right, &v[n]) &&
		    (filter == NULL || filter(v[n].object, data)))
			n++;
		i += order <= 0;
		j += order >= 0;
	}
	if (n == 0) {
		free(v);
		v = NULL;
	}
	*ret = v;
	return (ssize_t)n;
}
