/* SPDX-License-Identifier: MIT */
/*
 * `bmvm check` of recorded hosts: tests/data/hosts/HOST.checks (helper_cases.h), the table of the
 * rows about the host and its devices. What the machine this runs on would add is set here.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/size.h"
#include "cli/check_report.h"
#include "host/facts.h"
#include "host/lease.h"
#include "host/quarantine.h"
#include "run/readiness.h"
#include "tests/unit/helper_cases.h"
#include "tests/unit/helper_recorded.h"
#include "tests/unit/helper_tree.h"

#define ROWS_MAX 60

/* One run of the rows on one host. */
struct table {
	struct host_facts facts;
	struct config cfg;
	struct readiness readiness;
	struct check_line lines[ROWS_MAX];
	size_t n;
};

static void install(const char *root)
{
	static const char *const programs[] = { "bin/qemu-system-x86_64", "bin/qemu-img",
						"bin/mmdebstrap", "bin/newuidmap" };
	AUTO_FREE char *bin = path_join(root, "bin");

	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		tree_program(root, programs[i]);
	tree_file(root, "dev/kvm", "%s", "");
	cr_assert_eq(setenv("PATH", bin, 1), 0);
}

static void add_rows(struct table *t, const struct check_ctx *ctx, const struct check *rows,
		     size_t n)
{
	cr_assert_leq(t->n + n, ROWS_MAX);
	for (size_t i = 0; i < n; i++, t->n++) {
		t->lines[t->n].check = &rows[i];
		check_run(&rows[i], ctx, &t->lines[t->n].result);
	}
}

static void run_rows(struct table *t, const char *root, struct host *host, const char *json)
{
	struct check_ctx ctx = { .host = host, .facts = &t->facts, .cfg = &t->cfg };
	struct error err = ERROR_INIT;
	const struct check *rows;
	size_t n;

	*t = (struct table){ .n = 0 };
	install(root);
	cases_config(json, &t->cfg);
	t->cfg.disk_size = 32 * SIZE_MIB;
	strv_add(&t->cfg.explicit_keys, "disk_size");
	host->is_root = true;
	cr_assert_eq(host_facts_read(host, &t->facts, &err), 0, "%s", err.msg);
	host_facts_find_tools(&t->facts, NULL);
	device_outlook_read(&t->readiness.devices, host, &t->cfg);
	ctx.data = &t->readiness;
	rows = host_checks(&n);
	add_rows(t, &ctx, rows, n);
	rows = device_checks(&n);
	add_rows(t, &ctx, rows, n);
}

static void table_done(struct table *t)
{
	device_outlook_done(&t->readiness.devices);
	host_facts_done(&t->facts);
	config_done(&t->cfg);
}

/* A line of the table, with the names of throw-away folders taken out. */
static void put_line(FILE *out, const char *line, const char *const *names)
{
	while (*line != '\0') {
		const char *const *pair = names;

		while (pair[0] != NULL && strncmp(line, pair[0], strlen(pair[0])) != 0)
			pair += 2;
		if (pair[0] != NULL) {
			(void)fputs(pair[1], out);
			line += strlen(pair[0]);
		} else {
			(void)fputc(*line++, out);
		}
	}
}

static void answer(FILE *out, struct recorded_case *c)
{
	const char *const names[] = { c->host.data_dir, "DATA", c->host.run_dir, "RUN", c->root,
				      "ROOT",           NULL };
	AUTO_FREE char *text = NULL;
	struct table t;
	size_t size = 0;
	FILE *m = open_memstream(&text, &size);

	cr_assert_not_null(m);
	run_rows(&t, c->root, &c->host, c->json);
	check_report_table(m, t.lines, t.n, false);
	(void)fclose(m);
	put_line(out, text, names);
	table_done(&t);
}

static void check_host(const char *name)
{
	cases_check(name, "checks", answer);
}

TestSuite(recorded_checks, .timeout = 240);

EVERY_RECORDED_HOST(recorded_checks, check_host)

/* ---- what no recorded file tells ---- */

static void expect(const struct table *t, const char *id, enum check_status status,
		   const char *found, const char *fix)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct check_result *r = &t->lines[i].result;

		if (strcmp(t->lines[i].check->id, id) != 0)
			continue;
		cr_expect_eq(r->status, status, "%s: %s", id, r->found);
		cr_expect(strstr(r->found, found) != NULL, "%s: %s", id, r->found);
		cr_expect(strstr(r->fix, fix) != NULL, "%s: %s", id, r->fix);
		return;
	}
	cr_assert_fail("no row %s", id);
}

Test(recorded_checks, leases_and_quarantine_are_told)
{
	static const char h100[] =
		"{\"gpu_passthrough\": {\"mode\": \"vfio\", \"gpu_ids\": [\"1b:00.0\"]}}";
	AUTO_LEASES struct leases leases = LEASES_INIT;
	AUTO_STRV struct strv names = STRV_INIT;
	AUTO_HOST struct host host = HOST_INIT;
	struct error err = ERROR_INIT;
	char *root = tree_new();
	struct table t;

	recorded_load(root, "h100");
	tree_host(root, &host);
	strv_add(&names, "0000:1b:00.0");
	cr_assert_eq(leases_take(&host, &names, "red", &leases, &err), 0, "%s", err.msg);
	cr_assert_eq(quarantine_put(&host, "0000:43:00.0", "blue", "it hangs", &err), 0);
	run_rows(&t, root, &host, h100);
	expect(&t, "leases", CHECK_WARNING, "0000:1b:00.0: VM red has it", "bmvm destroy red");
	expect(&t, "quarantine", CHECK_WARNING, "0000:43:00.0 since VM blue: it hangs",
	       "bmvm gpus --clear 0000:43:00.0");
	expect(&t, "devices", CHECK_FAILED, "leased by VM red", "bmvm destroy red");
	table_done(&t);
	run_rows(&t, root, &host, "{}");
	expect(&t, "leases", CHECK_INFO, "VM red", "");
	expect(&t, "quarantine", CHECK_INFO, "VM blue", "");
	expect(&t, "devices", CHECK_INFO, "none asked for", "");
	table_done(&t);
	tree_remove(root);
}

Test(recorded_checks, a_guest_without_room_for_the_bars_is_refused)
{
	static const char seven[] =
		"{\"hypervisor\": \"tcg\", \"gpu_passthrough\": {\"mode\": "
		"\"vfio\", \"gpu_count\": 7, \"force\": true}}";
	AUTO_HOST struct host host = HOST_INIT;
	char *root = tree_new();
	struct table t;

	recorded_load(root, "mi300x");
	tree_host(root, &host);
	run_rows(&t, root, &host, seven);
	expect(&t, "bars", CHECK_FAILED, "in a guest with 40 address bits", "fewer devices");
	table_done(&t);
	tree_remove(root);
}
