/* SPDX-License-Identifier: MIT */
#include "results/own_files.h"

#include <string.h>

#include "base/cleanup.h"

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), k = strlen(end);

	return n > k && strcmp(s + n - k, end) == 0;
}

bool own_files_has(const char *path)
{
	static const char *const names[] = {
		"build_manifest.json",
		"credential.json",
		"ctx_test",
		"data.json",
		"models.json",
		"perf.csv",
		"perf_entry.csv",
		"perf_entry.json",
		"perf_entry_super.csv",
		"perf_entry_super.json",
		"perf_super.csv",
		"perf_super.json",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(path, names[i]) == 0)
			return true;
	}
	return strchr(path, '/') == NULL && ends_with(path, ".live.log");
}
