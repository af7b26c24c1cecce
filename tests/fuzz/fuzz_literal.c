/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target of the literal parser: no crash on any bytes; what it accepts reads back the
 * same from its own print, and what it accepts as JSON is JSON to json-c too.
 */
#include <json-c/json.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/literal.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static struct json_object *must(int r, struct json_object *o)
{
	if (r < 0)
		abort();
	return o;
}

static void check(const struct literal_text *in)
{
	AUTO_JSON struct json_object *o = NULL, *again = NULL, *theirs = NULL;
	struct literal_text printed = { .name = "printed", .syntax = LITERAL_JSON };
	struct error err = ERROR_INIT;
	unsigned int line = 0, column = 0;
	int r;

	if (literal_parse(in, &o, &err) < 0) {
		if (err.msg[0] == '\0' || o != NULL)
			abort();
		return;
	}
	printed.text = o == NULL ? "null" : json_object_to_json_string(o);
	printed.len = strlen(printed.text);
	r = literal_parse(&printed, &again, NULL);
	if (json_object_equal(must(r, o), again) == 0)
		abort();
	if (in->syntax == LITERAL_JSON)
		(void)must(json_parse(in->text, in->len, &theirs, NULL), theirs);
	(void)literal_locate(in, "a[1].b", &line, &column);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const enum literal_syntax all[] = { LITERAL_JSON, LITERAL_PYTHON, LITERAL_EITHER };
	struct literal_text in = { .name = "fuzz", .len = size };

	in.text = size == 0 ? "" : (const char *)bytes;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		in.syntax = all[i];
		check(&in);
	}
	return 0;
}
