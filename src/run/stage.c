/* SPDX-License-Identifier: MIT */
#include "run/stage.h"

#include "base/error.h"

static bool wanted(const struct stage *stage, const struct run *run)
{
	return stage->wanted == NULL || stage->wanted(run);
}

/* Return: how many stages were begun. */
static size_t set_up(const struct stage *stages, size_t n, struct run *run,
		     const struct stage_hooks *hooks, struct error *first)
{
	size_t begun = 0;

	for (size_t i = 0; i < n; i++) {
		struct error err = ERROR_INIT;
		int r;

		if (!wanted(&stages[i], run) || (first->code != 0 && !stages[i].always))
			continue;
		begun = i + 1;
		if (stages[i].setup == NULL)
			continue;
		hooks->begin(run, &stages[i], i);
		r = stages[i].setup(run, &err);
		hooks->end(run, &stages[i], r >= 0);
		if (r >= 0)
			continue;
		if (first->code == 0)
			*first = err;
		else
			hooks->failed(run, &stages[i], &err);
	}
	return begun;
}

static void tear_down(const struct stage *stages, size_t begun, struct run *run,
		      const struct stage_hooks *hooks, struct error *first)
{
	for (size_t i = begun; i-- > 0;) {
		struct error err = ERROR_INIT;

		if (stages[i].teardown == NULL || !wanted(&stages[i], run) ||
		    stages[i].teardown(run, &err) >= 0)
			continue;
		if (first->code == 0)
			*first = err;
		else
			hooks->failed(run, &stages[i], &err);
	}
}

int stages_run(const struct stage *stages, size_t n, struct run *run,
	       const struct stage_hooks *hooks, struct error *err)
{
	struct error first = ERROR_INIT;
	size_t begun = set_up(stages, n, run, hooks, &first);

	hooks->teardown(run, first.code == 0 ? NULL : &first);
	tear_down(stages, begun, run, hooks, &first);
	if (first.code != 0 && err != NULL)
		*err = first;
	return -first.code;
}
