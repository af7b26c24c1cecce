/* SPDX-License-Identifier: MIT */
#include "base/suggest.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Longer words are compared by their first characters only. */
#define WORD_MAX 48

static size_t min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

static int fold(char c)
{
	return c == '-' ? '_' : tolower((unsigned char)c);
}

static bool swapped(const char *a, const char *b, size_t i, size_t j)
{
	return i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) &&
	       fold(a[i - 2]) == fold(b[j - 1]);
}

size_t suggest_distance(const char *a, const char *b)
{
	size_t rows[3][WORD_MAX + 1];
	size_t *before = rows[0], *above = rows[1], *row = rows[2];
	size_t n_a = strnlen(a, WORD_MAX), n_b = strnlen(b, WORD_MAX);

	memset(rows, 0, sizeof(rows));
	for (size_t j = 0; j <= n_b; j++)
		above[j] = j;
	for (size_t i = 1; i <= n_a; i++) {
		size_t *oldest = before;

		row[0] = i;
		for (size_t j = 1; j <= n_b; j++) {
			size_t change = fold(a[i - 1]) == fold(b[j - 1]) ? 0 : 1;

			row[j] =
				min_size(above[j - 1] + change, min_size(above[j], row[j - 1]) + 1);
			if (swapped(a, b, i, j))
				row[j] = min_size(row[j], before[j - 2] + 1);
		}
		before = above;
		above = row;
		row = oldest;
	}
	return above[n_b];
}

/* One slip in a short word, two in a middling one, three in a long one. */
static size_t tolerance(const char *word)
{
	size_t n = strlen(word);

	if (n < 3)
		return 0;
	if (n < 6)
		return 1;
	return n < 11 ? 2 : 3;
}

void suggest_try(struct suggest *s, const char *candidate)
{
	size_t distance;

	if (candidate == NULL)
		return;
	distance = suggest_distance(s->word, candidate);
	if (distance > tolerance(s->word) || (s->best != NULL && distance >= s->distance))
		return;
	s->best = candidate;
	s->distance = distance;
}

const char *suggest_text(const struct suggest *s, char *buf)
{
	buf[0] = '\0';
	if (s->best != NULL)
		(void)snprintf(buf, SUGGEST_TEXT_SIZE, "; did you mean \"%s\"?", s->best);
	return buf;
}
