/* SPDX-License-Identifier: MIT */
#include "workload/exec_steps.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "workload/data.h"
#include "workload/docker_args.h"
#include "workload/inside.h"
#include "workload/model.h"
#include "workload/names.h"
#include "workload/results_path.h"
#include "workload/tools.h"
#include "workload/words.h"

#define SHORT_S  60
#define FOLDER_S 240
#define SCRIPT_S 600
#define DATA_S   1200

/*
 * struct maker - A list under way
 * @folder:  the model's, quoted already as its characters need none
 * @scripts: folder with the scripts, quoted; @start: what starts the model in it
 * @results: of multiple_results, plain; NULL: none
 * @dummy:   stands for a step for which there was no memory
 */
struct maker {
	const struct exec_query *query;
	struct exec_steps steps;
	char *folder;
	char *scripts;
	char *start;
	char *results;
	struct exec_step dummy;
};

static void maker_done(struct maker *m)
{
	exec_steps_done(&m->steps);
	free(m->folder);
	free(m->scripts);
	free(m->start);
	free(m->results);
	free(m->dummy.shown);
}

#define AUTO_MAKER CLEANUP(maker_done)

static int no_memory(struct error *err)
{
	return error_set(err, ENOMEM, "out of memory");
}

void exec_steps_done(struct exec_steps *steps)
{
	for (size_t i = 0; i < steps->n; i++) {
		free(steps->v[i].command);
		free(steps->v[i].shown);
	}
	free(steps->v);
	*steps = (struct exec_steps)EXEC_STEPS_INIT;
}

/*
 * Appends a step and returns it, to be changed before the next is; a dummy without memory. Takes
 * @command.
 */
static struct exec_step *take(struct maker *m, const char *title, unsigned int timeout_s,
			      char *command)
{
	struct exec_steps *steps = &m->steps;
	struct exec_step *v = realloc(steps->v, (steps->n + 1) * sizeof(*v));
	char *shown = command == NULL ? NULL : strdup(command);

	if (v != NULL)
		steps->v = v;
	if (v == NULL || shown == NULL) {
		free(command);
		free(shown);
		steps->r = -ENOMEM;
		return &m->dummy;
	}
	v[steps->n] = (struct exec_step){
		.title = title, .command = command, .shown = shown, .timeout_s = timeout_s
	};
	return &v[steps->n++];
}

static struct exec_step *add(struct maker *m, const char *title, unsigned int timeout_s,
			     const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static struct exec_step *add(struct maker *m, const char *title, unsigned int timeout_s,
			     const char *fmt, ...)
{
	char *command = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&command, fmt, ap);
	va_end(ap);
	return take(m, title, timeout_s, n < 0 ? NULL : command);
}

/* --- what the model says ---------------------------------------------------------------------- */

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), k = strlen(end);

	return n > k && strcmp(s + n - k, end) == 0;
}

/* How a file of scripts is started; NULL for what is a folder. */
static const char *interpreter(const char *scripts)
{
	if (ends_with(scripts, ".sh") || ends_with(scripts, ".slurm"))
		return "bash";
	return ends_with(scripts, ".py") ? "python3" : NULL;
}

static int part_scripts(const struct model *model, char **ret_folder, char **ret_start,
			struct error *err)
{
	const char *scripts = model_scripts(model);
	const char *program = scripts == NULL ? NULL : interpreter(scripts);
	AUTO_FREE char *folder = scripts == NULL ? NULL : strdup(scripts);
	char *slash;
	int r;

	if (scripts == NULL)
		return error_set(err, EINVAL, "is missing");
	r = inside_check("path", scripts, err);
	if (r < 0)
		return r;
	if (folder == NULL)
		return no_memory(err);
	slash = strrchr(folder, '/');
	if (program != NULL && slash != NULL)
		*slash = '\0';
	if ((program != NULL && slash == NULL) || inside_is_top(folder))
		return error_set(err, EINVAL,
				 "%s: must be in a folder of its own, as that is copied as a whole",
				 scripts);
	*ret_start = strdup(program == NULL ? "run.sh" : slash + 1);
	if (*ret_start == NULL)
		return no_memory(err);
	*ret_folder = TAKE_PTR(folder);
	return 0;
}

int exec_steps_scripts(const struct model *model, char **ret_folder, char **ret_start,
		       struct error *err)
{
	int r = part_scripts(model, ret_folder, ret_start, err);

	return r < 0 ? error_prefix(err, r, "scripts") : 0;
}

/* Parts "scripts" into the folder that is copied and the command that is run in it. */
static int read_scripts(struct maker *m, struct error *err)
{
	AUTO_FREE char *folder = NULL, *start = NULL, *base = NULL;
	const char *program;
	int r = exec_steps_scripts(m->query->model, &folder, &start, err);

	if (folder == NULL)
		return r;
	program = interpreter(start);
	base = words_quoted(start);
	m->scripts = words_quoted(folder);
	if (base == NULL || m->scripts == NULL ||
	    asprintf(&m->start, "%s %s", program == NULL ? "bash" : program, base) < 0) {
		m->start = NULL;
		return no_memory(err);
	}
	return 0;
}

static int read_model(struct maker *m, struct error *err)
{
	const struct model *model = m->query->model;
	const char *results = model_multiple_results(model);
	int r = read_scripts(m, err);

	if (r < 0)
		return r;
	r = names_model_folder(model_url(model), &m->folder, err);
	return r < 0 || results == NULL ? r : results_path(results, &m->results, err);
}

/* --- before the model ------------------------------------------------------------------------- */

static void add_greeting(struct maker *m)
{
	add(m, "who the container runs as", SHORT_S, "whoami")->may_fail = true;
	switch (m->query->vendor) {
	case GPU_VENDOR_NONE:
		break;
	case GPU_VENDOR_AMD:
		add(m, "list the GPUs", SHORT_S,
		    "amd-smi 2>/dev/null || rocm-smi 2>/dev/null || "
		    "echo 'neither amd-smi nor rocm-smi is in this image'")
			->may_fail = true;
		break;
	case GPU_VENDOR_NVIDIA:
		add(m, "list the GPUs", SHORT_S, "/usr/bin/nvidia-smi || true")->may_fail = true;
		break;
	}
}

static void trust(struct maker *m, const char *folder)
{
	add(m, "let git work here", SHORT_S,
	    "if command -v git > /dev/null; then git config --global --add safe.directory %s; fi",
	    folder)
		->may_fail = true;
}

/* git's option that gives it the credential; "" without one; NULL without memory. */
static char *git_credential(struct json_object *credential, const char *url)
{
	const char *user = json_str_or(credential, "username", NULL);
	const char *password = json_str_or(credential, "password", NULL);
	const char *key = json_str_or(credential, "ssh_key_file", NULL);
	bool ssh = strncmp(url, "ssh://", 6) == 0;
	AUTO_FREE char *first = words_quoted(user == NULL ? "" : user);
	AUTO_FREE char *second =
		words_quoted(ssh ? (key == NULL ? "" : key) : (password == NULL ? "" : password));
	AUTO_FREE char *value = NULL, *quoted = NULL;
	char *option = NULL;
	int r;

	if (user == NULL || (ssh ? key : password) == NULL)
		return strdup("");
	if (first == NULL || second == NULL)
		return NULL;
	if (ssh)
		r = asprintf(&value,
			     "core.sshCommand=ssh -l %s -i %s -o IdentitiesOnly=yes "
			     "-o StrictHostKeyChecking=no",
			     first, second);
	else
		r = asprintf(&value,
			     "credential.helper=!f() { printf 'username=%%s\\npassword=%%s\\n' %s "
			     "%s; }; f",
			     first, second);
	if (r < 0)
		value = NULL;
	quoted = value == NULL ? NULL : words_quoted(value);
	return quoted == NULL || asprintf(&option, "-c %s ", quoted) < 0 ? NULL : option;
}

static void add_clone(struct maker *m, const char *url)
{
	AUTO_FREE char *credential = git_credential(m->query->credential, url);
	AUTO_FREE char *quoted = words_quoted(url);
	AUTO_FREE char *place = NULL;
	struct exec_step *step;
	char *shown = NULL;

	if (credential == NULL || quoted == NULL ||
	    asprintf(&place, DOCKER_PACKAGE "/%s", m->folder) < 0) {
		place = NULL;
		m->steps.r = -ENOMEM;
		return;
	}
	step = add(m, "clone the model", FOLDER_S, "git %sclone -- %s %s", credential, quoted,
		   m->folder);
	if (asprintf(&shown, "git clone -- %s %s", quoted, m->folder) < 0) {
		m->steps.r = -ENOMEM;
		return;
	}
	free(step->shown);
	step->shown = shown;
	trust(m, place);
	add(m, "read the model's commit", SHORT_S, "cd %s && git rev-parse HEAD", m->folder)->kind =
		EXEC_COMMIT;
	add(m, "fetch the model's submodules", SCRIPT_S,
	    "cd %s && git submodule update --init --recursive", m->folder);
}

static void add_folder(struct maker *m)
{
	const char *url = model_url(m->query->model);

	add(m, "remove an old folder of the model", FOLDER_S, "rm -rf %s", m->folder);
	trust(m, DOCKER_PACKAGE);
	if (url != NULL)
		add_clone(m, url);
	else
		add(m, "make the model's folder", SHORT_S, "mkdir -p %s", m->folder)->setup = true;
}

static void add_scripts(struct maker *m, const char *title, const struct tools_scripts *scripts,
			bool before)
{
	for (size_t i = 0; i < scripts->n; i++) {
		const char *path = scripts->v[i].path;
		const char *slash = strrchr(path, '/');
		AUTO_FREE char *quoted = words_quoted(path);
		AUTO_FREE char *base = words_quoted(slash == NULL ? path : slash + 1);

		if (quoted == NULL || base == NULL) {
			m->steps.r = -ENOMEM;
			return;
		}
		add(m, title, SCRIPT_S, "cp -LRp -- %s %s", quoted, m->folder)->setup = before;
		add(m, title, SCRIPT_S, "cd %s && bash %s %s", m->folder, base, scripts->v[i].args);
	}
}

static void add_data(struct maker *m)
{
	const struct data_plan *plan = m->query->data;

	for (size_t i = 0; plan != NULL && i < plan->n; i++) {
		const struct data_source *s = &plan->v[i];
		AUTO_FREE char *place = words_quoted(s->place);
		AUTO_FREE char *path = words_quoted(s->path);

		if (s->provider != DATA_CUSTOM)
			continue;
		if (place == NULL || path == NULL) {
			m->steps.r = -ENOMEM;
			return;
		}
		add(m, "fetch the data", DATA_S,
		    "mkdir -p %s && cd %s && bash " DOCKER_PACKAGE "/%s %s", place, place, path,
		    s->args);
	}
}

/* --- the model and after it ------------------------------------------------------------------- */

/* So that no old table counts, wherever it comes from. Without results nothing. */
static void add_forgetting(struct maker *m)
{
	AUTO_FREE char *quoted = m->results == NULL ? NULL : words_quoted(m->results);

	if (quoted != NULL)
		add(m, "forget old results", SHORT_S, "rm -f -- %s", quoted);
	else if (m->results != NULL)
		m->steps.r = -ENOMEM;
}

/* A container writes as root, with a umask that may be the model's own; another may fetch it. */
#define READABLE                                                                                   \
	"{ p=%s; chmod a+r -- \"$p\"; while [ \"$p\" != \"${p%%/*}\" ]; do p=${p%%/*}; "           \
	"chmod a+rx -- \"$p\"; done; } 2>/dev/null || true"

/* The model may as well have written it into the package itself. */
static void add_results(struct maker *m)
{
	static const char title[] = "keep the model's results";
	const char *slash = m->results == NULL ? NULL : strrchr(m->results, '/');
	AUTO_FREE char *quoted = m->results == NULL ? NULL : words_quoted(m->results);
	AUTO_FREE char *above = NULL, *folder = NULL;

	if (m->results == NULL)
		return;
	above = slash == NULL ? strdup(".") : strndup(m->results, (size_t)(slash - m->results));
	folder = above == NULL ? NULL : words_quoted(above);
	if (quoted == NULL || folder == NULL)
		m->steps.r = -ENOMEM;
	else if (slash == NULL)
		add(m, title, SHORT_S, "cp -- %s/%s . 2>/dev/null; " READABLE, m->folder, quoted,
		    quoted)
			->may_fail = true;
	else
		add(m, title, SHORT_S, "mkdir -p -- %s && cp -- %s/%s %s 2>/dev/null; " READABLE,
		    folder, m->folder, quoted, folder, quoted)
			->may_fail = true;
}

static void add_model(struct maker *m)
{
	const struct exec_query *q = m->query;
	const char *args = q->args == NULL ? model_args(q->model) : q->args;

	add(m, "run the model", 0, "cd %s && %s %s %s", m->folder, q->tools->encapsulate, m->start,
	    args)
		->kind = EXEC_MODEL;
}

/*
 * What is made readable has changed, and so counts as made by the model (see left_files.h): files
 * of the package, which belong to its folder's owner, are left alone.
 */
static void add_collection(struct maker *m)
{
	add_results(m);
	add(m, "keep the profilers' results", SHORT_S,
	    "for f in %s/*_profiler_output.csv %s/*_output.csv %s/*_trace.csv "
	    "%s/library_trace.csv; do if [ -f \"$f\" ]; then cp -- \"$f\" .; fi; done; "
	    "if [ ! -O . ]; then for f in ./*_env.csv ./*_output.csv ./*_trace.csv; "
	    "do if [ -O \"$f\" ]; then chmod a+r \"$f\"; fi; done; fi",
	    m->folder, m->folder, m->folder, m->folder)
		->may_fail = true;
}

static void add_end(struct maker *m)
{
	struct exec_step *step;

	if (m->query->keep_folder)
		step = add(m, "let the model's folder be read", FOLDER_S, "chmod -R a+rwX %s",
			   m->folder);
	else
		step = add(m, "remove the model's folder", FOLDER_S, "rm -rf %s", m->folder);
	step->may_fail = true;
	step->always = true;
}

int exec_steps_make(const struct exec_query *query, struct exec_steps *ret, struct error *err)
{
	AUTO_MAKER struct maker m = { .query = query };
	int r = read_model(&m, err);

	if (r < 0)
		return error_prefix(err, r, "model %s", model_name(query->model));
	add_greeting(&m);
	if (!query->skip_model)
		add_forgetting(&m);
	add_folder(&m);
	add_scripts(&m, "run a pre-script", &query->tools->pre, true);
	add(&m, "read the scripts' commit", SHORT_S,
	    "cd %s && { git rev-parse HEAD 2>/dev/null || true; }", m.scripts)
		->may_fail = true;
	/* an earlier model may have emptied the package, which is one for all */
	add(&m, "copy the scripts", SCRIPT_S, "cp -LRp -- %s/. %s/", m.scripts, m.folder)->setup =
		true;
	add_data(&m);
	add(&m, "let the model's folder be written", FOLDER_S, "chmod -R a+rw %s", m.folder);
	if (!query->skip_model)
		add_model(&m);
	add_scripts(&m, "run a post-script", &query->tools->post, false);
	if (!query->skip_model)
		add_collection(&m);
	add_end(&m);
	if (m.steps.r < 0)
		return no_memory(err);
	*ret = m.steps;
	m.steps = (struct exec_steps)EXEC_STEPS_INIT;
	return 0;
}
