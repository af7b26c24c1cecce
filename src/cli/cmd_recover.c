/* SPDX-License-Identifier: MIT */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "run/recover.h"

struct recover_options {
	bool json;
};

static const struct cli_option option_table[] = {
	{ .name = "json",
	  .kind = OPTION_FLAG,
	  .offset = offsetof(struct recover_options, json),
	  .help = "print a JSON array" },
};

static const struct cli_usage usage = {
	.command = "recover",
	.synopsis = "[--json]",
	.about =
		"Undoes what dead runs left behind, on this boot or an earlier one. Preserved VMs\n"
		"whose guardian died keep their disk, keys and logs until bmvm destroy. Exits with "
		"1\n"
		"if something could not be undone, or is not as before.",
	.options = option_table,
	.n_options = ARRAY_SIZE(option_table),
};

/* Of what is not as before each line says so itself. */
static void print_one(struct json_object *o)
{
	const char *name = json_str_or(o, "vm", "?"), *result = json_str_or(o, "result", "?");
	const char *why = json_str_or(o, "error", "");
	struct json_object *reports = NULL;

	if (strcmp(result, "not as before") != 0)
		printf("%s: %s%s%s\n", name, result, why[0] != '\0' ? ": " : "", why);
	if (json_get_array(o, "reports", &reports, NULL) < 0)
		return;
	for (size_t i = 0; i < json_object_array_length(reports); i++)
		printf("%s: not as before: %s\n", name,
		       json_object_get_string(json_object_array_get_idx(reports, i)));
}

static void print_list(struct json_object *list)
{
	size_t n = json_object_array_length(list);

	if (n == 0)
		printf("nothing to recover\n");
	for (size_t i = 0; i < n; i++)
		print_one(json_object_array_get_idx(list, i));
}

int cmd_recover(int argc, char **argv)
{
	AUTO_HOST struct host host = HOST_INIT;
	AUTO_JSON struct json_object *list = NULL;
	struct recover_options o = { .json = false };
	struct error err = ERROR_INIT;
	struct cli_rest rest;
	int r = options_parse(&usage, argc, argv, &o, &rest, &err);

	if (r == 0)
		r = options_no_operands(&usage, &rest, &err);
	if (r != 0)
		return r > 0 ? EXIT_CODE_OK : cli_fail(&err, EXIT_CODE_USAGE);
	r = host_open(&host, "", &err);
	if (r == 0)
		r = recover_all(&host, &list, &err);
	if (r < 0)
		return cli_fail(&err, EXIT_CODE_FAILED);
	if (o.json)
		printf("%s\n", json_object_to_json_string_ext(list, JSON_C_TO_STRING_PRETTY));
	else
		print_list(list);
	return r > 0 ? EXIT_CODE_FAILED : EXIT_CODE_OK;
}
