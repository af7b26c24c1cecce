/* SPDX-License-Identifier: MIT */
#include "workload/names.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/utf8.h"

#define IMAGE_MAX 512
#define TAG_MAX   128

/* ASCII only, whatever the locale. */
static char small(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

static bool is_small_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_word(char c)
{
	return is_small_or_digit(small(c));
}

static void replace_each(char *s, const char *these, char by)
{
	for (; *s != '\0'; s++) {
		if (strchr(these, *s) != NULL)
			*s = by;
	}
}

static void remove_each(char *s, const char *what)
{
	size_t len = strlen(what);

	while ((s = strstr(s, what)) != NULL)
		memmove(s, s + len, strlen(s + len) + 1);
}

static int no_memory(struct error *err)
{
	return error_set(err, ENOMEM, "out of memory");
}

/* A name that people and file systems can stand. */
static int check_text(const char *what, const char *name, struct error *err)
{
	size_t len = strlen(name);

	if (len == 0)
		return error_set(err, EINVAL, "the name of a %s is empty", what);
	if (len > NAMES_FILE_MAX)
		return error_set(err, EINVAL, "the name of a %s is longer than %d bytes: %.60s...",
				 what, NAMES_FILE_MAX, name);
	if (utf8_valid_length(name, len) != len)
		return error_set(err, EINVAL, "the name of a %s is not UTF-8", what);
	for (size_t i = 0; i < len; i++) {
		if (iscntrl((unsigned char)name[i]))
			return error_set(err, EINVAL,
					 "the name of a %s has a control character in it", what);
	}
	return 0;
}

static int model_part(const char *model, char **ret, struct error *err)
{
	char *part = NULL;
	int r = check_text("model", model, err);

	if (r < 0)
		return r;
	part = strdup(model);
	if (part == NULL)
		return no_memory(err);
	replace_each(part, "/", '_');
	*ret = part;
	return 0;
}

static int dockerfile_part(const char *path, char **ret, struct error *err)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash == NULL ? path : slash + 1;
	char *part = NULL;
	int r = check_text("Dockerfile", base, err);

	if (r < 0)
		return r;
	part = strdup(base);
	if (part == NULL)
		return no_memory(err);
	remove_each(part, ".Dockerfile");
	*ret = part;
	return 0;
}

/* Bytes of the separator at @s: one ".", one or two "_", or a run of "-". */
static size_t separator_length(const char *s)
{
	if (*s == '.')
		return 1;
	if (*s == '_')
		return s[1] == '_' ? 2 : 1;
	return strspn(s, "-");
}

static bool is_repository_name(const char *s)
{
	for (;;) {
		size_t n;

		if (!is_small_or_digit(*s))
			return false;
		while (is_small_or_digit(*s))
			s++;
		if (*s == '\0')
			return true;
		n = separator_length(s);
		if (n == 0)
			return false;
		s += n;
	}
}

static int check_length(const char *name, struct error *err)
{
	if (strlen(name) > NAMES_FILE_MAX)
		return error_set(err, EINVAL,
				 "a name made of this model is over %d bytes: %.80s...",
				 NAMES_FILE_MAX, name);
	return 0;
}

int names_image(const char *model, const char *dockerfile, const char *architecture, char **ret,
		struct error *err)
{
	AUTO_FREE char *first = NULL, *second = NULL, *image = NULL;
	const char *suffix = architecture == NULL ? "" : architecture;
	int r = model_part(model, &first, err);

	if (first == NULL)
		return r;
	r = dockerfile_part(dockerfile, &second, err);
	if (second == NULL)
		return r;
	for (char *c = first; *c != '\0'; c++)
		*c = small(*c);
	if (asprintf(&image, "ci-%s_%s%s%s", first, second, *suffix == '\0' ? "" : "_", suffix) <
	    0) {
		image = NULL;
		return no_memory(err);
	}
	r = check_length(image, err);
	if (r < 0)
		return r;
	if (!is_repository_name(image)) {
		r = error_set(err, EINVAL,
			      "model %s with %s would make image %s, which is no name to Docker",
			      model, dockerfile, image);
		return error_hint(err, r,
				  "small letters and digits with single separators (. _ __ -) "
				  "between them: rename the model or the Dockerfile");
	}
	*ret = TAKE_PTR(image);
	return 0;
}

static int log_name(const char *model, const char *dockerfile, const char *ending, char **ret,
		    struct error *err)
{
	AUTO_FREE char *first = NULL, *second = NULL, *name = NULL;
	int r = model_part(model, &first, err);

	if (first == NULL)
		return r;
	r = dockerfile_part(dockerfile, &second, err);
	if (second == NULL)
		return r;
	if (asprintf(&name, "%s_%s%s", first, second, ending) < 0) {
		name = NULL;
		return no_memory(err);
	}
	r = check_length(name, err);
	if (r == 0)
		*ret = TAKE_PTR(name);
	return r;
}

int names_build_log(const char *model, const char *dockerfile, char **ret, struct error *err)
{
	return log_name(model, dockerfile, ".build.live.log", ret, err);
}

int names_full_log(const char *model, const char *dockerfile, char **ret, struct error *err)
{
	return log_name(model, dockerfile, ".live.log", ret, err);
}

static bool is_tag(const char *s)
{
	size_t n = 0;

	while (is_word(s[n]) || s[n] == '_' || (n > 0 && (s[n] == '.' || s[n] == '-')))
		n++;
	return n > 0 && n <= TAG_MAX && s[n] == '\0';
}

static bool is_digest(const char *s)
{
	const char *hex = strchr(s, ':');

	return hex != NULL && hex > s && hex[1] != '\0' &&
	       hex[1 + strspn(hex + 1, "0123456789abcdefABCDEF")] == '\0';
}

/* As Docker tells a registry from the first folder of a repository. */
static bool is_registry(const char *s)
{
	if (strpbrk(s, ".:") != NULL || strcmp(s, "localhost") == 0)
		return true;
	for (; *s != '\0'; s++) {
		if (*s != small(*s))
			return true;
	}
	return false;
}

/* REGISTRY/PATH:TAG@DIGEST, cut up on the way. */
static bool is_reference(char *s)
{
	char *digest = strchr(s, '@');
	char *slash, *tag;

	if (digest != NULL)
		*digest++ = '\0';
	slash = strrchr(s, '/');
	tag = strchr(slash == NULL ? s : slash, ':');
	if (tag != NULL)
		*tag++ = '\0';
	if ((digest != NULL && !is_digest(digest)) || (tag != NULL && !is_tag(tag)))
		return false;
	slash = strchr(s, '/');
	if (slash != NULL) {
		*slash = '\0';
		if (is_registry(s))
			s = slash + 1;
		else
			*slash = '/';
	}
	for (char *part; (part = strsep(&s, "/")) != NULL;) {
		if (!is_repository_name(part))
			return false;
	}
	return true;
}

/* Of a name that has but the allowed characters. */
static int check_reference(const char *image, struct error *err)
{
	AUTO_FREE char *copy = strdup(image);
	int r;

	if (copy == NULL)
		return no_memory(err);
	if (is_reference(copy))
		return 0;
	r = error_set(err, EINVAL, "image %s: is no name to Docker", image);
	return error_hint(err, r,
			  "[REGISTRY/]NAME[:TAG][@DIGEST], NAME of small letters and digits with "
			  "single separators (. _ __ - /) between them");
}

int names_check_image(const char *image, struct error *err)
{
	size_t len = strlen(image);

	if (len == 0)
		return error_set(err, EINVAL, "the name of an image is empty");
	if (len > IMAGE_MAX)
		return error_set(err, EINVAL, "the name of an image is over %d bytes: %.60s...",
				 IMAGE_MAX, image);
	for (const char *c = image; *c != '\0'; c++) {
		if (!is_word(*c) && strchr("._-/:@+", *c) == NULL)
			return error_set(err, EINVAL,
					 "an image's name has a byte 0x%02x: letters, digits and "
					 "._-/:@+ are allowed",
					 (unsigned int)(unsigned char)*c);
	}
	if (!is_word(image[0]))
		return error_set(err, EINVAL,
				 "image %s: the first character must be a letter or a "
				 "digit",
				 image);
	return check_reference(image, err);
}

/* The part of an image's name that its run log carries, before the model's name is left out. */
static char *image_part(const char *image)
{
	size_t len = strcspn(image, "@");
	AUTO_FREE char *name = strndup(image, len);
	const char *slash, *tag;
	char *part;

	if (name == NULL)
		return NULL;
	slash = strrchr(name, '/');
	tag = strchr(slash == NULL ? name : slash, ':');
	if (tag != NULL && strncmp(tag, ":ci-", 4) == 0)
		part = strdup(tag + 1);
	else
		part = TAKE_PTR(name);
	if (part == NULL)
		return NULL;
	replace_each(part, "/:@", '_');
	remove_each(part, "ci-");
	return part;
}

/* @part behind "MODEL_", compared without regard to the model's capitals. */
static const char *without_model(const char *part, const char *model)
{
	size_t i = 0;

	for (; model[i] != '\0'; i++) {
		if (part[i] != small(model[i]))
			return part;
	}
	return part[i] == '_' ? part + i + 1 : part;
}

int names_run_log(const char *model, const char *image, char **ret, struct error *err)
{
	AUTO_FREE char *first = NULL, *second = NULL, *name = NULL;
	int r = names_check_image(image, err);

	if (r == 0)
		r = model_part(model, &first, err);
	if (first == NULL)
		return r;
	second = image_part(image);
	if (second == NULL ||
	    asprintf(&name, "%s_%s.run.live.log", first, without_model(second, first)) < 0) {
		name = NULL;
		return no_memory(err);
	}
	r = check_length(name, err);
	if (r == 0)
		*ret = TAKE_PTR(name);
	return r;
}

int names_container(const char *image, char **ret, struct error *err)
{
	char *name = NULL;
	int r = names_check_image(image, err);

	if (r < 0)
		return r;
	if (asprintf(&name, "container_%s", image) < 0)
		return no_memory(err);
	replace_each(name, "/:@+", '_');
	*ret = name;
	return 0;
}

int names_environment(const char *model, char **ret, struct error *err)
{
	AUTO_FREE char *first = NULL;
	char *name = NULL;
	int r = model_part(model, &first, err);

	if (first == NULL)
		return r;
	if (asprintf(&name, "%s_env", first) < 0)
		return no_memory(err);
	*ret = name;
	return 0;
}

int names_model_folder(const char *url, char **ret, struct error *err)
{
	size_t end = url == NULL ? 0 : strlen(url);
	size_t start;
	char *name;

	while (end > 0 && url[end - 1] == '/')
		end--;
	if (end == 0)
		return (*ret = strdup("run_directory")) == NULL ? no_memory(err) : 0;
	if (end > 4 && strncmp(url + end - 4, ".git", 4) == 0)
		end -= 4;
	for (start = end; start > 0 && strchr("/:", url[start - 1]) == NULL; start--) {
		if (!is_word(url[start - 1]) && strchr("._-", url[start - 1]) == NULL)
			return error_set(err, EINVAL,
					 "url %.200s: the name behind the last \"/\" may have "
					 "letters, digits and ._- only",
					 url);
	}
	if (start == end || !is_word(url[start]) || end - start > NAMES_FILE_MAX)
		return error_set(err, EINVAL,
				 "url %.200s: no name of a folder behind the last \"/\"", url);
	name = strndup(url + start, end - start);
	if (name == NULL)
		return no_memory(err);
	*ret = name;
	return 0;
}
