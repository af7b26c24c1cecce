/* SPDX-License-Identifier: MIT */
#include "workload/inside.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/error.h"
#include "base/utf8.h"

#define PATH_BYTES_MAX 1024

/* How many folders below its start a path ends; below 0 when it goes above it on its way. */
static int depth_of(const char *path)
{
	int depth = 0;

	while (*path != '\0') {
		size_t len = strcspn(path, "/");

		if (len == 2 && strncmp(path, "..", 2) == 0)
			depth--;
		else if (len > 0 && !(len == 1 && *path == '.'))
			depth++;
		if (depth < 0)
			break;
		path += len;
		path += strspn(path, "/");
	}
	return depth;
}

bool inside_is_top(const char *path)
{
	return depth_of(path) == 0;
}

static bool has_control(const char *s)
{
	for (; *s != '\0'; s++) {
		if (iscntrl((unsigned char)*s))
			return true;
	}
	return false;
}

int inside_check(const char *what, const char *path, struct error *err)
{
	size_t len = strlen(path);

	if (len == 0)
		return error_set(err, EINVAL, "%s: the path is empty", what);
	if (len > PATH_BYTES_MAX)
		return error_set(err, EINVAL, "%s: the path is over %d bytes: %.60s...", what,
				 PATH_BYTES_MAX, path);
	if (utf8_valid_length(path, len) != len)
		return error_set(err, EINVAL, "%s: the path is not UTF-8", what);
	if (has_control(path))
		return error_set(err, EINVAL, "%s: the path has a control character in it", what);
	if (path[0] == '/' || path[0] == '-')
		return error_set(
			err, EINVAL,
			"%s: %s: must be relative to the package and not begin with \"%c\"", what,
			path, path[0]);
	if (depth_of(path) < 0)
		return error_set(err, EINVAL, "%s: %s leads out of the package", what, path);
	return 0;
}
