/* SPDX-License-Identifier: MIT */
#include "run/results.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "guest/collect.h"
#include "run/pipeline.h"

#define COLLECT_SECONDS 3600

bool stage_results_wanted(const struct run *r)
{
	return r->o->cfg.results.collect.n > 0;
}

static void print_report(const struct collect_report *report)
{
	for (size_t i = 0; i < report->skipped.n; i++)
		log_warning("not collected: %s", report->skipped.v[i]);
	for (size_t i = 0; i < report->unmatched.n; i++)
		log_warning("--collect %s: matches nothing", report->unmatched.v[i]);
}

int results_collect(struct run *r, const struct beneath_keep *keep, struct error *err)
{
	const struct config *cfg = &r->o->cfg;
	struct watchset ws = front_watchset(&r->front);
	AUTO_COLLECT_REPORT struct collect_report report = COLLECT_REPORT_INIT;
	struct guest_collect what = {
		.globs = cfg->results.collect.v,
		.workdir = r->o->workdir,
		.dest = cfg->results.to != NULL ? cfg->results.to : ".",
		.keep = keep,
		.max_size = cfg->results.max_size,
		.deadline_ns = deadline_in_s(COLLECT_SECONDS),
	};
	struct json_object *o;
	int ret;

	/* nothing can be brought out of a VM that is gone; that failure is told already */
	if (r->guest == NULL || !r->ran || r->front.vm_gone || r->front.lost ||
	    r->front.caught != 0 || r->front.destroyed)
		return 0;
	ret = guest_collect(r->guest, &what, &report, &ws, err);
	print_report(&report);
	o = json_new_object();
	json_add_u64(o, "files", report.files);
	json_add_u64(o, "bytes", report.bytes);
	json_add_u64(o, "skipped", report.n_skipped);
	front_note(&r->front, "collected", o);
	return ret;
}

int stage_results(struct run *r, struct error *err)
{
	return results_collect(r, NULL, err);
}
