/* SPDX-License-Identifier: MIT */
#include "workload/left_files.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A line for each: what is known of the file, "/", its name. A guest without stat(1) reads it. */
static const char script[] =
	"LC_ALL=C; export LC_ALL\n"
	"CDPATH= cd -- \"$1\" || exit\n"
	"for f in *_env.csv *_output.csv *_trace.csv; do\n"
	"[ -f \"$f\" ] && [ ! -L \"$f\" ] || continue\n"
	"s=$(stat -c '%i %s %y %z' -- \"$f\" 2> /dev/null) || s=$(cksum < \"$f\") || continue\n"
	"printf '%s/%s\\n' \"$s\" \"$f\"\n"
	"done\n"
	"exit 0\n";

const char *left_files_script(void)
{
	return script;
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), k = strlen(end);

	return n >= k && strcmp(s + n - k, end) == 0;
}

/* A name may have a line end in it: then its parts are no such names, or of no file. */
static bool is_wanted(const char *name)
{
	return ends_with(name, "_env.csv") || ends_with(name, "_output.csv") ||
	       ends_with(name, "_trace.csv");
}

static void split(const char *text, struct strv *ret)
{
	while (*text != '\0') {
		size_t len = strcspn(text, "\n");

		strv_take(ret, strndup(text, len));
		text += len;
		text += *text == '\n';
	}
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void left_files_new(const char *before, const char *after, struct strv *ret)
{
	AUTO_STRV struct strv old = STRV_INIT, lines = STRV_INIT;

	split(before, &old);
	split(after, &lines);
	if (old.n > 0)
		qsort(old.v, old.n, sizeof(*old.v), compare);
	for (size_t i = 0; i < lines.n; i++) {
		const char *slash = strrchr(lines.v[i], '/');

		if (slash != NULL && is_wanted(slash + 1) &&
		    (old.n == 0 ||
		     bsearch(&lines.v[i], old.v, old.n, sizeof(*old.v), compare) == NULL))
			strv_add(ret, slash + 1);
	}
	if (strv_error(&old) < 0 || strv_error(&lines) < 0)
		strv_take(ret, NULL);
}

char *left_files_pattern(const char *name)
{
	char *ret = malloc(3 * strlen(name) + 1);
	char *out = ret;

	if (ret == NULL || strchr(name, '\\') != NULL) {
		free(ret);
		return NULL;
	}
	for (; *name != '\0'; name++) {
		bool special = strchr("*?[", *name) != NULL;

		if (special)
			*out++ = '[';
		*out++ = *name;
		if (special)
			*out++ = ']';
	}
	*out = '\0';
	return ret;
}
