/* SPDX-License-Identifier: MIT */
#include "run/task.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "run/devices.h"
#include "run/dry_run.h"
#include "run/pipeline.h"

/* What a run cuts to the host, and to the NUMA node of its devices, when it is a default. */
struct sizes {
	uint64_t memory;
	uint64_t disk_size;
	unsigned int vcpus;
};

static struct sizes sizes_of(const struct config *cfg)
{
	return (struct sizes){ cfg->memory, cfg->disk_size, cfg->vcpus };
}

static void restore_sizes(struct config *cfg, const struct sizes *sizes)
{
	cfg->memory = sizes->memory;
	cfg->disk_size = sizes->disk_size;
	cfg->vcpus = sizes->vcpus;
}

static int exit_code(const struct task *task, struct run *r, int failed, const struct error *err)
{
	return task->exit_code != NULL ? task->exit_code(r, failed, err)
				       : pipeline_exit_code(r, failed, err);
}

/* One run from the start. Return: whether there shall be another one; else *@ret_code. */
static bool run_once(struct run_options *o, const struct task *task, uint64_t wait_ns,
		     unsigned int n_late, int *ret_code)
{
	struct error err = ERROR_INIT;
	struct run r;
	bool again;
	int ret = run_init(&r, o, &err);

	r.wait_ns = wait_ns;
	r.n_late = n_late;
	r.extra = task->extra;
	if (task->prepare != NULL)
		task->prepare(&r);
	if (ret == 0)
		ret = o->dry_run ? dry_run(&r, task->models, &err)
				 : pipeline_run(&r, task->stages, task->n_stages, &err);
	again = devices_try_again(&r, ret);
	if (again)
		log_info("another run was faster: %s; choosing again", err.msg);
	else
		*ret_code = exit_code(task, &r, ret, &err);
	run_done(&r);
	return again;
}

int task_run(struct run_options *o, const struct task *task)
{
	uint64_t wait_ns = deadline_in_s(o->wait_s);
	struct sizes sizes = sizes_of(&o->cfg);
	unsigned int n_late = 0;
	int code = 125;

	while (run_once(o, task, wait_ns, n_late, &code)) {
		restore_sizes(&o->cfg, &sizes);
		n_late++;
	}
	return code;
}
