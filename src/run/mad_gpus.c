/* SPDX-License-Identifier: MIT */
/* What GPUs the guest has, against what was passed to it. See mad.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "run/mad.h"

#define LOOK_SECONDS 120

/* A function that was passed, and that no driver of the guest took. */
static int check_drivers(const struct run *r, struct error *err)
{
	size_t n = r->assigned != NULL ? json_object_array_length(r->assigned) : 0;

	for (size_t i = 0; i < n; i++) {
		struct json_object *o = json_object_array_get_idx(r->assigned, i);
		const char *guest = json_str_or(o, "guest_address", NULL);

		if (guest != NULL && json_str_or(o, "guest_driver", NULL) == NULL)
			return error_set(err, ENODEV,
					 "%s, which is %s in the guest, has no driver there: the "
					 "image needs the driver of its vendor",
					 json_str_or(o, "address", "?"), guest);
	}
	return 0;
}

static int check_count(const struct mad *m, struct error *err)
{
	size_t passed = m->run->assigned != NULL ? json_object_array_length(m->run->assigned) : 0;

	if (m->guest.gpus.n > 0 || passed == 0)
		return 0;
	return error_set(err, ENODEV, "the guest's %s driver shows none of the %zu GPUs",
			 gpu_vendor_name(m->guest.gpus.vendor), passed);
}

int mad_gpus_look(struct mad *m, struct error *err)
{
	struct run *r = m->run;
	const struct config *cfg = &r->o->cfg;
	struct watchset ws = front_watchset(&r->front);
	AUTO_FREE char *text = NULL;
	int ret;

	if (cfg->gpu.mode != GPU_MODE_NONE)
		m->guest.gpus.vendor = gpu_vendor_of(cfg->gpu.gpu_vendor);
	ret = m->guest.gpus.vendor == GPU_VENDOR_NONE ? 0 : check_drivers(r, err);
	if (ret == 0 && m->guest.gpus.vendor != GPU_VENDOR_NONE) {
		r->docker.deadline_ns = deadline_in_s(cfg->timeouts.docker);
		r->docker.ws = &ws;
		ret = guest_docker_gpu(
			&r->docker, m->guest.gpus.vendor == GPU_VENDOR_AMD ? "amd" : "nvidia", err);
		r->docker.ws = NULL;
	}
	if (ret == 0)
		ret = guest_capture(r->guest, guest_gpus_script(m->guest.gpus.vendor), NULL,
				    deadline_in_s(LOOK_SECONDS), &text, &ws, err);
	if (ret < 0)
		return ret;
	guest_gpus_parse(text, &m->guest);
	log_debug("GPUs in the guest: %zu %s", m->guest.gpus.n, m->guest.architecture);
	return check_count(m, err);
}
