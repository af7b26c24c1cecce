/* SPDX-License-Identifier: MIT */
#include "workload/tag.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/error.h"

static int parse(struct tag_list *list, struct error *err, const char *value, ...)
{
	AUTO_STRV struct strv values = STRV_INIT;
	va_list ap;

	va_start(ap, value);
	for (; value != NULL; value = va_arg(ap, const char *))
		strv_add(&values, value);
	va_end(ap);
	return tag_list_parse(&values, list, err);
}

static const struct {
	const char *text, *name, *word, *scope, *args;
} tags[] = {
	{ "dummy", "dummy", "dummy", NULL, "" },
	{ "all", "all", "all", NULL, "" },
	{ "dummy2/model1:x=3:y", "dummy2/model1", "dummy2/model1", NULL, " --x 3 --y" },
	{ "m:a=1=2", "m", "m", NULL, " --a 1 2" },
	{ "m : a = 1 :", "m", "m", NULL, " --a   1" },
	{ "::m::x::", "m", "m", NULL, " --x" },
	{ ":x=3", "x=3", "x=3", NULL, "" },
	{ "m:x/y", "m", "m", NULL, " --x/y" },
	{ "m:=", "m", "m", NULL, " -- " },
	{ "s/all", "s/all", "all", "s/", "" },
	{ "s/t", "s/t", "t", "s/", "" },
	{ "s/", "s/", "s/", NULL, "" },
	{ "/t", "/t", "/t", NULL, "" },
	{ "/", "/", "/", NULL, "" },
	{ "a/b/c", "a/b/c", "a/b/c", NULL, "" },
	{ "s/t:", "s/t", "s/t", NULL, "" },
	{ "gr\xc3\xb6\xc3\x9f"
	  "e",
	  "gr\xc3\xb6\xc3\x9f"
	  "e",
	  "gr\xc3\xb6\xc3\x9f"
	  "e",
	  NULL, "" },
};

Test(tag, reads_words_scopes_and_arguments)
{
	for (size_t i = 0; i < ARRAY_SIZE(tags); i++) {
		AUTO_TAG_LIST struct tag_list list = TAG_LIST_INIT;
		struct error err = ERROR_INIT;
		const struct tag *t;

		cr_assert_eq(parse(&list, &err, tags[i].text, NULL), 0, "%s: %s", tags[i].text,
			     err.msg);
		cr_assert_eq(list.n, 1, "%s", tags[i].text);
		t = &list.v[0];
		cr_assert_str_eq(t->text, tags[i].text);
		cr_assert_str_eq(t->name, tags[i].name, "%s: %s", tags[i].text, t->name);
		cr_assert_str_eq(t->word, tags[i].word, "%s: %s", tags[i].text, t->word);
		cr_assert_str_eq(t->args, tags[i].args, "%s: \"%s\"", tags[i].text, t->args);
		if (tags[i].scope == NULL)
			cr_assert_null(t->scope, "%s", tags[i].text);
		else
			cr_assert_str_eq(t->scope, tags[i].scope);
	}
}

Test(tag, splits_values_at_commas_and_adds_them_up)
{
	AUTO_TAG_LIST struct tag_list list = TAG_LIST_INIT;
	static const char *const want[] = { "a", "b:x=1", "c", "c", "d e" };

	cr_assert_eq(parse(&list, NULL, "a, b:x=1", "", " , ,", "\tc\n", ",c,d e,", NULL), 0);
	cr_assert_eq(list.n, ARRAY_SIZE(want));
	for (size_t i = 0; i < list.n; i++)
		cr_assert_str_eq(list.v[i].text, want[i]);
}

Test(tag, has_none_in_empty_values)
{
	AUTO_TAG_LIST struct tag_list list = TAG_LIST_INIT;

	cr_assert_eq(parse(&list, NULL, NULL), 0);
	cr_assert_eq(list.n, 0);
	cr_assert_eq(parse(&list, NULL, "", " ", ",,", NULL), 0);
	cr_assert_eq(list.n, 0);
}

static const struct {
	const char *value;
	int r;
	const char *message;
} bad[] = {
	{ ":", -EINVAL, "\":\" names no model and no tag" },
	{ "a, : :,b", -EINVAL, "\": :\" names no model and no tag" },
	{ "a\xff", -EINVAL, "is not UTF-8" },
	{ "a\x1b[31m", -EINVAL, "has a control character" },
	{ "a\x7f", -EINVAL, "has a control character" },
};

Test(tag, refuses_what_is_none_naming_it)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct tag_list list = TAG_LIST_INIT;
		struct error err = ERROR_INIT;

		cr_assert_eq(parse(&list, &err, bad[i].value, NULL), bad[i].r, "%s", bad[i].value);
		cr_assert_not_null(strstr(err.msg, bad[i].message), "%s", err.msg);
		cr_assert_not_null(strstr(err.msg, "--tags"), "%s", err.msg);
		cr_assert_null(list.v);
	}
}

Test(tag, bounds_their_number)
{
	struct tag_list list = TAG_LIST_INIT;
	struct error err = ERROR_INIT;
	char text[2 * TAGS_MAX + 3];

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 2 == 0 ? 'a' : ',';
	text[2 * TAGS_MAX - 1] = '\0';
	cr_assert_eq(parse(&list, &err, text, NULL), 0, "%s", err.msg);
	cr_assert_eq(list.n, TAGS_MAX);
	tag_list_done(&list);
	text[2 * TAGS_MAX - 1] = ',';
	text[2 * TAGS_MAX + 1] = '\0';
	cr_assert_eq(parse(&list, &err, text, NULL), -E2BIG);
	cr_assert_null(list.v);
}

/* Whether the tag selects a model of that name, which has the tags "t" and "big". */
static const struct {
	const char *tag, *name;
	bool has, yes;
} selections[] = {
	{ "m", "m", false, true },
	{ "m", "mm", false, false },
	{ "m", "M", false, false },
	{ "t", "m", true, true },
	{ "all", "m", false, true },
	{ "m:x=1", "m", false, true },
	{ "all:x=1", "m", false, true },
	{ "t:x", "m", true, true },
	{ "s/m", "s/m", false, true },
	{ "s/m:x", "s/m", false, true },
	{ "s/t", "s/m", true, true },
	{ "s/t", "m", true, false }, /* has the tag, is not in the scope */
	{ "s/t", "ss/m", true, false },
	{ "s/all", "s/m", false, true },
	{ "s/all", "s/m/n", false, true },
	{ "s/all", "m", false, false },
	{ "s/all:x", "s/m", false, false }, /* with a colon it is no scope, but a name */
	{ "s/m", "m", false, false },
};

Test(tag, selects_by_name_tag_scope_and_all)
{
	for (size_t i = 0; i < ARRAY_SIZE(selections); i++) {
		AUTO_TAG_LIST struct tag_list list = TAG_LIST_INIT;

		cr_assert_eq(parse(&list, NULL, selections[i].tag, NULL), 0);
		cr_assert_eq(tag_selects(&list.v[0], selections[i].name, selections[i].has),
			     selections[i].yes, "%s %s", selections[i].tag, selections[i].name);
	}
}

Test(tag, tells_which_scopes_it_can_reach)
{
	AUTO_TAG_LIST struct tag_list list = TAG_LIST_INIT;

	cr_assert_eq(parse(&list, NULL, "a,s/all,s/m:x", NULL), 0);
	cr_assert(tag_could_select(&list.v[0], "s/"));
	cr_assert(tag_could_select(&list.v[1], "s/"));
	cr_assert_not(tag_could_select(&list.v[1], "ss/"));
	cr_assert(tag_could_select(&list.v[2], "other/"));
}
