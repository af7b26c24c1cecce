/* SPDX-License-Identifier: MIT */
#include "results/perf_configs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/strv.h"
#include "results/csv.h"
#include "results/multi_results.h"

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), n = strlen(end);

	return len >= n && strcmp(text + len - n, end) == 0;
}

#define BLANKS " \t\n\v\f\r"

/* The word behind the first "--config" that has one; owned by the caller, NULL for none. */
static char *config_word(const char *args)
{
	static const char option[] = "--config";

	for (const char *p = strstr(args, option); p != NULL; p = strstr(p + 1, option)) {
		const char *blanks = p + strlen(option);
		const char *word = blanks + strspn(blanks, BLANKS);

		if (word > blanks && *word != '\0')
			return strndup(word, strcspn(word, BLANKS));
	}
	return NULL;
}

/* Cuts the last part of a path off. Return: whether there was one. */
static bool go_up(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash == NULL)
		return false;
	*slash = '\0';
	return true;
}

static bool is_script(const char *path)
{
	return ends_with(path, ".sh") || ends_with(path, ".py") || ends_with(path, ".slurm");
}

static void add_candidates(struct strv *to, const char *scripts, const char *file)
{
	static const char *const roots[] = { "scripts", "scripts/MAD", "scripts/MAD-private",
					     "scripts/MAD-internal" };
	AUTO_FREE char *folder = strdup(scripts);

	if (folder == NULL)
		return;
	if (is_script(folder) && !go_up(folder))
		*folder = '\0';
	strv_addf(to, "%s%s%s", folder, *folder != '\0' ? "/" : "", file);
	for (size_t i = 0; i < ARRAY_SIZE(roots); i++)
		strv_addf(to, "%s/%s", roots[i], file);
	while (go_up(folder))
		strv_addf(to, "%s/%s", folder, file);
	strv_add(to, file);
}

static int open_beneath(int dir_fd, const char *path)
{
	struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };
	int fd = (int)syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

static int open_config(int package_fd, const char *scripts, const char *file, struct error *err)
{
	AUTO_STRV struct strv paths = STRV_INIT;

	add_candidates(&paths, scripts, file);
	for (size_t i = 0; i < paths.n; i++) {
		int fd = open_beneath(package_fd, paths.v[i]);

		if (fd >= 0)
			return fd;
	}
	return error_set(err, ENOENT, "--config %s: not found in the package", file);
}

static int read_config(int fd, const char *file, char **ret, size_t *ret_len, struct error *err)
{
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return error_set(err, EINVAL, "--config %s: not a regular file", file);
	r = fd_read_all(fd, PERF_CONFIGS_CAP, ret, ret_len);
	if (r == -EFBIG)
		return error_set(err, EFBIG, "--config %s: larger than %zu KiB", file,
				 PERF_CONFIGS_CAP >> 10);
	return r < 0 ? error_set(err, -r, "--config %s: %s", file, strerror(-r)) : 0;
}

static bool has_value(struct json_object *row)
{
	json_object_object_foreach(row, key, value)
	{
		(void)key;
		if (value != NULL)
			return true;
	}
	return false;
}

static int parse_table(const char *text, size_t len, struct json_object **ret, struct error *err)
{
	AUTO_JSON struct json_object *rows = NULL;
	AUTO_CSV struct csv csv = CSV_INIT;
	int r = csv_parse(text, len, &csv, err);

	if (r < 0)
		return r;
	rows = multi_results_rows(&csv);
	*ret = json_new_array();
	for (size_t i = 0; i < json_object_array_length(rows); i++) {
		struct json_object *row = json_object_array_get_idx(rows, i);

		if (has_value(row))
			(void)json_object_array_add(*ret, json_object_get(row));
	}
	return 0;
}

static int parse_config(const char *file, const char *text, size_t len, struct json_object **ret,
			struct error *err)
{
	int r = 0;

	if (ends_with(file, ".csv"))
		r = parse_table(text, len, ret, err);
	else if (ends_with(file, ".json"))
		r = json_parse(text, len, ret, err);
	else
		*ret = json_new_string(text);
	return r < 0 ? error_prefix(err, r, "--config %s", file) : 0;
}

static bool is_known(const char *file)
{
	return ends_with(file, ".csv") || ends_with(file, ".json") || ends_with(file, ".yaml") ||
	       ends_with(file, ".yml");
}

int perf_configs_load(int package_fd, const char *scripts, const char *args,
		      struct json_object **ret, struct error *err)
{
	AUTO_FREE char *file = config_word(args);
	AUTO_FREE char *text = NULL;
	AUTO_CLOSE int fd = -1;
	size_t len = 0;
	int r;

	*ret = NULL;
	if (file == NULL || !is_known(file))
		return 0;
	fd = open_config(package_fd, scripts, file, err);
	if (fd < 0)
		return fd;
	r = read_config(fd, file, &text, &len, err);
	return r < 0 ? r : parse_config(file, text, len, ret, err);
}

struct json_object *perf_configs_one(struct json_object *configs)
{
	if (!json_object_is_type(configs, json_type_array))
		return configs;
	return json_object_array_length(configs) == 0 ? NULL
						      : json_object_array_get_idx(configs, 0);
}
