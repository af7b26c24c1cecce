/* SPDX-License-Identifier: MIT */
/* What a run of models leaves in a package's folder, without a guest: rows, logs, the summary. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "results/multi_results.h"
#include "run/channel.h"
#include "run/mad.h"
#include "tests/unit/helper_tree.h"

static char *root;
static struct mad_options options;

static void setup(void)
{
	root = tree_new();
	cr_assert_eq(chdir(root), 0);
	options = (struct mad_options)MAD_OPTIONS_INIT;
}

static void teardown(void)
{
	tree_remove(root);
}

TestSuite(mad_books, .init = setup, .fini = teardown);
TestSuite(mad_logs, .init = setup, .fini = teardown);
TestSuite(mad_collect);

static void make_item(struct mad_item *item, const char *name, const char *members)
{
	AUTO_JSON struct json_object *o = NULL;
	AUTO_FREE char *text = NULL;

	*item = (struct mad_item)MAD_ITEM_INIT;
	cr_assert(asprintf(&text, "{\"name\": \"%s\", \"args\": \"\"%s}", name, members) > 0);
	cr_assert_eq(json_parse(text, strlen(text), &o, NULL), 0);
	cr_assert_eq(model_init(&item->model, o, "test", NULL), 0);
	cr_assert_eq(log_rules_make(NULL, NULL, &item->rules, NULL), 0);
	item->image = strdup("ci-m");
	item->dockerfile = strdup("docker/m");
	item->build_log = strdup("m.build.live.log");
	item->run_log = strdup("m.run.live.log");
	item->full_log = strdup("m.live.log");
}

/* A run of the models "a" and "b", the second with multiple_results. */
static struct mad make_run(void)
{
	struct mad m = { .o = &options, .manifest = BUILD_MANIFEST_INIT, .n_items = 2 };

	m.package_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	m.context = json_new_object();
	m.items = calloc(m.n_items, sizeof(*m.items));
	cr_assert(m.package_fd >= 0 && m.items != NULL);
	make_item(&m.items[0], "a", "");
	make_item(&m.items[1], "b", ", \"multiple_results\": \"b.csv\"");
	m.items[1].results = strdup("b.csv");
	cr_assert_eq(build_manifest_init(&m.manifest, m.context, NULL, NULL, NULL, NULL), 0);
	return m;
}

#define AUTO_RUN CLEANUP(mad_done)

static int make_log(const char *text)
{
	int fd = open("test.log", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	cr_assert_eq(fd_write_all(fd, text, strlen(text)), 0);
	return fd;
}

static void add(struct mad *m, size_t i, const struct mad_outcome *outcome, const char *text)
{
	AUTO_CLOSE int fd = make_log(text);

	mad_books_add(m, &m->items[i], outcome, fd);
}

/* The column "status" of all rows of a model. */
static void expect_statuses(const char *path, const char *model, const char *want)
{
	AUTO_STRV struct strv found = STRV_INIT;
	AUTO_CSV struct csv csv = CSV_INIT;
	AUTO_FREE char *joined = NULL;

	if (csv_read_at(AT_FDCWD, path, &csv, NULL) < 0)
		strv_add(&found, "no file");
	for (size_t i = 0; i < csv.n_rows; i++) {
		if (strcmp(csv_get(&csv, i, "model"), model) == 0)
			strv_add(&found, csv_get(&csv, i, "status"));
	}
	joined = strv_join(&found, " ");
	cr_expect_str_eq(joined, want, "%s in %s", model, path);
}

static void expect_json(const char *path, const char *key, const char *want)
{
	AUTO_JSON struct json_object *o = NULL;
	struct error err = ERROR_INIT;

	cr_assert_eq(json_load_at(AT_FDCWD, path, &o, &err), 0, "%s", err.msg);
	cr_expect_str_eq(json_compact(json_object_object_get(o, key)), want, "%s", key);
}

/* The second model's row is there though the first's could not be written, and the run has failed.
 */
Test(mad_books, one_that_cannot_be_written_stops_no_model)
{
	const struct mad_outcome done = { .kind = OUTCOME_FINISHED, .gpus = 0, .test_s = 1 };
	AUTO_RUN struct mad m = make_run();
	struct error err = ERROR_INIT;

	cr_assert_eq(mad_books_open(&m, &err), 0, "%s", err.msg);
	tree_dir(root, "perf.csv");
	add(&m, 0, &done, "performance: 5 x\n");
	cr_expect(m.books_failed);
	cr_assert_eq(rmdir("perf.csv"), 0);
	cr_expect_eq(mad_verdict(&m), 3);
	add(&m, 0, &done, "performance: 5 x\n");
	expect_statuses("perf.csv", "a", "SUCCESS");
	options.summary = "s.json";
	cr_expect_eq(mad_books_close(&m, NULL, &err), 0, "%s", err.msg);
	expect_json("s.json", "overall_success", "false");
}

Test(mad_books, that_cannot_go_on_are_found_beforehand)
{
	static const struct {
		const char *path, *text, *why;
	} cases[] = {
		{ "perf_super.json", "[{}", "perf_super.json: not JSON" },
		{ "perf.csv", "model\nx,y\n", "perf.csv: line 2 has 2 cells" },
		{ "perf.csv", "model\n\"x\n", "perf.csv: line 2: the quote" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_RUN struct mad m = make_run();
		struct error err = ERROR_INIT;

		tree_file(root, cases[i].path, "%s", cases[i].text);
		cr_expect_eq(mad_books_open(&m, &err), -EINVAL);
		cr_expect_not_null(strstr(err.msg, cases[i].why), "%s", err.msg);
		cr_assert_eq(unlink(cases[i].path), 0);
	}
}

Test(mad_books, have_their_folders_beforehand)
{
	AUTO_RUN struct mad m = make_run();
	struct error err = ERROR_INIT;

	options.summary = "none/s.json";
	cr_expect_eq(mad_books_open(&m, &err), -ENOENT);
	cr_expect_not_null(strstr(err.msg, "--summary-output none/s.json"), "%s", err.msg);
}

Test(mad_books, have_nothing_in_the_way_beforehand)
{
	static const char *const names[] = { "perf_entry.csv", "perf_super.csv",
					     "build_manifest.json" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		AUTO_RUN struct mad m = make_run();
		struct error err = ERROR_INIT;

		m.from_manifest = false;
		cr_assert_eq(mkfifo(names[i], 0600), 0);
		cr_expect_eq(mad_books_open(&m, &err), -EINVAL);
		cr_expect_not_null(strstr(err.msg, names[i]), "%s", err.msg);
		cr_assert_eq(unlink(names[i]), 0);
	}
}

Test(mad_books, can_be_written_beforehand)
{
	AUTO_RUN struct mad m = make_run();
	struct error err = ERROR_INIT;

	if (geteuid() != 0)
		return; /* another user is needed */
	tree_file(root, "perf.csv", "model\n");
	cr_assert_eq(chmod(root, 0755), 0);
	cr_assert_eq(seteuid(65534), 0);
	cr_expect_eq(mad_books_open(&m, &err), -EACCES);
	cr_expect_str_eq(err.msg, "write to the current folder: Permission denied");
	cr_assert_eq(seteuid(0), 0);
	cr_assert_eq(chmod(root, 0777), 0);
	cr_assert_eq(chmod("perf.csv", 0644), 0);
	cr_assert_eq(seteuid(65534), 0);
	cr_expect_eq(mad_books_open(&m, &err), -EACCES);
	cr_expect_str_eq(err.msg, "write to perf.csv: Permission denied");
	cr_assert_eq(seteuid(0), 0);
}

/* A link is followed only if its path was named. */
Test(mad_books, are_nobodys_link)
{
	AUTO_RUN struct mad m = make_run();
	struct error err = ERROR_INIT;

	tree_file(root, "victim", "model\n");
	cr_assert_eq(symlink("victim", "perf.csv"), 0);
	cr_expect_eq(mad_books_open(&m, &err), -ELOOP);
	cr_expect_str_eq(err.hint, "--output perf.csv follows it");
	options.output = "perf.csv";
	cr_expect_eq(mad_books_open(&m, &err), 0, "%s", err.msg);
}

Test(mad_books, have_the_table_that_was_brought)
{
	AUTO_RUN struct mad m = make_run();
	struct mad_outcome done = { .kind = OUTCOME_FINISHED, .gpus = 0, .test_s = 1 };
	AUTO_CSV struct csv csv = CSV_INIT;
	struct error err = ERROR_INIT;

	/* another run's, and an old one */
	tree_file(root, "b.csv", "model,performance,metric\nother,1,x\n");
	tree_file(root, "private.csv", "model,performance,metric\nown,2,x\n");
	cr_assert_eq(mad_books_open(&m, &err), 0, "%s", err.msg);
	add(&m, 1, &done, "performance: 5 x\n");
	expect_statuses("perf.csv", "b", "FAILURE");
	cr_assert_eq(multi_results_read(m.package_fd, "private.csv", &csv, &err), 0);
	done.table = &csv;
	add(&m, 1, &done, "");
	expect_statuses("perf.csv", "b_own", "SUCCESS");
	expect_statuses("perf.csv", "b_other", "");
}

/* madengine imports no table of a model that failed. */
Test(mad_books, have_no_successes_of_a_model_that_failed)
{
	AUTO_RUN struct mad m = make_run();
	AUTO_CSV struct csv csv = CSV_INIT;
	struct mad_outcome done = { .kind = OUTCOME_FINISHED, .gpus = 0, .test_s = 1 };
	struct error err = ERROR_INIT;

	tree_file(root, "b.csv", "model,performance,metric\nx,1,m\ny,2,m\n");
	cr_assert_eq(mad_books_open(&m, &err), 0, "%s", err.msg);
	cr_assert_eq(multi_results_read(m.package_fd, "b.csv", &csv, &err), 0, "%s", err.msg);
	done.table = &csv;
	add(&m, 1, &done, "RuntimeError: boom\nperformance: 5 x\n");
	expect_statuses("perf.csv", "b", "FAILURE");
	expect_statuses("perf.csv", "b_x", "");
	expect_statuses("perf_super.csv", "b", "FAILURE");
	expect_statuses("perf_super.csv", "b_y", "");
	expect_json("perf_entry.json", "performance", "\"\"");
	cr_expect_eq(mad_verdict(&m), 3);
}

static const struct error lost = { .code = ECONNRESET, .msg = "the VM is gone" };

/* The guest was up: models the run did not come to have their rows, and nothing has succeeded. */
Test(mad_books, have_what_the_run_did_not_come_to)
{
	const struct mad_outcome done = { .kind = OUTCOME_FINISHED, .gpus = 0, .test_s = 1 };
	AUTO_RUN struct mad m = make_run();
	struct error err = ERROR_INIT;

	options.summary = "s.json";
	cr_assert_eq(mad_books_open(&m, &err), 0, "%s", err.msg);
	m.started = true;
	add(&m, 0, &done, "performance: 5 x\n");
	cr_expect_eq(mad_books_close(&m, &lost, &err), 0, "%s", err.msg);
	expect_statuses("perf.csv", "a", "SUCCESS");
	expect_statuses("perf.csv", "b", "FAILURE");
	expect_json("s.json", "overall_success", "false");
	expect_json("s.json", "run_phase",
		    "{\"successful_runs\":[{\"model\":\"a\",\"image\":\"ci-m\",\"status\":"
		    "\"SUCCESS\",\"performance\":\"5\",\"duration\":1.0}],\"failed_runs\":["
		    "{\"model\":\"b\",\"image\":\"ci-m\",\"status\":\"FAILURE\",\"error\":"
		    "\"the VM is gone\",\"kind\":\"infrastructure\"}],\"total_runs\":2,"
		    "\"session_start_row\":0,\"session_row_count\":2}");
	/* it came to no container */
	cr_expect_eq(access("perf_entry_super.json", F_OK), 0);
	expect_statuses("perf_super.csv", "b", "");
}

/* The receipt is written before the summary: it has all models by then. */
Test(mad_books, tell_the_receipt_of_all_models)
{
	const struct mad_outcome done = { .kind = OUTCOME_FINISHED, .gpus = 0, .test_s = 1 };
	AUTO_RUN struct mad m = make_run();
	AUTO_JSON struct json_object *models = NULL, *csv = NULL;
	AUTO_FREE char *path = realpath(".", NULL);
	struct json_object *value = NULL, *failed = NULL;
	struct run run_of_it = { .o = NULL };
	struct error err = ERROR_INIT;
	int ends[2];

	cr_assert_eq(channel_pair(ends, &err), 0, "%s", err.msg);
	run_of_it.front.fd = ends[0];
	m.run = &run_of_it;
	m.started = true;
	cr_assert_eq(mad_books_open(&m, &err), 0, "%s", err.msg);
	add(&m, 0, &done, "performance: 5 x\n");
	mad_books_unreached(&m, &lost);
	mad_books_note(&m);
	cr_assert_eq(channel_receive(ends[1], &models, &err), 0, "%s", err.msg);
	cr_assert_eq(channel_receive(ends[1], &csv, &err), 0, "%s", err.msg);
	cr_expect_str_eq(json_str_or(models, "key", ""), "models");
	cr_assert_eq(json_get_object(models, "value", &value, &err), 0, "%s", err.msg);
	cr_expect_eq(json_u64_or(value, "total_runs", 0), 2);
	cr_assert_eq(json_get_array(value, "failed_runs", &failed, &err), 0, "%s", err.msg);
	cr_expect_str_eq(json_str_or(json_object_array_get_idx(failed, 0), "kind", ""),
			 "infrastructure");
	cr_expect_str_eq(json_str_or(csv, "key", ""), "perf_csv");
	cr_expect_not_null(strstr(json_str_or(csv, "value", ""), path));
	/* each once, in the order of the models */
	cr_expect_eq(mad_books_close(&m, &lost, &err), 0, "%s", err.msg);
	expect_statuses("perf.csv", "a", "SUCCESS");
	expect_statuses("perf.csv", "b", "FAILURE");
	close(ends[0]);
	close(ends[1]);
}

/* It was not: the host stays as it was, but for the summary that was asked for. */
Test(mad_books, have_no_rows_of_a_run_without_a_guest)
{
	AUTO_RUN struct mad m = make_run();
	struct error err = ERROR_INIT;

	options.summary = "s.json";
	options.cleanup_perf = true;
	tree_file(root, "perf_entry.csv", "of a run before\n");
	cr_assert_eq(mad_books_open(&m, &err), 0, "%s", err.msg);
	cr_expect_eq(mad_books_close(&m, &lost, &err), 0, "%s", err.msg);
	cr_expect_eq(access("perf.csv", F_OK), -1);
	cr_expect_eq(access("perf_entry.csv", F_OK), 0);
	expect_json("s.json", "overall_success", "false");
	cr_expect_eq(mad_verdict(&m), 3);
}

Test(mad_books, are_cleaned_up_of_what_this_run_wrote)
{
	const struct mad_outcome failed = { .kind = OUTCOME_SETUP, .gpus = -1, .test_s = -1 };
	AUTO_RUN struct mad m = make_run();
	struct error err = ERROR_INIT;

	options.cleanup_perf = true;
	cr_assert_eq(mad_books_open(&m, &err), 0, "%s", err.msg);
	mad_books_add(&m, &m.items[0], &failed, -1);
	cr_expect_eq(access("perf_entry.csv", F_OK), 0);
	cr_expect_eq(mad_books_close(&m, NULL, &err), 0, "%s", err.msg);
	cr_expect_eq(access("perf_entry.csv", F_OK), -1);
	expect_statuses("perf.csv", "a", "FAILURE");
}

/* --output perf_entry.csv: the book is no entry that could be removed. */
Test(mad_books, are_not_cleaned_up_of_the_book)
{
	const struct mad_outcome done = { .kind = OUTCOME_FINISHED, .gpus = 0, .test_s = 1 };
	AUTO_RUN struct mad m = make_run();
	struct error err = ERROR_INIT;

	options.cleanup_perf = true;
	options.output = "./perf_entry.csv";
	cr_assert_eq(mad_books_open(&m, &err), 0, "%s", err.msg);
	add(&m, 0, &done, "performance: 5 x\n");
	add(&m, 0, &done, "");
	cr_expect_eq(mad_books_close(&m, NULL, &err), 0, "%s", err.msg);
	expect_statuses("perf_entry.csv", "a", "SUCCESS FAILURE");
	cr_expect_eq(access("perf_entry.json", F_OK), -1);
}

/* Whatever way the options name them. */
Test(mad_books, know_the_files_that_options_name)
{
	AUTO_RUN struct mad m = make_run();
	AUTO_STRV struct strv own = STRV_INIT;
	AUTO_FREE char *joined = NULL, *summary = path_join(root, "s_output.csv");

	tree_dir(root, "books");
	cr_assert_eq(symlink("books", "link"), 0);
	options.output = "./X_output.csv";
	options.summary = summary;
	options.manifest = "link/../link/m.json";
	options.manifest_output = "../elsewhere.json";
	mad_books_own(&m, &own);
	joined = strv_join(&own, " ");
	cr_expect_str_eq(joined, "X_output.csv s_output.csv books/m.json");
}

/* A folder in which one is must not be replaced. */
Test(mad_books, know_the_folders_they_are_in)
{
	AUTO_RUN struct mad m = make_run();

	tree_dir(root, "run_directory/deep");
	cr_assert_eq(symlink("run_directory", "link"), 0);
	cr_expect(!mad_books_are_in(&m, "run_directory"));
	options.summary = "run_directory2.json";
	cr_expect(!mad_books_are_in(&m, "run_directory"));
	options.output = "link/deep/rows.csv";
	cr_expect(mad_books_are_in(&m, "run_directory"));
	cr_expect(!mad_books_are_in(&m, "run"));
}

static bool is_kept(const struct kept_files *kept, const char *folder, const char *name)
{
	AUTO_CLOSE int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return kept_files_has(kept, fd, name);
}

/* Also those outside the package's folder. */
Test(mad_books, are_kept_wherever_they_are)
{
	AUTO_RUN struct mad m = make_run();
	AUTO_KEPT_FILES struct kept_files kept = KEPT_FILES_INIT;
	AUTO_FREE char *output = path_join(root, "elsewhere/rows.csv");
	AUTO_FREE char *receipt = path_join(root, "receipt.json");
	struct error err = ERROR_INIT;

	tree_dir(root, "elsewhere");
	m.receipt = receipt;
	options.output = output;
	options.summary = "s.json";
	options.manifest = "m.json";
	options.manifest_output = "elsewhere/../out.json";
	options.data_config = "elsewhere/d.json";
	cr_assert_eq(mad_books_keep(&m, &kept, &err), 0, "%s", err.msg);
	cr_expect(is_kept(&kept, "elsewhere", "rows.csv"));
	cr_expect(is_kept(&kept, "elsewhere", "d.json"));
	cr_expect(is_kept(&kept, ".", "s.json"));
	cr_expect(is_kept(&kept, ".", "m.json"));
	cr_expect(is_kept(&kept, ".", "out.json"));
	cr_expect(is_kept(&kept, ".", "receipt.json"));
	cr_expect(is_kept(&kept, ".", "perf.csv"));
	cr_expect(!is_kept(&kept, "elsewhere", "perf.csv"));
	cr_expect(!is_kept(&kept, ".", "rows.csv"));
}

/* ---- logs ---- */

static void expect_file(const char *path, const char *want)
{
	AUTO_FREE char *text = NULL;

	if (file_read_at(AT_FDCWD, path, 1 << 20, &text, NULL, NULL) < 0)
		text = strdup("(none)");
	cr_expect_str_eq(text, want, "%s", path);
}

static void build(struct mad *m, const char *text)
{
	AUTO_LIVE_LOG struct live_log log = LIVE_LOG_INIT;
	struct error err = ERROR_INIT;

	cr_assert_eq(mad_logs_build(m, &m->items[0], &log, &err), 0, "%s", err.msg);
	cr_assert_eq(live_log_say(&log, &err, "%s", text), 0);
}

static void run(struct mad *m, struct live_log *log, const char *text)
{
	struct error err = ERROR_INIT;

	cr_assert_eq(mad_logs_run(m, &m->items[0], log, &err), 0, "%s", err.msg);
	cr_assert_eq(live_log_say(log, &err, "%s", text), 0);
}

#define BAR                                                                                        \
	"\n================================================================================"       \
	"\nRUN PHASE LOG\n"                                                                        \
	"================================================================================\n\n"

/* Two runs of one model in one folder, at the same time: nothing is lost and nothing mixed up. */
Test(mad_logs, of_two_runs_at_once_are_two)
{
	AUTO_RUN struct mad first = make_run(), second = make_run(), third = make_run();
	AUTO_LIVE_LOG struct live_log log1 = LIVE_LOG_INIT, log2 = LIVE_LOG_INIT;
	AUTO_LIVE_LOG struct live_log log3 = LIVE_LOG_INIT;

	build(&first, "build 1");
	build(&second, "build 2");
	run(&first, &log1, "run 1");
	run(&second, &log2, "run 2");
	mad_logs_join(&second, &second.items[0], log2.fd);
	mad_logs_join(&first, &first.items[0], log1.fd);
	cr_expect(!first.books_failed && !second.books_failed);
	expect_file("m.build.live.log", "build 1");
	expect_file("m.run.live.log", "run 1");
	expect_file("m.live.log", "build 1" BAR "run 1");
	expect_file("m.2.build.live.log", "build 2");
	expect_file("m.2.run.live.log", "run 2");
	expect_file("m.2.live.log", "build 2" BAR "run 2");
	cr_expect_str_eq(second.items[0].run_log, "m.2.run.live.log");
	/* when they are done their names are free */
	live_log_done(&log1);
	live_log_done(&log2);
	build(&third, "build 3");
	run(&third, &log3, "run 3");
	mad_logs_join(&third, &third.items[0], log3.fd);
	expect_file("m.live.log", "build 3" BAR "run 3");
	cr_expect_eq(access("m.3.live.log", F_OK), -1);
}

/* With sudo in a user's folder, too. */
Test(mad_logs, are_the_folders_owners)
{
	static const char *const names[] = { "m.build.live.log", "m.run.live.log", "m.live.log",
					     BUILD_MANIFEST_FILE };
	AUTO_RUN struct mad m = make_run();
	AUTO_LIVE_LOG struct live_log log = LIVE_LOG_INIT;
	struct stat st;

	if (geteuid() != 0)
		return;
	cr_assert_eq(chown(root, 4711, 4712), 0);
	build(&m, "build");
	run(&m, &log, "run");
	mad_logs_join(&m, &m.items[0], log.fd);
	cr_assert_eq(build_manifest_save(&m.manifest, AT_FDCWD, BUILD_MANIFEST_FILE, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		cr_assert_eq(stat(names[i], &st), 0, "%s", names[i]);
		cr_expect(st.st_uid == 4711 && st.st_gid == 4712, "%s", names[i]);
	}
}

Test(mad_logs, that_cannot_be_joined_make_the_run_fail)
{
	AUTO_RUN struct mad m = make_run();
	AUTO_LIVE_LOG struct live_log log = LIVE_LOG_INIT;

	build(&m, "build");
	run(&m, &log, "run");
	tree_dir(root, "m.live.log");
	mad_logs_join(&m, &m.items[0], log.fd);
	cr_expect(m.books_failed);
}

/* ---- what ends a run ---- */

Test(mad_collect, what_a_model_decides_ends_no_run)
{
	static const int models[] = { EFBIG, EIO, ENOENT, EPROTO, E2BIG, EINVAL, EAGAIN };
	static const int ours[] = { EINTR, ECONNRESET, ETIMEDOUT, ENOSPC, EROFS, ENOMEM, EACCES };
	uint64_t later = deadline_in_s(60);

	for (size_t i = 0; i < ARRAY_SIZE(models); i++)
		cr_expect(!mad_ends_run(-models[i], later), "%s", strerror(models[i]));
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		cr_expect(mad_ends_run(-ours[i], later), "%s", strerror(ours[i]));
	/* it took as long as it was given: that is no silence */
	cr_expect(!mad_ends_run(-ETIMEDOUT, clock_now_ns()));
}
