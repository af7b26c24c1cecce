/* SPDX-License-Identifier: MIT */
#include "results/perf_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/json.h"
#include "results/perf_configs.h"
#include "results/perf_csv.h"
#include "results/perf_record.h"
#include "results/perf_super.h"
#include "results/shared_file.h"

static struct json_object *records_of(const struct perf_result *result, const struct csv *table)
{
	struct json_object *records;

	if (table != NULL)
		return perf_records_multi(result->record, perf_configs_one(result->configs), table);
	records = json_new_array();
	(void)json_object_array_add(records, json_object_get(result->record));
	return records;
}

/* One object in one line, the way madengine prints it. Owned; NULL without memory. */
static char *line_text(struct json_object *record, struct json_object *configs)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	const char *before = "{";

	if (out == NULL)
		return NULL;
	json_object_object_foreach(record, key, value)
	{
		AUTO_JSON struct json_object *name = json_new_string(key);

		(void)fprintf(out, "%s%s: ", before, json_compact(name));
		(void)fprintf(out, "%s", json_compact(value));
		before = ", ";
	}
	(void)fprintf(out, ", \"configs\": %s}\n", json_compact(configs));
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

static char *entry_text(const struct perf_result *result, const struct csv *table,
			struct json_object *records)
{
	if (table == NULL)
		return line_text(result->record, result->configs);
	if (json_object_array_length(records) == 1)
		return perf_json_text(json_object_array_get_idx(records, 0));
	return perf_json_text(records);
}

/* Remembers the first error; those after it go nowhere. */
struct attempt {
	int r;
	struct error *err;
};

static struct error *err_of(const struct attempt *a)
{
	return a->r < 0 ? NULL : a->err;
}

static void note(struct attempt *a, int r)
{
	if (a->r == 0)
		a->r = r;
}

static void put(struct attempt *a, int dir_fd, const char *path, const char *text)
{
	if (text == NULL)
		note(a, error_set(err_of(a), ENOMEM, "write %s: out of memory", path));
	else
		note(a, shared_file_put(dir_fd, path, text, strlen(text), err_of(a)));
}

/* What all rows repeat is in memory once for each of them. */
static int check_size(const struct perf_result *result, const struct csv *table, struct error *err)
{
	size_t rows = table == NULL ? 1 : table->n_rows;
	struct json_object *configs =
		table == NULL ? result->configs : perf_configs_one(result->configs);
	size_t each = strlen(json_compact(result->record)) + strlen(json_compact(configs));

	if (rows * each > CSV_CAP)
		return error_set(err, EFBIG, "%zu results of %zu KiB each are more than %zu MiB",
				 rows, each >> 10, CSV_CAP >> 20);
	return 0;
}

bool perf_files_is_book(int dir_fd, const char *output, const char *name)
{
	struct stat book, file;

	return output != NULL && fstatat(dir_fd, output, &book, 0) == 0 &&
	       fstatat(dir_fd, name, &file, AT_SYMLINK_NOFOLLOW) == 0 &&
	       book.st_dev == file.st_dev && book.st_ino == file.st_ino;
}

int perf_files_write(int dir_fd, const char *output, const struct perf_result *result,
		     struct error *err)
{
	const struct csv *table = result->kind == OUTCOME_FINISHED ? result->table : NULL;
	const struct shared_name book = { .dir_fd = dir_fd,
					  .path = output == NULL ? "perf.csv" : output,
					  .links = output != NULL };
	AUTO_JSON struct json_object *records = NULL, *entries = NULL;
	AUTO_FREE char *rows = NULL, *entry = NULL;
	struct attempt a = { .err = err };
	size_t len = 0;
	int r;

	if (result->kind == OUTCOME_NOT_RUN)
		return 0;
	r = check_size(result, table, err);
	if (r < 0)
		return r;
	records = records_of(result, table);
	note(&a, perf_csv_append(&book, records, err));
	if (!perf_files_is_book(dir_fd, output, "perf_entry.csv")) {
		rows = perf_csv_text(records, perf_columns, PERF_COLUMNS, &len);
		put(&a, dir_fd, "perf_entry.csv", rows);
	}
	if (!result->container)
		return a.r;
	entry = entry_text(result, table, records);
	put(&a, dir_fd, "perf_entry.json", entry);
	entries = perf_super_records(result->record, result->configs, table);
	note(&a, perf_super_write(dir_fd, entries, err_of(&a)));
	return a.r;
}
