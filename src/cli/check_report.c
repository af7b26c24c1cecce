/* SPDX-License-Identifier: MIT */
#include "cli/check_report.h"

#include <string.h>

#include "base/json.h"

/* Texts may quote paths of the configuration: no byte of them may reach the terminal as a command.
 */
static void put(FILE *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < 0x20 || c == 0x7f)
			(void)fprintf(out, "\\x%02x", c);
		else
			(void)fputc(c, out);
	}
}

static void put_detail(FILE *out, const char *label, const char *text, size_t len)
{
	(void)fprintf(out, "  %9s  ", label);
	put(out, text, len);
	(void)fputc('\n', out);
}

static void put_line(FILE *out, const struct check_line *line)
{
	const struct check_result *r = &line->result;
	const char *label = "fix:";

	(void)fprintf(out, "%-8s %-15s ", check_status_name(r->status), line->check->title);
	put(out, r->found, strlen(r->found));
	(void)fputc('\n', out);
	if (r->status < CHECK_WARNING)
		return;
	put_detail(out, "why:", line->check->why, strlen(line->check->why));
	for (const char *p = r->fix; *p != '\0'; label = "") {
		size_t len = strcspn(p, "\n");

		put_detail(out, label, p, len);
		p += len + (p[len] == '\n');
	}
}

size_t check_report_count(const struct check_line *lines, size_t n, enum check_status status)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += lines[i].result.status == status;
	return count;
}

void check_report_table(FILE *out, const struct check_line *lines, size_t n, bool only_problems)
{
	size_t failed = check_report_count(lines, n, CHECK_FAILED);
	size_t warnings = check_report_count(lines, n, CHECK_WARNING);

	for (size_t i = 0; i < n; i++) {
		if (!only_problems || lines[i].result.status == CHECK_FAILED)
			put_line(out, &lines[i]);
	}
	if (failed > 0)
		(void)fprintf(out, "not ready: %zu of %zu checks failed, %zu warning%s\n", failed,
			      n, warnings, warnings == 1 ? "" : "s");
	else if (!only_problems)
		(void)fprintf(out, "ready: %zu checks, %zu warning%s\n", n, warnings,
			      warnings == 1 ? "" : "s");
}

struct json_object *check_report_json(const struct check_line *lines, size_t n)
{
	struct json_object *list = json_new_array();

	for (size_t i = 0; i < n; i++) {
		const struct check_result *r = &lines[i].result;
		struct json_object *o = json_new_object();

		json_add_str(o, "id", lines[i].check->id);
		json_add_str(o, "title", lines[i].check->title);
		json_add_str(o, "status", check_status_name(r->status));
		json_add_str(o, "found", r->found);
		json_add_str(o, "why", lines[i].check->why);
		json_add_str(o, "fix", r->fix[0] != '\0' ? r->fix : NULL);
		(void)json_object_array_add(list, o);
	}
	return list;
}
