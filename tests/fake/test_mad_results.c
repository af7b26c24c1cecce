/* SPDX-License-Identifier: MIT */
/* What a run of models collects, over a real sshd: the files of the run stay its own. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "guest/exec.h"
#include "helper_sshd.h"
#include "run/mad.h"
#include "run/results.h"

static struct sshd server;
static struct run run;
static struct run_options run_options;
static struct mad_options options;
static struct mad mad;

/* The guest's folder is "work", the package's the current one, "up/package". */
static void setup(void)
{
	static char workdir[256];
	static const char *const folders[] = { "work", "up", "up/package", "up/package/books" };
	struct error err = ERROR_INIT;

	sshd_start(&server);
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		cr_assert_eq(mkdir(sshd_path(&server, folders[i]), 0755), 0);
	cr_assert_eq(chdir(sshd_path(&server, "up/package")), 0);
	(void)snprintf(workdir, sizeof(workdir), "%s", sshd_path(&server, "work"));
	run_options.workdir = workdir;
	run_options.cfg.results.max_size = 1000000;
	cr_assert_eq(run_init(&run, &run_options, &err), 0, "%s", err.msg);
	options = (struct mad_options)MAD_OPTIONS_INIT;
	mad = (struct mad){ .o = &options, .run = &run, .manifest = BUILD_MANIFEST_INIT };
	mad.package_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	run.guest = sshd_login(&server);
	run.ran = true;
	run.extra = &mad;
}

static void teardown(void)
{
	strv_done(&run_options.cfg.results.collect);
	mad_done(&mad);
	run_done(&run);
	sshd_stop(&server);
}

TestSuite(mad_results, .init = setup, .fini = teardown, .timeout = 120);

/* Runs a script in the guest's folder. */
static void guest_sh(const char *script)
{
	struct error err = ERROR_INIT;
	char *argv[] = { run_options.workdir, NULL };
	char text[4096];

	(void)snprintf(text, sizeof(text), "set -e; cd \"$1\"\n%s", script);
	cr_assert_eq(guest_capture(run.guest, text, argv, deadline_in_s(60), NULL, NULL, &err), 0,
		     "%s", err.msg);
}

static void put(const char *name, const char *text)
{
	cr_assert_eq(file_write_atomic_at(AT_FDCWD, name, text, strlen(text), 0644, NULL), 0);
}

static void expect(const char *name, const char *want)
{
	AUTO_FREE char *text = NULL;

	if (file_read_at(AT_FDCWD, name, 1000000, &text, NULL, NULL) < 0)
		text = strdup("(none)");
	cr_expect_str_eq(text, want, "%s", name);
}

/* With stderr in the file ../err. */
static void collect(int (*stage)(struct run *r, struct error *err), const char *glob, char *to)
{
	struct error err = ERROR_INIT;

	cr_assert_not_null(freopen("../err", "we", stderr));
	strv_add(&run_options.cfg.results.collect, glob);
	run_options.cfg.results.to = to;
	cr_assert_eq(stage(&run, &err), 0, "%s", err.msg);
	(void)fflush(stderr);
}

static void expect_refused(const char *name)
{
	AUTO_FREE char *text = NULL, *line = NULL;

	cr_assert_eq(file_read_at(AT_FDCWD, "../err", 1000000, &text, NULL, NULL), 0);
	cr_assert(asprintf(&line, "not collected: %s: a file of this run has that name\n", name) >
		  0);
	cr_expect_not_null(strstr(text, line), "%s in %s", name, text);
}

Test(mad_results, into_the_package_replace_no_file_of_the_run)
{
	put("perf.csv", "rows\n");
	put("m.run.live.log", "log\n");
	put("books/rows.csv", "rows\n");
	options.output = "books/rows.csv";
	options.summary = "s.json";
	guest_sh(
		"mkdir books s.json; for f in perf.csv m.run.live.log data.json books/rows.csv \\\n"
		"s.json/x books/other.csv other.csv; do echo evil > $f; done");
	collect(stage_mad_results, "*", NULL);
	expect("perf.csv", "rows\n");
	expect("m.run.live.log", "log\n");
	expect("books/rows.csv", "rows\n");
	expect("data.json", "(none)");
	expect("books/other.csv", "evil\n");
	expect("other.csv", "evil\n");
	cr_expect_eq(access("s.json", F_OK), -1);
	expect_refused("perf.csv");
	expect_refused("m.run.live.log");
	expect_refused("data.json");
	expect_refused("books/rows.csv");
	expect_refused("s.json");
	expect_refused("s.json/x");
}

Test(mad_results, into_a_folder_above_replace_no_file_of_the_run)
{
	put("perf.csv", "rows\n");
	guest_sh(
		"mkdir package; echo evil > package/perf.csv; echo fine > perf.csv\n"
		"echo fine > package/x");
	collect(stage_mad_results, "*", (char *)"..");
	expect("perf.csv", "rows\n");
	expect("../perf.csv", "fine\n");
	expect("x", "fine\n");
	expect_refused("package/perf.csv");
}

/* By a link that the user's book is, too. */
Test(mad_results, into_a_folder_below_replace_no_file_of_the_run)
{
	cr_assert_eq(symlink("books/rows.csv", "latest.csv"), 0);
	options.output = "latest.csv";
	guest_sh("echo evil > rows.csv; echo fine > perf.csv");
	collect(stage_mad_results, "*", (char *)"books");
	expect("books/rows.csv", "(none)");
	expect("books/perf.csv", "fine\n");
	expect_refused("rows.csv");
}

/* A run of a command has no such files. */
Test(mad_results, of_a_command_replace_what_is_there)
{
	put("perf.csv", "rows\n");
	guest_sh("echo new > perf.csv");
	collect(stage_results, "*", NULL);
	expect("perf.csv", "new\n");
}
