/* SPDX-License-Identifier: MIT */
/* One model in its container: see mad.h. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "guest/collect.h"
#include "results/perf_record.h"
#include "run/mad.h"
#include "workload/container_env.h"
#include "workload/credentials.h"
#include "workload/docker_args.h"
#include "workload/exec_steps.h"
#include "workload/image_filter.h"
#include "workload/names.h"
#include "workload/timeout.h"
#include "workload/tools.h"
#include "workload/words.h"

#define COLLECT_SECONDS 3600

/*
 * struct job - A model under way
 * @run_env, @context_env: see struct docker_run
 * @deadline_ns:           of container, scripts and model together
 */
struct job {
	struct mad *m;
	struct mad_item *item;
	struct mad_outcome *outcome;
	struct live_log log;
	struct tools tools;
	struct exec_steps steps;
	struct variables run_env;
	struct variables context_env;
	struct strv mounts;
	struct gpu_list chosen;
	struct json_object *credential;
	int64_t timeout_s;
	uint64_t deadline_ns;
};

static void job_free(struct job *j)
{
	live_log_done(&j->log);
	tools_done(&j->tools);
	exec_steps_done(&j->steps);
	variables_done(&j->run_env);
	variables_done(&j->context_env);
	strv_done(&j->mounts);
}

static const char *text_of(struct json_object *o, const char *key)
{
	return json_str_or(o, key, NULL);
}

static const char *launcher_of(const struct job *j)
{
	return perf_launcher(j->item->model.object, j->m->context,
			     variables_environ(environ, "MAD_LAUNCHER"));
}

/* ---- what it needs ---- */

static int set_context_env(struct job *j, struct error *err)
{
	const struct mad *m = j->m;
	struct json_object *given = NULL;
	struct container_env env = {
		.environ_v = environ,
		.guest_os = m->run->o->cfg.guest_os,
		.gpus = &m->gpus,
		.architecture = m->architecture,
		.product = m->product,
		.runtime = m->runtime,
		.chosen = &j->chosen,
		.launcher = launcher_of(j),
	};
	int r;

	(void)json_get_object(m->context, "docker_env_vars", &given, NULL);
	env.given = given;
	r = container_env_make(&env, &j->context_env, err);
	if (r == 0)
		variables_set(&j->context_env, "MAD_DEPLOYMENT_TYPE", "baremetal_vm");
	return r;
}

static int set_run_env(struct job *j, struct error *err)
{
	const char *cred = model_cred(&j->item->model);
	int r = 0;

	data_plan_variables(&j->item->data, &j->run_env);
	if (cred != NULL)
		r = credentials_variables(j->m->credentials, cred, &j->run_env, err);
	if (r == 0)
		r = credentials_find(j->m->credentials, cred, &j->credential, err);
	variables_merge(&j->run_env, &j->tools.env);
	return r;
}

static int set_mounts(struct job *j, struct error *err)
{
	struct json_object *given = NULL;
	int r = data_plan_mounts(&j->item->data, &j->mounts, err);

	(void)json_get_object(j->m->context, "docker_mounts", &given, NULL);
	return r < 0 ? r : docker_args_mounts(&j->mounts, given, err);
}

static int choose_gpus(struct job *j, struct error *err)
{
	struct mad *m = j->m;
	int count = gpu_selection_count(m->context, m->deployment, &j->item->model);
	int r = gpu_selection_choose(&m->gpus, text_of(m->context, "docker_gpus"), count,
				     &j->chosen, err);

	if (r == 0)
		j->outcome->gpus = m->gpus.vendor == GPU_VENDOR_NONE ? 0 : (int64_t)j->chosen.n;
	return r;
}

static int find_tools(struct job *j, struct error *err)
{
	AUTO_FREE char *environment = NULL;
	struct tools_query query = {
		.context = j->m->context,
		.config = j->m->tools,
		.rocenv = faccessat(j->m->package_fd, TOOLS_ROCENV, F_OK, 0) == 0,
		.guest_os = j->m->run->o->cfg.guest_os,
	};
	int r = names_environment(model_name(&j->item->model), &environment, err);

	query.environment = environment;
	return r < 0 ? r : tools_resolve(&query, &j->tools, err);
}

static int list_steps(struct job *j, struct error *err)
{
	struct exec_query query = {
		.model = &j->item->model,
		.args = text_of(j->m->context, "model_args"),
		.vendor = j->m->gpus.vendor,
		.tools = &j->tools,
		.data = &j->item->data,
		.credential = j->credential,
		.skip_model = j->m->o->skip_model_run,
		.keep_folder = j->m->o->keep_alive || j->m->o->keep_model_dir,
	};

	return exec_steps_make(&query, &j->steps, err);
}

/* Everything that can be wrong without a container. */
static int prepare(struct job *j, struct error *err)
{
	int r = 0;

	if (!j->item->ready || j->item->failed.msg[0] != '\0') {
		*err = j->item->failed;
		return -EINVAL;
	}
	if (!image_filter_fits(j->m->gpus.vendor, j->m->architecture, j->item->gpu_vendor,
			       j->m->from_manifest ? j->item->architecture : NULL))
		return error_set(err, EINVAL, "%s is for GPUs of %s %s, the guest has %s %s",
				 j->item->image, j->item->gpu_vendor, j->item->architecture,
				 gpu_vendor_name(j->m->gpus.vendor), j->m->architecture);
	r = timeout_resolve(j->m->o->timeout, model_timeout(&j->item->model), &j->timeout_s, err);
	if (r == 0)
		r = choose_gpus(j, err);
	if (r == 0)
		r = find_tools(j, err);
	if (r == 0)
		r = set_run_env(j, err);
	if (r == 0)
		r = set_context_env(j, err);
	if (r == 0)
		r = set_mounts(j, err);
	return r < 0 ? r : list_steps(j, err);
}

/* ---- the container ---- */

/* Whatever becomes of it. */
static int docker_quietly(struct job *j, void (*make)(const char *container, struct strv *ret),
			  struct error *err)
{
	AUTO_STRV struct strv argv = STRV_INIT;
	struct mad_command cmd = { .argv = &argv,
				   .deadline_ns = deadline_in_s(MAD_STEP_SECONDS),
				   .quiet = true };
	struct guest_result result;

	make(j->item->container, &argv);
	if (strv_error(&argv) < 0)
		return error_set(err, ENOMEM, "out of memory");
	return mad_exec(j->m, &j->log, &cmd, &result, err);
}

static int remove_container(struct job *j, struct error *err)
{
	int r = docker_quietly(j, docker_args_stop, err);

	return r < 0 ? r : docker_quietly(j, docker_args_remove, err);
}

static int fill_docker_run(struct job *j, struct docker_run *d)
{
	*d = (struct docker_run){
		.model = &j->item->model,
		.image = j->item->image,
		.container = j->item->container,
		.folder = MAD_FOLDER,
		.build_number = variables_environ(environ, "BUILD_NUMBER"),
		.cpus = text_of(j->m->context, "docker_cpus"),
		.gpus = &j->m->gpus,
		.chosen = &j->chosen,
		.run_env = &j->run_env,
		.context_env = &j->context_env,
		.mounts = &j->mounts,
		.fuse = j->m->fuse,
	};
	return 0;
}

static int start_container(struct job *j, struct error *err)
{
	AUTO_STRV struct strv argv = STRV_INIT, shown = STRV_INIT;
	AUTO_FREE char *text = NULL;
	struct mad_command cmd = { .argv = &argv, .deadline_ns = j->deadline_ns };
	struct guest_result result;
	struct docker_run d;
	int r = remove_container(j, err);

	(void)fill_docker_run(j, &d);
	if (r == 0)
		r = docker_args_run(&d, &argv, err);
	d.masked = true;
	if (r == 0)
		r = docker_args_run(&d, &shown, err);
	if (r < 0)
		return r;
	text = words_text(shown.v);
	cmd.shown = text;
	r = mad_exec(j->m, &j->log, &cmd, &result, err);
	if (r == 0 && result.exit_code != 0)
		return error_set(err, EINVAL, "docker run ended with %d; see %s", result.exit_code,
				 j->item->run_log);
	return r;
}

/* ---- the steps ---- */

static uint64_t step_deadline(const struct job *j, const struct exec_step *step)
{
	uint64_t own = step->timeout_s > 0 ? deadline_in_s(step->timeout_s) : UINT64_MAX;

	return step->always ? own : deadline_min(own, j->deadline_ns);
}

static int find_commit(struct job *j, const struct exec_step *step, struct error *err)
{
	AUTO_STRV struct strv argv = STRV_INIT;

	docker_args_exec(j->item->container, step->command, &argv);
	if (strv_error(&argv) < 0)
		return error_set(err, ENOMEM, "out of memory");
	return mad_capture(j->m, &argv, j->outcome->git_commit, sizeof(j->outcome->git_commit),
			   err);
}

static void fail_model(struct job *j, const struct exec_step *step,
		       const struct guest_result *result)
{
	struct mad_outcome *o = j->outcome;

	if (o->kind != OUTCOME_FINISHED)
		return; /* the first counts */
	o->kind = OUTCOME_FAILED;
	if (result->timed_out)
		(void)error_set(&o->why, ETIMEDOUT, "%s: not done in time (%" PRId64 " s)",
				step->title, j->timeout_s);
	else
		(void)error_set(&o->why, EIO, "%s: exit code %d", step->title, result->exit_code);
}

static int run_step(struct job *j, const struct exec_step *step, struct error *err)
{
	AUTO_STRV struct strv argv = STRV_INIT;
	struct mad_command cmd = { .argv = &argv,
				   .shown = step->shown,
				   .deadline_ns = step_deadline(j, step) };
	struct guest_result result;
	uint64_t start = clock_now_ns();
	int r;

	docker_args_exec(j->item->container, step->command, &argv);
	if (strv_error(&argv) < 0)
		return error_set(err, ENOMEM, "out of memory");
	r = mad_exec(j->m, &j->log, &cmd, &result, err);
	if (r < 0)
		return r;
	if (!step->may_fail && (result.exit_code != 0 || result.timed_out))
		fail_model(j, step, &result);
	if (step->kind == EXEC_COMMIT && result.exit_code == 0)
		return find_commit(j, step, err);
	if (step->kind != EXEC_MODEL)
		return 0;
	j->outcome->test_s = clock_seconds_since(start);
	return live_log_say(&j->log, err, "Test Duration: %.3f seconds\n", j->outcome->test_s);
}

static int run_steps(struct job *j, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < j->steps.n && r == 0; i++) {
		const struct exec_step *step = &j->steps.v[i];

		if (j->outcome->kind == OUTCOME_FINISHED || step->always)
			r = run_step(j, step, err);
	}
	return r;
}

/* ---- results ---- */

/* Into the current folder, as if the container had written there. */
static int collect(struct job *j, struct error *err)
{
	AUTO_COLLECT_REPORT struct collect_report report = COLLECT_REPORT_INIT;
	AUTO_STRV struct strv globs = STRV_INIT;
	struct watchset ws = front_watchset(&j->m->run->front);
	const char *results = model_multiple_results(&j->item->model);
	struct guest_collect what = {
		.workdir = MAD_FOLDER,
		.dest = ".",
		.max_size = j->m->run->o->cfg.results.max_size,
		.deadline_ns = deadline_in_s(COLLECT_SECONDS),
	};
	int r;

	if (results != NULL) {
		(void)unlinkat(j->m->package_fd, results, 0); /* an older one does not count */
		strv_add(&globs, results);
	}
	strv_add(&globs, "*_env.csv");
	strv_add(&globs, "*_profiler_output.csv");
	strv_add(&globs, "*_output.csv");
	strv_add(&globs, "*_trace.csv");
	strv_add(&globs, "library_trace.csv");
	if (j->m->o->keep_model_dir)
		strv_add(&globs, "run_directory");
	if (strv_error(&globs) < 0)
		return error_set(err, ENOMEM, "out of memory");
	what.globs = globs.v;
	r = guest_collect(j->m->run->guest, &what, &report, &ws, err);
	for (size_t i = 0; i < report.skipped.n; i++)
		log_warning("not collected: %s", report.skipped.v[i]);
	return r;
}

/* Build log and run log in one. */
static int join_logs(const struct mad_item *item, int dir_fd, struct error *err)
{
	static const char bar[] =
		"\n================================================================================"
		"\nRUN PHASE LOG\n"
		"================================================================================"
		"\n\n";
	AUTO_CLOSE int out = -1;
	const char *const parts[] = { item->build_log, item->run_log };
	int r = 0;

	if (item->full_log == NULL)
		return 0;
	(void)unlinkat(dir_fd, item->full_log, 0);
	out = openat(dir_fd, item->full_log, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		     0666);
	if (out < 0)
		return error_errno(err, "make %s", item->full_log);
	for (size_t i = 0; i < ARRAY_SIZE(parts) && r == 0; i++) {
		AUTO_CLOSE int in = openat(dir_fd, parts[i], O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		char buf[65536];
		ssize_t n = 0;

		if (i > 0)
			r = fd_write_all(out, bar, strlen(bar));
		while (in >= 0 && r == 0 && (n = read(in, buf, sizeof(buf))) > 0)
			r = fd_write_all(out, buf, (size_t)n);
	}
	return r < 0 ? error_set(err, -r, "write %s: %s", item->full_log, strerror(-r)) : 0;
}

/* ---- one after the other ---- */

static int begin_log(struct job *j, struct error *err)
{
	int r = live_log_open(&j->log, j->m->package_fd, j->item->run_log,
			      j->m->o->live_output ? STDOUT_FILENO : -1, err);

	if (r == 0 && j->timeout_s > 0)
		r = live_log_say(&j->log, err,
				 "\342\217\260 Setting timeout to %" PRId64 " seconds.\n",
				 j->timeout_s);
	else if (r == 0)
		r = live_log_say(&j->log, err, "\342\217\260 No timeout is set.\n");
	return r;
}

/* The VM, the connection or the host failed under the model: it is told, and the run ends. */
static int infrastructure(struct job *j, int r, const struct error *err)
{
	j->outcome->kind = OUTCOME_INFRASTRUCTURE;
	j->outcome->why = *err;
	return r;
}

static int run_container(struct job *j, struct error *err)
{
	int r;

	j->deadline_ns = j->timeout_s > 0 ? deadline_in_s((uint64_t)j->timeout_s) : UINT64_MAX;
	r = start_container(j, err);
	if (r == -EINVAL) {
		j->outcome->kind = OUTCOME_SETUP;
		j->outcome->why = *err;
		return 0;
	}
	if (r < 0)
		return infrastructure(j, r, err);
	j->outcome->test_s = 0;
	j->outcome->launcher = launcher_of(j);
	r = run_steps(j, err);
	if (r == 0)
		r = collect(j, err);
	if (r == 0 && !j->m->o->keep_alive)
		r = remove_container(j, err);
	else if (r == 0)
		log_info("container %s is kept", j->item->container);
	return r < 0 ? infrastructure(j, r, err) : 0;
}

static int run_item(struct job *j, struct error *err)
{
	struct error why = ERROR_INIT;
	int r = prepare(j, &why);

	if (r < 0) {
		j->outcome->kind = OUTCOME_SETUP;
		j->outcome->why = why;
		return mad_books_add(j->m, j->item, j->outcome, NULL, err);
	}
	r = begin_log(j, err);
	if (r < 0)
		return r;
	r = run_container(j, err);
	if (j->outcome->kind == OUTCOME_FINISHED && j->m->o->skip_model_run)
		j->outcome->kind = OUTCOME_NOT_RUN;
	/* written also when the run is over: what came so far is the user's */
	if (join_logs(j->item, j->m->package_fd, &why) < 0 ||
	    mad_books_add(j->m, j->item, j->outcome, j->item->run_log, &why) < 0) {
		if (r < 0)
			log_error("%s", why.msg);
		else
			*err = why;
		return r < 0 ? r : -EIO;
	}
	return r;
}

static bool is_skipped(const struct mad *m, const struct mad_item *item)
{
	return !m->o->disable_skip_gpu_arch && image_filter_skips(model_skip_gpu_arch(&item->model),
								  m->gpus.vendor, m->architecture);
}

static int skip_item(struct mad *m, const struct mad_item *item, struct error *err)
{
	log_info("Skipping model %s as it is not supported on %s architecture.", item->image,
		 m->architecture);
	return mad_books_add(
		m, item, &(struct mad_outcome){ .kind = OUTCOME_SKIPPED, .gpus = -1, .test_s = -1 },
		NULL, err);
}

int stage_mad_models(struct run *r, struct error *err)
{
	struct mad *m = r->extra;
	int ret = 0;

	for (size_t i = 0; i < m->n_items && ret == 0; i++) {
		struct mad_item *item = &m->items[i];
		struct mad_outcome outcome = { .kind = OUTCOME_FINISHED, .gpus = -1, .test_s = -1 };
		struct job j = { .m = m,
				 .item = item,
				 .outcome = &outcome,
				 .log = LIVE_LOG_INIT,
				 .tools = TOOLS_INIT,
				 .steps = EXEC_STEPS_INIT };

		if (!item->ready && !m->from_manifest)
			continue; /* its image did not build, which is in the books */
		log_info("running %s (%zu of %zu, %s)", model_name(&item->model), i + 1, m->n_items,
			 item->run_log);
		if (is_skipped(m, item))
			ret = skip_item(m, item, err);
		else
			ret = run_item(&j, err);
		job_free(&j);
	}
	return ret;
}
