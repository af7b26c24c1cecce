/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target of the tag grammar: no crash on any bytes; a tag that is accepted selects a
 * model of its own name, and reads the same when its text is given again.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "workload/tag.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check_again(const struct tag *tag)
{
	AUTO_TAG_LIST struct tag_list again = TAG_LIST_INIT;
	char *v[] = { tag->text, NULL };
	struct strv values = { .v = v, .n = 1 };

	if (tag_list_parse(&values, &again, NULL) < 0 || again.n != 1)
		abort();
	if (strcmp(again.v[0].name, tag->name) != 0 || strcmp(again.v[0].args, tag->args) != 0)
		abort();
}

static void check(const struct tag *tag)
{
	size_t scope = tag->scope == NULL ? 0 : strlen(tag->scope);

	if (*tag->name == '\0' || *tag->word == '\0' || strchr(tag->text, ',') != NULL ||
	    strchr(tag->args, '=') != NULL ||
	    (*tag->args != '\0' && strncmp(tag->args, " --", 3) != 0))
		abort();
	if (strncmp(tag->name, tag->scope == NULL ? "" : tag->scope, scope) != 0)
		abort();
	if (!tag_selects(tag, tag->name, false) || !tag_selects(tag, tag->name, true))
		abort();
	if (tag_selects(tag, "no name", false) != (scope == 0 && strcmp(tag->word, "all") == 0) &&
	    strcmp(tag->name, "no name") != 0)
		abort();
	check_again(tag);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	AUTO_TAG_LIST struct tag_list list = TAG_LIST_INIT;
	AUTO_STRV struct strv values = STRV_INIT;
	struct error err = ERROR_INIT;

	/* each NUL begins another --tags */
	for (size_t at = 0; at < size;) {
		size_t n = strnlen((const char *)bytes + at, size - at);

		strv_take(&values, strndup((const char *)bytes + at, n));
		at += n + 1;
	}
	if (tag_list_parse(&values, &list, &err) < 0) {
		if (err.msg[0] == '\0' || list.v != NULL)
			abort();
		return 0;
	}
	for (size_t i = 0; i < list.n; i++)
		check(&list.v[i]);
	return 0;
}
