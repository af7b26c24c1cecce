/* SPDX-License-Identifier: MIT */
#include "workload/package.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/literal.h"
#include "base/log.h"
#include "base/utf8.h"
#include "workload/package_private.h"
#include "workload/python_models.h"

#define FILE_CAP      ((size_t)16 << 20)
#define CTX_TEST_CAP  ((size_t)64 << 10)
#define PROBLEMS_TOLD 5
#define PATH_SIZE     512

/* A folder of scripts/ under way, or with @folder NULL the package's own models.json. */
struct source {
	struct package *package;
	int dir_fd; /* of the package */
	const char *folder;
	char file[PATH_SIZE]; /* what is read, relative to the package */
};

static int no_memory(struct error *err)
{
	return error_set(err, ENOMEM, "out of memory");
}

/* --- paths ------------------------------------------------------------------------------------ */

/* Removes the last of the @n names, or adds another "..". */
static size_t go_up(const char **names, size_t *lengths, size_t n)
{
	if (n > 0 && (lengths[n - 1] != 2 || strncmp(names[n - 1], "..", 2) != 0))
		return n - 1;
	names[n] = "..";
	lengths[n] = 2;
	return n + 1;
}

static char *join_names(const char **names, const size_t *lengths, size_t n)
{
	char *out = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&out, &len);

	if (f == NULL)
		return NULL;
	for (size_t i = 0; i < n; i++)
		(void)fprintf(f, "%s%.*s", i == 0 ? "" : "/", (int)lengths[i], names[i]);
	if (n == 0)
		(void)fputc('.', f);
	if (fclose(f) != 0) {
		free(out);
		return NULL;
	}
	return out;
}

char *package_path(const char *folder, const char *path)
{
	AUTO_FREE char *joined = path_join(folder, path);
	size_t max = joined == NULL ? 0 : strlen(joined) / 2 + 1, n = 0;
	AUTO_FREE const char **names = calloc(max + 1, sizeof(*names));
	AUTO_FREE size_t *lengths = calloc(max + 1, sizeof(*lengths));

	if (joined == NULL || names == NULL || lengths == NULL)
		return NULL;
	for (const char *at = joined; *at != '\0';) {
		size_t len = strcspn(at, "/");

		if (len == 2 && strncmp(at, "..", 2) == 0) {
			n = go_up(names, lengths, n);
		} else if (len > 1 || (len == 1 && *at != '.')) {
			names[n] = at;
			lengths[n++] = len;
		}
		at += len + (at[len] == '/' ? 1 : 0);
	}
	return join_names(names, lengths, n);
}

/* --- models.json ------------------------------------------------------------------------------ */

/* Puts the place of "[3].args: rule" before it: that of the member, else that of the model. */
static void tell_problem(FILE *f, const struct literal_text *in, const char *problem)
{
	unsigned int line = 1, column = 1;
	AUTO_FREE char *path = strndup(problem, strcspn(problem, ":"));

	if (path != NULL && !literal_locate(in, path, &line, &column)) {
		path[strcspn(path, "]") + 1] = '\0';
		(void)literal_locate(in, path, &line, &column);
	}
	(void)fprintf(f, "%s:%u:%u: %s", in->name, line, column, problem);
}

static int tell_problems(const struct literal_text *in, const struct strv *problems,
			 struct error *err)
{
	AUTO_FREE char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (f == NULL)
		return no_memory(err);
	for (size_t i = 0; i < problems->n && i < PROBLEMS_TOLD; i++) {
		(void)fputs(i == 0 ? "" : "; ", f);
		tell_problem(f, in, problems->v[i]);
	}
	if (problems->n > PROBLEMS_TOLD)
		(void)fprintf(f, "; and %zu more", problems->n - PROBLEMS_TOLD);
	if (fclose(f) != 0)
		return no_memory(err);
	return error_set(err, EINVAL, "%s", text);
}

/* In scripts/D both paths are made relative to the package, so they must be there. */
static void check_paths(struct json_object *o, size_t i, struct strv *problems)
{
	static const char *const keys[] = { "dockerfile", "scripts" };

	for (size_t k = 0; k < ARRAY_SIZE(keys); k++) {
		struct json_object *v = NULL;

		if (!json_object_object_get_ex(o, keys[k], &v) || v == NULL)
			strv_addf(problems, "[%zu].%s: is missing", i, keys[k]);
	}
}

/* Return: how many models, all of them good; -EINVAL; -E2BIG; -ENOMEM. */
static int check_list(const struct source *s, const struct literal_text *in,
		      struct json_object *list, struct error *err)
{
	AUTO_STRV struct strv problems = STRV_INIT;
	size_t n;

	if (!json_object_is_type(list, json_type_array))
		return error_set(err, EINVAL, "%s:1:1: must be a list of models, [{...}, ...]",
				 s->file);
	n = json_object_array_length(list);
	if (n > PACKAGE_MODELS_MAX - s->package->models.n)
		return error_set(err, E2BIG, "%s: the package has more than %d models", s->file,
				 PACKAGE_MODELS_MAX);
	for (size_t i = 0; i < n; i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		char path[32];

		(void)snprintf(path, sizeof(path), "[%zu]", i);
		if (model_check(o, path, &problems) == 0 && s->folder != NULL)
			check_paths(o, i, &problems);
	}
	if (strv_error(&problems) < 0)
		return no_memory(err);
	return problems.n > 0 ? tell_problems(in, &problems, err) : (int)n;
}

static int make_relative(struct json_object *o, const char *folder, const char *key)
{
	AUTO_FREE char *path = package_path(folder, json_str_or(o, key, ""));

	if (path == NULL)
		return -ENOMEM;
	json_add_str(o, key, path);
	return 0;
}

int package_place(struct json_object *o, const char *folder)
{
	char scripts[PATH_SIZE];
	int r;

	(void)snprintf(scripts, sizeof(scripts), "scripts/%s", folder);
	r = make_relative(o, scripts, "dockerfile");
	return r < 0 ? r : make_relative(o, scripts, "scripts");
}

static int give_prefix(struct json_object *o, const char *folder)
{
	AUTO_FREE char *name = path_join(folder, json_str_or(o, "name", ""));

	if (name == NULL)
		return -ENOMEM;
	json_add_str(o, "name", name);
	return package_place(o, folder);
}

/* Different for all models of a file, as some have one name by mistake. */
static char *make_origin(const struct model_list *list, const char *file, const char *name)
{
	char *origin = NULL;
	size_t n = 1;
	int r;

	for (size_t i = 0; i < list->n; i++)
		n += strcmp(model_name(&list->v[i]), name) == 0;
	r = n > 1 ? asprintf(&origin, "%s: model \"%s\" (number %zu of that name)", file, name, n)
		  : asprintf(&origin, "%s: model \"%s\"", file, name);
	return r < 0 ? NULL : origin;
}

int package_add(struct model_list *list, struct json_object *o, const char *file, struct error *err)
{
	AUTO_FREE char *origin = make_origin(list, file, json_str_or(o, "name", "?"));
	struct model m = MODEL_INIT;
	int r;

	if (origin == NULL)
		return no_memory(err);
	r = model_init(&m, o, origin, err);
	return r < 0 ? r : model_list_take(list, &m, err);
}

static int add_models(const struct source *s, struct json_object *list, struct error *err)
{
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		int r;

		if (s->folder != NULL && give_prefix(o, s->folder) < 0)
			return no_memory(err);
		r = package_add(&s->package->models, o, s->file, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Return: 0; -ENOENT there is no such file; other errors. */
static int read_models(const struct source *s, struct error *err)
{
	AUTO_FREE char *text = NULL;
	AUTO_JSON struct json_object *list = NULL;
	struct literal_text in = { .name = s->file };
	int r = file_read_at(s->dir_fd, s->file, FILE_CAP, &text, &in.len, err);

	if (r < 0)
		return r;
	in.text = text;
	r = literal_parse(&in, &list, err);
	if (r == 0)
		r = check_list(s, &in, list, err);
	return r < 0 ? r : add_models(s, list, err);
}

/* --- get_models_json.py ----------------------------------------------------------------------- */

static int add_python_models(const struct source *s, struct json_object *list, struct error *err)
{
	struct package *p = s->package;
	struct python_folder *v = reallocarray(p->python, p->n_python + 1, sizeof(*v));
	struct python_folder *f;
	int r = 0;

	if (v == NULL)
		return no_memory(err);
	p->python = v;
	f = &v[p->n_python++];
	*f = (struct python_folder){ .folder = strdup(s->folder), .models = MODEL_LIST_INIT };
	if (f->folder == NULL)
		return no_memory(err);
	if (json_object_array_length(list) > PACKAGE_MODELS_MAX)
		return error_set(err, E2BIG, "%s: gives more than %d models", s->file,
				 PACKAGE_MODELS_MAX);
	for (size_t i = 0; r == 0 && i < json_object_array_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);

		r = package_add(&f->models, o, s->file, err);
		if (r == 0 && package_place(o, s->folder) < 0)
			r = no_memory(err);
	}
	return r;
}

static int ask_python(const struct source *s, struct error *err)
{
	AUTO_JSON struct json_object *list = NULL;
	int r;

	if (!python_models_possible()) {
		log_warning("%s: its models are left out, as there is no python3 here", s->file);
		strv_add(&s->package->unread, s->folder);
		return strv_error(&s->package->unread) < 0 ? no_memory(err) : 0;
	}
	r = python_models_list(s->package->dir, s->folder, &list, err);
	return r < 0 ? r : add_python_models(s, list, err);
}

/* --- scripts/ --------------------------------------------------------------------------------- */

/* A name that can stand in a JSON string and in a message. */
static bool is_plain_name(const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
			return false;
	}
	return utf8_valid_length(name, n) == n;
}

static bool exists(const struct source *s)
{
	struct stat st;

	return fstatat(s->dir_fd, s->file, &st, 0) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

static void set_file(struct source *s, const char *name)
{
	/* a folder's name has 255 bytes at most */
	(void)snprintf(s->file, sizeof(s->file), "scripts/%s/%s", s->folder, name);
}

static int read_folder(struct source *s, struct error *err)
{
	bool python, json;

	set_file(s, PYTHON_MODELS_FILE);
	python = exists(s);
	set_file(s, "models.json");
	json = exists(s);
	if (!python && !json)
		return 0;
	if (!is_plain_name(s->folder))
		return error_set(err, EINVAL,
				 "%s: the folder's name has control characters or is "
				 "not UTF-8",
				 s->file);
	if (python && json)
		return error_set(err, EINVAL,
				 "scripts/%s: has both models.json and %s; one of "
				 "them must go",
				 s->folder, PYTHON_MODELS_FILE);
	if (json)
		return read_models(s, err);
	set_file(s, PYTHON_MODELS_FILE);
	return ask_python(s, err);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list_scripts(int dir_fd, struct strv *names, struct error *err)
{
	AUTO_CLOSEDIR DIR *dir = file_opendir_at(dir_fd, "scripts", 0);
	const struct dirent *entry;
	struct stat st;

	if (dir == NULL)
		return error_errno(err, "scripts");
	while ((entry = readdir(dir)) != NULL) {
		const char *name = entry->d_name;

		if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
		    fstatat(dirfd(dir), name, &st, 0) == 0 && S_ISDIR(st.st_mode))
			strv_add(names, name);
	}
	if (strv_error(names) < 0)
		return no_memory(err);
	if (names->n > 0)
		qsort(names->v, names->n, sizeof(*names->v), by_name);
	return 0;
}

/* --- the package ------------------------------------------------------------------------------ */

static int not_a_package(const char *dir, int r, struct error *err)
{
	(void)error_prefix(err, r, "%s is no MAD package",
			   strcmp(dir, ".") == 0 ? "this folder" : dir);
	return error_hint(err, r,
			  "change to the folder that has models.json and scripts, or name "
			  "it in MODEL_DIR");
}

static int load(struct package *p, struct error *err)
{
	AUTO_CLOSE int fd = open(p->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO_STRV struct strv folders = STRV_INIT;
	struct source s = { .package = p, .dir_fd = fd, .file = "models.json" };
	int r;

	if (fd < 0)
		return error_errno(err, "%s", p->dir);
	r = read_models(&s, err);
	if (r == 0)
		r = list_scripts(fd, &folders, err);
	if (r == -ENOENT)
		return not_a_package(p->dir, r, err);
	for (size_t i = 0; r == 0 && i < folders.n; i++) {
		s.folder = folders.v[i];
		r = read_folder(&s, err);
	}
	return r;
}

int package_load(const char *dir, struct package *ret, struct error *err)
{
	struct package p = { .dir = strdup(dir) };
	int r = p.dir == NULL ? no_memory(err) : load(&p, err);

	if (r < 0) {
		package_done(&p);
		return r;
	}
	*ret = p;
	return 0;
}

void package_done(struct package *p)
{
	for (size_t i = 0; i < p->n_python; i++) {
		free(p->python[i].folder);
		model_list_done(&p->python[i].models);
	}
	free(p->python);
	free(p->dir);
	model_list_done(&p->models);
	strv_done(&p->unread);
	*p = (struct package)PACKAGE_INIT;
}

/* The text of @path without the white space around it, in place. */
static int read_trimmed(const char *path, char **ret, struct error *err)
{
	static const char blanks[] = " \t\n\v\f\r";
	AUTO_FREE char *text = NULL;
	size_t len = 0, skip;
	int r = file_read_at(AT_FDCWD, path, CTX_TEST_CAP, &text, &len, err);

	if (r < 0)
		return r;
	if (utf8_valid_length(text, len) < len || strlen(text) < len)
		return error_set(err, EINVAL, "%s: is no UTF-8 text", path);
	skip = strspn(text, blanks);
	while (len > skip && strchr(blanks, text[len - 1]) != NULL)
		text[--len] = '\0';
	*ret = strdup(text + skip);
	return *ret == NULL ? no_memory(err) : 0;
}

int package_ctx_test(const char *dir, char **ret, struct error *err)
{
	AUTO_FREE char *path = path_join(dir, "ctx_test");
	int r = path == NULL ? no_memory(err) : read_trimmed(path, ret, err);

	if (r != -ENOENT)
		return r;
	*ret = strdup("None");
	return *ret == NULL ? no_memory(err) : 0;
}
