/* SPDX-License-Identifier: MIT */
#include "cli/config_options.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"

#define FILE_CAP ((size_t)16 << 20)

static int note(struct config_options *o, const char *key, const char *value, const char *option,
		struct error *err)
{
	if (o->n_overrides == CONFIG_OVERRIDES_MAX)
		return error_set(err, EINVAL, "given too often");
	o->overrides[o->n_overrides++] = (struct config_override){ key, value, option };
	return 0;
}

int config_option_set(void *at, const struct cli_option *option, const char *value,
		      struct error *err)
{
	return note(at, option->key, value, option->name, err);
}

int config_option_gpus(void *at, const struct cli_option *option, const char *value,
		       struct error *err)
{
	bool count = *value != '\0' && value[strspn(value, "0123456789")] == '\0';

	return note(at, count ? "gpu_passthrough.gpu_count" : "gpu_passthrough.gpu_ids", value,
		    option->name, err);
}

int config_option_preserve(void *at, const struct cli_option *option, const char *value,
			   struct error *err)
{
	const char *mode = "preserve";

	if (value != NULL && strcmp(value, "on-failure") != 0)
		return error_set(err, EINVAL, "takes no value, or \"on-failure\", not \"%.80s\"",
				 value);
	if (value != NULL)
		mode = "preserve_on_failure";
	return note(at, "cleanup.mode", mode, option->name, err);
}

/* A list of addresses goes in one by one. */
static int set_each(struct config *cfg, const struct config_override *v, const char *option,
		    struct error *err)
{
	AUTO_FREE char *copy = strdup(v->value);
	char *rest = copy, *item;

	if (copy == NULL)
		return error_set(err, ENOMEM, "%s: out of memory", option);
	while ((item = strsep(&rest, ",")) != NULL) {
		int r = config_set(cfg, v->key, item, option, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int apply(struct config *cfg, const struct config_override *v, struct error *err)
{
	char option[64];

	(void)snprintf(option, sizeof(option), "--%s", v->option);
	if (strcmp(v->key, "gpu_passthrough.gpu_ids") == 0)
		return set_each(cfg, v, option, err);
	return config_set(cfg, v->key, v->value, option, err);
}

/* As with madengine, a blank one is none. */
static bool is_blank(const char *text)
{
	return text[strspn(text, " \t\r\n")] == '\0';
}

int config_options_load(const struct config_options *o, struct config *cfg, struct error *err)
{
	AUTO_FREE char *content = NULL;
	struct config_source file = { .name = o->file };
	bool given = o->text != NULL && !is_blank(o->text);
	struct config_source text = { .name = "--additional-context",
				      .text = o->text,
				      .allow_python = true };
	int r = 0;

	if (o->file != NULL) {
		r = file_read_input(o->file, FILE_CAP, &content, &file.len, err);
		if (r < 0)
			return error_prefix(err, r, "--additional-context-file");
		file.text = content;
	}
	if (given)
		text.len = strlen(o->text);
	r = config_parse(cfg, o->file != NULL ? &file : NULL, given ? &text : NULL, err);
	for (size_t i = 0; i < o->n_overrides && r == 0; i++)
		r = apply(cfg, &o->overrides[i], err);
	return r == 0 ? config_finish(cfg, err) : r;
}
