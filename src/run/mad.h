/* SPDX-License-Identifier: MIT */
/*
 * A run of MAD models, inside: what the files mad_*.c share. run/models.h is for others.
 *
 * The package is the current folder. What is run is decided before anything is touched
 * (mad_plan.c); then the stages of mad_run.c: Docker, the package into the guest (mad_package.c),
 * images (mad_build.c), models (mad_job.c and mad_model.c), each with its row in the books
 * (mad_books.c).
 */
#ifndef BMVM_RUN_MAD_H
#define BMVM_RUN_MAD_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "results/outcome.h"
#include "run/pipeline.h"
#include "workload/data.h"
#include "workload/exec_steps.h"
#include "workload/gpu_selection.h"
#include "workload/guest_gpus.h"
#include "workload/live_log.h"
#include "workload/mad_options.h"
#include "workload/build_manifest.h"
#include "workload/model.h"
#include "workload/tools.h"
#include "workload/variables.h"

/* Where the package is in the guest. */
#define MAD_FOLDER         "/workspace"

#define MAD_STEP_SECONDS   600 /* for what docker does at once: start, stop, look */
#define MAD_ANSWER_SECONDS 120 /* for saying that it is there */

/**
 * struct mad_item - An image and the model that runs in it; all owned
 * @dockerfile:   it is built of, NULL: it is of a manifest
 * @base:         BASE_DOCKER, or NULL
 * @gpu_vendor:   of the Dockerfile or the manifest, or NULL
 * @architecture: likewise
 * @pull:         reference it is pulled by, NULL: @image itself
 * @record:       its entry in built_images; NULL before it was built
 * @data:         decided in the plan, as folders of the host become mounts of the VM
 * @ready:        the image is in the guest
 * @left_out:     a manifest's image for other GPUs
 * @in_books:     its image did not build, and has its row
 * @failed:       why it is not, once that is known
 */
struct mad_item {
	struct model model;
	char *image;
	char *container;
	char *build_log;
	char *run_log;
	char *full_log;
	char *dockerfile;
	char *base;
	char *gpu_vendor;
	char *architecture;
	char *pull;
	struct json_object *record;
	struct data_plan data;
	bool ready;
	bool left_out;
	bool in_books;
	struct error failed;
};

/**
 * struct mad - One run of models
 * @o:           what was typed, borrowed
 * @run:         the run that is under way, borrowed
 * @cfg:         of the VM, borrowed; gets mounts for local data
 * @dry_run:     nothing may be changed
 * @code:        exit code of what ended it before a model ran; 0: nothing did
 * @context:     additional context, owned; never NULL after mad_plan()
 * @deployment:  its or the manifest's deployment_config, borrowed from @context, or NULL
 * @docker_mounts: of the context, paths as they are in the guest; owned
 * @tools, @credentials: as read, owned; @tools NULL without a file
 * @guest:       what mad_gpus_look() found
 * @common:      Dockerfiles are offered docker/common
 * @machine:     the host's name
 * @summary:     of the run phase, owned
 * @package_fd:  the current folder
 */
struct mad {
	const struct mad_options *o;
	struct run *run;
	struct config *cfg;
	bool dry_run;
	int code;
	struct json_object *context;
	struct json_object *deployment;
	struct json_object *docker_mounts;
	struct json_object *tools;
	struct json_object *credentials;
	struct build_manifest manifest;
	bool from_manifest;
	struct mad_item *items;
	size_t n_items;
	size_t n_build_failures;
	struct guest_gpus guest;
	bool common;
	char machine[256];
	struct json_object *summary;
	int package_fd;
};

/* ---- mad_plan.c ---- */

/**
 * mad_plan() - Decide what is to be built and run; changes nothing but this memory
 *
 * Reads the package or the manifest; adds folders of the host to the VM's mounts. Return: 0;
 * -errno, @m->code says how the program is to end.
 */
int mad_plan(struct mad *m, struct error *err);

/** mad_done() - Free everything. */
void mad_done(struct mad *m);

/* ---- mad_folders.c ---- */

/** mad_folders_plan() - Decide on data and docker_mounts; part of mad_plan(). Return: 0; -errno. */
int mad_folders_plan(struct mad *m, struct error *err);

/* ---- mad_exec.c ---- */

/**
 * struct mad_command - A command in the guest, as root
 * @argv:        "docker", ...; borrowed
 * @shown:       what the log says instead of @argv, NULL: all of it
 * @deadline_ns: then it is ended
 * @quiet:       neither it nor its output is logged
 */
struct mad_command {
	const struct strv *argv;
	const char *shown;
	uint64_t deadline_ns;
	bool quiet;
};

/**
 * mad_exec() - Run it in the package's folder, its output into the log
 * @ret: how it ended
 *
 * Return: 0 it ended, whatever its code; as guest_run(); errno of writing the log.
 */
int mad_exec(struct mad *m, struct live_log *log, const struct mad_command *cmd,
	     struct guest_result *ret, struct error *err);

/**
 * mad_capture() - The same for a command whose first line of output is wanted, and nothing logged
 * @deadline_ns: then it is ended
 * @ret:         @size bytes, trimmed; "" when it failed
 *
 * Return: 0; -EIO it failed, with its last words; as guest_capture().
 */
int mad_capture(struct mad *m, const struct strv *argv, uint64_t deadline_ns, char *ret,
		size_t size, struct error *err);

/** mad_is_end() - Whether an errno says that the run is over: a signal, VM or connection gone. */
bool mad_is_end(int r);

/**
 * mad_docker_answers() - After a failed command: is it Docker that failed?
 *
 * Return: 0 Docker answers; -EIO not: the VM is of no more use. As guest_capture().
 */
int mad_docker_answers(struct mad *m, struct error *err);

/* ---- the stages ---- */

int stage_mad_package(struct run *r, struct error *err);
int stage_mad_build(struct run *r, struct error *err);
int stage_mad_models(struct run *r, struct error *err);

/** mad_base() - Base image that an item is built on, as configured; borrowed, NULL: not known */
const char *mad_base(const struct mad *m, const struct mad_item *item);

/* ---- mad_gpus.c ---- */

/**
 * mad_gpus_look() - What GPUs the guest has, for Docker and for models
 *
 * Return: 0; -ENODEV fewer with a driver than were passed, or containers cannot be given them.
 */
int mad_gpus_look(struct mad *m, struct error *err);

/* ---- mad_job.c ---- */

/**
 * struct mad_outcome - How a model's run ended, for the books
 * @why:      one line; "" unless it failed
 * @launcher: NULL when it came to no container
 * @gpus:     -1: never decided
 * @test_s:   seconds of its script; 0: that did not succeed, -1: it came to no container
 */
struct mad_outcome {
	enum outcome_kind kind;
	struct error why;
	char git_commit[64];
	const char *launcher;
	int64_t gpus;
	double test_s;
	bool has_results;
};

/**
 * struct mad_job - A model under way
 * @run_env, @context_env: see struct docker_run
 * @credential:            for cloning, borrowed, or NULL
 * @timeout_s:             0: none
 * @deadline_ns:           of container, scripts and model together
 */
struct mad_job {
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

/**
 * mad_job_prepare() - Find out everything that can be wrong without a container
 * @j: job, item and outcome are set, the rest is empty
 *
 * Return: 0; -errno: the model's setup failed.
 */
int mad_job_prepare(struct mad_job *j, struct error *err);

/** mad_job_done() - Free everything. */
void mad_job_done(struct mad_job *j);

/** mad_job_launcher() - What starts the model, as the books have it. */
const char *mad_job_launcher(const struct mad_job *j);

/* ---- mad_books.c ---- */

/** mad_books_open() - Check that the books can be added to, before anything is run. */
int mad_books_open(struct mad *m, struct error *err);

/**
 * mad_books_add() - Read the log, write rows and files for a model
 * @log: name of its log, NULL when there is none
 *
 * Return: 0; errno of the first file that cannot be written.
 */
int mad_books_add(struct mad *m, const struct mad_item *item, const struct mad_outcome *outcome,
		  const char *log, struct error *err);

/** mad_books_note() - Tell the receipt which models were run, and where their rows are. */
void mad_books_note(struct mad *m);

/** mad_books_close() - Write the summary and say how it went. */
int mad_books_close(struct mad *m, struct error *err);

/* ---- mad_run.c ---- */

/** mad_verdict() - Of a run that came to its end: 0; 2 an image did not build; 3 a model failed. */
int mad_verdict(const struct mad *m);

#endif
