/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target of what is read from a model's log: the same is found in whatever pieces the log
 * arrives, and what was found is found again in "performance: VALUE METRIC".
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "results/performance.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static struct performance find(const char *log, size_t len, size_t piece)
{
	struct performance_scan scan = { .keyword = 0 };
	struct performance ret;

	for (size_t i = 0; i < len; i += piece)
		performance_feed(&scan, log + i, i + piece <= len ? piece : len - i);
	(void)performance_end(&scan, &ret);
	return ret;
}

static void must_equal(const struct performance *a, const struct performance *b)
{
	if (strcmp(a->value, b->value) != 0 || strcmp(a->metric, b->metric) != 0)
		abort();
}

static bool is_second_form(const struct performance *p)
{
	return strcmp(p->metric, "samples_per_second") == 0;
}

static void check(const char *log, size_t len)
{
	struct performance whole = find(log, len, len > 0 ? len : 1);
	struct performance again;
	char line[2 * sizeof(whole) + 32];
	int n;

	for (size_t piece = 1; piece < 8; piece++) {
		again = find(log, len, piece);
		must_equal(&whole, &again);
	}
	/* the second form takes numbers that the first one would not */
	if (whole.value[0] == '\0' || is_second_form(&whole))
		return;
	n = snprintf(line, sizeof(line), "performance: %s %s\n", whole.value, whole.metric);
	again = find(line, (size_t)n, 16);
	must_equal(&whole, &again);
}

/* The words themselves are hard to guess. */
static void check_behind(const char *words, const uint8_t *bytes, size_t size)
{
	size_t len = strlen(words);
	char *log = malloc(len + size);

	if (log == NULL)
		abort();
	memcpy(mempcpy(log, words, len), bytes, size);
	check(log, len + size);
	free(log);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	if (size == 0)
		return 0;
	check((const char *)bytes, size);
	check_behind("performance: ", bytes, size);
	check_behind("performance: 5 /", bytes, size);
	check_behind("train_samples_per_second", bytes, size);
	return 0;
}
