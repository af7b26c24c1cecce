/* SPDX-License-Identifier: MIT */
#include "helper_perf.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"
#include "results/perf_record.h"

static char folder[] = "/tmp/bmvm-perf-XXXXXX";
int perf_folder = -1;

void perf_folder_make(void)
{
	cr_assert(mkdtemp(folder) != NULL);
	perf_folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

void perf_folder_drop(void)
{
	(void)file_remove_tree_at(AT_FDCWD, folder, NULL);
	(void)close(perf_folder);
}

void perf_put(const char *name, const char *text)
{
	cr_assert_eq(file_write_atomic_at(perf_folder, name, text, strlen(text), 0644, NULL), 0);
}

char *perf_get(const char *name)
{
	char *text = NULL;

	return file_read_at(perf_folder, name, (size_t)64 << 20, &text, NULL, NULL) < 0
		       ? strdup("(none)")
		       : text;
}

void perf_expect(const char *name, const char *text)
{
	AUTO_FREE char *is = perf_get(name);

	cr_assert_str_eq(is, text, "%s", name);
}

size_t perf_folder_entries(void)
{
	AUTO_CLOSEDIR DIR *dir = file_opendir_at(perf_folder, ".", 0);
	size_t n = 0;

	for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir))
		n += e->d_name[0] != '.';
	return n;
}

struct json_object *perf_record(const char *name, const struct performance *found,
				const char *status)
{
	AUTO_JSON struct json_object *model = json_new_object();
	struct perf_run run = { .model = model, .launcher = "docker", .gpus = 1, .test_s = 2.5 };

	json_add_str(model, "name", name);
	return perf_record_new(&run, found, status);
}

struct json_object *perf_list(struct json_object *record)
{
	struct json_object *list = json_new_array();

	json_object_array_add(list, record);
	return list;
}

static pid_t start_writer(int (*add)(int writer, int i), int writer)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	for (int i = 0; i < PERF_WRITER_ADDS; i++) {
		if (add(writer, i) < 0)
			_exit(1);
	}
	_exit(0);
}

void perf_run_writers(int (*add)(int writer, int i))
{
	pid_t pids[PERF_WRITERS];

	for (int i = 0; i < PERF_WRITERS; i++)
		pids[i] = start_writer(add, i);
	for (int i = 0; i < PERF_WRITERS; i++) {
		int status = -1;

		cr_assert_eq(waitpid(pids[i], &status, 0), pids[i]);
		cr_assert_eq(status, 0);
	}
}
