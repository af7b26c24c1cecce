/* SPDX-License-Identifier: MIT */
#include "results/perf_super.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/strv.h"
#include "results/multi_results.h"
#include "results/perf_configs.h"
#include "results/perf_csv.h"
#include "results/perf_record.h"
#include "results/shared_file.h"

char *perf_json_text(struct json_object *o)
{
	int flags =
		JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE;
	char *text = NULL;

	return asprintf(&text, "%s\n", json_object_to_json_string_ext(o, flags)) < 0 ? NULL : text;
}

static bool is_one_of(const char *key, const char *const *keys, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(key, keys[i]) == 0)
			return true;
	}
	return false;
}

/* What has a place of its own in an entry. */
static const char *const row_keys[] = { "model", "performance", "metric", "status",
					"test_duration" };

/* The row's other columns that have a value; NULL when there are none. */
static struct json_object *rest_of(struct json_object *row)
{
	struct json_object *rest = NULL;

	json_object_object_foreach(row, key, value)
	{
		if (value == NULL || is_one_of(key, row_keys, ARRAY_SIZE(row_keys)))
			continue;
		if (rest == NULL)
			rest = json_new_object();
		json_add(rest, key, json_object_get(value));
	}
	return rest;
}

static void copy(struct json_object *to, struct json_object *from, const char *key)
{
	json_add(to, key, json_object_get(json_object_object_get(from, key)));
}

static struct json_object *entry_of_row(struct json_object *record, struct json_object *configs,
					struct json_object *row)
{
	struct json_object *o = json_new_object();
	struct json_object *duration = json_object_object_get(row, "test_duration");
	AUTO_FREE char *model = NULL;

	/* all of it but the last, test_duration, which keeps its place */
	json_object_object_foreach(record, key, value)
	{
		if (!is_one_of(key, row_keys, ARRAY_SIZE(row_keys) - 1))
			json_add(o, key, json_object_get(value));
	}
	json_add(o, "configs", json_object_get(perf_configs_one(configs)));
	if (asprintf(&model, "%s_%s", perf_text(json_object_object_get(record, "model")),
		     perf_text(json_object_object_get(row, "model"))) < 0)
		model = NULL;
	json_add_str(o, "model", model);
	copy(o, row, "performance");
	copy(o, row, "metric");
	json_add(o, "test_duration",
		 duration == NULL ? json_new_string("") : json_object_get(duration));
	json_add(o, "multi_results", rest_of(row));
	json_add_str(o, "status",
		     json_object_object_get(row, "performance") == NULL ? "FAILURE" : "SUCCESS");
	return o;
}

static struct json_object *entry_of_record(struct json_object *record, struct json_object *configs)
{
	struct json_object *o = json_new_object();

	json_object_object_foreach(record, key, value) json_add(o, key, json_object_get(value));
	json_add(o, "configs", json_object_get(configs));
	json_add(o, "multi_results", NULL);
	return o;
}

struct json_object *perf_super_records(struct json_object *record, struct json_object *configs,
				       const struct csv *table)
{
	AUTO_JSON struct json_object *rows = table == NULL ? NULL : multi_results_rows(table);
	struct json_object *entries = json_new_array();

	if (rows == NULL)
		(void)json_object_array_add(entries, entry_of_record(record, configs));
	for (size_t i = 0; rows != NULL && i < json_object_array_length(rows); i++)
		(void)json_object_array_add(
			entries, entry_of_row(record, configs, json_object_array_get_idx(rows, i)));
	return entries;
}

static bool is_number(struct json_object *o)
{
	return !json_object_is_type(o, json_type_double) || isfinite(json_object_get_double(o));
}

/* NaN and Infinity to null, at any depth: the parser has bounded that. */
static void make_strict(struct json_object *o)
{
	if (json_object_is_type(o, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(o); i++) {
			struct json_object *v = json_object_array_get_idx(o, i);

			make_strict(v);
			if (!is_number(v))
				(void)json_object_array_put_idx(o, i, NULL);
		}
	} else if (json_object_is_type(o, json_type_object)) {
		json_object_object_foreach(o, key, value)
		{
			make_strict(value);
			if (!is_number(value))
				(void)json_object_object_add(o, key, NULL);
		}
	}
}

static int parse_book(const char *text, size_t len, struct json_object **ret, struct error *err)
{
	int r;

	if (strspn(text, " \t\r\n") == len) {
		*ret = json_new_array();
		return 0;
	}
	r = json_parse(text, len, ret, err);
	if (r < 0)
		return r;
	if (!json_object_is_type(*ret, json_type_array))
		return error_set(err, EINVAL, "not a list");
	for (size_t i = 0; i < json_object_array_length(*ret); i++) {
		if (!json_object_is_type(json_object_array_get_idx(*ret, i), json_type_object))
			return error_set(err, EINVAL, "[%zu] is no object", i);
	}
	make_strict(*ret);
	return 0;
}

static int put_text(int dir_fd, const char *path, const char *text, struct error *err)
{
	if (text == NULL)
		return error_set(err, ENOMEM, "write %s: out of memory", path);
	return shared_file_put(dir_fd, path, text, strlen(text), err);
}

static int put_table(int dir_fd, const char *path, struct json_object *entries, struct error *err)
{
	size_t len = 0;
	AUTO_FREE char *text = perf_csv_text(entries, NULL, 0, &len);

	return put_text(dir_fd, path, text, err);
}

#define BOOK "perf_super.json"

static int add_to_book(int dir_fd, struct json_object *entries, struct error *err)
{
	const struct shared_name name = { .dir_fd = dir_fd, .path = BOOK };
	AUTO_SHARED_FILE struct shared_file file = SHARED_FILE_INIT;
	AUTO_JSON struct json_object *book = NULL;
	AUTO_FREE char *text = NULL, *longer = NULL;
	size_t len = 0;
	int r = shared_file_open(&name, &file, err);

	if (r < 0)
		return r;
	r = shared_file_read(&file, PERF_SUPER_CAP, &text, &len, err);
	if (r < 0)
		return r;
	r = parse_book(text, len, &book, err);
	if (r < 0)
		return error_prefix(err, r, BOOK);
	for (size_t i = 0; i < json_object_array_length(entries); i++)
		(void)json_object_array_add(book,
					    json_object_get(json_object_array_get_idx(entries, i)));
	longer = perf_json_text(book);
	if (longer == NULL)
		return error_set(err, ENOMEM, "write " BOOK ": out of memory");
	/* the table first: the lock goes with the old perf_super.json */
	r = put_table(dir_fd, "perf_super.csv", book, err);
	return r < 0 ? r : shared_file_replace(&file, longer, strlen(longer), err);
}

int perf_super_check(int dir_fd, struct error *err)
{
	const struct shared_name name = { .dir_fd = dir_fd, .path = BOOK };
	AUTO_JSON struct json_object *book = NULL;
	AUTO_FREE char *text = NULL;
	size_t len = 0;
	int r = shared_file_peek(&name, PERF_SUPER_CAP, &text, &len, err);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = parse_book(text, len, &book, err);
	return r < 0 ? error_prefix(err, r, BOOK) : 0;
}

int perf_super_write(int dir_fd, struct json_object *entries, struct error *err)
{
	AUTO_FREE char *text = perf_json_text(entries);
	int r = put_text(dir_fd, "perf_entry_super.json", text, err);
	int r2 = put_table(dir_fd, "perf_entry_super.csv", entries, r < 0 ? NULL : err);
	int r3;

	r = r < 0 ? r : r2;
	r3 = add_to_book(dir_fd, entries, r < 0 ? NULL : err);
	return r < 0 ? r : r3;
}
