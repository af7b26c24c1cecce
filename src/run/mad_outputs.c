/* SPDX-License-Identifier: MIT */
/* The files that options name, before any of them is written: see mad.h. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "results/own_files.h"
#include "run/mad.h"

/*
 * @own:   files of ours that it may be; the book may be perf_entry.csv, as with madengine
 * @input: it is only read
 * @names: of @path, also where it is a link
 */
struct named {
	const char *option;
	const char *path;
	const char *own[2];
	bool input;
	struct kept_files names;
};

static bool may_be(const struct named *n, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(n->own); i++) {
		if (n->own[i] != NULL && strcmp(n->own[i], name) == 0)
			return true;
	}
	return false;
}

static bool is_one(const struct kept_file *a, const struct kept_file *b)
{
	return a->dev == b->dev && a->ino == b->ino && strcmp(a->name, b->name) == 0;
}

static bool meet(const struct kept_files *a, const struct kept_files *b)
{
	for (size_t i = 0; i < a->n; i++) {
		for (size_t j = 0; j < b->n; j++) {
			if (is_one(&a->v[i], &b->v[j]))
				return true;
		}
	}
	return false;
}

static int check_own(const struct named *n, struct error *err)
{
	const struct kept_files *k = &n->names;

	for (size_t i = 0; i < k->n && !n->input; i++) {
		const struct kept_file *file = &k->v[i];
		int r;

		if (file->dev != k->dev || file->ino != k->ino || !own_files_has(file->name) ||
		    may_be(n, file->name))
			continue;
		r = error_set(err, EINVAL, "%s %s: %s here is for something else", n->option,
			      n->path, file->name);
		return error_hint(err, r, "give it another name");
	}
	return 0;
}

/* What is no file cannot be replaced by one: a device, for one. */
static int check_target(const struct mad *m, const struct named *n, struct error *err)
{
	int r;

	if (n->path == NULL || n->input)
		return 0;
	r = file_check_target_at(m->package_fd, n->path, err);
	return r < 0 ? error_prefix(err, r, "%s", n->option) : 0;
}

/* A manifest that is there is only read; where it is not, the one that is built may become it. */
static bool may_meet(const struct named *a, const struct named *b)
{
	return (a->input && b->input) ||
	       (may_be(a, "build_manifest.json") && may_be(b, "build_manifest.json"));
}

static int check_pairs(const struct named *all, size_t n, struct error *err)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t j = i + 1; j < n; j++) {
			if (!may_meet(&all[i], &all[j]) && meet(&all[i].names, &all[j].names))
				return error_set(err, EINVAL, "%s %s and %s %s are one file",
						 all[i].option, all[i].path, all[j].option,
						 all[j].path);
		}
	}
	return 0;
}

static int look(const struct mad *m, struct named *all, size_t n, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = check_target(m, &all[i], err);
	for (size_t i = 0; i < n && r == 0; i++) {
		r = kept_files_begin(&all[i].names, m->package_fd, err);
		kept_files_add(&all[i].names, all[i].path);
		if (r == 0 && kept_files_error(&all[i].names) < 0)
			r = error_set(err, ENOMEM, "out of memory");
	}
	for (size_t i = 0; i < n && r == 0; i++)
		r = check_own(&all[i], err);
	return r == 0 ? check_pairs(all, n, err) : r;
}

int mad_outputs_check(const struct mad *m, struct error *err)
{
	const struct mad_options *o = m->o;
	struct named all[] = {
		{ "--output", o->output, { "perf.csv", "perf_entry.csv" }, false, KEPT_FILES_INIT },
		{ "--summary-output", o->summary, { NULL }, false, KEPT_FILES_INIT },
		{ "--manifest-output",
		  m->from_manifest ? NULL : o->manifest_output,
		  { "build_manifest.json" },
		  false,
		  KEPT_FILES_INIT },
		{ "--receipt", m->receipt, { NULL }, false, KEPT_FILES_INIT },
		{ "--manifest-file",
		  o->manifest,
		  { "build_manifest.json" },
		  true,
		  KEPT_FILES_INIT },
		{ "--data-config", o->data_config, { NULL }, true, KEPT_FILES_INIT },
		{ "--additional-context-file", o->context, { NULL }, true, KEPT_FILES_INIT },
		{ "--tools-config", o->tools_config, { NULL }, true, KEPT_FILES_INIT },
	};
	int r = look(m, all, ARRAY_SIZE(all), err);

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		kept_files_done(&all[i].names);
	return r;
}
