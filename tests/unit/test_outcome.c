/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "results/multi_results.h"
#include "results/outcome.h"

static struct log_findings findings(const char *value, const char *error)
{
	struct log_findings f = { .measured = value != NULL, .error = { .text = error } };

	(void)snprintf(f.performance.value, sizeof(f.performance.value), "%s",
		       value == NULL ? "" : value);
	return f;
}

static const struct {
	enum outcome_kind kind;
	const char *value;
	const char *error;
	bool lenient;
	const char *status;
} statuses[] = {
	{ OUTCOME_FINISHED, "5", NULL, false, "SUCCESS" },
	{ OUTCOME_FINISHED, "5", NULL, true, "SUCCESS" },
	{ OUTCOME_FINISHED, NULL, NULL, false, "FAILURE" },
	{ OUTCOME_FINISHED, NULL, NULL, true, "SUCCESS" },
	{ OUTCOME_FINISHED, "N/A", NULL, false, "FAILURE" },
	{ OUTCOME_FINISHED, "5", "FAILED", false, "FAILURE" },
	{ OUTCOME_FINISHED, NULL, "FAILED", true, "FAILURE" },
	{ OUTCOME_FAILED, "5", NULL, true, "FAILURE" },
	{ OUTCOME_SETUP, NULL, NULL, true, "FAILURE" },
	{ OUTCOME_BUILD, NULL, NULL, true, "FAILURE" },
	{ OUTCOME_INFRASTRUCTURE, "5", NULL, true, "FAILURE" },
	{ OUTCOME_SKIPPED, NULL, NULL, false, "SKIPPED" },
	{ OUTCOME_NOT_RUN, NULL, NULL, false, "SKIPPED" },
};

Test(outcome, has_a_status)
{
	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
		struct log_findings f = findings(statuses[i].value, statuses[i].error);

		cr_assert_str_eq(outcome_status(statuses[i].kind, &f, statuses[i].lenient),
				 statuses[i].status, "case %zu", i);
	}
	cr_assert_str_eq(outcome_kind_name(OUTCOME_FAILED), "model");
	cr_assert_str_eq(outcome_kind_name(OUTCOME_NOT_RUN), "not run");
}

static char folder[] = "/tmp/bmvm-outcome-XXXXXX";
static int fd = -1;

static void make_folder(void)
{
	cr_assert(mkdtemp(folder) != NULL);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void drop_folder(void)
{
	(void)file_remove_tree_at(AT_FDCWD, folder, NULL);
	(void)close(fd);
}

TestSuite(log_findings, .init = make_folder, .fini = drop_folder);
TestSuite(multi_results, .init = make_folder, .fini = drop_folder);

static void put(const char *name, const char *text)
{
	cr_assert_eq(file_write_atomic_at(fd, name, text, strlen(text), 0600, NULL), 0);
}

static void read_log(const char *name, const struct log_rules *rules, struct log_findings *ret)
{
	AUTO_CLOSE int log = openat(fd, name, O_RDONLY | O_CLOEXEC);

	cr_assert_eq(log_findings_read(log, rules, ret, NULL), 0);
}

Test(log_findings, are_read_from_a_log)
{
	AUTO_LOG_RULES struct log_rules rules = LOG_RULES_INIT;
	struct log_findings f;

	cr_assert_eq(log_rules_make(NULL, NULL, &rules, NULL), 0);
	put("a.log", "> bash run.sh\nperformance: 5 x\nFAILED\n");
	read_log("a.log", &rules, &f);
	cr_assert(f.measured);
	cr_assert_str_eq(f.performance.value, "5");
	cr_assert_str_eq(f.error.text, "FAILED");
	cr_assert_eq(f.error.line, 3);
	put("a.log", "");
	read_log("a.log", &rules, &f);
	cr_assert(!f.measured);
	cr_assert_null(f.error.text);
}

/* Whoever has replaced the file of that name, and wherever the writer stands in it. */
Test(log_findings, are_of_the_log_that_is_open)
{
	AUTO_LOG_RULES struct log_rules rules = LOG_RULES_INIT;
	struct log_findings f;
	AUTO_CLOSE int log = openat(fd, "a.log", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	cr_assert_eq(log_rules_make(NULL, NULL, &rules, NULL), 0);
	cr_assert_eq(fd_write_all(log, "performance: 5 x\n", 17), 0);
	put("a.log", "performance: 6 x\n");
	cr_assert_eq(log_findings_read(log, &rules, &f, NULL), 0);
	cr_assert_str_eq(f.performance.value, "5");
	cr_assert_eq(lseek(log, 0, SEEK_CUR), 17);
}

Test(log_findings, need_no_memory_for_a_large_log)
{
	AUTO_LOG_RULES struct log_rules rules = LOG_RULES_INIT;
	struct log_findings f;
	AUTO_CLOSE int log = openat(fd, "a.log", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	cr_assert_eq(log_rules_make(NULL, NULL, &rules, NULL), 0);
	/* 100 MiB of NULs: one line */
	cr_assert_eq(ftruncate(log, (off_t)100 << 20), 0);
	cr_assert(lseek(log, 0, SEEK_END) > 0);
	cr_assert_eq(fd_write_all(log, "\nperformance: 5 x\nFAILED", 24), 0);
	read_log("a.log", &rules, &f);
	cr_assert_str_eq(f.performance.metric, "x");
	cr_assert_eq(f.error.line, 3);
}

Test(log_findings, need_a_file)
{
	AUTO_LOG_RULES struct log_rules rules = LOG_RULES_INIT;
	struct log_findings f;
	struct error err = ERROR_INIT;

	cr_assert_eq(log_rules_make(NULL, NULL, &rules, NULL), 0);
	cr_assert_eq(log_findings_read(fd, &rules, &f, &err), -EISDIR);
	cr_assert_str_eq(err.msg, "read the log: Is a directory");
}

static const struct {
	const char *text;
	int r;
	const char *why;
} tables[] = {
	{ "model,performance,metric\na,1,x\n", 0, "" },
	{ " metric ,x,\"performance\",model\nx,,1,a\n,,,\n", 0, "" },
	{ "", -EINVAL, "t.csv: no column \"model\"" },
	{ "model,performance\na,1\n", -EINVAL, "t.csv: no column \"metric\"" },
	{ "model,Performance,metric\na,1,x\n", -EINVAL, "t.csv: no column \"performance\"" },
	{ "model,performance,metric\n", -EINVAL, "t.csv: no row has a performance" },
	{ "model,performance,metric\na,,x\nb, nan ,x\nc\n", -EINVAL,
	  "t.csv: no row has a performance" },
	{ "model,performance,metric\na,1,x\n\nb,1,x,y\n", -EINVAL,
	  "t.csv: line 4: 4 cells, the header has 3" },
	{ "model,performance,metric\na,1,x\nb,\"1,x\n", -EINVAL,
	  "t.csv: line 3: the quote is never closed" },
	{ "\xff\xfem", -EILSEQ, "t.csv: the text is UTF-16; save it as UTF-8" },
};

Test(multi_results, are_checked)
{
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		AUTO_CSV struct csv csv = CSV_INIT;
		struct error err = ERROR_INIT;

		put("t.csv", tables[i].text);
		cr_assert_eq(multi_results_read(fd, "t.csv", &csv, &err), tables[i].r, "case %zu",
			     i);
		cr_assert_str_eq(err.msg, tables[i].why);
		cr_assert_eq(csv.text == NULL, tables[i].r < 0);
	}
}

/* The name is a package's, the folder may be. */
Test(multi_results, are_a_file_of_their_folder)
{
	struct error err = ERROR_INIT;
	AUTO_CSV struct csv csv = CSV_INIT;

	put("t.csv", tables[0].text);
	cr_assert_eq(mkdirat(fd, "out", 0700), 0);
	put("out/t.csv", tables[0].text);
	cr_assert_eq(symlinkat("t.csv", fd, "link.csv"), 0);
	cr_assert_eq(symlinkat("out", fd, "link"), 0);
	cr_assert_eq(mkfifoat(fd, "fifo", 0600), 0);
	cr_assert_eq(multi_results_read(fd, "none.csv", &csv, &err), -ENOENT);
	cr_assert_str_eq(err.msg, "open none.csv: No such file or directory");
	cr_assert_eq(multi_results_read(fd, "link.csv", &csv, NULL), -ELOOP);
	cr_assert_eq(multi_results_read(fd, "link/t.csv", &csv, NULL), -ELOOP);
	cr_assert_eq(multi_results_read(fd, "out/../t.csv", &csv, NULL), 0);
	csv_done(&csv);
	cr_assert_eq(multi_results_read(fd, "../t.csv", &csv, NULL), -EXDEV);
	cr_assert_eq(multi_results_read(fd, "fifo", &csv, NULL), -EINVAL);
	cr_assert_eq(multi_results_read(fd, "out/t.csv", &csv, NULL), 0);
}

/* The header, then @n times @row. */
static void put_many(const char *header, const char *row, size_t n)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	fprintf(out, "%s\n", header);
	for (size_t i = 0; i < n; i++)
		fprintf(out, "%s", row);
	fclose(out);
	put("t.csv", text);
	free(text);
}

Test(multi_results, are_bounded)
{
	static const char header[] = "model,performance,metric";
	AUTO_CSV struct csv csv = CSV_INIT;
	struct error err = ERROR_INIT;

	put_many(header, "a,1,x\n", MULTI_RESULTS_ROWS);
	cr_assert_eq(multi_results_read(fd, "t.csv", &csv, &err), 0);
	put_many(header, "a,1,x\n", MULTI_RESULTS_ROWS + 1);
	csv_done(&csv);
	cr_assert_eq(multi_results_read(fd, "t.csv", &csv, &err), -EFBIG);
	cr_assert_str_eq(err.msg, "t.csv: 10001 rows, at most 10000");
	put_many(",,,", ",,,", 100);
	cr_assert_eq(multi_results_read(fd, "t.csv", &csv, &err), -EINVAL);
	put_many(header, "1234567,", MULTI_RESULTS_CAP / 8);
	cr_assert_eq(multi_results_read(fd, "t.csv", &csv, &err), -EFBIG);
	cr_assert_str_eq(err.msg, "t.csv: larger than 4 MiB");
}

Test(multi_results, become_objects)
{
	static const char text[] =
		"model, x ,,x,\xff,n\na,1.50,i,2,\xff,-1e5\n"
		"b,007,n/a,,,1e999\nc\n";
	AUTO_CSV struct csv csv = CSV_INIT;
	AUTO_FREE char *json = NULL;
	struct json_object *rows;

	cr_assert_eq(csv_parse(text, strlen(text), &csv, NULL), 0);
	rows = multi_results_rows(&csv);
	json = strdup(json_object_to_json_string_ext(rows, JSON_C_TO_STRING_PLAIN));
	json_object_put(rows);
	cr_assert_str_eq(json,
			 "[{\"model\":\"a\",\"x\":1.50,\"Unnamed: 2\":\"i\",\"\xef\xbf\xbd\":"
			 "\"\xef\xbf\xbd\",\"n\":-1e5},"
			 "{\"model\":\"b\",\"x\":\"007\",\"Unnamed: 2\":null,\"\xef\xbf\xbd\":"
			 "null,\"n\":\"1e999\"},"
			 "{\"model\":\"c\",\"x\":null,\"Unnamed: 2\":null,\"\xef\xbf\xbd\":null,"
			 "\"n\":null}]");
}
