/* SPDX-License-Identifier: MIT */
#include "workload/dockerfile.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/literal.h"
#include "base/strv.h"
#include "workload/inside.h"

#define MARK         "# CONTEXT "
#define MARK_LEN     (sizeof(MARK) - 1)
#define ARCHITECTURE "MAD_SYSTEM_GPU_ARCHITECTURE"

void dockerfile_done(struct dockerfile *d)
{
	free(d->path);
	(void)json_object_put(d->context);
	free(d->base);
	free(d->architecture);
	*d = (struct dockerfile){ .path = NULL };
}

void dockerfile_list_done(struct dockerfile_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		dockerfile_done(&list->v[i]);
	free(list->v);
	*list = (struct dockerfile_list){ .v = NULL };
}

/* --- lines ------------------------------------------------------------------------------------ */

/* One line of a text, without its newline; NULL behind the last. */
struct line {
	const char *text;
	size_t len;
};

static bool next_line(const char **pos, const char *end, struct line *ret)
{
	const char *newline;

	if (*pos >= end)
		return false;
	newline = memchr(*pos, '\n', (size_t)(end - *pos));
	ret->text = *pos;
	ret->len = (size_t)((newline == NULL ? end : newline) - *pos);
	*pos = newline == NULL ? end : newline + 1;
	return true;
}

/* --- the header ------------------------------------------------------------------------------- */

/* Puts blanks in the place of everything that is no header, so that places in errors stay true. */
static bool keep_header(char *text, size_t len)
{
	const char *pos = text;
	struct line line;
	bool found = false;

	while (next_line(&pos, text + len, &line)) {
		char *start = text + (line.text - text), *end = start + line.len;
		char *mark = memmem(start, line.len, MARK, MARK_LEN);

		if (mark == NULL)
			memset(start, ' ', line.len);
		for (; mark != NULL; mark = memmem(mark, (size_t)(end - mark), MARK, MARK_LEN)) {
			memset(mark, ' ', MARK_LEN);
			found = true;
		}
	}
	return found;
}

static size_t header_length(const char *text, size_t len)
{
	const char *pos = text;
	struct line line;

	for (int i = 0; i < DOCKERFILE_HEADER_LINES; i++) {
		if (!next_line(&pos, text + len, &line))
			break;
	}
	return (size_t)(pos - text);
}

int dockerfile_header(const char *name, const char *text, size_t len, struct json_object **ret,
		      struct error *err)
{
	size_t header_len = header_length(text, len);
	AUTO_FREE char *header = calloc(1, header_len + 1);
	AUTO_JSON struct json_object *o = NULL;
	struct literal_text in = { .name = name, .len = header_len, .syntax = LITERAL_PYTHON };
	size_t first;
	unsigned int line = 1;
	int r;

	if (header == NULL)
		return error_set(err, ENOMEM, "out of memory");
	if (header_len > 0)
		memcpy(header, text, header_len);
	if (!keep_header(header, header_len)) {
		r = error_set(err, EINVAL, "%s:1: no line \"%s{...}\" among the first %d", name,
			      MARK, DOCKERFILE_HEADER_LINES);
		return error_hint(err, r,
				  "say what it is for, as in: %s{'gpu_vendor': 'AMD', "
				  "'guest_os': 'UBUNTU'}",
				  MARK);
	}
	in.text = header;
	r = literal_parse(&in, &o, err);
	if (r < 0)
		return r;
	if (json_object_is_type(o, json_type_object)) {
		*ret = TAKE_PTR(o);
		return 0;
	}
	first = strspn(header, " \t\r\n");
	for (size_t i = 0; i < first; i++)
		line += header[i] == '\n';
	return error_set(err, EINVAL, "%s:%u: what follows \"%s\" must be a dict: {...}", name,
			 line, MARK);
}

bool dockerfile_fits(struct json_object *header, struct json_object *context, const char **ret_key)
{
	json_object_object_foreach(header, key, value)
	{
		struct json_object *theirs = NULL;

		if (context == NULL || !json_object_object_get_ex(context, key, &theirs))
			continue;
		if (json_object_equal(value, theirs) == 0) {
			if (ret_key != NULL)
				*ret_key = key;
			return false;
		}
	}
	return true;
}

/* --- the rest of the text --------------------------------------------------------------------- */

/* Skips @word and the blanks behind it. */
static bool skip_word(struct line *line, const char *word)
{
	size_t len = strlen(word);

	if (line->len < len || strncmp(line->text, word, len) != 0)
		return false;
	line->text += len;
	line->len -= len;
	while (line->len > 0 && (*line->text == ' ' || *line->text == '\t')) {
		line->text++;
		line->len--;
	}
	return true;
}

static bool is_blank(const struct line *line)
{
	for (size_t i = 0; i < line->len; i++) {
		if (!isspace((unsigned char)line->text[i]))
			return false;
	}
	return true;
}

/* The rest of a line as a value: without white space behind it and quotes around it. */
static char *line_value(const struct line *line)
{
	const char *text = line->text;
	size_t len = line->len;

	while (len > 0 && isspace((unsigned char)text[len - 1]))
		len--;
	if (len >= 2 && text[0] == text[len - 1] && (text[0] == '"' || text[0] == '\'')) {
		text++;
		len -= 2;
	}
	return strndup(text, len);
}

static int keep_value(const struct line *line, char **ret, struct error *err)
{
	AUTO_FREE char *value = line_value(line);

	if (value == NULL)
		return error_set(err, ENOMEM, "out of memory");
	if (value[0] != '\0')
		*ret = TAKE_PTR(value);
	return 0;
}

/*
 * ARG NAME=VALUE, ENV NAME=VALUE and ENV NAME VALUE of the architecture. A value that refers to
 * another variable is none.
 */
static int read_architecture(struct dockerfile *d, struct line line, struct error *err)
{
	size_t len = sizeof(ARCHITECTURE) - 1;
	bool arg = skip_word(&line, "ARG ");

	if (!arg && !skip_word(&line, "ENV "))
		return 0;
	if (line.len < len || strncmp(line.text, ARCHITECTURE, len) != 0)
		return 0;
	line.text += len;
	line.len -= len;
	if (arg && is_blank(&line)) {
		d->wants_architecture = true;
		return 0;
	}
	if (!skip_word(&line, "=") && (arg || !skip_word(&line, " ")))
		return 0;
	if (d->architecture != NULL || memchr(line.text, '$', line.len) != NULL)
		return 0;
	return keep_value(&line, &d->architecture, err);
}

static int read_line(struct dockerfile *d, struct line line, struct error *err)
{
	static const char base[] = "ARG BASE_DOCKER=";

	if (line.len < sizeof(base) - 1 || strncmp(line.text, base, sizeof(base) - 1) != 0)
		return read_architecture(d, line, err);
	line.text += sizeof(base) - 1;
	line.len -= sizeof(base) - 1;
	return d->base == NULL ? keep_value(&line, &d->base, err) : 0;
}

/* @word in any case; "amd64" speaks of no GPU. */
static bool speaks_of(const char *text, size_t len, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i + n <= len; i++) {
		if (strncasecmp(text + i, word, n) == 0 &&
		    !(i + n + 2 <= len && strncmp(text + i + n, "64", 2) == 0))
			return true;
	}
	return false;
}

static const char *vendor_of(const char *path, const char *text, size_t len)
{
	if (strcasestr(path, ".amd.") != NULL)
		return "AMD";
	if (strcasestr(path, ".nvidia.") != NULL)
		return "NVIDIA";
	if (speaks_of(text, len, "rocm") || speaks_of(text, len, "amd"))
		return "AMD";
	if (speaks_of(text, len, "nvidia") || speaks_of(text, len, "cuda"))
		return "NVIDIA";
	return "";
}

int dockerfile_parse(const char *path, const char *text, size_t len, struct dockerfile *ret,
		     struct error *err)
{
	AUTO_DOCKERFILE struct dockerfile d = { .path = strdup(path) };
	const char *pos = text;
	struct line line;
	int r;

	if (d.path == NULL)
		return error_set(err, ENOMEM, "out of memory");
	r = dockerfile_header(path, text, len, &d.context, err);
	while (r == 0 && next_line(&pos, text + len, &line))
		r = read_line(&d, line, err);
	if (r < 0)
		return r;
	d.wants_architecture = d.wants_architecture && d.architecture == NULL;
	d.gpu_vendor = vendor_of(path, text, len);
	*ret = d;
	d = (struct dockerfile){ .path = NULL };
	return 0;
}

/* --- candidates ------------------------------------------------------------------------------- */

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_folder(int dir_fd, const char *name)
{
	struct stat st;

	return fstatat(dir_fd, name, &st, 0) == 0 && S_ISDIR(st.st_mode);
}

/* Appends PREFIX.* of the open folder, each with the prefix as it was given. */
static int collect(DIR *dir, const char *prefix, struct strv *ret, struct error *err)
{
	const char *slash = strrchr(prefix, '/');
	const char *base = slash == NULL ? prefix : slash + 1;
	size_t len = strlen(base);
	const struct dirent *entry;

	errno = 0;
	while ((entry = readdir(dir)) != NULL) {
		const char *name = entry->d_name;

		if (strncmp(name, base, len) != 0 || name[len] != '.' ||
		    is_folder(dirfd(dir), name))
			continue;
		strv_addf(ret, "%s%s", prefix, name + len);
		errno = 0;
	}
	if (errno != 0)
		return error_errno(err, "%s: reading its folder", prefix);
	return strv_error(ret) < 0 ? error_set(err, ENOMEM, "out of memory") : 0;
}

/* The name of a file was given, not the beginning of one. */
static int hint_beginning(int package_fd, const char *prefix, int r, struct error *err)
{
	const char *slash = strrchr(prefix, '/'), *dot = strrchr(prefix, '.');
	struct stat st;

	if (fstatat(package_fd, prefix, &st, 0) < 0 || !S_ISREG(st.st_mode))
		return r;
	if (dot == NULL || dot == prefix || (slash != NULL && dot <= slash + 1))
		return error_hint(err, r,
				  "\"dockerfile\" is the beginning of a name: rename that file to "
				  "%s.Dockerfile",
				  prefix);
	return error_hint(err, r, "\"dockerfile\" is the beginning of a name: write \"%.*s\"",
			  (int)(dot - prefix), prefix);
}

static int list_candidates(int package_fd, const char *prefix, struct strv *ret, struct error *err)
{
	AUTO_FREE char *folder = strdup(prefix);
	AUTO_CLOSEDIR DIR *dir = NULL;
	char *slash;
	int r = inside_check("dockerfile", prefix, err);

	if (r < 0)
		return r;
	if (folder == NULL)
		return error_set(err, ENOMEM, "out of memory");
	slash = strrchr(folder, '/');
	if (slash != NULL && slash[1] == '\0')
		return error_set(err, EINVAL,
				 "dockerfile: %s: is a folder, not the beginning of a "
				 "file's name",
				 prefix);
	if (slash != NULL)
		*slash = '\0';
	dir = file_opendir_at(package_fd, slash == NULL ? "." : folder, 0);
	if (dir == NULL)
		return error_errno(err, "dockerfile %s: folder %s", prefix,
				   slash == NULL ? "." : folder);
	r = collect(dir, prefix, ret, err);
	if (r < 0)
		return r;
	if (ret->n == 0)
		return hint_beginning(package_fd, prefix,
				      error_set(err, ENOENT, "there is no Dockerfile %s.*", prefix),
				      err);
	qsort(ret->v, ret->n, sizeof(*ret->v), by_bytes);
	return 0;
}

static int load(int package_fd, const char *path, struct dockerfile *ret, struct error *err)
{
	AUTO_FREE char *text = NULL;
	size_t len = 0;
	int r = file_read_at(package_fd, path, DOCKERFILE_MAX, &text, &len, err);

	if (r == 0)
		r = dockerfile_parse(path, text, len, ret, err);
	if (r != -EINVAL)
		return r;
	if (err != NULL)
		err->code = EBADMSG;
	return -EBADMSG;
}

static int append(struct dockerfile_list *list, struct dockerfile *d, struct error *err)
{
	struct dockerfile *v = realloc(list->v, (list->n + 1) * sizeof(*v));

	if (v == NULL)
		return error_set(err, ENOMEM, "out of memory");
	list->v = v;
	v[list->n++] = *d;
	*d = (struct dockerfile){ .path = NULL };
	return 0;
}

/* "PATH wants gpu_vendor "AMD", not "NVIDIA"" */
static void add_reason(struct strv *reasons, const struct dockerfile *d, const char *key,
		       struct json_object *context)
{
	struct json_object *want = NULL, *have = NULL;

	(void)json_object_object_get_ex(d->context, key, &want);
	(void)json_object_object_get_ex(context, key, &have);
	strv_addf(reasons, "%s wants %s %s, not %s", d->path, key,
		  json_object_to_json_string_ext(want, JSON_C_TO_STRING_PLAIN),
		  json_object_to_json_string_ext(have, JSON_C_TO_STRING_PLAIN));
}

static int none_fits(const char *prefix, const struct strv *reasons, struct error *err)
{
	AUTO_FREE char *text = strv_error(reasons) < 0 ? NULL : strv_join(reasons, "; ");
	int r = error_set(err, ENOENT, "no Dockerfile %s.* fits the context: %s", prefix,
			  text == NULL ? "" : text);

	return error_hint(
		err, r,
		"a Dockerfile for these values, or other values in the additional context: "
		"-c, --additional-context");
}

int dockerfile_select(int package_fd, const char *prefix, struct json_object *context,
		      struct dockerfile_list *ret, struct error *err)
{
	AUTO_DOCKERFILE_LIST struct dockerfile_list list = { .v = NULL };
	AUTO_STRV struct strv paths = STRV_INIT, reasons = STRV_INIT;
	int r = list_candidates(package_fd, prefix, &paths, err);

	for (size_t i = 0; r == 0 && i < paths.n; i++) {
		AUTO_DOCKERFILE struct dockerfile d = { .path = NULL };
		const char *key = NULL;

		r = load(package_fd, paths.v[i], &d, err);
		if (r < 0)
			break;
		if (dockerfile_fits(d.context, context, &key))
			r = append(&list, &d, err);
		else
			add_reason(&reasons, &d, key, context);
	}
	if (r == 0 && list.n == 0)
		r = none_fits(prefix, &reasons, err);
	if (r < 0)
		return r;
	*ret = list;
	list = (struct dockerfile_list){ .v = NULL };
	return 0;
}

/* --- the context ------------------------------------------------------------------------------ */

struct json_object *dockerfile_context(struct json_object *additional, const char *gpu_vendor,
				       const char *guest_os, const char *host_os,
				       const char *ctx_test)
{
	struct json_object *context = json_new_object();

	json_add_str(context, "ctx_test", ctx_test == NULL ? "None" : ctx_test);
	json_add_str(context, "host_os", host_os == NULL ? "Unable to detect Host OS" : host_os);
	json_add_str(context, "gpu_vendor", gpu_vendor == NULL ? "AMD" : gpu_vendor);
	json_add_str(context, "guest_os", guest_os == NULL ? "UBUNTU" : guest_os);
	if (additional == NULL)
		return context;
	json_object_object_foreach(additional, key, value)
	{
		if (strcmp(key, "baremetal_vm") != 0 && strcmp(key, "gpu_vendor") != 0 &&
		    strcmp(key, "guest_os") != 0)
			json_add(context, key, json_object_get(value));
	}
	return context;
}
