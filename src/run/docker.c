/* SPDX-License-Identifier: MIT */
#include "run/docker.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "run/pipeline.h"

static int install_step(struct run *r, size_t unused, struct error *err)
{
	(void)unused;
	return guest_docker_install(&r->docker, err);
}

static int start_step(struct run *r, size_t unused, struct error *err)
{
	(void)unused;
	return guest_docker_start(&r->docker, err);
}

static int prove_step(struct run *r, size_t unused, struct error *err)
{
	(void)unused;
	return guest_docker_prove(&r->docker, err);
}

static int refuse_missing(const struct run *r, struct error *err)
{
	(void)error_set(err, ENOENT, "the image \"%s\" has no Docker, and docker.install is \"%s\"",
			r->image.name,
			r->o->cfg.docker.install == DOCKER_NEVER ? "never" : "script");
	return error_hint(err, -ENOENT,
			  "bmvm image build --name docker --docker, then --image docker; or "
			  "docker.install \"auto\"");
}

/* Each script has all of the time, and leaves as much for what comes after it. */
static int run_script(struct run *r, struct error *err)
{
	const struct config *cfg = &r->o->cfg;
	int ret;

	r->docker.deadline_ns = deadline_in_s(cfg->timeouts.docker);
	ret = guest_docker_script(&r->docker, cfg->docker.script, err);
	r->docker.deadline_ns = deadline_in_s(cfg->timeouts.docker);
	return ret;
}

/* Bring the program there, by whatever the configuration says. */
static int provide(struct run *r, bool *ret_installed, struct error *err)
{
	const struct config *cfg = &r->o->cfg;
	int ret = 0;

	if (cfg->docker.install == DOCKER_SCRIPT) {
		ret = run_script(r, err);
		*ret_installed = ret == 0;
	} else if (cfg->docker.install == DOCKER_AUTO && r->docker.state == GUEST_DOCKER_MISSING) {
		log_debug("the guest has no Docker; installing it from its packages");
		ret = pipeline_retry(r, install_step, 0, err);
		*ret_installed = ret == 0;
	}
	if (ret == 0 && *ret_installed)
		ret = guest_docker_probe(&r->docker, err);
	if (ret == 0 && r->docker.state == GUEST_DOCKER_MISSING)
		return refuse_missing(r, err);
	return ret;
}

/* What the user wants done once it works. */
static int fill(struct run *r, struct error *err)
{
	const struct config *cfg = &r->o->cfg;
	int ret = 0;

	if (cfg->docker.install != DOCKER_SCRIPT && cfg->docker.script != NULL)
		ret = run_script(r, err);
	for (size_t i = 0; i < cfg->docker.load.n && ret == 0; i++)
		ret = guest_docker_load(&r->docker, cfg->docker.load.v[i], err);
	r->docker.deadline_ns = deadline_in_s(cfg->timeouts.docker);
	return ret;
}

static void tell(struct run *r, bool installed)
{
	struct json_object *o = json_new_object();

	json_add_str(o, "version", r->docker.version);
	json_add_bool(o, "installed", installed);
	front_note(&r->front, "docker", o);
}

bool stage_docker_wanted(const struct run *r)
{
	const struct strv *keys = &r->o->cfg.explicit_keys;

	for (size_t i = 0; i < keys->n; i++) {
		if (strncmp(keys->v[i], "docker.", 7) == 0)
			return true;
	}
	return false;
}

int stage_docker(struct run *r, struct error *err)
{
	const struct config *cfg = &r->o->cfg;
	struct watchset ws = front_watchset(&r->front);
	bool installed = false;
	int ret;

	r->docker = (struct guest_docker){
		.g = r->guest,
		.proxy = cfg->docker.proxy,
		.mirror = cfg->docker.mirror,
		.deadline_ns = deadline_in_s(cfg->timeouts.docker),
		.ws = &ws,
	};
	/* a script may be there to replace what cannot work */
	ret = cfg->docker.install == DOCKER_SCRIPT ? 0 : guest_docker_probe(&r->docker, err);
	if (ret == 0)
		ret = provide(r, &installed, err);
	if (ret == 0)
		ret = pipeline_retry(r, start_step, 0, err);
	if (ret == 0)
		ret = pipeline_retry(r, prove_step, 0, err);
	if (ret == 0)
		ret = fill(r, err);
	if (ret == 0)
		ret = guest_docker_probe(&r->docker, err);
	if (ret == 0)
		tell(r, installed);
	r->docker.ws = NULL;
	return ret;
}
