/* SPDX-License-Identifier: MIT */
/* One model in its container: see mad.h. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "run/mad.h"
#include "workload/docker_args.h"
#include "workload/image_filter.h"
#include "workload/words.h"

/* ---- the container ---- */

/* Whatever becomes of it. */
static int docker_quietly(struct mad_job *j, void (*make)(const char *container, struct strv *ret),
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

static int remove_container(struct mad_job *j, struct error *err)
{
	int r = docker_quietly(j, docker_args_stop, err);

	return r < 0 ? r : docker_quietly(j, docker_args_remove, err);
}

static int fill_docker_run(struct mad_job *j, struct docker_run *d)
{
	*d = (struct docker_run){
		.model = &j->item->model,
		.image = j->item->image,
		.container = j->item->container,
		.folder = MAD_FOLDER,
		.environ_v = environ,
		.build_number = variables_environ(environ, "BUILD_NUMBER"),
		.cpus = json_object_get_string(
			json_object_object_get(j->m->context, "docker_cpus")),
		.gpus = &j->m->guest.gpus,
		.chosen = &j->chosen,
		.run_env = &j->run_env,
		.context_env = &j->context_env,
		.mounts = &j->mounts,
		.fuse = j->m->guest.fuse,
	};
	return 0;
}

/* The daemon may still start what its client was ended for. */
static int start_timed_out(struct mad_job *j, struct error *err)
{
	j->outcome->kind = OUTCOME_FAILED;
	(void)error_set(&j->outcome->why, ETIMEDOUT,
			"start of the container: not done in time (%" PRId64 " s)", j->timeout_s);
	return remove_container(j, err);
}

/* Return: 0 it runs, or was not there in time, which the outcome tells; -EINVAL it cannot be had;
 * -errno */
static int start_container(struct mad_job *j, struct error *err)
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
	if (r < 0 || (result.exit_code == 0 && !result.timed_out))
		return r;
	r = mad_docker_answers(j->m, err);
	if (r < 0)
		return r;
	if (result.timed_out)
		return start_timed_out(j, err);
	return error_set(err, EINVAL, "docker run ended with %d; see %s", result.exit_code,
			 j->item->run_log);
}

/* ---- the steps ---- */

static uint64_t step_deadline(const struct mad_job *j, const struct exec_step *step)
{
	uint64_t own = step->timeout_s > 0 ? deadline_in_s(step->timeout_s) : UINT64_MAX;

	return step->always ? own : deadline_min(own, j->deadline_ns);
}

static int find_commit(struct mad_job *j, const struct exec_step *step, struct error *err)
{
	AUTO_STRV struct strv argv = STRV_INIT;
	uint64_t deadline_ns = deadline_in_s(MAD_STEP_SECONDS);
	struct error why = ERROR_INIT;
	int r;

	docker_args_exec(j->item->container, step->command, &argv);
	if (strv_error(&argv) < 0)
		return error_set(err, ENOMEM, "out of memory");
	r = mad_capture(j->m, &argv, deadline_ns, j->outcome->git_commit,
			sizeof(j->outcome->git_commit), &why);
	if (r < 0 && mad_ends_run(r, deadline_ns)) {
		*err = why;
		return r;
	}
	if (r < 0)
		log_warning("%s: %s: %s", model_name(&j->item->model), step->title, why.msg);
	return 0;
}

/* The limit that it met: its own, or that of everything together. */
static int64_t limit_of(const struct mad_job *j, const struct exec_step *step)
{
	bool own = step->timeout_s > 0 &&
		   (step->always || j->timeout_s <= 0 || step->timeout_s < j->timeout_s);

	return own ? step->timeout_s : j->timeout_s;
}

/*
 * docker exec that is ended leaves in the container what it began, which would go on under what
 * comes next; a container that is started anew has nothing but its cat.
 */
static int end_processes(struct mad_job *j, struct error *err)
{
	AUTO_STRV struct strv argv = STRV_INIT;
	struct mad_command cmd = { .argv = &argv,
				   .deadline_ns = deadline_in_s(MAD_STEP_SECONDS),
				   .quiet = true };
	struct guest_result result;

	strv_add(&argv, "docker");
	strv_add(&argv, "restart");
	strv_add(&argv, "-t");
	strv_add(&argv, "1");
	strv_add(&argv, j->item->container);
	if (strv_error(&argv) < 0)
		return error_set(err, ENOMEM, "out of memory");
	return mad_exec(j->m, &j->log, &cmd, &result, err);
}

/* Return: 0 it is the model's failure, or its setup's; -errno it is not. */
static int fail_model(struct mad_job *j, const struct exec_step *step,
		      const struct guest_result *result, struct error *err)
{
	struct mad_outcome *o = j->outcome;
	int r = mad_docker_answers(j->m, err);

	if (r == 0 && result->timed_out)
		r = end_processes(j, err);
	if (r < 0 || o->kind != OUTCOME_FINISHED)
		return r; /* the first failure counts */
	o->kind = step->setup && !result->timed_out ? OUTCOME_SETUP : OUTCOME_FAILED;
	if (result->timed_out)
		(void)error_set(&o->why, ETIMEDOUT, "%s: not done in time (%" PRId64 " s)",
				step->title, limit_of(j, step));
	else
		(void)error_set(&o->why, EIO, "%s: exit code %d", step->title, result->exit_code);
	return 0;
}

static int run_step(struct mad_job *j, const struct exec_step *step, struct error *err)
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
		r = fail_model(j, step, &result, err);
	if (r < 0)
		return r;
	if (step->kind == EXEC_COMMIT && result.exit_code == 0)
		return find_commit(j, step, err);
	if (step->kind != EXEC_MODEL)
		return 0;
	if (j->outcome->kind == OUTCOME_FINISHED)
		j->outcome->test_s = clock_seconds_since(start);
	return live_log_say(&j->log, err, "Test Duration: %.3f seconds\n",
			    clock_seconds_since(start));
}

static int run_steps(struct mad_job *j, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < j->steps.n && r == 0; i++) {
		const struct exec_step *step = &j->steps.v[i];

		if (j->outcome->kind == OUTCOME_FINISHED || step->always)
			r = run_step(j, step, err);
	}
	return r;
}

/* ---- one after the other ---- */

static int begin_log(struct mad_job *j, struct error *err)
{
	int r = mad_logs_run(j->m, j->item, &j->log, err);

	if (r == 0 && j->timeout_s > 0)
		r = live_log_say(&j->log, err,
				 "\342\217\260 Setting timeout to %" PRId64 " seconds.\n",
				 j->timeout_s);
	else if (r == 0)
		r = live_log_say(&j->log, err, "\342\217\260 No timeout is set.\n");
	return r;
}

/*
 * The VM, the connection or the host failed under the model: it is told, and the run ends. A model
 * that had failed before has failed by itself.
 */
static int infrastructure(struct mad_job *j, int r, const struct error *err)
{
	if (j->outcome->kind == OUTCOME_FINISHED) {
		j->outcome->kind = OUTCOME_INFRASTRUCTURE;
		j->outcome->why = *err;
	}
	return r;
}

/* What was measured is known: nothing that happens from now on makes a failure of it. */
static bool has_results(const struct mad_job *j)
{
	return j->item->results == NULL || j->outcome->table != NULL || j->m->o->skip_model_run;
}

static int run_container(struct mad_job *j, struct error *err)
{
	int r;

	j->deadline_ns = j->timeout_s > 0 ? deadline_in_s((uint64_t)j->timeout_s) : UINT64_MAX;
	r = mad_collect_begin(j, err);
	if (r == 0)
		r = start_container(j, err);
	if (r == -EINVAL) {
		j->outcome->kind = OUTCOME_SETUP;
		j->outcome->why = *err;
		return 0;
	}
	if (r < 0)
		return infrastructure(j, r, err);
	j->outcome->test_s = 0;
	j->outcome->launcher = mad_job_launcher(j);
	if (j->outcome->kind != OUTCOME_FINISHED)
		return 0;
	r = run_steps(j, err);
	if (r < 0)
		return infrastructure(j, r, err);
	r = mad_collect(j, err);
	if (r < 0)
		return has_results(j) ? r : infrastructure(j, r, err);
	if (!j->m->o->keep_alive)
		return remove_container(j, err);
	log_info("container %s is kept: bmvm ssh %s -- docker exec -it %s bash", j->item->container,
		 j->m->run->vd.name, j->item->container);
	return 0;
}

static int run_item(struct mad_job *j, struct error *err)
{
	struct error why = ERROR_INIT;
	int r = mad_job_prepare(j, &why);

	if (r < 0) {
		j->outcome->kind = OUTCOME_SETUP;
		j->outcome->why = why;
		mad_books_add(j->m, j->item, j->outcome, -1);
		return 0;
	}
	r = begin_log(j, err);
	if (r < 0)
		return r;
	r = run_container(j, err);
	if (j->outcome->kind == OUTCOME_FINISHED && j->m->o->skip_model_run)
		j->outcome->kind = OUTCOME_NOT_RUN;
	/* written also when the run is over: what came so far is the user's */
	mad_books_add(j->m, j->item, j->outcome, j->log.fd);
	mad_logs_join(j->m, j->item, j->log.fd);
	return r;
}

static bool is_skipped(const struct mad *m, const struct mad_item *item)
{
	return !m->o->disable_skip_gpu_arch &&
	       image_filter_skips(model_skip_gpu_arch(&item->model), m->guest.gpus.vendor,
				  mad_architecture(m));
}

static void skip_item(struct mad *m, struct mad_item *item)
{
	log_info("Skipping model %s as it is not supported on %s architecture.", item->image,
		 mad_architecture(m));
	mad_books_add(m, item,
		      &(struct mad_outcome){ .kind = OUTCOME_SKIPPED, .gpus = -1, .test_s = -1 },
		      -1);
}

int stage_mad_models(struct run *r, struct error *err)
{
	struct mad *m = r->extra;
	int ret = 0;

	if (m->o->live_output)
		progress_yield(&r->progress);
	for (size_t i = 0; i < m->n_items && ret == 0; i++) {
		struct mad_item *item = &m->items[i];
		struct mad_outcome outcome = { .kind = OUTCOME_FINISHED, .gpus = -1, .test_s = -1 };
		struct mad_job j = { .m = m,
				     .item = item,
				     .outcome = &outcome,
				     .log = LIVE_LOG_INIT,
				     .tools = TOOLS_INIT,
				     .steps = EXEC_STEPS_INIT };

		if (item->left_out || item->told)
			continue;
		log_info("running %s (%zu of %zu, %s)", model_name(&item->model), i + 1, m->n_items,
			 item->run_log);
		if (is_skipped(m, item))
			skip_item(m, item);
		else
			ret = run_item(&j, err);
		mad_job_done(&j);
	}
	/* for the receipt, and for preserve_on_failure */
	r->ran = true;
	r->result.exit_code = mad_verdict(m);
	mad_books_note(m);
	return ret;
}
