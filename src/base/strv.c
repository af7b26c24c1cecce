/* SPDX-License-Identifier: MIT */
#include "base/strv.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void strv_take(struct strv *sv, char *s)
{
	char **v;

	if (sv->r < 0) {
		free(s);
		return;
	}
	v = s == NULL ? NULL : realloc(sv->v, (sv->n + 2) * sizeof(*v));
	if (v == NULL) {
		free(s);
		sv->r = -ENOMEM;
		return;
	}
	sv->v = v;
	v[sv->n++] = s;
	v[sv->n] = NULL;
}

void strv_add(struct strv *sv, const char *s)
{
	strv_take(sv, strdup(s));
}

void strv_addf(struct strv *sv, const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	strv_take(sv, n < 0 ? NULL : s);
}

void strv_add_all(struct strv *sv, char *const *v)
{
	for (; v != NULL && *v != NULL; v++)
		strv_add(sv, *v);
}

void strv_drop(struct strv *sv, size_t i)
{
	free(sv->v[i]);
	memmove(&sv->v[i], &sv->v[i + 1], (sv->n - i) * sizeof(*sv->v));
	sv->n--;
}

int strv_error(const struct strv *sv)
{
	return sv->r;
}

bool strv_contains(const struct strv *sv, const char *s)
{
	for (size_t i = 0; i < sv->n; i++) {
		if (strcmp(sv->v[i], s) == 0)
			return true;
	}
	return false;
}

char *strv_join(const struct strv *sv, const char *sep)
{
	char *buf = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&buf, &len);

	if (f == NULL)
		return NULL;
	for (size_t i = 0; i < sv->n; i++)
		(void)fprintf(f, "%s%s", i == 0 ? "" : sep, sv->v[i]);
	if (fclose(f) != 0) {
		free(buf);
		return NULL;
	}
	return buf;
}

void strv_done(struct strv *sv)
{
	for (size_t i = 0; i < sv->n; i++)
		free(sv->v[i]);
	free(sv->v);
	*sv = (struct strv)STRV_INIT;
}
