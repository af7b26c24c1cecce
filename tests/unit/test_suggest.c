/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include "base/cleanup.h"
#include "base/suggest.h"

Test(suggest, counts_edits_and_swaps)
{
	static const struct {
		const char *a, *b;
		size_t distance;
	} cases[] = {
		{ "", "", 0 },
		{ "abc", "", 3 },
		{ "memory", "memory", 0 },
		{ "memroy", "memory", 1 },
		{ "vcpu", "vcpus", 1 },
		{ "MEMORY", "memory", 0 },
		{ "gpu-mode", "gpu_mode", 0 },
		{ "kitten", "sitting", 3 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		cr_assert_eq(suggest_distance(cases[i].a, cases[i].b), cases[i].distance,
			     "%s %s %zu", cases[i].a, cases[i].b,
			     suggest_distance(cases[i].a, cases[i].b));
}

static const char *nearest(const char *word)
{
	struct suggest s = SUGGEST_INIT(word);

	suggest_try(&s, NULL);
	suggest_try(&s, "memory");
	suggest_try(&s, "mounts");
	suggest_try(&s, "vcpus");
	suggest_try(&s, "ps");
	return s.best;
}

Test(suggest, takes_the_nearest_within_reason)
{
	cr_assert_str_eq(nearest("memroy"), "memory");
	cr_assert_str_eq(nearest("mount"), "mounts");
	cr_assert_str_eq(nearest("vcpu"), "vcpus");
	cr_assert_null(nearest("banana"));
	cr_assert_null(nearest("x"));
	cr_assert_null(nearest(""));
}

Test(suggest, compares_words_of_any_length)
{
	char word[5000];

	memset(word, 'a', sizeof(word));
	word[sizeof(word) - 1] = '\0';
	cr_assert_null(nearest(word));
}

Test(suggest, says_nothing_without_a_candidate)
{
	struct suggest s = SUGGEST_INIT("x");
	char text[SUGGEST_TEXT_SIZE];

	cr_assert_str_empty(suggest_text(&s, text));
	s.best = "y";
	cr_assert_str_eq(suggest_text(&s, text), "; did you mean \"y\"?");
}
