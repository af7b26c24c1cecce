/* SPDX-License-Identifier: MIT */
#include "results/log_errors.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/json.h"

#define OVERLAP (LOG_ERROR_TEXT_MAX - 1)

static const char *const error_texts[] = {
	"OutOfMemoryError",
	"HIP out of memory",
	"CUDA out of memory",
	"RuntimeError:",
	"AssertionError:",
	"ValueError:",
	"SystemExit",
	"failed (exitcode:",
	"Traceback (most recent call last)",
	"FAILED",
	"Exception:",
	"ImportError:",
	"ModuleNotFoundError:",
};

static const char *const benign_texts[] = {
	"Failed to establish connection to the metrics exporter agent",
	"RpcError: Running out of retries to initialize the metrics agent",
	"Metrics will not be exported",
	"FutureWarning",
	"Opened result file:",
	"SQLite3 generation ::",
	"rocpd_op:",
	"rpd_tracer:",
	"[rocprofv3]",
};

/* Lines "E20250101 ... tool.cpp ..." */
static const struct {
	char letter;
	const char *file;
} benign_lines[] = {
	{ 'E', "generateRocpd.cpp" },
	{ 'W', "simple_timer.cpp" },
	{ 'W', "generateRocpd.cpp" },
	{ 'E', "tool.cpp" },
};

/* Where @text is in the line; NULL if it is not. */
static const char *find(const char *line, size_t len, const char *text)
{
	return memmem(line, len, text, strlen(text));
}

static bool has_before(const char *line, const char *hit, const char *text)
{
	return find(line, (size_t)(hit - line), text) != NULL;
}

static bool is_profilers(const char *line, size_t len)
{
	if (len < 9)
		return false;
	for (size_t i = 1; i < 9; i++) {
		if (line[i] < '0' || line[i] > '9')
			return false;
	}
	for (size_t i = 0; i < ARRAY_SIZE(benign_lines); i++) {
		if (line[0] == benign_lines[i].letter &&
		    find(line + 9, len - 9, benign_lines[i].file) != NULL)
			return true;
	}
	return false;
}

static bool is_benign(const struct strv *benign, const char *line, size_t len)
{
	for (size_t i = 0; i < benign->n; i++) {
		if (find(line, len, benign->v[i]) != NULL)
			return true;
	}
	return is_profilers(line, len);
}

/* Whether the search words stand before the last occurrence of @text, as in "grep -q TEXT". */
static bool is_about_search(const char *line, size_t len, const char *text)
{
	const char *last = line, *hit = find(line, len, text);

	for (; hit != NULL; hit = find(last + 1, len - (size_t)(last + 1 - line), text))
		last = hit;
	return has_before(line, last, "grep -q") || has_before(line, last, "Found error pattern");
}

static void keep_shown(struct log_error *found, const char *line, size_t len, const char *hit)
{
	size_t before = (size_t)(hit - line), n;

	if (before > sizeof(found->shown) / 2) {
		line = hit - sizeof(found->shown) / 4;
		len -= before - sizeof(found->shown) / 4;
	}
	n = len < sizeof(found->shown) ? len : sizeof(found->shown) - 1;
	for (size_t i = 0; i < n; i++)
		found->shown[i] = line[i];
	for (size_t i = 0; i < n; i++) {
		if (found->shown[i] == '\0')
			found->shown[i] = '?';
	}
	found->shown[n] = '\0';
}

static void look_at(struct log_scan *s, const char *line, size_t len)
{
	const struct strv *errors = &s->rules->errors;

	for (size_t i = 0; i < errors->n; i++) {
		const char *hit = find(line, len, errors->v[i]);

		if (hit == NULL || is_about_search(line, len, errors->v[i]))
			continue;
		if (is_benign(&s->rules->benign, line, len))
			return;
		s->found.text = errors->v[i];
		s->found.line = s->line;
		keep_shown(&s->found, line, len, hit);
		return;
	}
}

void log_scan_begin(struct log_scan *scan, const struct log_rules *rules)
{
	*scan = (struct log_scan){ .rules = rules, .line = 1 };
}

/* Room for @n bytes, of which there may be LOG_LINE_MAX. */
static int reserve(struct log_scan *s, size_t n)
{
	size_t size = s->size == 0 ? 4096 : s->size;
	char *bigger;

	if (n <= s->size)
		return 0;
	while (size < n)
		size *= 2;
	bigger = realloc(s->buffer, size);
	if (bigger == NULL)
		return -ENOMEM;
	s->buffer = bigger;
	s->size = size;
	return 0;
}

/* Adds to a line that has begun; when that is too long, looks at it and goes on with its end. */
static int gather(struct log_scan *s, const char *bytes, size_t len)
{
	while (len > 0) {
		size_t n = LOG_LINE_MAX - s->n;

		if (n > len)
			n = len;
		if (reserve(s, s->n + n) < 0)
			return -ENOMEM;
		memcpy(s->buffer + s->n, bytes, n);
		s->n += n;
		bytes += n;
		len -= n;
		if (s->n == LOG_LINE_MAX) {
			look_at(s, s->buffer, s->n);
			memmove(s->buffer, s->buffer + s->n - OVERLAP, OVERLAP);
			s->n = OVERLAP;
		}
	}
	return 0;
}

/* The line ends behind these bytes. */
static int end_line(struct log_scan *s, const char *bytes, size_t len)
{
	int r;

	if (s->n == 0 && len <= LOG_LINE_MAX) {
		look_at(s, bytes, len);
		return 0;
	}
	r = gather(s, bytes, len);
	if (r == 0)
		look_at(s, s->buffer, s->n);
	s->n = 0;
	return r;
}

static size_t line_length(const char *bytes, size_t len)
{
	const char *lf = memchr(bytes, '\n', len);
	const char *cr;

	if (lf != NULL)
		len = (size_t)(lf - bytes);
	cr = memchr(bytes, '\r', len);
	return cr != NULL ? (size_t)(cr - bytes) : len;
}

int log_scan_feed(struct log_scan *scan, const char *bytes, size_t len)
{
	while (len > 0 && scan->found.text == NULL && !scan->rules->off) {
		size_t n = line_length(bytes, len);

		if (n == len)
			return gather(scan, bytes, n);
		if (end_line(scan, bytes, n) < 0)
			return -ENOMEM;
		if (bytes[n] == '\n')
			scan->line++;
		bytes += n + 1;
		len -= n + 1;
	}
	return 0;
}

bool log_scan_end(struct log_scan *scan, struct log_error *ret)
{
	if (scan->found.text == NULL && scan->n > 0)
		look_at(scan, scan->buffer, scan->n);
	scan->n = 0;
	*ret = scan->found;
	return ret->text != NULL;
}

void log_scan_done(struct log_scan *scan)
{
	free(scan->buffer);
	scan->buffer = NULL;
	scan->n = scan->size = 0;
}

/* The member of the context, else the model's; NULL if neither has it or it is null. */
static struct json_object *member(struct json_object *context, struct json_object *model,
				  const char *key)
{
	struct json_object *v = NULL;

	if (json_object_is_type(context, json_type_object))
		v = json_object_object_get(context, key);
	if (v == NULL && json_object_is_type(model, json_type_object))
		v = json_object_object_get(model, key);
	return v;
}

static bool turns_off(struct json_object *v)
{
	static const char *const words[] = { "", "0", "false", "no", "off" };

	if (v == NULL)
		return false;
	if (json_object_is_type(v, json_type_boolean) || json_object_is_type(v, json_type_int))
		return json_object_get_boolean(v) == 0;
	if (!json_object_is_type(v, json_type_string))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcasecmp(json_object_get_string(v), words[i]) == 0)
			return true;
	}
	return false;
}

static int check_text(struct json_object *v, const char *key, size_t i, struct error *err)
{
	int len;

	if (!json_object_is_type(v, json_type_string))
		return error_set(err, EINVAL, "%s[%zu]: not a string", key, i);
	len = json_object_get_string_len(v);
	if (len == 0)
		return error_set(err, EINVAL, "%s[%zu]: an empty text is in every line", key, i);
	if (len > LOG_ERROR_TEXT_MAX)
		return error_set(err, EINVAL, "%s[%zu]: longer than %d bytes", key, i,
				 LOG_ERROR_TEXT_MAX);
	return 0;
}

static int add_texts(struct json_object *v, const char *key, struct strv *to, struct error *err)
{
	size_t n;

	if (v == NULL)
		return 0;
	if (!json_object_is_type(v, json_type_array))
		return error_set(err, EINVAL, "%s: not a list of strings", key);
	n = json_object_array_length(v);
	if (n > LOG_ERROR_TEXTS_MAX)
		return error_set(err, EINVAL, "%s: more than %d texts", key, LOG_ERROR_TEXTS_MAX);
	for (size_t i = 0; i < n; i++) {
		struct json_object *text = json_object_array_get_idx(v, i);
		int r = check_text(text, key, i, err);

		if (r < 0)
			return r;
		strv_add(to, json_object_get_string(text));
	}
	return 0;
}

static void add_known(struct strv *to, const char *const *texts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		strv_add(to, texts[i]);
}

static int make_errors(struct json_object *model, struct json_object *context, struct strv *ret,
		       struct error *err)
{
	static const char key[] = "log_error_patterns";
	int r = add_texts(member(context, NULL, key), key, ret, err);

	if (r == 0 && ret->n == 0)
		r = add_texts(member(NULL, model, key), key, ret, err);
	if (r == 0 && ret->n == 0)
		add_known(ret, error_texts, ARRAY_SIZE(error_texts));
	return r;
}

static int make_benign(struct json_object *model, struct json_object *context, struct strv *ret,
		       struct error *err)
{
	static const char key[] = "log_error_benign_patterns";
	int r;

	add_known(ret, benign_texts, ARRAY_SIZE(benign_texts));
	r = add_texts(member(NULL, model, key), key, ret, err);
	return r < 0 ? r : add_texts(member(context, NULL, key), key, ret, err);
}

int log_rules_make(struct json_object *model, struct json_object *context, struct log_rules *ret,
		   struct error *err)
{
	AUTO_LOG_RULES struct log_rules rules = LOG_RULES_INIT;
	int r;

	rules.off = turns_off(member(context, model, "log_error_pattern_scan"));
	r = make_errors(model, context, &rules.errors, err);
	if (r == 0)
		r = make_benign(model, context, &rules.benign, err);
	if (r < 0)
		return r;
	if (strv_error(&rules.errors) < 0 || strv_error(&rules.benign) < 0)
		return error_set(err, ENOMEM, "out of memory");
	*ret = TAKE(rules, (struct log_rules)LOG_RULES_INIT);
	return 0;
}

void log_rules_done(struct log_rules *rules)
{
	strv_done(&rules->errors);
	strv_done(&rules->benign);
}
