/* SPDX-License-Identifier: MIT */
/*
 * Selection of models by tags. In two steps: first which ones, in order; then, as python3 is asked
 * once for all models of a file, what they look like.
 */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/suggest.h"
#include "workload/package.h"
#include "workload/package_private.h"
#include "workload/python_models.h"

/* One model that was selected: of a file, or the one at @index of a Python folder. */
struct pick {
	const struct tag *tag;
	const struct model *model;
	const struct python_folder *python; /* NULL: of a file */
	size_t index;
};

struct picks {
	struct pick *v;
	size_t n, room;
};

/* What python3 said about the picks of one folder, in their order, and how many were used. */
struct update {
	struct json_object *list;
	size_t taken;
};

static void picks_done(struct picks *picks)
{
	free(picks->v);
}

static int no_memory(struct error *err)
{
	return error_set(err, ENOMEM, "out of memory");
}

static int add_pick(struct picks *picks, const struct pick *pick, struct error *err)
{
	if (picks->n >= PACKAGE_MODELS_MAX)
		return error_set(err, E2BIG, "--tags: selects more than %d models",
				 PACKAGE_MODELS_MAX);
	if (picks->n == picks->room) {
		size_t room = picks->room == 0 ? 16 : picks->room * 2;
		struct pick *v = reallocarray(picks->v, room, sizeof(*v));

		if (v == NULL)
			return no_memory(err);
		picks->v = v;
		picks->room = room;
	}
	picks->v[picks->n++] = *pick;
	return 0;
}

static int pick_from(struct picks *picks, const struct tag *tag, const struct model_list *list,
		     const struct python_folder *python, struct error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < list->n; i++) {
		const struct model *m = &list->v[i];
		struct pick pick = { .tag = tag, .model = m, .python = python, .index = i };

		if (tag_selects(tag, model_name(m), model_has_tag(m, tag->word)))
			r = add_pick(picks, &pick, err);
	}
	return r;
}

static bool begins_with(const char *text, const char *folder)
{
	size_t n = strlen(folder);

	return strncmp(text, folder, n) == 0 && text[n] == '/';
}

/* A tag that surely means models nobody could ask for. */
static int check_unread(const struct package *p, const struct tag *tag, struct error *err)
{
	bool all = tag->scope == NULL && strcmp(tag->word, "all") == 0;

	for (size_t i = 0; i < p->unread.n; i++) {
		const char *folder = p->unread.v[i];

		if (!all && !begins_with(tag->name, folder))
			continue;
		error_set(err, EOPNOTSUPP,
			  "--tags: \"%s\" needs scripts/%s/%s, which needs python3", tag->text,
			  folder, PYTHON_MODELS_FILE);
		return error_hint(err, -EOPNOTSUPP, "install python3, or name other models");
	}
	return 0;
}

static int selects_nothing(const struct package *p, const struct tag *tag, struct error *err)
{
	struct suggest near = SUGGEST_INIT(tag->name);
	char text[SUGGEST_TEXT_SIZE];

	for (size_t i = 0; i < p->models.n; i++)
		suggest_try(&near, model_name(&p->models.v[i]));
	for (size_t f = 0; f < p->n_python; f++) {
		for (size_t i = 0; i < p->python[f].models.n; i++)
			suggest_try(&near, model_name(&p->python[f].models.v[i]));
	}
	error_set(err, ENOENT, "--tags: \"%s\" selects no model%s", tag->text,
		  suggest_text(&near, text));
	if (p->unread.n > 0)
		return error_hint(err, -ENOENT, "scripts/%s/%s may have it, but needs python3",
				  p->unread.v[0], PYTHON_MODELS_FILE);
	return error_hint(err, -ENOENT, "bmvm discover lists the models");
}

static int pick_tag(const struct package *p, const struct tag *tag, struct picks *picks,
		    struct error *err)
{
	size_t before = picks->n;
	int r = check_unread(p, tag, err);

	if (r == 0)
		r = pick_from(picks, tag, &p->models, NULL, err);
	for (size_t i = 0; r == 0 && i < p->n_python; i++)
		r = pick_from(picks, tag, &p->python[i].models, &p->python[i], err);
	if (r == 0 && picks->n == before)
		r = selects_nothing(p, tag, err);
	return r;
}

/* Asks for the picks that are of @python; nothing is asked when there are none. */
static int update(const struct package *p, const struct picks *picks,
		  const struct python_folder *python, struct update *ret, struct error *err)
{
	AUTO_FREE size_t *which = calloc(picks->n + 1, sizeof(*which));
	size_t n = 0;

	if (which == NULL)
		return no_memory(err);
	for (size_t i = 0; i < picks->n; i++) {
		if (picks->v[i].python == python)
			which[n++] = picks->v[i].index;
	}
	if (n == 0)
		return 0;
	return python_models_update(p->dir, python->folder, which, n, &ret->list, err);
}

/* Makes a pick's model; @updated is what python3 said about it, NULL for a model of a file. */
static int finish(const struct pick *pick, struct json_object *updated, struct model_list *list,
		  struct error *err)
{
	struct model m = MODEL_INIT;
	int r;

	if (updated == NULL) {
		r = model_copy(&m, pick->model, err);
	} else {
		r = model_init(&m, updated, pick->model->origin, err);
		if (r == 0 && package_place(m.object, pick->python->folder) < 0)
			r = no_memory(err);
	}
	if (r == 0)
		r = model_add_args(&m, pick->tag->args, err);
	if (r == 0)
		r = model_check_paths(&m, err);
	if (r == 0)
		return model_list_take(list, &m, err);
	model_done(&m);
	return r;
}

static int finish_all(const struct package *p, const struct picks *picks, struct update *updates,
		      struct model_list *list, struct error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < picks->n; i++) {
		const struct pick *pick = &picks->v[i];
		struct json_object *updated = NULL;

		if (pick->python != NULL) {
			struct update *u = &updates[pick->python - p->python];

			updated = json_object_array_get_idx(u->list, u->taken++);
		}
		r = finish(pick, updated, list, err);
	}
	return r;
}

static int make_models(const struct package *p, const struct picks *picks, struct model_list *list,
		       struct error *err)
{
	AUTO_FREE struct update *updates = calloc(p->n_python + 1, sizeof(*updates));
	int r = 0;

	if (updates == NULL)
		return no_memory(err);
	for (size_t i = 0; r == 0 && i < p->n_python; i++)
		r = update(p, picks, &p->python[i], &updates[i], err);
	if (r == 0)
		r = finish_all(p, picks, updates, list, err);
	for (size_t i = 0; i < p->n_python; i++)
		json_putp(&updates[i].list);
	return r;
}

int package_select(const struct package *p, const struct tag_list *tags, struct model_list *ret,
		   struct error *err)
{
	CLEANUP(picks_done) struct picks picks = { .n = 0 };
	struct model_list list = MODEL_LIST_INIT;
	int r = 0;

	if (tags->n == 0)
		return error_set(err, EINVAL, "--tags: names no model");
	for (size_t i = 0; r == 0 && i < tags->n; i++)
		r = pick_tag(p, &tags->v[i], &picks, err);
	if (r == 0)
		r = make_models(p, &picks, &list, err);
	if (r < 0) {
		model_list_done(&list);
		return r;
	}
	*ret = list;
	return 0;
}
