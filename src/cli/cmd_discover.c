/* SPDX-License-Identifier: MIT */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "workload/model_dir.h"
#include "workload/package.h"

struct discover_options {
	struct strv tags;
	bool json;
	bool verbose;
};

static const struct cli_option option_table[] = {
	{ .name = "tags",
	  .letter = 't',
	  .kind = OPTION_LIST,
	  .offset = offsetof(struct discover_options, tags),
	  .value = "TAGS",
	  .help = "show the models that these select, \"a,b:arg=value,scope/all\"; may be "
		  "repeated" },
	{ .name = "json",
	  .kind = OPTION_FLAG,
	  .offset = offsetof(struct discover_options, json),
	  .help = "print a JSON array of models" },
	{ .name = "verbose",
	  .letter = 'v',
	  .kind = OPTION_FLAG,
	  .offset = offsetof(struct discover_options, verbose),
	  .help = "say more about what is done" },
};

static const struct cli_usage usage = {
	.command = "discover",
	.synopsis = "[--tags TAGS]... [--json]",
	.about = "The models of the MAD package in the current folder: the names of all, or what "
		 "--tags selects, as it\nwould run. With MODEL_DIR in the environment, docker, "
		 "scripts, models.json, credential.json and\ndata.json of that folder are copied "
		 "here first, as madengine does.\n"
		 "Models made by scripts/*/get_models_json.py need python3.",
	.options = option_table,
	.n_options = ARRAY_SIZE(option_table),
};

static void merge_model_dir(void)
{
	const char *dir = getenv("MODEL_DIR");

	if (dir != NULL && *dir != '\0')
		model_dir_take(dir, false);
}

/* All of them, as they were found; a reference of each is taken. */
static void add_all(struct json_object *array, const struct model_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		(void)json_object_array_add(array, json_object_get(list->v[i].object));
}

/* Two blanks a level become madengine's four: a string never holds a line break as such. */
static void print_indented(struct json_object *array)
{
	const char *text = json_object_to_json_string_ext(
		array,
		JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE);
	bool start = true;

	for (; *text != '\0'; text++) {
		if (start && *text == ' ')
			(void)putchar(' ');
		else
			start = *text == '\n';
		(void)putchar(*text);
	}
	(void)putchar('\n');
}

static void print_names(const struct model_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		printf("  %s\n", model_name(&list->v[i]));
}

static void show_all(const struct package *p, bool json)
{
	AUTO_JSON struct json_object *array = json_new_array();

	add_all(array, &p->models);
	for (size_t i = 0; i < p->n_python; i++)
		add_all(array, &p->python[i].models);
	if (json) {
		print_indented(array);
		return;
	}
	printf("Available Models (%zu total):\n", json_object_array_length(array));
	print_names(&p->models);
	for (size_t i = 0; i < p->n_python; i++)
		print_names(&p->python[i].models);
}

static int show_selected(const struct package *p, const struct tag_list *tags, bool json,
			 struct error *err)
{
	AUTO_MODEL_LIST struct model_list list = MODEL_LIST_INIT;
	AUTO_JSON struct json_object *array = json_new_array();
	int r = package_select(p, tags, &list, err);

	if (r < 0)
		return r;
	add_all(array, &list);
	if (!json)
		printf("Selected Models (%zu models):\n", list.n);
	print_indented(array);
	return 0;
}

static int discover(const struct tag_list *tags, bool json, struct error *err)
{
	AUTO_PACKAGE struct package p = PACKAGE_INIT;
	int r;

	merge_model_dir();
	r = package_load(".", &p, err);
	if (r == 0 && tags->n > 0)
		r = show_selected(&p, tags, json, err);
	else if (r == 0)
		show_all(&p, json);
	return r;
}

static int run(struct discover_options *o, int argc, char **argv)
{
	AUTO_TAG_LIST struct tag_list tags = TAG_LIST_INIT;
	struct error err = ERROR_INIT;
	struct cli_rest rest;
	int r = options_parse(&usage, argc, argv, o, &rest, &err);

	if (r == 0)
		r = options_no_operands(&usage, &rest, &err);
	if (r == 0)
		r = tag_list_parse(&o->tags, &tags, &err);
	if (r != 0)
		return r > 0 ? EXIT_CODE_OK : cli_fail(&err, EXIT_CODE_USAGE);
	if (o->verbose)
		log_set_level(LOG_LEVEL_DEBUG);
	r = discover(&tags, o->json, &err);
	if (r < 0) {
		(void)error_prefix(&err, r, "Model discovery failed");
		return cli_fail(&err, EXIT_CODE_FAILED);
	}
	if (!o->json)
		log_info("Model discovery completed successfully");
	return EXIT_CODE_OK;
}

int cmd_discover(int argc, char **argv)
{
	struct discover_options o = { .tags = STRV_INIT };
	int code = run(&o, argc, argv);

	strv_done(&o.tags);
	return code;
}
