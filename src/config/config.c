/* SPDX-License-Identifier: MIT */
#include "config/config.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/literal.h"
#include "base/log.h"
#include "base/suggest.h"
#include "config/fields.h"

#define ROOT            "baremetal_vm"
#define PATH_MAX_LENGTH 256

/* A parse under way; @path is within baremetal_vm and names the key looked at, for errors. */
struct reading {
	struct config *cfg;
	const struct literal_text *source;
	char path[PATH_MAX_LENGTH];
};

static int read_object(struct reading *rd, const char *prefix, void *base,
		       struct json_object *object, struct error *err);

/* "prefix.key" into the path of @rd; a path too long is cut, it serves messages only. */
static void enter_key(struct reading *rd, const char *at, const char *key)
{
	(void)snprintf(rd->path, sizeof(rd->path), "%.150s%s%.80s", at, *at == '\0' ? "" : ".",
		       key);
}

static void set_default(const struct field *f, struct config *cfg, void *base)
{
	struct literal_text text = { .name = f->path, .syntax = LITERAL_JSON };
	AUTO_JSON struct json_object *value = NULL;
	int r;

	/* lists begin empty */
	if (f->fallback == NULL || f->type == FIELD_ARRAY || f->type == FIELD_STRINGS)
		return;
	text.text = f->fallback;
	text.len = strlen(f->fallback);
	r = literal_parse(&text, &value, NULL);
	if (r == 0)
		r = field_set(f, cfg, base, value, NULL);
	assert(r == 0);
	(void)r;
}

void config_init(struct config *cfg)
{
	size_t n = 0;
	const struct field *table = fields_table(&n);

	*cfg = (struct config){ .numa_node = NUMA_NODE_NONE };
	for (size_t i = 0; i < n; i++) {
		if (strchr(table[i].path, '[') == NULL)
			set_default(&table[i], cfg, cfg);
	}
	cfg->context = json_new_object();
}

void config_done(struct config *cfg)
{
	size_t n = 0;
	const struct field *table = fields_table(&n);

	for (size_t i = 0; i < n; i++) {
		if (strchr(table[i].path, '[') == NULL)
			field_clear(&table[i], cfg);
	}
	free(cfg->pin_cpus);
	free(cfg->gpu_vendor);
	free(cfg->guest_os);
	strv_done(&cfg->explicit_keys);
	(void)json_object_put(cfg->context);
	*cfg = (struct config){ .numa_node = NUMA_NODE_NONE };
}

static int mark_explicit(struct config *cfg, const char *path, struct error *err)
{
	if (!strv_contains(&cfg->explicit_keys, path))
		strv_add(&cfg->explicit_keys, path);
	return strv_error(&cfg->explicit_keys) == 0 ? 0 : error_set(err, ENOMEM, "out of memory");
}

bool config_explicit(const struct config *cfg, const char *path)
{
	return strv_contains(&cfg->explicit_keys, path);
}

static int unknown_key(const char *prefix, const char *key, struct error *err)
{
	struct suggest near = SUGGEST_INIT(key);
	char text[SUGGEST_TEXT_SIZE];
	size_t n = 0, skip = *prefix == '\0' ? 0 : strlen(prefix) + 1;
	const struct field *table = fields_table(&n);

	for (size_t i = 0; i < n; i++) {
		if (fields_is_below(&table[i], prefix))
			suggest_try(&near, table[i].path + skip);
	}
	return error_set(err, EINVAL, "unknown key%s", suggest_text(&near, text));
}

static bool has_members(const struct field *f)
{
	size_t n = 0;
	const struct field *table = fields_table(&n);

	for (size_t i = 0; i < n; i++) {
		if (fields_is_below(&table[i], f->path))
			return true;
	}
	return false;
}

static int check_required(const char *prefix, struct json_object *object, struct error *err)
{
	size_t n = 0, skip = *prefix == '\0' ? 0 : strlen(prefix) + 1;
	const struct field *table = fields_table(&n);
	char form[FIELD_FORM_SIZE];

	for (size_t i = 0; i < n; i++) {
		const char *key = table[i].path + skip;

		if (!table[i].required || !fields_is_below(&table[i], prefix) ||
		    json_object_object_get_ex(object, key, NULL))
			continue;
		return error_set(err, EINVAL, "\"%s\" is required (%s)", key,
				 field_form(&table[i], form));
	}
	return 0;
}

static int read_element(struct reading *rd, const struct field *f, void *element,
			struct json_object *object, struct error *err)
{
	char prefix[PATH_MAX_LENGTH];
	size_t n = 0;
	const struct field *table = fields_table(&n);

	(void)snprintf(prefix, sizeof(prefix), "%s[]", f->path);
	if (!json_object_is_type(object, json_type_object))
		return error_set(err, EINVAL, "must be an object, not %.80s",
				 object == NULL ? "null" : json_compact(object));
	for (size_t i = 0; i < n; i++) {
		if (fields_is_below(&table[i], prefix))
			set_default(&table[i], rd->cfg, element);
	}
	return read_object(rd, prefix, element, object, err);
}

static int read_array(struct reading *rd, const struct field *f, struct json_object *array,
		      struct error *err)
{
	const struct field_array *kind = f->array;
	char **elements = (char **)(void *)((char *)rd->cfg + f->offset);
	size_t *n = (size_t *)(void *)((char *)rd->cfg + kind->count_offset);
	char at[sizeof(rd->path)];
	size_t length;

	if (!json_object_is_type(array, json_type_array))
		return error_set(err, EINVAL, "must be a list of objects, not %.80s",
				 array == NULL ? "null" : json_compact(array));
	length = json_object_array_length(array);
	if (length > kind->max)
		return error_set(err, EINVAL, "must have at most %zu elements", kind->max);
	field_clear(f, rd->cfg);
	*elements = calloc(length + 1, kind->element_size);
	if (*elements == NULL)
		return error_set(err, ENOMEM, "out of memory");
	memcpy(at, rd->path, sizeof(at));
	for (; *n < length; ++*n) {
		void *element = *elements + *n * kind->element_size;
		int r;

		(void)snprintf(rd->path, sizeof(rd->path), "%.150s[%zu]", at, *n);
		r = read_element(rd, f, element, json_object_array_get_idx(array, *n), err);
		if (r < 0) {
			kind->done(element);
			return r;
		}
	}
	memcpy(rd->path, at, sizeof(at));
	return 0;
}

static int read_strings(struct reading *rd, const struct field *f, void *base,
			struct json_object *list, struct error *err)
{
	char at[sizeof(rd->path)], form[FIELD_FORM_SIZE];

	if (!json_object_is_type(list, json_type_array))
		return error_set(err, EINVAL, "must be %s, not %.80s", field_form(f, form),
				 list == NULL ? "null" : json_compact(list));
	field_clear(f, base);
	memcpy(at, rd->path, sizeof(at));
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *item = json_object_array_get_idx(list, i);
		int r;

		(void)snprintf(rd->path, sizeof(rd->path), "%.230s[%zu]", at, i);
		if (!json_object_is_type(item, json_type_string))
			return error_set(err, EINVAL, "must be a string, not %.80s",
					 item == NULL ? "null" : json_compact(item));
		r = field_append(f, base, json_object_get_string(item), err);
		if (r < 0)
			return r;
	}
	memcpy(rd->path, at, sizeof(at));
	return 0;
}

static int read_value(struct reading *rd, const struct field *f, void *base,
		      struct json_object *value, struct error *err)
{
	bool object = json_object_is_type(value, json_type_object) && has_members(f);
	int r = 0;

	if (f->type == FIELD_ARRAY)
		return read_array(rd, f, value, err);
	if (f->type == FIELD_STRINGS)
		return read_strings(rd, f, base, value, err);
	if (object)
		r = read_object(rd, f->path, base, value, err);
	if (r == 0 && !(object && f->type == FIELD_OBJECT))
		r = field_set(f, rd->cfg, base, value, err);
	return r;
}

static int read_object(struct reading *rd, const char *prefix, void *base,
		       struct json_object *object, struct error *err)
{
	char at[sizeof(rd->path)];
	int r;

	memcpy(at, rd->path, sizeof(at));
	json_object_object_foreach(object, key, value)
	{
		const struct field *f = fields_find(prefix, key);

		enter_key(rd, at, key);
		if (f == NULL)
			return unknown_key(prefix, key, err);
		r = read_value(rd, f, base, value, err);
		if (r < 0)
			return r;
		/* null says "not given" */
		if (value != NULL && strchr(f->path, '[') == NULL)
			r = mark_explicit(rd->cfg, f->path, err);
		if (r < 0)
			return r;
	}
	memcpy(rd->path, at, sizeof(at));
	return check_required(prefix, object, err);
}

/* Cuts the last part of "a.b[1].c"; false when there is none left. */
static bool cut_path(char *path)
{
	size_t n = strlen(path);

	while (n > 0 && path[n - 1] != '.' && path[n - 1] != '[')
		n--;
	if (n == 0)
		return false;
	path[n - 1] = '\0';
	return true;
}

/*
 * "file.json:3:7: baremetal_vm.memory: " before the rule. A key that is missing has no place, so
 * the object it is missing in is pointed to.
 */
static int place_error(const struct literal_text *source, const char *path, int r,
		       struct error *err)
{
	unsigned int line = 0, column = 0;
	char at[PATH_MAX_LENGTH + sizeof(ROOT) + 1];

	(void)snprintf(at, sizeof(at), "%s", path);
	do {
		if (literal_locate(source, at, &line, &column))
			return error_prefix(err, r, "%s:%u:%u: %s", source->name, line, column,
					    path);
	} while (cut_path(at));
	return error_prefix(err, r, "%s: %s", source->name, path);
}

static void full_path(char *buf, size_t size, const char *path)
{
	(void)snprintf(buf, size, ROOT "%s%s", *path == '\0' ? "" : ".", path);
}

/* Values that follow from others, where they were not given themselves. */
static int derive(struct config *cfg, struct error *err)
{
	if (cfg->cpu_pinning == CPU_PINNING_LIST && !config_explicit(cfg, "vcpus"))
		cfg->vcpus = (unsigned int)cfg->n_pin_cpus;
	if (cfg->docker.script != NULL && !config_explicit(cfg, "docker.install"))
		cfg->docker.install = DOCKER_SCRIPT;
	if (cfg->gpu.gpu_vendor == NULL && cfg->gpu_vendor != NULL &&
	    cfg->gpu.mode != GPU_MODE_ABSENT) {
		cfg->gpu.gpu_vendor = strdup(cfg->gpu_vendor);
		if (cfg->gpu.gpu_vendor == NULL)
			return error_set(err, ENOMEM, "out of memory");
	}
	return 0;
}

static int read_machine(struct config *cfg, const struct literal_text *source,
			struct json_object *object, struct error *err)
{
	struct reading rd = { .cfg = cfg, .source = source };
	char path[PATH_MAX_LENGTH + sizeof(ROOT) + 1];
	const char *at_fault = NULL;
	int r = read_object(&rd, "", cfg, object, err);

	if (r < 0) {
		full_path(path, sizeof(path), rd.path);
		return place_error(source, path, r, err);
	}
	r = derive(cfg, err);
	if (r == 0)
		r = rules_check(cfg, &at_fault, err);
	if (r < 0) {
		full_path(path, sizeof(path), at_fault == NULL ? "" : at_fault);
		return place_error(source, path, r, err);
	}
	return 0;
}

static struct literal_text literal_of(const struct config_source *source)
{
	return (struct literal_text){
		.name = source->name,
		.text = source->text,
		.len = source->len,
		.syntax = source->allow_python ? LITERAL_EITHER : LITERAL_JSON,
	};
}

/* NULL is an empty context. */
static int read_source(const struct config_source *source, struct json_object **ret,
		       struct error *err)
{
	struct literal_text text;
	int r;

	if (source == NULL) {
		*ret = json_new_object();
		return 0;
	}
	text = literal_of(source);
	r = literal_parse(&text, ret, err);
	if (r == 0 && !json_object_is_type(*ret, json_type_object))
		r = error_set(err, EINVAL, "%s: must be an object ({...})", source->name);
	return r;
}

static void warn_dropped(struct json_object *file, struct json_object *text, const char *file_name,
			 const char *text_name)
{
	struct json_object *old = NULL, *new = NULL;
	AUTO_STRV struct strv dropped = STRV_INIT;
	AUTO_FREE char *names = NULL;

	if (json_get_object(file, ROOT, &old, NULL) < 0 ||
	    !json_object_object_get_ex(text, ROOT, &new))
		return;
	json_object_object_foreach(old, key, value)
	{
		(void)value;
		if (!json_object_is_type(new, json_type_object) ||
		    !json_object_object_get_ex(new, key, NULL))
			strv_add(&dropped, key);
	}
	names = strv_join(&dropped, ", ");
	if (dropped.n > 0 && names != NULL)
		log_warning("%s replaces the whole \"" ROOT
			    "\" of %s, so these of its keys are dropped: "
			    "%s",
			    text_name, file_name, names);
}

/* Top-level keys of @from replace those of @into. */
static void merge(struct json_object *into, struct json_object *from)
{
	json_object_object_foreach(from, key, value)
	{
		json_add(into, key, json_object_get(value));
	}
}

int config_parse(struct config *cfg, const struct config_source *file,
		 const struct config_source *text, struct error *err)
{
	AUTO_JSON struct json_object *from_file = NULL, *from_text = NULL;
	struct literal_text file_literal = { .name = "" }, text_literal = { .name = "" };
	const struct literal_text *source;
	struct json_object *machine = NULL;
	const char *at_fault = "";
	int r = read_source(file, &from_file, err);

	if (r == 0)
		r = read_source(text, &from_text, err);
	if (r < 0)
		return r;
	if (file != NULL)
		file_literal = literal_of(file);
	if (text != NULL)
		text_literal = literal_of(text);
	if (file != NULL && text != NULL)
		warn_dropped(from_file, from_text, file->name, text->name);
	(void)json_object_put(cfg->context);
	cfg->context = json_new_object();
	merge(cfg->context, from_file);
	merge(cfg->context, from_text);
	r = context_check(cfg, cfg->context, &at_fault, err);
	if (r < 0) {
		source = json_object_object_get_ex(from_text, at_fault, NULL) ? &text_literal
									      : &file_literal;
		return place_error(source, at_fault, r, err);
	}
	if (json_get_object(cfg->context, ROOT, &machine, NULL) < 0)
		return 0;
	source = json_object_object_get_ex(from_text, ROOT, NULL) ? &text_literal : &file_literal;
	return read_machine(cfg, source, machine, err);
}

/* What was typed for an option as the JSON value its key's type asks for; NULL on a wrong form. */
static struct json_object *typed_value(const struct field *f, const char *value)
{
	struct literal_text text = { .name = f->path, .text = value, .len = strlen(value) };
	struct json_object *o = NULL;

	if (f->type == FIELD_STRING || f->type == FIELD_ENUM || f->type == FIELD_SIZE)
		return json_object_new_string(value);
	if (literal_parse(&text, &o, NULL) < 0)
		o = json_object_new_string(value);
	return o;
}

static const struct field *find_path(const char *path)
{
	size_t n = 0;
	const struct field *table = fields_table(&n);

	for (size_t i = 0; i < n; i++) {
		if (strcmp(table[i].path, path) == 0)
			return &table[i];
	}
	return NULL;
}

int config_set(struct config *cfg, const char *path, const char *value, const char *option,
	       struct error *err)
{
	const struct field *f = find_path(path);
	AUTO_JSON struct json_object *typed = NULL;
	int r;

	if (f == NULL || f->type == FIELD_OBJECT || f->type == FIELD_ARRAY ||
	    strchr(path, '[') != NULL)
		return error_set(err, ENOENT, "%s: no key \"%s\"", option, path);
	if (f->type == FIELD_STRINGS) {
		r = field_append(f, cfg, value, err);
	} else {
		typed = typed_value(f, value);
		r = field_set(f, cfg, cfg, typed, err);
	}
	if (r == 0)
		r = mark_explicit(cfg, path, err);
	return r < 0 ? error_prefix(err, r, "%s", option) : 0;
}

int config_finish(struct config *cfg, struct error *err)
{
	const char *path = NULL;
	int r = derive(cfg, err);

	if (r == 0)
		r = rules_check(cfg, &path, err);
	if (r < 0 && path != NULL)
		return error_prefix(err, r, ROOT ".%s", path);
	return r;
}

const char *config_default_text(const char *path)
{
	const struct field *f = find_path(path);

	if (f == NULL || f->fallback == NULL || strcmp(f->fallback, "null") == 0 ||
	    strcmp(f->fallback, "[]") == 0)
		return NULL;
	return f->fallback;
}
