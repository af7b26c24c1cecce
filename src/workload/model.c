/* SPDX-License-Identifier: MIT */
#include "workload/model.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"

#define NAME_BYTES_MAX 200 /* names of logs are made of it, with a suffix */
#define BLANKS         " \t\n\v\f\r"

/* --- checks ----------------------------------------------------------------------------------- */

static bool is_text(struct json_object *v)
{
	return json_object_is_type(v, json_type_string);
}

static bool is_scalar(struct json_object *v)
{
	return is_text(v) || json_object_is_type(v, json_type_int) ||
	       json_object_is_type(v, json_type_double) ||
	       json_object_is_type(v, json_type_boolean);
}

static bool is_whole(struct json_object *v)
{
	return json_object_is_type(v, json_type_int);
}

static bool is_seconds(struct json_object *v)
{
	return is_whole(v) && json_object_get_int64(v) <= INT_MAX;
}

static bool is_object(struct json_object *v)
{
	return json_object_is_type(v, json_type_object);
}

/* ASCII's, and U+0080..U+009F, which a terminal may obey as well. */
static bool has_control(const char *s)
{
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)s[0], next = (unsigned char)s[1];

		if (c < 0x20 || c == 0x7f || (c == 0xc2 && next >= 0x80 && next < 0xa0))
			return true;
	}
	return false;
}

/* Part of file names and of terminal output, so nothing that could break either. */
static bool is_name(struct json_object *v)
{
	const char *s = is_text(v) ? json_object_get_string(v) : "";
	size_t n = strlen(s);

	return n > 0 && n <= NAME_BYTES_MAX && strspn(s, ".") < n && !has_control(s);
}

/* A count of GPUs, if it is one: a whole number, or the text of one. */
static bool gpu_number(struct json_object *v, int64_t *ret)
{
	const char *s = is_text(v) || is_whole(v) ? json_object_get_string(v) : "";
	char *end = NULL;

	errno = 0;
	*ret = strtoll(s, &end, 10);
	return end != s && errno == 0 && end[strspn(end, BLANKS)] == '\0';
}

/* Text that is no number is no mistake: madengine ignores it. */
static bool is_gpus(struct json_object *v)
{
	int64_t n = 0;

	if (gpu_number(v, &n))
		return n >= MODEL_GPUS_ALL && n <= INT_MAX;
	return is_text(v);
}

static const struct field {
	const char *key;
	bool (*good)(struct json_object *v);
	bool required;
	const char *rule;
} fields[] = {
	{ "name", is_name, true, "a name of 1 to 200 bytes without control characters" },
	{ "args", is_text, true, "a string, \"\" for none" },
	{ "dockerfile", is_text, false, "a string" },
	{ "scripts", is_text, false, "a string" },
	{ "dockercontext", is_text, false, "a string" },
	{ "url", is_text, false, "a string" },
	{ "cred", is_text, false, "a string" },
	{ "data", is_text, false, "a string, names with commas between them" },
	{ "multiple_results", is_text, false, "a string" },
	{ "skip_gpu_arch", is_text, false, "a string, names with commas between them" },
	{ "additional_docker_run_options", is_text, false, "a string" },
	{ "owner", is_scalar, false, "a string" },
	{ "training_precision", is_scalar, false, "a string" },
	{ "nnodes", is_scalar, false, "a string" },
	{ "timeout", is_seconds, false, "whole seconds" },
	{ "distributed", is_object, false, "an object" },
};

/* In the order in which they are looked at. */
static const char *const gpu_aliases[] = { "gpus_per_node", "gpu_count", "n_gpus", "num_gpus",
					   "ngpus" };

/* NULL for null and for what is not there. */
static struct json_object *member(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	return json_object_object_get_ex(o, key, &v) ? v : NULL;
}

static void check_fields(struct json_object *o, const char *path, struct strv *problems)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		const struct field *f = &fields[i];
		struct json_object *v = member(o, f->key);

		if (v == NULL && f->required)
			strv_addf(problems, "%s.%s: is missing; must be %s", path, f->key, f->rule);
		else if (v != NULL && !f->good(v))
			strv_addf(problems, "%s.%s: must be %s", path, f->key, f->rule);
	}
	for (size_t i = 0; i < ARRAY_SIZE(gpu_aliases); i++) {
		struct json_object *v = member(o, gpu_aliases[i]);

		if (v != NULL && !is_gpus(v))
			strv_addf(problems, "%s.%s: must be a number of GPUs, or \"-1\" for all",
				  path, gpu_aliases[i]);
	}
}

static void check_tags(struct json_object *tags, const char *path, struct strv *problems)
{
	if (tags == NULL || is_text(tags))
		return;
	if (!json_object_is_type(tags, json_type_array)) {
		strv_addf(problems, "%s.tags: must be a list of strings, or one string", path);
		return;
	}
	for (size_t i = 0; i < json_object_array_length(tags); i++) {
		if (!is_text(json_object_array_get_idx(tags, i)))
			strv_addf(problems, "%s.tags[%zu]: must be a string", path, i);
	}
}

size_t model_check(struct json_object *object, const char *path, struct strv *problems)
{
	size_t before = problems->n;
	struct json_object *launcher;

	if (!is_object(object)) {
		strv_addf(problems, "%s: must be an object", path);
		return problems->n - before;
	}
	check_fields(object, path, problems);
	check_tags(member(object, "tags"), path, problems);
	launcher = member(member(object, "distributed"), "launcher");
	if (launcher != NULL && !is_text(launcher))
		strv_addf(problems, "%s.distributed.launcher: must be a string", path);
	return problems->n - before;
}

bool path_in_package(const char *path)
{
	size_t depth = 0;

	if (*path == '/')
		return false;
	for (const char *end = path; *path != '\0'; path = end + (*end == '/' ? 1 : 0)) {
		size_t n = strcspn(path, "/");

		end = path + n;
		if (n == 0 || (n == 1 && path[0] == '.'))
			continue;
		if (n != 2 || strncmp(path, "..", n) != 0)
			depth++;
		else if (depth-- == 0)
			return false;
	}
	return true;
}

int model_check_paths(const struct model *m, struct error *err)
{
	static const char *const keys[] = { "dockerfile", "dockercontext", "scripts",
					    "multiple_results" };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const char *path = model_text(m, keys[i]);

		if (path != NULL && !path_in_package(path))
			return error_set(err, EINVAL,
					 "%s: %s: must lie inside of the package, not "
					 "\"%s\"",
					 m->origin, keys[i], path);
	}
	return 0;
}

/* --- life ------------------------------------------------------------------------------------- */

static int no_memory(struct error *err)
{
	return error_set(err, ENOMEM, "out of memory");
}

int model_init(struct model *ret, struct json_object *object, const char *origin, struct error *err)
{
	AUTO_STRV struct strv problems = STRV_INIT;
	struct model m = MODEL_INIT;
	size_t n = model_check(object, "", &problems);

	if (strv_error(&problems) < 0)
		return no_memory(err);
	if (n > 0) /* a member's path begins with the dot */
		return error_set(err, EINVAL, "%s: %s", origin,
				 problems.v[0] + strspn(problems.v[0], ".: "));
	m.origin = strdup(origin);
	if (m.origin == NULL)
		return no_memory(err);
	m.object = json_object_get(object);
	*ret = m;
	return 0;
}

int model_copy(struct model *ret, const struct model *from, struct error *err)
{
	struct model m = { .origin = strdup(from->origin) };

	if (m.origin == NULL || json_object_deep_copy(from->object, &m.object, NULL) < 0) {
		model_done(&m);
		return no_memory(err);
	}
	*ret = m;
	return 0;
}

void model_done(struct model *m)
{
	json_putp(&m->object);
	free(m->origin);
	m->origin = NULL;
}

int model_list_take(struct model_list *list, struct model *m, struct error *err)
{
	struct model *v = list->v;
	bool full = (list->n & (list->n - 1)) == 0; /* doubled whenever it holds a power of two */

	if (full)
		v = reallocarray(list->v, list->n == 0 ? 1 : list->n * 2, sizeof(*v));
	if (v == NULL) {
		model_done(m);
		return no_memory(err);
	}
	list->v = v;
	v[list->n++] = *m;
	*m = (struct model)MODEL_INIT;
	return 0;
}

void model_list_done(struct model_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		model_done(&list->v[i]);
	free(list->v);
	*list = (struct model_list)MODEL_LIST_INIT;
}

/* --- views ------------------------------------------------------------------------------------ */

static const char *text_of(struct json_object *v)
{
	const char *s = v != NULL && is_scalar(v) ? json_object_get_string(v) : NULL;

	return s == NULL || *s == '\0' ? NULL : s;
}

const char *model_text(const struct model *m, const char *key)
{
	return text_of(member(m->object, key));
}

const char *model_name(const struct model *m)
{
	return model_text(m, "name");
}

const char *model_args(const struct model *m)
{
	const char *args = model_text(m, "args");

	return args == NULL ? "" : args;
}

const char *model_launcher(const struct model *m)
{
	return text_of(member(member(m->object, "distributed"), "launcher"));
}

bool model_gpu_count(struct json_object *object, int *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(gpu_aliases); i++) {
		struct json_object *v = member(object, gpu_aliases[i]);
		int64_t n = 0;

		if (v == NULL)
			continue;
		if (!gpu_number(v, &n) || n < MODEL_GPUS_ALL || n > INT_MAX)
			return false;
		*ret = (int)n;
		return true;
	}
	return false;
}

int model_check_gpu_count(struct json_object *object, const char **ret_ignored, struct error *err)
{
	int64_t n;

	for (size_t i = 0; i < ARRAY_SIZE(gpu_aliases); i++) {
		struct json_object *v = member(object, gpu_aliases[i]);

		if (v == NULL)
			continue;
		if (!is_gpus(v))
			return error_set(err, EINVAL,
					 "%s: must be a number of GPUs, or \"-1\" for all",
					 gpu_aliases[i]);
		if (*ret_ignored == NULL && !gpu_number(v, &n))
			*ret_ignored = gpu_aliases[i];
	}
	return 0;
}

int model_gpus(const struct model *m)
{
	int n = 1;

	(void)model_gpu_count(m->object, &n);
	return n;
}

int64_t model_timeout(const struct model *m)
{
	struct json_object *v = member(m->object, "timeout");
	int64_t seconds = v == NULL ? 0 : json_object_get_int64(v);

	return seconds > 0 ? seconds : 0;
}

static bool list_has(struct json_object *tags, const char *tag)
{
	for (size_t i = 0; i < json_object_array_length(tags); i++) {
		if (strcmp(json_object_get_string(json_object_array_get_idx(tags, i)), tag) == 0)
			return true;
	}
	return false;
}

/* One part of "a, b ,c" at a time, without the blanks around it. */
static bool text_has(const char *text, const char *tag)
{
	size_t want = strlen(tag);

	for (const char *end = text; *text != '\0'; text = *end == ',' ? end + 1 : end) {
		size_t n;

		text += strspn(text, BLANKS);
		end = text + strcspn(text, ",");
		n = (size_t)(end - text);
		while (n > 0 && strchr(BLANKS, text[n - 1]) != NULL)
			n--;
		if (n == want && strncmp(text, tag, n) == 0)
			return n > 0;
	}
	return false;
}

bool model_has_tag(const struct model *m, const char *tag)
{
	struct json_object *tags = member(m->object, "tags");

	if (tags == NULL)
		return false;
	return is_text(tags) ? text_has(json_object_get_string(tags), tag) : list_has(tags, tag);
}

char *model_tags_text(const struct model *m)
{
	struct json_object *tags = member(m->object, "tags");
	AUTO_STRV struct strv words = STRV_INIT;
	size_t n = json_object_is_type(tags, json_type_array) ? json_object_array_length(tags) : 0;

	if (tags != NULL && is_text(tags))
		return strdup(json_object_get_string(tags));
	for (size_t i = 0; i < n; i++)
		strv_add(&words, json_object_get_string(json_object_array_get_idx(tags, i)));
	return strv_join(&words, ",");
}

void model_set_text(struct model *m, const char *key, const char *value)
{
	json_add_str(m->object, key, value);
}

int model_add_args(struct model *m, const char *more, struct error *err)
{
	AUTO_FREE char *args = NULL;

	if (asprintf(&args, "%s%s", model_args(m), more) < 0) {
		args = NULL;
		return no_memory(err);
	}
	model_set_text(m, "args", args);
	return 0;
}
