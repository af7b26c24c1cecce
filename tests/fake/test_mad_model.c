/* SPDX-License-Identifier: MIT */
/* A model in its container, over a real sshd and with a docker that only writes down what it is to
 * do. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/strv.h"
#include "helper_sshd.h"
#include "results/csv.h"
#include "run/mad.h"

static struct sshd server;
static struct run run;
static struct run_options run_options;
static struct mad_options options;
static struct mad mad;
static struct mad_item item;

static void put(const char *path, const char *text, mode_t mode)
{
	cr_assert_eq(file_write_atomic_at(AT_FDCWD, path, text, strlen(text), mode, NULL), 0);
}

/* @run: what "docker run" does; "docker version" answers. */
static void make_docker(const char *run_does)
{
	char text[1024];

	(void)snprintf(text, sizeof(text),
		       "#!/bin/sh\nprintf '%%s\\n' \"$*\" >> %s\ncase $1 in\nversion) echo 1 ;;\n"
		       "run) %s ;;\nesac\n",
		       sshd_path(&server, "calls"), run_does);
	put(sshd_path(&server, "bin/docker"), text, 0755);
}

static void make_item(const char *text)
{
	AUTO_JSON struct json_object *o = NULL;

	cr_assert_eq(json_parse(text, strlen(text), &o, NULL), 0);
	item = (struct mad_item)MAD_ITEM_INIT;
	cr_assert_eq(model_init(&item.model, o, "test", NULL), 0);
	cr_assert_eq(log_rules_make(NULL, NULL, &item.rules, NULL), 0);
	item.image = strdup("ci-m");
	item.container = strdup("container_ci-m");
	item.run_log = strdup("m.run.live.log");
	item.ready = true;
}

static void setup(void)
{
	static char folder[256];
	static const char *const folders[] = { "bin", "work", "package" };
	struct error err = ERROR_INIT;

	sshd_start(&server);
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		cr_assert_eq(mkdir(sshd_path(&server, folders[i]), 0755), 0);
	cr_assert_eq(chdir(sshd_path(&server, "package")), 0);
	(void)snprintf(folder, sizeof(folder), "%s", sshd_path(&server, "work"));
	run_options.quiet = true;
	cr_assert_eq(run_init(&run, &run_options, &err), 0, "%s", err.msg);
	make_item(
		"{\"name\": \"m\", \"args\": \"\", \"n_gpus\": \"0\", \"scripts\": "
		"\"scripts/run.sh\"}");
	options = (struct mad_options)MAD_OPTIONS_INIT;
	mad = (struct mad){ .o = &options,
			    .run = &run,
			    .folder = folder,
			    .context = json_new_object(),
			    .manifest = BUILD_MANIFEST_INIT,
			    .n_items = 1 };
	mad.items = calloc(1, sizeof(item));
	mad.items[0] = item;
	mad.package_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_eq(mad_books_open(&mad, &err), 0, "%s", err.msg);
	run.front.fd = -1;
	run.guest = sshd_login(&server);
	run.extra = &mad;
}

static void teardown(void)
{
	mad_done(&mad);
	run_done(&run);
	sshd_stop(&server);
}

TestSuite(mad_model, .init = setup, .fini = teardown, .timeout = 120);

/* What docker was told to do after "run", one a line; owned. */
static char *calls_after_run(void)
{
	AUTO_FREE char *all = NULL;
	char *at;

	cr_assert_eq(file_read_at(AT_FDCWD, sshd_path(&server, "calls"), 1 << 20, &all, NULL, NULL),
		     0);
	at = strstr(all, "\nrun ");
	at = at == NULL ? NULL : strchr(at + 1, '\n');
	return strdup(at == NULL ? "no run" : at + 1);
}

/* The only model's; owned. */
static struct json_object *failure(void)
{
	struct json_object *list = json_object_object_get(mad.summary, "failed_runs");

	return json_object_array_get_idx(list, 0);
}

/* The time limit includes the start: it is the model's failure, and no container is left. */
Test(mad_model, that_does_not_start_in_time)
{
	AUTO_CSV struct csv csv = CSV_INIT;
	AUTO_FREE char *calls = NULL;
	struct error err = ERROR_INIT;

	options.timeout = 1;
	make_docker("exec sleep 60");
	cr_assert_eq(stage_mad_models(&run, &err), 0, "%s", err.msg);
	calls = calls_after_run();
	cr_expect_str_eq(calls,
			 "version --format={{.Server.Version}}\nstop -t 1 container_ci-m\n"
			 "rm -f container_ci-m\n");
	cr_expect_str_eq(json_str_or(failure(), "kind", ""), "model");
	cr_expect_str_eq(json_str_or(failure(), "error", ""),
			 "start of the container: not done in time (1 s)");
	cr_assert_eq(csv_read_at(AT_FDCWD, "perf_super.csv", &csv, &err), 0, "%s", err.msg);
	cr_expect_str_eq(csv_get(&csv, 0, "status"), "FAILURE");
	cr_expect_str_eq(csv_get(&csv, 0, "launcher"), "docker");
}

/* What Docker refuses could not be set up. */
Test(mad_model, that_cannot_be_started)
{
	struct error err = ERROR_INIT;

	make_docker("exit 125");
	cr_assert_eq(stage_mad_models(&run, &err), 0, "%s", err.msg);
	cr_expect_str_eq(json_str_or(failure(), "kind", ""), "setup");
	cr_expect_str_eq(json_str_or(failure(), "error", ""),
			 "docker run ended with 125; see m.run.live.log");
}

/* @fails: a part of what is executed in the container. */
static void expect_failure(const char *fails, const char *kind, const char *why)
{
	struct error err = ERROR_INIT;
	char text[1024];

	(void)snprintf(text, sizeof(text),
		       "#!/bin/sh\ncase \"$*\" in\nversion*) echo 1 ;;\n*'%s'*) exit 1 ;;\nesac\n",
		       fails);
	put(sshd_path(&server, "bin/docker"), text, 0755);
	cr_assert_eq(stage_mad_models(&run, &err), 0, "%s", err.msg);
	cr_expect_str_eq(json_str_or(failure(), "kind", ""), kind);
	cr_expect_str_eq(json_str_or(failure(), "error", ""), why);
}

/* Another model may have emptied the package, which is one for all. */
Test(mad_model, whose_scripts_are_not_there)
{
	expect_failure("cp -LRp", "setup", "copy the scripts: exit code 1");
}

Test(mad_model, whose_script_fails)
{
	expect_failure("bash run.sh", "model", "run the model: exit code 1");
}
