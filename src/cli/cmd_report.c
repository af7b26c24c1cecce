/* SPDX-License-Identifier: MIT */
/* bmvm report: pages made of CSV files and of the receipts that runs left. Needs no VM. */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/strv.h"
#include "base/suggest.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "host/host.h"
#include "results/csv.h"
#include "results/html_stages.h"
#include "results/receipt.h"
#include "results/report.h"

#define PAGE_MODE 0644

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

static bool ends_in_csv(const char *name)
{
	size_t n = strlen(name);

	return n > strlen(".csv") && strcmp(name + n - strlen(".csv"), ".csv") == 0;
}

/* ---- the page ---- */

static bool is_stdout(const char *to)
{
	return strcmp(to, "-") == 0;
}

static int check_page(int dir_fd, const char *to, struct error *err)
{
	int r = is_stdout(to) ? 0 : file_check_target_at(dir_fd, to, err);

	if (r < 0)
		error_hint(err, r, "--output - writes the page to stdout");
	return r < 0 ? error_prefix(err, r, "--output") : 0;
}

/* An input would be gone, and its page of no use the next time. */
static int check_input(int dir_fd, const char *to, const char *input, struct error *err)
{
	struct stat page, other;

	if (is_stdout(to) || fstatat(dir_fd, to, &page, 0) < 0 ||
	    fstatat(dir_fd, input, &other, 0) < 0 || page.st_dev != other.st_dev ||
	    page.st_ino != other.st_ino)
		return 0;
	return error_set(err, EINVAL, "--output: %s is what the page is made of", to);
}

static int put_page(int dir_fd, const char *to, const char *page, size_t len, struct error *err)
{
	if (!is_stdout(to))
		return file_write_for_user_at(dir_fd, to, page, len, PAGE_MODE, err);
	return fwrite(page, 1, len, stdout) == len ? 0 : error_errno(err, "write to stdout");
}

/* ---- to-html ---- */

struct html_options {
	const char *csv;
	const char *output;
	struct strv receipts;
	bool verbose;
};

static const struct cli_option html_table[] = {
	{ .name = "csv-file",
	  .kind = OPTION_TEXT,
	  .offset = offsetof(struct html_options, csv),
	  .value = "FILE",
	  .help = "the rows: perf.csv, or any other CSV file" },
	{ .name = "csv-file-path",
	  .kind = OPTION_TEXT,
	  .offset = offsetof(struct html_options, csv),
	  .value = "FILE",
	  .help = "the same under its older name" },
	{ .name = "output",
	  .letter = 'o',
	  .kind = OPTION_TEXT,
	  .offset = offsetof(struct html_options, output),
	  .value = "FILE",
	  .help = "the page, - is stdout; beside the CSV file with the ending .html unless "
		  "given" },
	{ .name = "receipt",
	  .kind = OPTION_LIST,
	  .offset = offsetof(struct html_options, receipts),
	  .value = "PATH",
	  .help = "show where the time of this receipt's run went, or of all receipts in a "
		  "folder, instead of those of the runs that added to FILE; may be repeated" },
	{ .name = "verbose",
	  .letter = 'v',
	  .kind = OPTION_FLAG,
	  .offset = offsetof(struct html_options, verbose),
	  .help = "tell what was read" },
};

static const struct cli_usage html_usage = {
	.command = "report to-html",
	.synopsis = "--csv-file FILE [options]",
	.about = "Makes one page of a CSV file: how the runs ended, the performance of each model\n"
		 "over its runs, and a table that sorts and filters. The page is one file and\n"
		 "loads nothing from elsewhere. Prints where it is, unless that is stdout.",
	.options = html_table,
	.n_options = ARRAY_SIZE(html_table),
};

/* perf.csv -> perf.html; owned by the caller, NULL without memory. */
static char *page_path(const char *csv)
{
	char *path = NULL;

	if (asprintf(&path, "%.*s.html", (int)(strlen(csv) - strlen(".csv")), csv) < 0)
		return NULL;
	return path;
}

static int load_receipts(const struct strv *paths, struct json_object *receipts, struct error *err)
{
	for (size_t i = 0; i < paths->n; i++) {
		int r = html_stages_load(paths->v[i], receipts, err);

		if (r < 0)
			return error_prefix(err, r, "receipt");
		log_debug("%s: %d receipts", paths->v[i], r);
	}
	return 0;
}

/* Those that our own runs left. A report is made of what there is. */
static void find_receipts(const char *csv, struct json_object *receipts)
{
	AUTO_HOST struct host host = HOST_INIT;

	if (host_open(&host, "", NULL) == 0)
		log_debug("%d receipts of runs that added to %s",
			  html_stages_find(host.data_fd, RECEIPTS_FOLDER, csv, receipts), csv);
}

static int load_rows(const char *path, struct csv *csv, struct error *err)
{
	int r = csv_read_input(path, csv, err);

	if (r < 0)
		return r;
	if (csv->n_columns == 0)
		return error_set(err, EINVAL, "%s is empty: it has no header", path);
	log_debug("%s: %zu rows, %zu columns", path, csv->n_rows, csv->n_columns);
	return 0;
}

static int make_page(const struct html_options *o, const char *to, struct error *err)
{
	AUTO_JSON struct json_object *receipts = json_new_array();
	AUTO_CSV struct csv csv = CSV_INIT;
	AUTO_FREE char *page = NULL;
	char made[CLOCK_ISO_SIZE];
	struct report report = {
		.csv = &csv,
		.name = base_name(o->csv),
		.receipts = receipts,
		.made = made,
	};
	size_t len = 0;
	int r = check_page(AT_FDCWD, to, err);

	if (r == 0)
		r = check_input(AT_FDCWD, to, o->csv, err);
	for (size_t i = 0; i < o->receipts.n && r == 0; i++)
		r = check_input(AT_FDCWD, to, o->receipts.v[i], err);
	if (r == 0)
		r = load_rows(o->csv, &csv, err);
	if (r == 0)
		r = load_receipts(&o->receipts, receipts, err);
	if (r < 0)
		return r;
	if (o->receipts.n == 0)
		find_receipts(o->csv, receipts);
	clock_iso(made);
	r = report_page(&report, &page, &len, err);
	return r == 0 ? put_page(AT_FDCWD, to, page, len, err) : r;
}

static int run_html(const struct html_options *o)
{
	AUTO_FREE char *to = NULL;
	struct error err = ERROR_INIT;
	int r;

	if (o->verbose)
		log_set_level(LOG_LEVEL_DEBUG);
	if (o->output == NULL && !ends_in_csv(o->csv)) {
		error_set(&err, EINVAL, "%s: its name does not end in .csv", o->csv);
		error_hint(&err, 0, "--output FILE says where the page of such a file goes");
		return cli_fail(&err, EXIT_CODE_FAILED);
	}
	to = o->output != NULL ? strdup(o->output) : page_path(o->csv);
	r = to == NULL ? error_set(&err, ENOMEM, "out of memory") : make_page(o, to, &err);
	if (r < 0 || to == NULL)
		return cli_fail(&err, EXIT_CODE_FAILED);
	if (!is_stdout(to))
		printf("%s\n", to);
	return EXIT_CODE_OK;
}

static int to_html(int argc, char **argv)
{
	struct html_options o = { .csv = NULL };
	struct error err = ERROR_INIT;
	struct cli_rest rest;
	int code;
	int r = options_parse(&html_usage, argc, argv, &o, &rest, &err);

	if (r == 0)
		r = options_no_operands(&html_usage, &rest, &err);
	if (r == 0 && o.csv == NULL) {
		error_set(&err, EINVAL, "report to-html: which file? --csv-file FILE");
		r = -EINVAL;
	}
	if (r != 0)
		code = r > 0 ? EXIT_CODE_OK : cli_fail(&err, EXIT_CODE_USAGE);
	else
		code = run_html(&o);
	strv_done(&o.receipts);
	return code;
}

/* ---- to-email ---- */

struct email_options {
	const char *directory;
	const char *output;
	bool verbose;
};

static const struct cli_option email_table[] = {
	{ .name = "directory",
	  .kind = OPTION_TEXT,
	  .offset = offsetof(struct email_options, directory),
	  .value = "DIR",
	  .help = "the folder with the CSV files; the current one unless given" },
	{ .name = "dir",
	  .kind = OPTION_TEXT,
	  .offset = offsetof(struct email_options, directory),
	  .value = "DIR",
	  .help = "the same" },
	{ .name = "output",
	  .letter = 'o',
	  .kind = OPTION_TEXT,
	  .offset = offsetof(struct email_options, output),
	  .value = "FILE",
	  .help = "the page, relative to DIR, - is stdout; run_results.html unless given" },
	{ .name = "verbose",
	  .letter = 'v',
	  .kind = OPTION_FLAG,
	  .offset = offsetof(struct email_options, verbose),
	  .help = "tell what was read" },
};

static const struct cli_usage email_usage = {
	.command = "report to-email",
	.synopsis = "[options]",
	.about =
		"Makes one page of all CSV files of a folder that can be the body of a mail: plain "
		"tables, no script. It sends nothing. Prints where the page is, unless that is "
		"stdout.",
	.options = email_table,
	.n_options = ARRAY_SIZE(email_table),
};

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list_csv(DIR *dir, struct strv *names, struct error *err)
{
	const struct dirent *entry;

	errno = 0;
	while ((entry = readdir(dir)) != NULL) {
		struct stat st;

		if (entry->d_name[0] != '.' && ends_in_csv(entry->d_name) &&
		    fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 && S_ISREG(st.st_mode))
			strv_add(names, entry->d_name);
		errno = 0;
	}
	if (errno != 0)
		return error_errno(err, "read the folder");
	if (strv_error(names) < 0)
		return error_set(err, ENOMEM, "out of memory");
	if (names->n > 1)
		qsort(names->v, names->n, sizeof(*names->v), by_name);
	return 0;
}

static void tell_place(const struct email_options *o)
{
	if (is_stdout(o->output))
		return;
	if (o->output[0] == '/' || strcmp(o->directory, ".") == 0)
		printf("%s\n", o->output);
	else
		printf("%s/%s\n", o->directory, o->output);
}

/* One that is called .csv in that folder would be an input the next time. */
static int check_mail(const struct email_options *o, DIR *dir, const struct strv *names,
		      struct error *err)
{
	const char *name = base_name(o->output);
	AUTO_FREE char *folder = strndup(o->output, (size_t)(name - o->output));
	struct stat here, there;
	int r = check_page(dirfd(dir), o->output, err);

	for (size_t i = 0; i < names->n && r == 0; i++)
		r = check_input(dirfd(dir), o->output, names->v[i], err);
	if (r < 0 || !ends_in_csv(name))
		return r;
	if (folder == NULL)
		return error_set(err, ENOMEM, "out of memory");
	if (fstat(dirfd(dir), &here) < 0 ||
	    fstatat(dirfd(dir), *folder == '\0' ? "." : folder, &there, 0) < 0 ||
	    here.st_dev != there.st_dev || here.st_ino != there.st_ino)
		return 0;
	return error_set(err, EINVAL, "--output: %s would be a CSV file of that folder", o->output);
}

static int make_mail(const struct email_options *o, DIR *dir, const struct strv *names,
		     struct error *err)
{
	AUTO_FREE char *page = NULL;
	char made[CLOCK_ISO_SIZE];
	const struct report_mail mail = { .dir_fd = dirfd(dir), .names = names, .made = made };
	size_t len = 0;
	int failed, r = check_mail(o, dir, names, err);

	if (r < 0)
		return r;
	clock_iso(made);
	failed = report_mail(&mail, &page, &len, err);
	if (failed < 0)
		return failed;
	r = put_page(dirfd(dir), o->output, page, len, err);
	if (r < 0)
		return r;
	tell_place(o);
	return failed == 0
		       ? 0
		       : error_set(err, EIO, "%d of %zu files could not be read", failed, names->n);
}

static int to_email(int argc, char **argv)
{
	AUTO_CLOSEDIR DIR *dir = NULL;
	AUTO_STRV struct strv names = STRV_INIT;
	struct email_options o = { .directory = ".", .output = "run_results.html" };
	struct error err = ERROR_INIT;
	struct cli_rest rest;
	int r = options_parse(&email_usage, argc, argv, &o, &rest, &err);

	if (r == 0)
		r = options_no_operands(&email_usage, &rest, &err);
	if (r != 0)
		return r > 0 ? EXIT_CODE_OK : cli_fail(&err, EXIT_CODE_USAGE);
	if (o.verbose)
		log_set_level(LOG_LEVEL_DEBUG);
	dir = file_opendir_at(AT_FDCWD, o.directory, 0);
	r = dir == NULL ? error_errno(&err, "open %s", o.directory) : list_csv(dir, &names, &err);
	if (r == 0 && names.n == 0) {
		log_warning("%s has no CSV file: no page is made", o.directory);
		return EXIT_CODE_OK;
	}
	if (r == 0)
		r = make_mail(&o, dir, &names, &err);
	return r < 0 ? cli_fail(&err, EXIT_CODE_FAILED) : EXIT_CODE_OK;
}

/* ---- which one ---- */

static const struct sub_command {
	const char *name;
	const char *summary;
	int (*main)(int argc, char **argv);
} sub_commands[] = {
	{ "to-html", "one page of one CSV file, for a browser", to_html },
	{ "to-email", "one page of all CSV files of a folder, for a mail", to_email },
};

static int print_help(void)
{
	printf("Usage: bmvm report COMMAND [options]\n\n"
	       "Pages made of performance files, such as perf.csv.\n\n"
	       "Commands:\n");
	for (size_t i = 0; i < ARRAY_SIZE(sub_commands); i++)
		printf("  %-10s %s\n", sub_commands[i].name, sub_commands[i].summary);
	printf("\nbmvm report COMMAND --help tells more.\n");
	return EXIT_CODE_OK;
}

static int unknown(const char *name)
{
	struct suggest near = SUGGEST_INIT(name);
	char text[SUGGEST_TEXT_SIZE];
	struct error err = ERROR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(sub_commands); i++)
		suggest_try(&near, sub_commands[i].name);
	error_set(&err, EINVAL, "report: unknown command \"%.80s\"%s", name,
		  suggest_text(&near, text));
	error_hint(&err, 0, "bmvm report --help lists the commands");
	return cli_fail(&err, EXIT_CODE_USAGE);
}

int cmd_report(int argc, char **argv)
{
	struct error err = ERROR_INIT;

	if (argc < 2) {
		error_set(&err, EINVAL, "report: no command given");
		error_hint(&err, 0, "bmvm report --help lists the commands");
		return cli_fail(&err, EXIT_CODE_USAGE);
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return print_help();
	for (size_t i = 0; i < ARRAY_SIZE(sub_commands); i++) {
		if (strcmp(sub_commands[i].name, argv[1]) == 0)
			return sub_commands[i].main(argc - 1, argv + 1);
	}
	return unknown(argv[1]);
}
