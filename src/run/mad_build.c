/* SPDX-License-Identifier: MIT */
/* Images: built of Dockerfiles, or brought as the manifest says. See mad.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "run/mad.h"
#include "workload/credentials.h"
#include "workload/docker_args.h"
#include "workload/docker_digest.h"
#include "workload/image_filter.h"
#include "workload/words.h"

#define LOG_CAP ((size_t)64 << 20)

/* The host's own of the environment that a build is given. */
static int build_arguments(struct mad *m, const struct mad_item *item, struct variables *ret,
			   struct error *err)
{
	AUTO_VARIABLES struct variables credentials = VARIABLES_INIT;
	struct json_object *given = NULL;
	const char *cred = model_cred(&item->model);
	const char *architecture = mad_architecture(m);
	int r = cred == NULL ? 0 : credentials_variables(m->credentials, cred, &credentials, err);

	if (r < 0)
		return r;
	(void)json_get_object(m->context, "docker_build_arg", &given, NULL);
	return docker_args_build_variables(environ, given,
					   architecture[0] != '\0' ? architecture : NULL,
					   &credentials, ret, err);
}

/*
 * The digest by which the registry knows the base image; "" for one that is only in the guest.
 * BuildKit keeps base images to itself, but writes the digest into the log.
 */
static void base_digest(struct mad *m, const struct mad_item *item, const char *base,
			char ret[DOCKER_DIGEST_SIZE])
{
	static const char format[] = "--format={{range .RepoDigests}}{{println .}}{{end}}";
	AUTO_STRV struct strv argv = STRV_INIT;
	AUTO_FREE char *log = NULL;
	char line[512];
	size_t len;

	ret[0] = '\0';
	if (base == NULL)
		return;
	strv_add(&argv, "docker");
	strv_add(&argv, "image");
	strv_add(&argv, "inspect");
	strv_add(&argv, format);
	strv_add(&argv, base);
	if (strv_error(&argv) == 0 &&
	    mad_capture(m, &argv, deadline_in_s(MAD_STEP_SECONDS), line, sizeof(line), NULL) == 0)
		docker_digest_find(line, NULL, ret);
	else if (file_read_at(m->package_fd, item->build_log, LOG_CAP, &log, &len, NULL) == 0)
		docker_digest_find(log, base, ret);
}

const char *mad_base(const struct mad *m, const struct mad_item *item)
{
	struct json_object *given = NULL;

	(void)json_get_object(m->context, "docker_build_arg", &given, NULL);
	return json_str_or(given, "BASE_DOCKER", item->base);
}

static void record_build(struct mad *m, struct mad_item *item, const char *command, double seconds)
{
	const char *base = mad_base(m, item);
	char digest[DOCKER_DIGEST_SIZE];
	struct build_manifest_build build = {
		.image = item->image,
		.model = &item->model,
		.dockerfile = item->dockerfile,
		.base_docker = base,
		.docker_sha = digest,
		.command = command,
		.log_file = item->build_log,
		.gpu_vendor = item->gpu_vendor,
		.gpu_architecture = mad_build_architecture(m, item),
		.seconds = seconds,
	};
	struct json_object *images = NULL, *entry = NULL;

	base_digest(m, item, base, digest);
	build_manifest_add(&m->manifest, &build);
	if (json_get_object(m->manifest.object, "built_images", &images, NULL) == 0 &&
	    json_get_object(images, item->image, &entry, NULL) == 0)
		item->record = json_object_get(entry);
}

/* Both forms: that with the secrets, and the one to be shown. */
static int build_words(struct mad *m, const struct mad_item *item, struct strv *argv, char **shown,
		       struct error *err)
{
	AUTO_VARIABLES struct variables args = VARIABLES_INIT;
	AUTO_STRV struct strv masked = STRV_INIT;
	struct docker_build build = {
		.image = item->image,
		.dockerfile = item->dockerfile,
		.folder = docker_args_folder(&item->model),
		.args = &args,
		.pull = m->cfg->docker.pull,
		.no_cache = m->o->clean_docker_cache,
		.common = m->common,
	};
	int r = build_arguments(m, item, &args, err);

	if (r == 0)
		r = docker_args_build(&build, argv, err);
	build.masked = true;
	if (r == 0)
		r = docker_args_build(&build, &masked, err);
	if (r < 0)
		return r;
	*shown = words_text(masked.v);
	return *shown == NULL ? error_set(err, ENOMEM, "out of memory") : 0;
}

/* Return: 0 it is built, or failed as a build does, which @item->failed tells; -errno. */
static int build_one(struct mad *m, struct mad_item *item, struct live_log *log, struct error *err)
{
	AUTO_STRV struct strv argv = STRV_INIT;
	AUTO_FREE char *shown = NULL;
	struct mad_command cmd = { .argv = &argv, .deadline_ns = DEADLINE_NEVER };
	struct guest_result result;
	uint64_t start = clock_now_ns();
	int r = build_words(m, item, &argv, &shown, &item->failed);

	if (r < 0)
		return live_log_say(log, err, "%s\n", item->failed.msg);
	cmd.shown = shown;
	r = mad_exec(m, log, &cmd, &result, err);
	if (r < 0)
		return r;
	if (result.exit_code != 0) {
		(void)error_set(&item->failed, EIO, "docker build ended with %d; see %s",
				result.exit_code, item->build_log);
		return mad_docker_answers(m, err);
	}
	item->ready = true;
	record_build(m, item, shown, clock_seconds_since(start));
	return live_log_say(log, err, "Build Duration: %.2f seconds\n", clock_seconds_since(start));
}

static void fail_build(struct mad *m, struct mad_item *item)
{
	m->n_build_failures++;
	build_manifest_add_failure(&m->manifest, model_name(&item->model), NULL, item->failed.msg);
	mad_books_add(
		m, item,
		&(struct mad_outcome){
			.kind = OUTCOME_BUILD, .why = item->failed, .gpus = -1, .test_s = -1 },
		-1);
}

static int build_item(struct mad *m, struct mad_item *item, struct error *err)
{
	AUTO_LIVE_LOG struct live_log log = LIVE_LOG_INIT;
	const char *name = model_name(&item->model);
	int r = mad_logs_build(m, item, &log, err);

	if (r == 0) {
		log_info("building %s for %s (%s)", item->image, name, item->build_log);
		r = build_one(m, item, &log, err);
	}
	if (r < 0 || item->ready)
		return r;
	log_error("model \"%s\": %s", name, item->failed.msg);
	fail_build(m, item);
	return 0;
}

/* ---- images of a manifest ---- */

static int docker_does(struct mad *m, const char *const *words, uint64_t deadline_ns,
		       struct error *err)
{
	AUTO_STRV struct strv argv = STRV_INIT;
	char line[256];

	strv_add(&argv, "docker");
	for (; *words != NULL; words++)
		strv_add(&argv, *words);
	if (strv_error(&argv) < 0)
		return error_set(err, ENOMEM, "out of memory");
	return mad_capture(m, &argv, deadline_ns, line, sizeof(line), err);
}

static bool is_there(struct mad *m, const char *image)
{
	const char *const words[] = { "image", "inspect", "--format={{.Id}}", image, NULL };

	return docker_does(m, words, deadline_in_s(MAD_STEP_SECONDS), NULL) == 0;
}

char *mad_pull_name(const struct mad *m, const struct mad_item *item)
{
	const char *registry = m->from_manifest ? m->o->registry : NULL;
	char *name = NULL;

	if (item->pull != NULL || registry == NULL)
		return strdup(item->pull != NULL ? item->pull : item->image);
	return asprintf(&name, "%s/%s", registry, item->image) < 0 ? NULL : name;
}

/* It may be tens of gigabytes, so there is no time limit. */
static int pull_item(struct mad *m, const struct mad_item *item, struct error *err)
{
	AUTO_FREE char *name = mad_pull_name(m, item);
	const char *const pull[] = { "pull", "--quiet", name, NULL };
	const char *const tag[] = { "tag", name, item->image, NULL };
	int r;

	if (name == NULL)
		return error_set(err, ENOMEM, "out of memory");
	log_info("pulling %s", name);
	r = docker_does(m, pull, DEADLINE_NEVER, err);
	if (r == 0 && strcmp(name, item->image) != 0)
		r = docker_does(m, tag, deadline_in_s(MAD_STEP_SECONDS), err);
	return r < 0 ? error_prefix(err, r, "docker pull %s", name) : 0;
}

/* The steps of pipeline_retry(). */
static int pull_step(struct run *r, size_t i, struct error *err)
{
	struct mad *m = r->extra;

	return pull_item(m, &m->items[i], err);
}

/* Where the user gave the image, the next run can have it of the manifest. */
static void record_given(struct mad *m, struct mad_item *item)
{
	if (!m->from_manifest)
		item->record = json_object_get(
			build_manifest_add_given(&m->manifest, &item->model, item->image));
}

/*
 * What cannot be brought is the model's failed setup; the others go on, unless the VM or the
 * connection is the cause.
 */
static int bring_item(struct mad *m, size_t i, struct error *err)
{
	struct mad_item *item = &m->items[i];
	struct error why = ERROR_INIT;
	int r = is_there(m, item->image) ? 0 : pipeline_retry(m->run, pull_step, i, &why);

	item->ready = r == 0;
	if (r < 0 && mad_ends_run(r, DEADLINE_NEVER)) {
		*err = why;
		return r;
	}
	if (r < 0)
		item->failed = why;
	else
		record_given(m, item);
	return 0;
}

/* The folder docker/common is offered to Dockerfiles by an option that only buildx has. */
static bool offers_common(struct mad *m)
{
	AUTO_STRV struct strv argv = STRV_INIT;
	char version[128];

	if (faccessat(m->package_fd, "docker/common", F_OK, 0) < 0)
		return false;
	strv_add(&argv, "docker");
	strv_add(&argv, "buildx");
	strv_add(&argv, "version");
	if (strv_error(&argv) == 0 && mad_capture(m, &argv, deadline_in_s(MAD_STEP_SECONDS),
						  version, sizeof(version), NULL) == 0)
		return true;
	log_warning(
		"the guest's Docker has no buildx: Dockerfiles cannot copy from docker/common "
		"(--from=tools)");
	return false;
}

/* Where nothing was to be built, one without images would only take the place of a good one. */
static void save_manifest(struct mad *m)
{
	struct error why = ERROR_INIT;

	if (mad_given_image(m) != NULL && build_manifest_is_empty(&m->manifest))
		return;
	if (build_manifest_save(&m->manifest, AT_FDCWD,
				m->o->manifest_output != NULL ? m->o->manifest_output
							      : BUILD_MANIFEST_FILE,
				&why) < 0)
		mad_books_fault(m, &why);
}

/* What is for other GPUs would be built for nothing. */
static void check_vendor(const struct mad *m, struct mad_item *item)
{
	enum gpu_vendor vendor = m->guest.gpus.vendor;

	if (item->dockerfile != NULL && item->failed.msg[0] == '\0' &&
	    !image_filter_fits(vendor, NULL, item->gpu_vendor, NULL))
		(void)error_set(&item->failed, EINVAL, "%s is for GPUs of %s, the guest has %s",
				item->image, item->gpu_vendor, gpu_vendor_name(vendor));
}

static int provide(struct mad *m, size_t i, struct error *err)
{
	struct mad_item *item = &m->items[i];

	if (item->unbuildable)
		fail_build(m, item);
	check_vendor(m, item);
	if (item->left_out || item->failed.msg[0] != '\0')
		return 0; /* told when it would be run */
	return item->dockerfile != NULL ? build_item(m, item, err) : bring_item(m, i, err);
}

int stage_mad_build(struct run *r, struct error *err)
{
	struct mad *m = r->extra;
	int ret = 0;

	m->common = !m->from_manifest && offers_common(m);
	if (m->o->live_output)
		progress_yield(&r->progress);
	for (size_t i = 0; i < m->n_items && ret == 0; i++)
		ret = provide(m, i, err);
	/* also of the images that were built before the VM was lost */
	if (!m->from_manifest)
		save_manifest(m);
	return ret;
}
