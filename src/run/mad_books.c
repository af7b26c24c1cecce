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
#include "results/log_errors.h"
#include "results/multi_results.h"
#include "results/perf_configs.h"
#include "results/perf_csv.h"
#include "results/perf_files.h"
#include "results/perf_record.h"
#include "results/perf_super.h"
#include "results/summary.h"
#include "run/mad.h"

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
		r = check_folder("--summary-output", m->o->summary, err);
	if (r == 0 && !m->from_manifest)
		r = check_folder("--manifest-output", m->o->manifest_output, err);
	if (r == 0)
		m->summary = summary_new(rows);
	return r;
}

/* Signs of failure and performance in the log; what the model wrote itself. */
struct findings {
	struct log_findings log;
	struct log_rules rules;
	struct csv table;
	bool has_table;
	struct json_object *configs;
};

static void findings_done(struct findings *f)
{
	log_rules_done(&f->rules);
	csv_done(&f->table);
	(void)json_object_put(f->configs);
}

static void read_table(struct mad *m, const char *name, struct findings *f)
{
	struct error why = ERROR_INIT;
	int r = multi_results_read(m->package_fd, name, &f->table, &why);

	f->has_table = r == 0;
	f->log.measured = r == 0;
	if (r < 0)
		log_warning("multiple_results: %s", why.msg);
}

static int read_findings(struct mad *m, const struct mad_item *item,
			 const struct mad_outcome *outcome, const char *log, struct findings *f,
			 struct error *err)
{
	const char *results = model_multiple_results(&item->model);
	AUTO_CLOSE int fd = openat(m->package_fd, log, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct error why = ERROR_INIT;
	int r = log_rules_make(item->model.object, m->context, &f->rules, err);

	if (r == 0)
		r = log_findings_read(fd, &f->rules, &f->log, err);
	if (r < 0)
		return r;
	if (results != NULL && outcome->kind == OUTCOME_FINISHED)
		read_table(m, results, f);
	if (model_scripts(&item->model) != NULL &&
	    perf_configs_load(m->package_fd, model_scripts(&item->model), model_args(&item->model),
			      &f->configs, &why) < 0)
		log_warning("%s", why.msg);
	return 0;
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
		.gpu_architecture = m->guest.architecture,
		.pipeline = variables_environ(environ, "pipeline"),
		.build_number = variables_environ(environ, "BUILD_NUMBER"),
		.gpus = outcome->gpus,
		.test_s = outcome->test_s,
		.data = { .name = names, .provider = providers },
	};
	bool measured = outcome->kind == OUTCOME_FINISHED && f->log.measured && !f->has_table;
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

	if (strcmp(status, "SUCCESS") == 0 && f->has_table)
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

static int write_files(struct mad *m, const struct mad_item *item,
		       const struct mad_outcome *outcome, struct findings *f, struct error *err)
{
	const char *metrics = variables_environ(environ, "MAD_COLLECT_METRICS");
	const char *status = outcome_status(outcome->kind, &f->log,
					    metrics != NULL && strcmp(metrics, "false") == 0);
	AUTO_JSON struct json_object *record = make_record(m, item, outcome, f, status);
	struct perf_result result = {
		.kind = outcome->kind,
		.container = outcome->test_s >= 0,
		.record = record,
		.configs = f->configs,
		.table = f->has_table ? &f->table : NULL,
	};
	struct summary_run run = {
		.kind = outcome->kind,
		.status = status,
		.model = model_name(&item->model),
		.image = item->image,
		.performance = f->has_table ? model_multiple_results(&item->model)
			       : f->log.measured && outcome->kind == OUTCOME_FINISHED
				       ? f->log.performance.value
				       : NULL,
		.test_s = outcome->test_s,
		.why = outcome->why.msg[0] != '\0' ? outcome->why.msg : NULL,
		.rows = outcome->kind == OUTCOME_NOT_RUN ? 0
			: f->has_table                   ? f->table.n_rows
							 : 1,
	};

	tell(item, outcome, f, status);
	summary_add(m->summary, &run);
	return perf_files_write(m->package_fd, m->o->output, &result, err);
}

int mad_books_add(struct mad *m, const struct mad_item *item, const struct mad_outcome *outcome,
		  const char *log, struct error *err)
{
	struct findings f = { .rules = LOG_RULES_INIT };
	int r = log == NULL ? 0 : read_findings(m, item, outcome, log, &f, err);

	if (r == 0)
		r = write_files(m, item, outcome, &f, err);
	findings_done(&f);
	return r;
}

void mad_books_note(struct mad *m)
{
	AUTO_FREE char *path = realpath(book(m).path, NULL);

	front_note(&m->run->front, "models", json_object_get(m->summary));
	if (path != NULL)
		front_note(&m->run->front, "perf_csv", json_new_string(path));
}

/* Those of the last model alone, which perf.csv and perf_super.json have too. */
static void remove_entries(const struct mad *m)
{
	static const char *const names[] = { "perf_entry.csv", "perf_entry.json",
					     "perf_entry_super.csv", "perf_entry_super.json" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		(void)unlinkat(m->package_fd, names[i], 0);
}

int mad_books_close(struct mad *m, struct error *err)
{
	AUTO_JSON struct json_object *whole = NULL;
	struct json_object *summary = m->summary;

	if (m->o->cleanup_perf)
		remove_entries(m);
	if (m->o->summary == NULL)
		return 0;
	if (!m->from_manifest) {
		whole = summary_workflow(build_manifest_summary(&m->manifest), m->summary,
					 m->n_build_failures == 0 && !summary_failed(m->summary));
		summary = whole;
	}
	return summary_save(m->package_fd, m->o->summary, summary, err);
}
