/* SPDX-License-Identifier: MIT */
#include "workload/results_path.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "results/own_files.h"
#include "workload/inside.h"

#define WHAT "multiple_results"

/* Copies the parts that lead somewhere. Return: false when one of them leads back. */
static bool copy_parts(const char *path, char *to)
{
	char *out = to;

	while (*path != '\0') {
		size_t len = strcspn(path, "/");

		if (len == 2 && strncmp(path, "..", 2) == 0)
			return false;
		if (len > 0 && !(len == 1 && *path == '.')) {
			if (out > to)
				*out++ = '/';
			out = mempcpy(out, path, len);
		}
		path += len;
		path += strspn(path, "/");
	}
	*out = '\0';
	return true;
}

int results_path(const char *given, char **ret, struct error *err)
{
	AUTO_FREE char *plain = NULL;
	size_t len = strlen(given);
	int r = inside_check(WHAT, given, err);

	if (r < 0)
		return r;
	if (strpbrk(given, "*?[\\") != NULL)
		return error_set(err, EINVAL, WHAT ": %s: must be a name, not a pattern", given);
	plain = malloc(len + 1);
	if (plain == NULL)
		return error_set(err, ENOMEM, "out of memory");
	if (!copy_parts(given, plain))
		return error_set(err, EINVAL, WHAT ": %s: must have no \"..\"", given);
	if (*plain == '\0' || given[len - 1] == '/')
		return error_set(err, EINVAL, WHAT ": %s: must be a file's name", given);
	if (own_files_has(plain))
		return error_set(err, EINVAL,
				 WHAT ": %s: is the name of another file in a package's folder",
				 given);
	*ret = TAKE_PTR(plain);
	return 0;
}
