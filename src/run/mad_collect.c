/* SPDX-License-Identifier: MIT */
/* What a model made, out of the guest: see mad.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "guest/beneath.h"
#include "guest/collect.h"
#include "results/multi_results.h"
#include "results/plain_open.h"
#include "run/mad.h"
#include "run/place.h"
#include "run/private_folder.h"
#include "run/results.h"
#include "workload/left_files.h"
#include "workload/names.h"

#define COLLECT_SECONDS 3600

bool mad_ends_run(int r, uint64_t deadline_ns)
{
	switch (-r) {
	case EINTR:
	case ECONNRESET:
	case ENOMEM:
	case EMFILE:
	case ENFILE:
	case EACCES:
	case EPERM:
	case EROFS:
	case ENOSPC:
	case EDQUOT:
		return true;
	case ETIMEDOUT:
		/* a guest that is silent before the errand has had its time */
		return clock_now_ns() < deadline_ns;
	default:
		return false;
	}
}

/* ---- into a private folder ---- */

/**
 * struct collection - What is being brought out
 * @kept, @keep: what none of it replaces
 * @package: the current folder
 * @private: a folder in it, in which all of it arrives; made when it is needed
 */
struct collection {
	struct mad_job *j;
	struct kept_files kept;
	struct beneath_keep keep;
	struct beneath package;
	struct private_folder private;
};

static const char *model_of(const struct collection *c)
{
	return model_name(&c->j->item->model);
}

static int make_folder(struct collection *c, struct error *err)
{
	int r = c->package.fd >= 0 ? 0 : beneath_open(&c->package, ".", err);

	return r < 0 ? r
		     : private_folder_make(&c->package, c->j->m->run->host.boot_id, &c->private,
					   err);
}

static void collection_done(struct collection *c)
{
	private_folder_done(&c->private);
	beneath_close(&c->package);
	kept_files_done(&c->kept);
}

/* A folder in the private one. */
static int open_part(const struct collection *c, const char *part)
{
	return plain_open(c->private.dir.fd, part, O_RDONLY | O_DIRECTORY, 0);
}

static int fetch_into(struct collection *c, const char *part, const struct guest_collect *what,
		      struct error *err)
{
	AUTO_COLLECT_REPORT struct collect_report report = COLLECT_REPORT_INIT;
	struct watchset ws = front_watchset(&c->j->m->run->front);
	struct guest_collect there = *what;
	char path[64];
	int r = c->private.dir.fd >= 0 ? 0 : make_folder(c, err);

	if (r < 0)
		return r;
	r = beneath_folder(&c->private.dir, part, 0700);
	if (r < 0)
		return error_set(err, -r, "make a folder for results: %s", strerror(-r));
	(void)snprintf(path, sizeof(path), "%s/%s", c->private.name, part);
	there.dest = path;
	r = guest_collect(c->j->m->run->guest, &there, &report, &ws, err);
	for (size_t i = 0; i < report.skipped.n; i++)
		log_warning("not collected: %s", report.skipped.v[i]);
	return r;
}

/*
 * Fetches what the patterns match into a part of the private folder. Return: 0; 1 not all of it,
 * for a reason that is the model's; -errno of what ends the run.
 */
static int fetch(struct collection *c, const char *part, char *const *globs, struct error *err)
{
	struct guest_collect what = {
		.globs = globs,
		.workdir = c->j->m->folder,
		.max_size = c->j->m->run->o->cfg.results.max_size,
		.deadline_ns = deadline_in_s(COLLECT_SECONDS),
	};
	struct error why = ERROR_INIT;
	int r = fetch_into(c, part, &what, &why);

	if (r == 0)
		return 0;
	if (mad_ends_run(r, what.deadline_ns)) {
		*err = why;
		return r;
	}
	log_warning("%s: not all of what it made was collected: %s%s%s%s", model_of(c), why.msg,
		    why.hint[0] != '\0' ? " (" : "", why.hint, why.hint[0] != '\0' ? ")" : "");
	return 1;
}

/* ---- to its place ---- */

static void not_placed(const struct collection *c, const char *path, const char *why)
{
	log_warning("%s: not collected: %s: %s", model_of(c), path, why);
}

static bool has_arrived(int from_fd, const char *path)
{
	struct stat st;

	return from_fd >= 0 && fstatat(from_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void place(struct collection *c, int from_fd, const char *path)
{
	const char *why = place_file(&c->package, from_fd, path);

	if (why != NULL)
		not_placed(c, path, why);
}

/* ---- its own table of results ---- */

static void read_table(struct collection *c, int from_fd, const char *name)
{
	struct mad_job *j = c->j;
	struct error why = ERROR_INIT;

	if (j->outcome->kind != OUTCOME_FINISHED)
		return;
	if (multi_results_read(from_fd, name, &j->table, &why) < 0)
		log_warning("%s: multiple_results: %s", model_of(c), why.msg);
	else
		j->outcome->table = &j->table;
}

static int collect_table(struct collection *c, struct error *err)
{
	char *const globs[] = { c->j->item->results, NULL };
	AUTO_CLOSE int from_fd = -1;
	int r;

	if (globs[0] == NULL || c->j->m->o->skip_model_run)
		return 0;
	r = fetch(c, "table", globs, err);
	if (r < 0)
		return r;
	from_fd = open_part(c, "table");
	if (from_fd < 0)
		return 0; /* which fetch() has told */
	read_table(c, from_fd, globs[0]);
	if (has_arrived(from_fd, globs[0]))
		place(c, from_fd, globs[0]);
	return 0;
}

/* ---- other files ---- */

/* *@ret stays NULL when that cannot be told for now. Return: 0; -errno of what ends the run. */
static int list_files(struct mad_job *j, char **ret, struct error *err)
{
	AUTO_FREE char *folder = strdup(j->m->folder);
	char *argv[] = { folder, NULL };
	struct watchset ws = front_watchset(&j->m->run->front);
	uint64_t deadline_ns = deadline_in_s(MAD_STEP_SECONDS);
	struct error why = ERROR_INIT;
	int r = guest_capture(j->m->run->guest, left_files_script(), argv, deadline_ns, ret, &ws,
			      &why);

	if (r == 0)
		return 0;
	if (mad_ends_run(r, deadline_ns)) {
		*err = why;
		return r;
	}
	log_warning("%s: what it leaves is not collected: %s", model_name(&j->item->model),
		    why.msg);
	return 0;
}

int mad_collect_begin(struct mad_job *j, struct error *err)
{
	return list_files(j, &j->before, err);
}

/* Patterns that match the new files, and these alone. */
static int new_files(struct collection *c, const char *after, struct strv *names,
		     struct strv *patterns, struct error *err)
{
	AUTO_STRV struct strv found = STRV_INIT;

	left_files_new(c->j->before, after, &found);
	for (size_t i = 0; i < found.n; i++) {
		if (strchr(found.v[i], '\\') != NULL) {
			not_placed(c, found.v[i], "there is a backslash in its name");
			continue;
		}
		strv_add(names, found.v[i]);
		strv_take(patterns, left_files_pattern(found.v[i]));
	}
	if (strv_error(&found) < 0 || strv_error(names) < 0 || strv_error(patterns) < 0)
		return error_set(err, ENOMEM, "out of memory");
	return 0;
}

static int collect_files(struct collection *c, struct error *err)
{
	AUTO_STRV struct strv names = STRV_INIT, patterns = STRV_INIT;
	AUTO_FREE char *after = NULL;
	AUTO_CLOSE int from_fd = -1;
	int r = c->j->before == NULL ? 0 : list_files(c->j, &after, err);

	if (r < 0 || after == NULL)
		return r;
	r = new_files(c, after, &names, &patterns, err);
	if (r < 0 || patterns.n == 0)
		return r;
	r = fetch(c, "files", patterns.v, err);
	if (r < 0)
		return r;
	from_fd = open_part(c, "files");
	for (size_t i = 0; i < names.n; i++) {
		if (has_arrived(from_fd, names.v[i]))
			place(c, from_fd, names.v[i]);
		else
			not_placed(c, names.v[i], "it did not come out of the guest");
	}
	return 0;
}

/* ---- the folder it ran in ---- */

static bool begins_with_part(const char *path, const char *part)
{
	size_t len = strlen(part);

	return path != NULL && strncmp(path, part, len) == 0 &&
	       (path[len] == '/' || path[len] == '\0');
}

/* A url may call the model's folder like one that the package is made of. */
static bool is_of_the_package(const struct mad *m, const char *name)
{
	if (strcmp(name, "scripts") == 0 || strcmp(name, "docker") == 0)
		return true;
	for (size_t i = 0; i < m->n_items; i++) {
		if (begins_with_part(model_scripts(&m->items[i].model), name) ||
		    begins_with_part(m->items[i].dockerfile, name))
			return true;
	}
	return false;
}

static int collect_folder(struct collection *c, struct error *err)
{
	AUTO_FREE char *name = NULL;
	char *globs[] = { NULL, NULL };
	AUTO_CLOSE int from_fd = -1;
	const char *why;
	int r = names_model_folder(model_url(&c->j->item->model), &name, err);

	if (r < 0)
		return r;
	globs[0] = name;
	r = fetch(c, "folder", globs, err);
	if (r != 0)
		return r < 0 ? r : 0; /* a part of it takes nothing's place */
	from_fd = open_part(c, "folder");
	if (!has_arrived(from_fd, name))
		return 0;
	if (is_of_the_package(c->j->m, name))
		why = "the package has a folder of that name";
	else if (mad_books_are_in(c->j->m, name))
		why = "a file of this run is in the folder of that name";
	else
		why = place_folder(&c->package, from_fd, name);
	if (why != NULL)
		not_placed(c, name, why);
	return 0;
}

int mad_collect(struct mad_job *j, struct error *err)
{
	struct collection c = { .j = j,
				.kept = KEPT_FILES_INIT,
				.package = BENEATH_INIT,
				.private = PRIVATE_FOLDER_INIT };
	int r = mad_books_keep(j->m, &c.kept, err);

	c.keep = (struct beneath_keep){ .has = kept_files_has, .data = &c.kept };
	c.package.keep = &c.keep;
	if (r == 0)
		r = collect_table(&c, err);
	if (r == 0)
		r = collect_files(&c, err);
	if (r == 0 && j->m->o->keep_model_dir)
		r = collect_folder(&c, err);
	collection_done(&c);
	return r;
}

int stage_mad_results(struct run *r, struct error *err)
{
	AUTO_KEPT_FILES struct kept_files kept = KEPT_FILES_INIT;
	const struct beneath_keep keep = { .has = kept_files_has, .data = &kept };
	int ret = mad_books_keep(r->extra, &kept, err);

	return ret < 0 ? ret : results_collect(r, &keep, err);
}
