/* SPDX-License-Identifier: MIT */
/*
 * The table of keys as text: for the terminal and for the README.
 */
#include <stdio.h>
#include <string.h>

#include "config/fields.h"

static const char *default_text(const struct field *f, bool code)
{
	if (f->required)
		return "required";
	if (f->fallback == NULL)
		return code ? "" : "not given";
	return f->fallback;
}

/* "a whole number" reads better without its article in a table. */
static const char *without_article(const char *form)
{
	if (strncmp(form, "a ", 2) == 0)
		return form + 2;
	return strncmp(form, "an ", 3) == 0 ? form + 3 : form;
}

void config_describe(FILE *out)
{
	char form[FIELD_FORM_SIZE];
	size_t n = 0;
	const struct field *table = fields_table(&n);

	(void)fprintf(out, "Keys of \"baremetal_vm\" in the configuration:\n");
	for (size_t i = 0; i < n; i++) {
		const struct field *f = &table[i];

		(void)fprintf(out, "\n  %s: %s", f->path, without_article(field_form(f, form)));
		if (f->type != FIELD_OBJECT)
			(void)fprintf(out, " (%s%s)",
				      f->required || f->fallback == NULL ? "" : "default ",
				      default_text(f, false));
		(void)fprintf(out, "\n      %s\n", f->help);
	}
}

void config_describe_markdown(FILE *out)
{
	char form[FIELD_FORM_SIZE];
	size_t n = 0;
	const struct field *table = fields_table(&n);

	(void)fprintf(out,
		      "| key in `baremetal_vm` | value | default | meaning |\n"
		      "|---|---|---|---|\n");
	for (size_t i = 0; i < n; i++) {
		const struct field *f = &table[i];
		const char *fallback = default_text(f, true);
		const char *quote = f->required || *fallback == '\0' ? "" : "`";

		(void)fprintf(out, "| `%s` | %s | %s%s%s | %s |\n", f->path,
			      without_article(field_form(f, form)), quote, fallback, quote,
			      f->help);
	}
}
