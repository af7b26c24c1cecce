/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "helper_perf.h"
#include "results/csv.h"
#include "results/perf_csv.h"

TestSuite(perf_csv, .init = perf_folder_make, .fini = perf_folder_drop);

static int append_as(const char *path, bool links, const char *model, struct error *err)
{
	AUTO_JSON struct json_object *list = perf_list(perf_record(model, NULL, "FAILURE"));
	const struct shared_name book = { .dir_fd = perf_folder, .path = path, .links = links };

	return perf_csv_append(&book, list, err);
}

static int append_to(const char *path, const char *model, struct error *err)
{
	return append_as(path, true, model, err);
}

static int append(const char *model, struct error *err)
{
	return append_as("perf.csv", false, model, err);
}

Test(perf_csv, begins_with_the_header)
{
	cr_assert_eq(append("m1", NULL), 0);
	perf_expect("perf.csv", PERF_HEADER "\n" PERF_ROW("m1", "", "", "FAILURE") "\n");
	cr_assert_eq(append("m,2", NULL), 0);
	perf_expect("perf.csv", PERF_HEADER "\n" PERF_ROW("m1", "", "", "FAILURE") "\n" PERF_ROW(
					"\"m,2\"", "", "", "FAILURE") "\n");
	cr_assert_eq(perf_folder_entries(), 1);
}

static const struct {
	const char *before;
	const char *after;
} kept[] = {
	{ "", PERF_HEADER "\n" PERF_ROW("m", "", "", "FAILURE") "\n" },
	{ "\n\n", PERF_HEADER "\n" PERF_ROW("m", "", "", "FAILURE") "\n" },
	{ PERF_HEADER, PERF_HEADER "\n" PERF_ROW("m", "", "", "FAILURE") "\n" },
	/* other columns stay, whatever is in them; not one byte is changed */
	{ PERF_HEADER ",own\r\nx,\"3670\",1.0,\xff\r\n",
	  PERF_HEADER ",own\r\nx,\"3670\",1.0,\xff\r\n" PERF_ROW("m", "", "", "FAILURE") ",\n" },
	{ "\xef\xbb\xbf" PERF_HEADER "\n\n\"a\"\n",
	  "\xef\xbb\xbf" PERF_HEADER "\n\n\"a\"\n" PERF_ROW("m", "", "", "FAILURE") "\n" },
	/* a row that is too long */
	{ PERF_HEADER "\n" PERF_HEADER ",x\n",
	  PERF_HEADER "\n" PERF_HEADER ",x\n" PERF_ROW("m", "", "", "FAILURE") "\n" },
};

Test(perf_csv, changes_nothing_that_stands_there)
{
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		perf_put("perf.csv", kept[i].before);
		cr_assert_eq(append("m", NULL), 0);
		perf_expect("perf.csv", kept[i].after);
	}
}

Test(perf_csv, gets_missing_columns)
{
	const struct shared_name perf_csv = { .dir_fd = perf_folder, .path = "perf.csv" };
	AUTO_JSON struct json_object *list = json_new_array();
	struct json_object *record = json_new_object(), *other = json_new_object();

	json_add_str(record, "b", "1");
	json_add_str(record, "new", "x");
	json_add_str(other, "late", "y");
	json_object_array_add(list, record);
	json_object_array_add(list, other);
	perf_put("perf.csv", "a, b ,c\n3670,\"q\"\"\",\"1,\n2\"\n4\n");
	cr_assert_eq(perf_csv_append(&perf_csv, list, NULL), 0);
	perf_expect("perf.csv",
		    "a, b ,c,new,late\n3670,\"q\"\"\",\"1,\n2\",,\n4,,,,\n,1,,x,\n,,,,y\n");
}

static const struct {
	const char *before;
	int r;
	const char *why;
} refused[] = {
	{ PERF_HEADER "\n\"x,y\n", -EINVAL, "perf.csv: line 2: the quote is never closed" },
	{ "\xff\xfe", -EILSEQ, "perf.csv: the text is UTF-16; save it as UTF-8" },
	{ "model\nx,y\n", -EINVAL,
	  "perf.csv: line 2 has 2 cells and the header 1, so that no column can be added" },
};

Test(perf_csv, refuses_what_cannot_go_on)
{
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct error err = ERROR_INIT;

		perf_put("perf.csv", refused[i].before);
		cr_assert_eq(append("m", &err), refused[i].r);
		cr_assert_str_eq(err.msg, refused[i].why);
		perf_expect("perf.csv", refused[i].before);
	}
	cr_assert_eq(perf_folder_entries(), 1);
}

Test(perf_csv, is_a_regular_file)
{
	struct error err = ERROR_INIT;

	cr_assert_eq(mkfifoat(perf_folder, "fifo", 0600), 0);
	cr_assert_eq(append_to("fifo", "m", &err), -EINVAL);
	cr_assert_str_eq(err.msg, "fifo: not a regular file");
	cr_assert_eq(append_to("none/perf.csv", "m", &err), -ENOENT);
	cr_assert(strstr(err.msg, "none/perf.csv") != NULL);
	cr_assert_eq(append_to(".", "m", &err), -EISDIR);
}

static mode_t mode_of(const char *name)
{
	struct stat st;

	cr_assert_eq(fstatat(perf_folder, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_mode & 07777;
}

Test(perf_csv, keeps_mode_and_link)
{
	struct stat st;

	umask(027);
	cr_assert_eq(append("m", NULL), 0);
	cr_assert_eq(mode_of("perf.csv"), 0640);
	cr_assert_eq(fchmodat(perf_folder, "perf.csv", 0606, 0), 0);
	cr_assert_eq(append("m", NULL), 0);
	cr_assert_eq(mode_of("perf.csv"), 0606);
	cr_assert_eq(mkdirat(perf_folder, "books", 0700), 0);
	cr_assert_eq(symlinkat("books/b.csv", perf_folder, "link.csv"), 0);
	cr_assert_eq(append_to("link.csv", "m", NULL), 0);
	cr_assert_eq(append_to("link.csv", "n", NULL), 0);
	cr_assert_eq(fstatat(perf_folder, "link.csv", &st, AT_SYMLINK_NOFOLLOW), 0);
	cr_assert(S_ISLNK(st.st_mode));
	perf_expect("books/b.csv", PERF_HEADER "\n" PERF_ROW("m", "", "", "FAILURE") "\n" PERF_ROW(
					   "n", "", "", "FAILURE") "\n");
}

/* Root's program leaves files of the folder's owner, and of the file's. */
Test(perf_csv, keeps_the_owner)
{
	struct stat st;

	if (geteuid() != 0)
		return;
	cr_assert_eq(fchown(perf_folder, 4711, 4712), 0);
	cr_assert_eq(append("m", NULL), 0);
	cr_assert_eq(fstatat(perf_folder, "perf.csv", &st, 0), 0);
	cr_assert(st.st_uid == 4711 && st.st_gid == 4712);
	cr_assert_eq(fchownat(perf_folder, "perf.csv", 1, 2, 0), 0);
	cr_assert_eq(append("m", NULL), 0);
	cr_assert_eq(fstatat(perf_folder, "perf.csv", &st, 0), 0);
	cr_assert(st.st_uid == 1 && st.st_gid == 2);
}

/* A package may have anything under that name. */
Test(perf_csv, follows_no_link_that_nobody_named)
{
	const struct shared_name book = { .dir_fd = perf_folder, .path = "perf.csv" };
	struct error err = ERROR_INIT;
	size_t n = 99;

	perf_put("victim", "a\n1\n");
	cr_assert_eq(symlinkat("victim", perf_folder, "perf.csv"), 0);
	cr_assert_eq(append("m", &err), -ELOOP);
	cr_assert_str_eq(err.msg, "perf.csv: a symbolic link, which is not followed");
	cr_assert_eq(perf_csv_check(&book, false, &n, NULL), -ELOOP);
	cr_assert_eq(append_as("link/perf.csv", false, "m", NULL), -ENOENT);
	cr_assert_eq(mkdirat(perf_folder, "folder", 0700), 0);
	cr_assert_eq(symlinkat("folder", perf_folder, "link"), 0);
	cr_assert_eq(append_as("link/perf.csv", false, "m", NULL), -ELOOP);
	perf_expect("victim", "a\n1\n");
	perf_expect("folder/perf.csv", "(none)");
}

static int check(bool further, size_t *ret, struct error *err)
{
	const struct shared_name book = { .dir_fd = perf_folder, .path = "perf.csv" };

	return perf_csv_check(&book, further, ret, err);
}

Test(perf_csv, counts_its_rows)
{
	struct error err = ERROR_INIT;
	size_t n = 99;

	cr_assert_eq(check(true, &n, NULL), 0);
	cr_assert_eq(n, 0);
	cr_assert_eq(perf_folder_entries(), 0);
	perf_put("perf.csv", "a\n1\n\n2\n");
	cr_assert_eq(check(true, &n, NULL), 0);
	cr_assert_eq(n, 2);
	perf_put("perf.csv", "a\n\"1\n\n2\n");
	cr_assert_eq(check(false, &n, &err), -EINVAL);
	cr_assert_str_eq(err.msg, "perf.csv: line 2: the quote is never closed");
}

/* Before a run it is known what would keep its rows out. */
Test(perf_csv, tells_beforehand_what_cannot_go_on)
{
	struct error err = ERROR_INIT;
	size_t n = 99;

	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		perf_put("perf.csv", refused[i].before);
		cr_assert_eq(check(false, &n, &err), refused[i].r);
		cr_assert_str_eq(err.msg, refused[i].why);
	}
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		perf_put("perf.csv", kept[i].before);
		cr_assert_eq(check(false, &n, NULL), 0, "case %zu", i);
	}
	/* the last one, for a table with columns of its own */
	cr_assert_eq(check(true, &n, &err), -EINVAL);
	cr_assert_str_eq(err.msg,
			 "perf.csv: line 2 has 30 cells and the header 29, so that no "
			 "column can be added");
}

/* As a full disk: a write fails in the middle. */
static void limit_size(rlim_t bytes)
{
	struct rlimit limit = { .rlim_cur = bytes, .rlim_max = RLIM_INFINITY };

	(void)signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

Test(perf_csv, survives_a_full_disk)
{
	struct error err = ERROR_INIT;
	int r;

	cr_assert_eq(append("m", NULL), 0);
	limit_size(strlen(PERF_HEADER) + 80);
	r = append("n", &err);
	limit_size(RLIM_INFINITY);
	cr_assert_eq(r, -EFBIG);
	cr_assert_str_eq(err.msg, "write perf.csv: File too large");
	perf_expect("perf.csv", PERF_HEADER "\n" PERF_ROW("m", "", "", "FAILURE") "\n");
	cr_assert_eq(perf_folder_entries(), 1);
	/* nothing is left of a file that was to be made */
	limit_size(100);
	r = append_to("new.csv", "n", NULL);
	limit_size(RLIM_INFINITY);
	cr_assert_eq(r, -EFBIG);
	cr_assert_eq(perf_folder_entries(), 1);
	cr_assert_eq(append("n", NULL), 0);
}

static int add_row(int writer, int i)
{
	char name[32];

	(void)snprintf(name, sizeof(name), "w%d.%d", writer, i);
	return append(name, NULL);
}

Test(perf_csv, loses_no_row_of_several_programs, .timeout = 200)
{
	AUTO_CSV struct csv csv = CSV_INIT;

	perf_run_writers(add_row);
	cr_assert_eq(csv_read_at(perf_folder, "perf.csv", &csv, NULL), 0);
	cr_assert_eq(csv.n_rows, PERF_WRITERS * PERF_WRITER_ADDS);
	for (int writer = 0; writer < PERF_WRITERS; writer++) {
		int next = 0;

		for (size_t row = 0; row < csv.n_rows; row++) {
			char name[32];

			(void)snprintf(name, sizeof(name), "w%d.%d", writer, next);
			next += strcmp(csv_get(&csv, row, "model"), name) == 0;
		}
		cr_assert_eq(next, PERF_WRITER_ADDS);
	}
	cr_assert_eq(perf_folder_entries(), 1);
}
