/* SPDX-License-Identifier: MIT */
/* What a run of models leaves in the current folder: rows, entries, the summary. See mad.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "results/perf_configs.h"
#include "results/perf_csv.h"
#include "results/perf_files.h"
#include "results/perf_record.h"
#include "results/perf_super.h"
#include "results/summary.h"
#include "run/mad.h"

#define N_NAMED 5

static struct shared_name book(const struct mad *m)
{
	const char *output = m->o->output;

	return (struct shared_name){ .dir_fd = m->package_fd,
				     .path = output != NULL ? output : "perf.csv",
				     .links = output != NULL };
}

/* --output may be in a folder that is not there yet. */
static int make_folder(const struct mad *m, struct error *err)
{
	const char *slash = m->o->output == NULL ? NULL : strrchr(m->o->output, '/');
	AUTO_FREE char *folder = NULL;

	if (slash == NULL || slash == m->o->output || m->dry_run)
		return 0;
	folder = strndup(m->o->output, (size_t)(slash - m->o->output));
	return folder == NULL ? error_set(err, ENOMEM, "out of memory")
			      : file_mkdirs(folder, 0755, err);
}

/* What is asked for at the end must have its place at the beginning. */
static int check_folder(const char *option, const char *path, struct error *err)
{
	const char *slash = path == NULL ? NULL : strrchr(path, '/');
	AUTO_FREE char *folder = NULL;

	if (slash == NULL || slash == path)
		return 0;
	folder = strndup(path, (size_t)(slash - path));
	if (folder == NULL)
		return error_set(err, ENOMEM, "out of memory");
	return faccessat(AT_FDCWD, folder, W_OK, AT_EACCESS) < 0
		       ? error_errno(err, "%s %s: the folder %s", option, path, folder)
		       : 0;
}

/* The folder gets logs, too, and each new version of a book. */
static int check_rights(const struct mad *m, struct error *err)
{
	const char *const paths[] = { ".", book(m).path, "perf_super.json" };

	for (size_t i = 0; i < ARRAY_SIZE(paths) && !m->dry_run; i++) {
		if (faccessat(AT_FDCWD, paths[i], W_OK, AT_EACCESS) < 0 && errno != ENOENT)
			return error_errno(err, "write to %s",
					   i == 0 ? "the current folder" : paths[i]);
	}
	return 0;
}

/* Nor may anything be in the way of the other files that the run writes. */
static int check_ways(const struct mad *m, struct error *err)
{
	const char *const names[] = {
		"perf_entry.csv",
		"perf_entry.json",
		"perf_entry_super.csv",
		"perf_entry_super.json",
		"perf_super.csv",
		m->from_manifest || m->o->manifest_output != NULL ? NULL : BUILD_MANIFEST_FILE,
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names) && r == 0; i++) {
		if (names[i] != NULL)
			r = file_check_target_at(m->package_fd, names[i], err);
	}
	return r;
}

static bool has_tables(const struct mad *m)
{
	for (size_t i = 0; i < m->n_items; i++) {
		if (model_multiple_results(&m->items[i].model) != NULL)
			return true;
	}
	return false;
}

int mad_books_open(struct mad *m, struct error *err)
{
	struct shared_name name = book(m);
	size_t rows = 0;
	int r = make_folder(m, err);

	if (r == 0)
		r = perf_csv_check(&name, has_tables(m), &rows, err);
	if (r == -ELOOP && !name.links)
		return error_hint(err, r, "--output perf.csv follows it");
	if (r == 0)
		r = perf_super_check(m->package_fd, err);
	if (r == 0)
		r = check_rights(m, err);
	if (r == 0)
		r = check_ways(m, err);
	if (r == 0)
		r = check_folder("--summary-output", m->o->summary, err);
	if (r == 0 && !m->from_manifest)
		r = check_folder("--manifest-output", m->o->manifest_output, err);
	if (r == 0)
		m->summary = summary_new(rows);
	return r;
}

/* The present folder's own name is no part of the path. */
static void add_own(const char *here, const char *path, struct strv *ret)
{
	const char *slash = path == NULL ? NULL : strrchr(path, '/');
	const char *base = slash == NULL ? path : slash + 1;
	AUTO_FREE char *folder = NULL, *real = NULL;
	size_t len = strlen(here);

	if (path == NULL)
		return;
	folder = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path) + 1);
	real = folder == NULL ? NULL : realpath(folder, NULL);
	if (real == NULL || strncmp(real, here, len) != 0)
		return;
	if (real[len] == '\0')
		strv_add(ret, base);
	else if (real[len] == '/')
		strv_addf(ret, "%s/%s", real + len + 1, base);
}

/* Those that are written, and the manifest; NULL: not given. */
static void named_files(const struct mad *m, const char *ret[N_NAMED])
{
	ret[0] = m->o->output;
	ret[1] = m->o->summary;
	ret[2] = m->o->manifest;
	ret[3] = m->o->manifest_output;
	ret[4] = m->receipt;
}

void mad_books_own(const struct mad *m, struct strv *ret)
{
	AUTO_FREE char *here = realpath(".", NULL);
	const char *paths[N_NAMED];

	named_files(m, paths);
	for (size_t i = 0; here != NULL && i < N_NAMED; i++)
		add_own(here, paths[i], ret);
}

bool mad_books_are_in(const struct mad *m, const char *name)
{
	AUTO_STRV struct strv own = STRV_INIT;
	size_t len = strlen(name);
	bool found = false;

	mad_books_own(m, &own);
	for (size_t i = 0; i < own.n; i++)
		found |= strncmp(own.v[i], name, len) == 0 && own.v[i][len] == '/';
	return found || strv_error(&own) < 0;
}

int mad_books_keep(const struct mad *m, struct kept_files *ret, struct error *err)
{
	const char *paths[N_NAMED];
	int r = kept_files_begin(ret, m->package_fd, err);

	named_files(m, paths);
	for (size_t i = 0; r == 0 && i < N_NAMED; i++)
		kept_files_add(ret, paths[i]);
	/* it stands for data.json, which is kept */
	kept_files_add(ret, m->o->data_config);
	if (r == 0 && kept_files_error(ret) < 0)
		return error_set(err, ENOMEM, "out of memory");
	return r;
}

/* Signs of failure and performance in the log; what the model was configured with. */
struct findings {
	struct log_findings log;
	const struct csv *table;
	struct json_object *configs;
};

static const char *status_of(const struct mad_outcome *outcome, const struct findings *f)
{
	const char *metrics = variables_environ(environ, "MAD_COLLECT_METRICS");

	return outcome_status(outcome->kind, &f->log,
			      metrics != NULL && strcmp(metrics, "false") == 0);
}

static void findings_done(struct findings *f)
{
	(void)json_object_put(f->configs);
}

/* A model that failed has one row that says so: those of its table would be successes. */
static void take_table(const struct mad_outcome *outcome, struct findings *f)
{
	f->log.measured = outcome->table != NULL;
	if (f->log.measured && strcmp(status_of(outcome, f), "SUCCESS") == 0)
		f->table = outcome->table;
	else
		f->log.measured = false;
}

static void read_findings(struct mad *m, const struct mad_item *item,
			  const struct mad_outcome *outcome, int log_fd, struct findings *f)
{
	const struct model *model = &item->model;
	struct error why = ERROR_INIT;

	if (log_findings_read(log_fd, &item->rules, &f->log, &why) < 0)
		mad_books_fault(m, &why);
	if (outcome->kind == OUTCOME_FINISHED && item->results != NULL)
		take_table(outcome, f);
	if (model_scripts(model) != NULL &&
	    perf_configs_load(m->package_fd, model_scripts(model), model_args(model), &f->configs,
			      &why) < 0)
		log_warning("%s", why.msg);
}

static struct json_object *make_record(struct mad *m, const struct mad_item *item,
				       const struct mad_outcome *outcome, const struct findings *f,
				       const char *status)
{
	AUTO_FREE char *names = data_plan_names(&item->data);
	AUTO_FREE char *providers = data_plan_providers(&item->data);
	struct perf_run run = {
		.model = item->model.object,
		.image = item->record,
		.docker_image = item->image,
		.git_commit = outcome->git_commit,
		.machine_name = m->machine,
		.launcher = outcome->launcher,
		.gpu_architecture = mad_architecture(m),
		.pipeline = variables_environ(environ, "pipeline"),
		.build_number = variables_environ(environ, "BUILD_NUMBER"),
		.gpus = outcome->gpus,
		.test_s = outcome->test_s,
		.data = { .name = names, .provider = providers },
	};
	bool measured = outcome->kind == OUTCOME_FINISHED && f->log.measured && f->table == NULL;
	AUTO_JSON struct json_object *unbuilt = NULL;

	if (item->record == NULL) {
		unbuilt = json_new_object();
		json_add_str(unbuilt, "dockerfile", item->dockerfile);
		json_add_str(unbuilt, "base_docker", mad_base(m, item));
		run.image = unbuilt;
	}
	return perf_record_new(&run, measured ? &f->log.performance : NULL, status);
}

/* One line for people: the verdict, and where it comes from. */
static void tell(const struct mad_item *item, const struct mad_outcome *outcome,
		 const struct findings *f, const char *status)
{
	const char *name = model_name(&item->model);

	if (strcmp(status, "SUCCESS") == 0 && f->table != NULL)
		log_info("%s: %s, results in %s", name, status,
			 model_multiple_results(&item->model));
	else if (strcmp(status, "SUCCESS") == 0)
		log_info("%s: %s, %s %s", name, status, f->log.performance.value,
			 f->log.performance.metric);
	else if (outcome->why.msg[0] != '\0')
		log_error("%s: %s: %s", name, status, outcome->why.msg);
	else if (f->log.error.text != NULL)
		log_error("%s: %s: \"%s\" in line %zu of %s", name, status, f->log.error.text,
			  f->log.error.line, item->run_log);
	else if (strcmp(status, "FAILURE") == 0)
		log_error("%s: %s: no performance in %s", name, status, item->run_log);
	else
		log_info("%s: %s", name, status);
}

void mad_books_fault(struct mad *m, const struct error *why)
{
	log_failure(why);
	m->books_failed = true;
}

static void write_rows(struct mad *m, const struct mad_item *item,
		       const struct mad_outcome *outcome, const struct findings *f)
{
	AUTO_JSON struct json_object *record =
		make_record(m, item, outcome, f, status_of(outcome, f));
	struct perf_result result = {
		.kind = outcome->kind,
		.container = outcome->test_s >= 0,
		.record = record,
		.configs = f->configs,
		.table = f->table,
	};
	struct error why = ERROR_INIT;

	if (outcome->kind == OUTCOME_NOT_RUN)
		return;
	m->wrote = true;
	if (perf_files_write(m->package_fd, m->o->output, &result, &why) < 0)
		mad_books_fault(m, &why);
}

/* @rows: in perf.csv. */
static void count(struct mad *m, const struct mad_item *item, const struct mad_outcome *outcome,
		  const struct findings *f, size_t rows)
{
	const char *performance = NULL;

	if (f->table != NULL)
		performance = model_multiple_results(&item->model);
	else if (f->log.measured && outcome->kind == OUTCOME_FINISHED)
		performance = f->log.performance.value;
	summary_add(m->summary,
		    &(struct summary_run){
			    .kind = outcome->kind,
			    .status = status_of(outcome, f),
			    .model = model_name(&item->model),
			    .image = item->image,
			    .performance = performance,
			    .test_s = outcome->test_s,
			    .why = outcome->why.msg[0] != '\0' ? outcome->why.msg : NULL,
			    .rows = rows,
		    });
}

static size_t rows_of(const struct mad_outcome *outcome, const struct findings *f)
{
	if (outcome->kind == OUTCOME_NOT_RUN)
		return 0;
	return f->table != NULL ? f->table->n_rows : 1;
}

void mad_books_add(struct mad *m, struct mad_item *item, const struct mad_outcome *outcome,
		   int log_fd)
{
	struct findings f = { .configs = NULL };

	item->told = true;
	if (log_fd >= 0)
		read_findings(m, item, outcome, log_fd, &f);
	tell(item, outcome, &f, status_of(outcome, &f));
	count(m, item, outcome, &f, rows_of(outcome, &f));
	write_rows(m, item, outcome, &f);
	findings_done(&f);
}

void mad_books_note(struct mad *m)
{
	AUTO_FREE char *path = m->wrote ? realpath(book(m).path, NULL) : NULL;

	front_note(&m->run->front, "models", json_object_get(m->summary));
	if (path != NULL)
		front_note(&m->run->front, "perf_csv", json_new_string(path));
}

/* Those of the last model alone, which perf.csv and perf_super.json have too. */
static void remove_entries(const struct mad *m)
{
	static const char *const names[] = { "perf_entry.csv", "perf_entry.json",
					     "perf_entry_super.csv", "perf_entry_super.json" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!perf_files_is_book(m->package_fd, m->o->output, names[i]))
			(void)unlinkat(m->package_fd, names[i], 0);
	}
}

/* On a host that was left as it was before there are no rows. */
void mad_books_unreached(struct mad *m, const struct error *failed)
{
	const struct mad_outcome outcome = {
		.kind = OUTCOME_INFRASTRUCTURE, .why = *failed, .gpus = -1, .test_s = -1
	};
	const struct findings nothing = { .configs = NULL };

	for (size_t i = 0; i < m->n_items; i++) {
		struct mad_item *item = &m->items[i];

		if (item->told || item->left_out)
			continue;
		item->told = true;
		m->n_unreached++;
		count(m, item, &outcome, &nothing, m->started ? 1 : 0);
		if (m->started)
			write_rows(m, item, &outcome, &nothing);
	}
}

int mad_books_close(struct mad *m, const struct error *failed, struct error *err)
{
	AUTO_JSON struct json_object *whole = NULL;
	struct json_object *summary = m->summary;

	if (failed != NULL)
		mad_books_unreached(m, failed);
	if (m->n_unreached > 0)
		log_error("%zu of %zu models were not run", m->n_unreached, m->n_items);
	if (m->o->cleanup_perf && m->wrote)
		remove_entries(m);
	if (m->o->summary == NULL)
		return 0;
	if (!m->from_manifest) {
		whole = summary_workflow(build_manifest_summary(&m->manifest), m->summary,
					 failed == NULL && mad_verdict(m) == 0);
		summary = whole;
	}
	return summary_save(m->package_fd, m->o->summary, summary, err);
}
