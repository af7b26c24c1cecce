/* SPDX-License-Identifier: MIT */
/*
 * bmvm image: what looks at the images that exist, or removes them. What makes new ones is in
 * cmd_image_make.c.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/size.h"
#include "base/suggest.h"
#include "cli/cli.h"
#include "cli/cmd_image.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "host/host.h"
#include "image/draft.h"
#include "image/store.h"

struct json_option {
	bool json;
};

static const struct cli_option json_table[] = {
	{ .name = "json",
	  .kind = OPTION_FLAG,
	  .offset = offsetof(struct json_option, json),
	  .help = "print JSON" },
};

/* ---- list ---- */

static const struct cli_usage list_usage = {
	.command = "image list",
	.synopsis = "[--json]",
	.about = "Base images: the user's own, then those of the system. USE tells whether a VM "
		 "runs "
		 "on it now.",
	.options = json_table,
	.n_options = ARRAY_SIZE(json_table),
};

static struct json_object *entry_json(const struct store_entry *e)
{
	struct json_object *o =
		e->problem == NULL ? manifest_to_json(&e->manifest) : json_new_object();

	json_add_str(o, "name", e->name);
	json_add_str(o, "path", e->dir);
	json_add_str(o, "problem", e->problem);
	json_add_bool(o, "in_use", e->in_use);
	json_add_bool(o, "shadowed", e->shadowed);
	return o;
}

static void print_entry(const struct store_entry *e)
{
	const struct manifest *m = &e->manifest;
	char size[SIZE_TEXT_SIZE], disk[SIZE_TEXT_SIZE];

	if (e->problem != NULL) {
		printf("%-20s unusable: %s\n", e->name, e->problem);
		return;
	}
	printf("%-20s %-10s %9s %9s %-8s %-7s %-20s %s%s\n", e->name,
	       m->suite != NULL ? m->suite : "-", size_format_rounded(m->disk.size, size),
	       size_format_rounded(m->virtual_size, disk), image_seed_name(m->seed),
	       e->in_use ? "yes" : "no", m->created != NULL ? m->created : "-",
	       m->origin != NULL ? m->origin : "-", e->shadowed ? " (hidden by your own)" : "");
}

static int list_images(const struct host *host, int argc, char **argv)
{
	AUTO_STORE_LIST struct store_list list = { .v = NULL };
	AUTO_JSON struct json_object *array = json_new_array();
	struct json_option o = { .json = false };
	struct error err = ERROR_INIT;
	struct cli_rest rest;
	int r = options_parse(&list_usage, argc, argv, &o, &rest, &err);

	if (r == 0)
		r = options_no_operands(&list_usage, &rest, &err);
	if (r != 0)
		return r > 0 ? EXIT_CODE_OK : cli_fail(&err, EXIT_CODE_USAGE);
	r = store_list(host, &list, &err);
	if (r < 0)
		return cli_fail(&err, EXIT_CODE_FAILED);
	if (!o.json)
		printf("%-20s %-10s %9s %9s %-8s %-7s %-20s %s\n", "NAME", "SUITE", "SIZE", "DISK",
		       "SEED", "USE", "CREATED", "FROM");
	for (size_t i = 0; i < list.n; i++) {
		if (o.json)
			(void)json_object_array_add(array, entry_json(&list.v[i]));
		else
			print_entry(&list.v[i]);
	}
	if (o.json)
		printf("%s\n",
		       json_object_to_json_string_ext(
			       array, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	return EXIT_CODE_OK;
}

/* ---- verify ---- */

static const struct cli_usage verify_usage = {
	.command = "image verify",
	.synopsis = "[--json] IMAGE...",
	.about = "Computes the SHA-256 of every file of an image again and compares it with the "
		 "manifest.",
	.options = json_table,
	.n_options = ARRAY_SIZE(json_table),
};

static int need_images(const struct cli_usage *usage, const struct cli_rest *rest,
		       struct error *err)
{
	if (rest->n > 0)
		return 0;
	return error_set(err, EINVAL, "%s: which image? bmvm image list shows them",
			 usage->command);
}

static int verify_one(const struct host *host, const char *name, bool json,
		      struct json_object *array)
{
	struct json_object *report = NULL;
	struct error err = ERROR_INIT;
	int r = store_verify(host, name, NULL, &report, &err);

	if (r < 0) {
		log_failure(&err);
		json_add_str(report, "problem", err.msg);
	} else if (!json) {
		printf("%s: ok\n", name);
	}
	(void)json_object_array_add(array, report);
	return r;
}

static int verify_images(const struct host *host, int argc, char **argv)
{
	AUTO_JSON struct json_object *array = json_new_array();
	struct json_option o = { .json = false };
	struct error err = ERROR_INIT;
	struct cli_rest rest;
	bool failed = false;
	int r = options_parse(&verify_usage, argc, argv, &o, &rest, &err);

	if (r == 0)
		r = need_images(&verify_usage, &rest, &err);
	if (r != 0)
		return r > 0 ? EXIT_CODE_OK : cli_fail(&err, EXIT_CODE_USAGE);
	for (size_t i = 0; i < rest.n; i++)
		failed |= verify_one(host, rest.v[i], o.json, array) < 0;
	if (o.json)
		printf("%s\n",
		       json_object_to_json_string_ext(
			       array, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	return failed ? EXIT_CODE_FAILED : EXIT_CODE_OK;
}

/* ---- rm ---- */

static const struct cli_usage rm_usage = {
	.command = "image rm",
	.synopsis = "IMAGE...",
	.about = "Removes images. Refused while a VM uses one.",
};

static int remove_images(const struct host *host, int argc, char **argv)
{
	struct error err = ERROR_INIT;
	struct cli_rest rest;
	int code = EXIT_CODE_OK;
	int r = options_parse(&rm_usage, argc, argv, NULL, &rest, &err);

	if (r == 0)
		r = need_images(&rm_usage, &rest, &err);
	if (r != 0)
		return r > 0 ? EXIT_CODE_OK : cli_fail(&err, EXIT_CODE_USAGE);
	for (size_t i = 0; i < rest.n; i++) {
		if (store_remove(host, rest.v[i], &err) < 0)
			code = cli_fail(&err, EXIT_CODE_FAILED);
	}
	return code;
}

/* ---- which one ---- */

struct sub_command {
	const char *name;
	const char *summary;
	int (*main)(const struct host *host, int argc, char **argv);
};

static const struct sub_command sub_commands[] = {
	{ "build", "make a Debian guest, or a new image from one that exists", image_cmd_build },
	{ "import", "copy a qcow2 or raw disk into the store", image_cmd_import },
	{ "list", "the images this user can use", list_images },
	{ "verify", "hash the files again and compare", verify_images },
	{ "shell", "change an image by hand, in a VM", image_cmd_shell },
	{ "rm", "remove images", remove_images },
};

static void print_help(void)
{
	printf("Usage: bmvm image COMMAND [options]\n\n"
	       "Base images: what every VM's disk begins as. A run never writes to them.\n\n"
	       "Commands:\n");
	for (size_t i = 0; i < ARRAY_SIZE(sub_commands); i++)
		printf("  %-10s %s\n", sub_commands[i].name, sub_commands[i].summary);
	printf("\nbmvm image COMMAND --help tells more.\n");
}

static const struct sub_command *find_sub_command(const char *name, struct error *err)
{
	struct suggest near = SUGGEST_INIT(name);
	char text[SUGGEST_TEXT_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(sub_commands); i++) {
		if (strcmp(sub_commands[i].name, name) == 0)
			return &sub_commands[i];
		suggest_try(&near, sub_commands[i].name);
	}
	error_set(err, EINVAL, "image: unknown command \"%.80s\"%s", name,
		  suggest_text(&near, text));
	error_hint(err, 0, "bmvm image --help lists the commands");
	return NULL;
}

/* --help needs no host, and makes no folders. */
static bool wants_help(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	}
	return false;
}

static int run_sub_command(const struct sub_command *c, int argc, char **argv)
{
	AUTO_HOST struct host host = HOST_INIT;
	struct error err = ERROR_INIT;

	if (wants_help(argc, argv))
		return c->main(&host, argc, argv);
	if (host_open(&host, "", &err) < 0)
		return cli_fail(&err, EXIT_CODE_FAILED);
	if (draft_sweep(&host, &err) < 0)
		log_warning("%s", err.msg);
	return c->main(&host, argc, argv);
}

int cmd_image(int argc, char **argv)
{
	struct error err = ERROR_INIT;
	const struct sub_command *c;

	if (argc < 2) {
		error_set(&err, EINVAL, "image: no command given");
		error_hint(&err, 0, "bmvm image --help lists the commands");
		return cli_fail(&err, EXIT_CODE_USAGE);
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		print_help();
		return EXIT_CODE_OK;
	}
	c = find_sub_command(argv[1], &err);
	return c == NULL ? cli_fail(&err, EXIT_CODE_USAGE) : run_sub_command(c, argc - 1, argv + 1);
}
