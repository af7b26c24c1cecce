/* SPDX-License-Identifier: MIT */
/*
 * A run of MAD models, inside: what the files mad_*.c share. run/models.h is for others.
 *
 * The package is the current folder. What is run is decided before anything is touched
 * (mad_plan.c, mad_items.c, mad_values.c, mad_outputs.c); then the stages of mad_run.c: Docker, the
 * package into the guest (mad_package.c), images (mad_build.c), models (mad_job.c and mad_model.c),
 * each with its logs (mad_logs.c), with what it leaves (mad_collect.c) and its row in the books
 * (mad_books.c).
 */
#ifndef BMVM_RUN_MAD_H
#define BMVM_RUN_MAD_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "results/csv.h"
#include "results/log_errors.h"
#include "results/outcome.h"
#include "run/kept_files.h"
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
 * @results:      of multiple_results, in the package; NULL: none
 * @rules:        signs of failure in its log
 * @data:         decided in the plan, as folders of the host become mounts of the VM
 * @build_fd:     its build log, and that one's lock; -1 when there is none
 * @ready:        the image is in the guest
 * @unbuildable:  there is no image for it and none can be built, as @failed tells; @image and the
 *                names made of it are NULL
 * @left_out:     a manifest's image for other GPUs
 * @told:         the books have it
 * @failed:       why it cannot be run, once that is known
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
	char *results;
	struct json_object *record;
	struct log_rules rules;
	struct data_plan data;
	int build_fd;
	bool ready;
	bool unbuildable;
	bool left_out;
	bool told;
	struct error failed;
};

#define MAD_ITEM_INIT                                                                              \
	{                                                                                          \
		.model = MODEL_INIT, .build_fd = -1                                                \
	}

/**
 * struct mad - One run of models
 * @o:           what was typed, borrowed
 * @run:         the run that is under way, borrowed
 * @cfg:         of the VM, borrowed; gets mounts for local data
 * @folder:      where the package is in the guest: MAD_FOLDER
 * @receipt:     of --receipt, absolute; borrowed, or NULL
 * @dry_run:     nothing may be changed
 * @code:        exit code of what ended it before a model ran; 0: nothing did
 * @context:     additional context, owned; never NULL after mad_plan()
 * @deployment:  its or the manifest's deployment_config, borrowed from @context, or NULL
 * @docker_mounts: of the context, paths as they are in the guest; owned
 * @tools, @credentials: as read, owned; @tools NULL without a file
 * @n_unreached: models that the run did not come to
 * @guest:       what mad_gpus_look() found
 * @common:      Dockerfiles are offered docker/common
 * @machine:     the host's name
 * @summary:     of the run phase, owned
 * @started:     the guest is up: what is not run from now on has its rows, too
 * @wrote:       there are rows of this run
 * @books_failed: something of what a run leaves could not be written
 * @package_fd:  the current folder
 */
struct mad {
	const struct mad_options *o;
	struct run *run;
	struct config *cfg;
	const char *folder;
	const char *receipt;
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
	size_t n_unreached;
	struct guest_gpus guest;
	bool common;
	char machine[256];
	struct json_object *summary;
	bool started;
	bool wrote;
	bool books_failed;
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

/* ---- mad_items.c ---- */

/** mad_item_done() - Free everything. */
void mad_item_done(struct mad_item *item);

/** mad_item_why() - Why an item has @failed, with its model's name. Return: -errno of it. */
int mad_item_why(const struct mad_item *item, struct error *err);

/** mad_given_image() - MAD_CONTAINER_IMAGE: nothing is built; borrowed, NULL: not given. */
const char *mad_given_image(const struct mad *m);

/**
 * mad_items_add_model() - Add what is to be run of a selected model
 * @context: that its Dockerfiles are to fit, see dockerfile_context()
 *
 * One for each Dockerfile that fits, or one in the image that was given. What was added before is
 * not added again, but has the arguments of this one. What is wrong with this model or this
 * Dockerfile alone makes an item that is @unbuildable. Return: 0; -ENOMEM; -EBADMSG a bad header;
 * -EEXIST its image would be that of another model, too; errno of reading.
 */
int mad_items_add_model(struct mad *m, const struct model *model, struct json_object *context,
			struct error *err);

/** mad_items_add_image() - Add an image of a manifest with its model. Return: 0; -errno. */
int mad_items_add_image(struct mad *m, struct build_manifest_image *image, struct error *err);

/* ---- mad_values.c ---- */

/**
 * mad_values_check() - Whether values of the context have a form that can be
 *
 * Part of mad_plan(), as they would fail only after minutes. Return: 0; -EINVAL key and rule.
 */
int mad_values_check(const struct mad *m, struct error *err);

/**
 * mad_values_check_models() - Whether the package has what models run
 *
 * What a model lacks is its failed setup, and told; the run is ended only when no model is left.
 * Return: 0; -errno why the last one cannot be run.
 */
int mad_values_check_models(struct mad *m, struct error *err);

/* ---- mad_folders.c ---- */

/**
 * mad_folders_plan() - Decide on data and docker_mounts, check the models' own options for Docker
 *
 * Part of mad_plan(). Return: 0; -errno.
 */
int mad_folders_plan(struct mad *m, struct error *err);

/* ---- mad_outputs.c ---- */

/**
 * mad_outputs_check() - Whether each file that an option names is one of its own
 *
 * Two that are the same, by whatever path, or one that is a file of ours or of the package, would
 * replace each other; what is no file, such as a device, would be lost. Part of mad_plan().
 * --output may be perf_entry.csv, which is the book then. Return: 0; -EINVAL which; -ENOMEM; errno
 * of looking at the package's folder.
 */
int mad_outputs_check(const struct mad *m, struct error *err);

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
int mad_capture(struct mad *m, const struct strv *words, uint64_t deadline_ns, char *ret,
		size_t size, struct error *err);

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

/** stage_mad_results() - As stage_results(), but no file of this run is replaced. */
int stage_mad_results(struct run *r, struct error *err);

/** mad_base() - Base image that an item is built on, as configured; borrowed, NULL: not known */
const char *mad_base(const struct mad *m, const struct mad_item *item);

/**
 * mad_pull_name() - What an image is pulled by
 *
 * The manifest's registry_image; else the image, in the registry of --registry if it is of a
 * manifest: one that the user gave says itself where it is.
 * Return: owned by the caller; NULL without memory.
 */
char *mad_pull_name(const struct mad *m, const struct mad_item *item);

/* ---- mad_gpus.c ---- */

/**
 * mad_gpus_look() - What GPUs the guest has, for Docker and for models
 *
 * Return: 0; -ENODEV fewer with a driver than were passed, or containers cannot be given them.
 */
int mad_gpus_look(struct mad *m, struct error *err);

/**
 * mad_architecture() - The GPUs' architecture that counts for what is run
 *
 * What the user says as docker_env_vars.MAD_SYSTEM_GPU_ARCHITECTURE, else what was found in the
 * guest. Return: borrowed; "" is unknown.
 */
const char *mad_architecture(const struct mad *m);

/**
 * mad_build_architecture() - The one that counts for an image that is built
 *
 * What the user says as docker_build_arg.MAD_SYSTEM_GPU_ARCHITECTURE, else mad_architecture(), else
 * the Dockerfile's default. Return: borrowed; NULL and "" are unknown.
 */
const char *mad_build_architecture(const struct mad *m, const struct mad_item *item);

/**
 * mad_system_gpus() - How many GPUs there are said to be
 *
 * What the user says as docker_env_vars.MAD_SYSTEM_NGPUS, else what was found in the guest.
 * Return: 0; -EINVAL that is no number.
 */
int mad_system_gpus(const struct mad *m, size_t *ret, struct error *err);

/* ---- mad_job.c ---- */

/**
 * struct mad_outcome - How a model's run ended, for the books
 * @why:      one line; "" unless it failed
 * @launcher: NULL when it came to no container
 * @gpus:     -1: never decided
 * @test_s:   seconds of its script; 0: that did not succeed, -1: it came to no container
 * @table:    its own table of results, borrowed; NULL: there is none that can be read
 */
struct mad_outcome {
	enum outcome_kind kind;
	struct error why;
	char git_commit[64];
	const char *launcher;
	int64_t gpus;
	double test_s;
	const struct csv *table;
};

/**
 * struct mad_job - A model under way
 * @run_env, @context_env: see struct docker_run
 * @credential:            for cloning, borrowed, or NULL
 * @timeout_s:             0: none
 * @deadline_ns:           of container, scripts and model together
 * @before:                what was in the package's folder before it, see left_files.h; owned,
 *                         NULL: not known
 * @table:                 its own table of results
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
	char *before;
	struct csv table;
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

/* ---- mad_logs.c ---- */

/**
 * mad_logs_build(), mad_logs_run() - Begin a log of an item
 *
 * When another run in this folder writes a log of that name, the item's names of logs get a number.
 * Return: 0; as live_log_open().
 */
int mad_logs_build(struct mad *m, struct mad_item *item, struct live_log *log, struct error *err);
int mad_logs_run(struct mad *m, struct mad_item *item, struct live_log *log, struct error *err);

/**
 * mad_logs_join() - Build log and run log in one, if the item was built
 * @run_fd: the run log, which may still be written
 *
 * What fails is told, see mad_books_fault().
 */
void mad_logs_join(struct mad *m, struct mad_item *item, int run_fd);

/* ---- mad_collect.c ---- */

/**
 * mad_ends_run() - Whether an errand in the guest failed so that nothing more can be done
 * @r:           what it returned, < 0
 * @deadline_ns: that it was given
 *
 * Signals, the loss of VM or connection, a guest that does not answer, and a host that cannot be
 * written to. All else may be the doing of the model that was run, and is no reason.
 */
bool mad_ends_run(int r, uint64_t deadline_ns);

/**
 * mad_collect_begin() - Look what is in the package's folder before a model is run
 *
 * Return: 0; -errno of what ends the run.
 */
int mad_collect_begin(struct mad_job *j, struct error *err);

/**
 * mad_collect() - Bring out what it made, into the current folder
 *
 * First its own table of results, which is read and is in @j->outcome then; then the other files;
 * with --keep-model-dir the folder it ran in, which replaces an older one. All of it arrives in a
 * private folder and is renamed to its place, if that is not one of ours and nothing but a file, or
 * for the folder a folder, is in the way. What cannot be brought out is told.
 * Return: 0; -errno of what ends the run.
 */
int mad_collect(struct mad_job *j, struct error *err);

/* ---- mad_books.c ---- */

/** mad_books_open() - Check that the books can be added to, before anything is run. */
int mad_books_open(struct mad *m, struct error *err);

/**
 * mad_books_own() - Files in the package's folder that options such as --output name
 * @ret: relative to it, plain, are added; see strv_error()
 */
void mad_books_own(const struct mad *m, struct strv *ret);

/** mad_books_are_in() - Whether one of these is in the folder @name of the package's. */
bool mad_books_are_in(const struct mad *m, const char *name);

/**
 * mad_books_keep() - All files of a run, wherever options put them
 * @ret: KEPT_FILES_INIT; to be freed also on failure
 *
 * Return: 0; -ENOMEM; errno of looking at the package's folder.
 */
int mad_books_keep(const struct mad *m, struct kept_files *ret, struct error *err);

/**
 * mad_books_add() - Read the log, write rows and files for a model
 * @log_fd: its run log, -1 when there is none
 *
 * What cannot be written is told, see mad_books_fault(), and does not stop other models.
 */
void mad_books_add(struct mad *m, struct mad_item *item, const struct mad_outcome *outcome,
		   int log_fd);

/** mad_books_fault() - Tell what of the books could not be written; the run has failed then. */
void mad_books_fault(struct mad *m, const struct error *why);

/**
 * mad_books_unreached() - Models that the run did not come to have failed with it
 * @failed: what ended the run
 *
 * They have rows if the guest was up. Does nothing for those that the books have already.
 */
void mad_books_unreached(struct mad *m, const struct error *failed);

/** mad_books_note() - Tell the receipt which models were run, and where their rows are. */
void mad_books_note(struct mad *m);

/**
 * mad_books_close() - Write the summary, and tell of models that were not run
 * @failed: what ended the run, see mad_books_unreached(); NULL: it came to its end
 *
 * Return: 0; errno of writing the summary.
 */
int mad_books_close(struct mad *m, const struct error *failed, struct error *err);

/* ---- mad_run.c ---- */

/**
 * mad_verdict() - Of a run that came to its end: 0; 2 an image did not build; 3 a model failed, or
 * the books could not be written
 */
int mad_verdict(const struct mad *m);

#endif
