/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/size.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "host/vmdir.h"
#include "vm/tail.h"

struct ps_options {
	bool json;
};

static const struct cli_option option_table[] = {
	{ .name = "json",
	  .kind = OPTION_FLAG,
	  .offset = offsetof(struct ps_options, json),
	  .help = "print a JSON array" },
};

static const struct cli_usage usage = {
	.command = "ps",
	.synopsis = "[--json]",
	.about = "Live and preserved VMs of this user.",
	.options = option_table,
	.n_options = ARRAY_SIZE(option_table),
};

/* A dead VM that was being preserved keeps its disk, keys and logs; another is only not yet undone.
 */
static const char *state_of(const struct vmdir *vd, struct json_object *info)
{
	const char *state = json_str_or(info, "state", "starting");

	if (vmdir_is_alive(vd))
		return state;
	return strncmp(state, "preserved", strlen("preserved")) == 0 ? "dead, preserved" : "dead";
}

static struct json_object *describe(const struct host *host, const char *name)
{
	AUTO_VMDIR struct vmdir vd = VMDIR_INIT;
	struct json_object *info = NULL;

	if (vmdir_open(host, name, &vd, NULL) < 0 || strcmp(vd.name, name) != 0)
		return NULL;
	if (vmdir_load_info(host, &vd, &info, NULL) < 0) {
		info = json_new_object();
		json_add_str(info, "name", name);
	}
	json_add_str(info, "state", state_of(&vd, info));
	return info;
}

/* A text of vm.json, which anybody may have written, made fit for a line; owned. */
static char *column(struct json_object *info, const char *key, const char *fallback)
{
	const char *text = json_str_or(info, key, fallback);
	char *line = text_printable(text, strlen(text));

	for (char *c = line; c != NULL && *c != '\0'; c++) {
		if (*c == '\n' || *c == '\t')
			*c = '?';
	}
	return line;
}

static void print_row(struct json_object *info)
{
	AUTO_FREE char *name = column(info, "name", "?");
	AUTO_FREE char *state = column(info, "state", "?");
	AUTO_FREE char *created = column(info, "created", "-");
	AUTO_FREE char *image = column(info, "image", "-");
	char memory[SIZE_TEXT_SIZE];
	uint64_t port = json_u64_or(info, "ssh_port", 0);
	char ssh[16] = "-";

	if (name == NULL || state == NULL || created == NULL || image == NULL)
		return;
	if (port > 0)
		(void)snprintf(ssh, sizeof(ssh), "%u", (unsigned int)port);
	printf("%-16s %-16s %-20s %5u %9s %6s %s\n", name, state, created,
	       (unsigned int)json_u64_or(info, "vcpus", 0),
	       size_format_rounded(json_u64_or(info, "memory", 0), memory), ssh, image);
}

static int print_all(const struct host *host, bool json, struct error *err)
{
	AUTO_STRV struct strv names = STRV_INIT;
	AUTO_JSON struct json_object *list = json_new_array();
	int r = vmdir_list(host, &names, err);

	if (r < 0)
		return r;
	if (!json)
		printf("%-16s %-16s %-20s %5s %9s %6s %s\n", "NAME", "STATE", "CREATED", "VCPUS",
		       "MEMORY", "SSH", "IMAGE");
	for (size_t i = 0; i < names.n; i++) {
		struct json_object *info = describe(host, names.v[i]);

		if (info == NULL)
			continue;
		if (!json)
			print_row(info);
		(void)json_object_array_add(list, info);
	}
	if (json)
		printf("%s\n", json_object_to_json_string_ext(list, JSON_C_TO_STRING_PRETTY));
	return 0;
}

int cmd_ps(int argc, char **argv)
{
	AUTO_HOST struct host host = HOST_INIT;
	struct ps_options o = { .json = false };
	struct error err = ERROR_INIT;
	struct cli_rest rest;
	int r = options_parse(&usage, argc, argv, &o, &rest, &err);

	if (r == 0)
		r = options_no_operands(&usage, &rest, &err);
	if (r != 0)
		return r > 0 ? EXIT_CODE_OK : cli_fail(&err, EXIT_CODE_USAGE);
	r = host_open(&host, "", &err);
	if (r == 0)
		r = print_all(&host, o.json, &err);
	return r < 0 ? cli_fail(&err, EXIT_CODE_FAILED) : EXIT_CODE_OK;
}
