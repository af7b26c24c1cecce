/* SPDX-License-Identifier: MIT */
#include "workload/docker_args.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "workload/expand.h"
#include "workload/gpu_selection.h"
#include "workload/inside.h"
#include "workload/model.h"
#include "workload/names.h"
#include "workload/variables.h"
#include "workload/words.h"

#define ARCHITECTURE "MAD_SYSTEM_GPU_ARCHITECTURE"
#define CPUS_MAX     8192

static int finish(const struct strv *args, struct error *err)
{
	return strv_error(args) < 0 ? error_set(err, ENOMEM, "out of memory") : 0;
}

static void add_variables(struct strv *args, const char *option, const struct variables *vars,
			  bool masked)
{
	for (size_t i = 0; vars != NULL && i < vars->n; i++) {
		const struct variable *var = &vars->v[i];

		strv_add(args, option);
		strv_addf(args, "%s=%s", var->name, variables_shown(var, masked));
	}
}

/* A name that docker would take for something else, or a log could not show. */
static int check_variables(const struct variables *vars, struct error *err)
{
	if (vars == NULL)
		return 0;
	for (size_t i = 0; i < vars->n; i++) {
		const char *name = vars->v[i].name;
		bool bad = name[0] == '\0';

		for (const char *c = name; *c != '\0'; c++)
			bad = bad || *c == '=' || isspace((unsigned char)*c) ||
			      iscntrl((unsigned char)*c);
		if (bad)
			return error_set(err, EINVAL, "\"%.80s\" is no name of a variable", name);
	}
	return vars->r < 0 ? error_set(err, ENOMEM, "out of memory") : 0;
}

/* --- build ------------------------------------------------------------------------------------ */

int docker_args_build(const struct docker_build *b, struct strv *ret, struct error *err)
{
	int r = names_check_image(b->image, err);

	if (r == 0)
		r = inside_check("dockerfile", b->dockerfile, err);
	if (r == 0)
		r = inside_check("dockercontext", b->folder, err);
	if (r == 0)
		r = check_variables(b->args, err);
	if (r < 0)
		return r;
	strv_add(ret, "docker");
	strv_add(ret, "build");
	if (b->no_cache)
		strv_add(ret, "--no-cache");
	strv_add(ret, "--network=host");
	if (b->common) {
		strv_add(ret, "--build-context");
		strv_add(ret, "tools=docker/common");
	}
	strv_add(ret, "-t");
	strv_add(ret, b->image);
	if (b->pull)
		strv_add(ret, "--pull");
	strv_add(ret, "-f");
	strv_add(ret, b->dockerfile);
	add_variables(ret, "--build-arg", b->args, b->masked);
	strv_add(ret, b->folder);
	return finish(ret, err);
}

const char *docker_args_folder(const struct model *model)
{
	const char *folder = model_dockercontext(model);
	const char *dockerfile = model_dockerfile(model);

	if (folder != NULL)
		return folder;
	return dockerfile != NULL && strcasestr(dockerfile, "primus") != NULL ? "." : "./docker";
}

int docker_args_build_variables(char *const *environ_v, struct json_object *given,
				const char *architecture, const struct variables *credentials,
				struct variables *ret, struct error *err)
{
	int r;

	variables_set_secrets(ret, environ_v);
	r = variables_set_object(ret, "docker_build_arg", given, err);
	if (r < 0)
		return r;
	if (architecture != NULL && architecture[0] != '\0' &&
	    variables_get(ret, ARCHITECTURE) == NULL)
		variables_set(ret, ARCHITECTURE, architecture);
	if (credentials != NULL)
		variables_merge(ret, credentials);
	return ret->r < 0 ? error_set(err, ENOMEM, "out of memory") : 0;
}

/* --- run -------------------------------------------------------------------------------------- */

/* The image may have no such groups, and need not: numbers are taken as they are. */
static void add_groups(const struct gpus *gpus, struct strv *ret)
{
	for (size_t i = 0; i < gpus->n_groups; i++) {
		strv_add(ret, "--group-add");
		strv_addf(ret, "%u", gpus->groups[i]);
	}
	if (gpus->n_groups == 0) {
		strv_add(ret, "--group-add");
		strv_add(ret, "video");
	}
}

static void add_vendor_options(const struct docker_run *d, struct strv *ret)
{
	static const char *const always[] = { "--network",
					      "host",
					      "-u",
					      "root",
					      "--cap-add=SYS_PTRACE",
					      "--cap-add=SYS_ADMIN",
					      "--security-opt",
					      "seccomp=unconfined",
					      "--security-opt",
					      "apparmor=unconfined",
					      "--security-opt",
					      "label=disable",
					      "--ipc=host" };

	for (size_t i = 0; i < ARRAY_SIZE(always); i++)
		strv_add(ret, always[i]);
	if (d->fuse)
		strv_add(ret, "--device=/dev/fuse");
	switch (d->gpus->vendor) {
	case GPU_VENDOR_NONE:
		break;
	case GPU_VENDOR_AMD:
		add_groups(d->gpus, ret);
		break;
	case GPU_VENDOR_NVIDIA:
		strv_add(ret, "--cap-add=SYS_NICE");
		break;
	}
}

static void add_env(struct strv *ret, const char *name, const char *value)
{
	strv_add(ret, "--env");
	strv_addf(ret, "%s=%s", name, value);
}

/* Linux has at most 8192. */
static const char *read_cpu(const char *s, unsigned int *ret)
{
	const char *start = s += strspn(s, " \t");

	for (*ret = 0; isdigit((unsigned char)*s) && *ret < CPUS_MAX; s++)
		*ret = *ret * 10 + (unsigned int)(*s - '0');
	return s == start || *ret >= CPUS_MAX ? NULL : s + strspn(s, " \t");
}

int docker_args_check_cpus(const char *cpus, struct error *err)
{
	const char *s = cpus[strspn(cpus, " \t")] == '\0' ? NULL : cpus;

	while (s != NULL) {
		unsigned int first = 0, last;

		s = read_cpu(s, &first);
		last = first;
		if (s != NULL && *s == '-')
			s = read_cpu(s + 1, &last);
		if (s == NULL || last < first || (*s != ',' && *s != '\0'))
			return error_set(err, EINVAL,
					 "docker_cpus: %.100s: must be numbers and ranges as in "
					 "\"0-3,8\"",
					 cpus);
		s = *s == ',' ? s + 1 : NULL;
	}
	return 0;
}

/* Numbers and ranges without the blanks; docker says whether there are such CPUs. */
static int add_cpus(const char *cpus, struct strv *ret, struct error *err)
{
	AUTO_FREE char *text = NULL;
	size_t n = 0;
	int r;

	if (cpus == NULL || cpus[strspn(cpus, " \t")] == '\0')
		return 0;
	r = docker_args_check_cpus(cpus, err);
	if (r < 0)
		return r;
	text = strdup(cpus);
	if (text == NULL)
		return error_set(err, ENOMEM, "out of memory");
	for (const char *c = cpus; *c != '\0'; c++) {
		if (*c != ' ' && *c != '\t')
			text[n++] = *c;
	}
	text[n] = '\0';
	strv_add(ret, "--cpuset-cpus");
	strv_add(ret, text);
	return 0;
}

int docker_args_options(const struct model *model, char *const *environ_v, bool masked,
			struct strv *unset, struct strv *ret, struct error *err)
{
	const char *options = model_docker_options(model);
	AUTO_FREE char *text = NULL;
	int r;

	if (options == NULL)
		return 0;
	text = expand_variables(options, environ_v, masked, unset);
	r = text == NULL ? error_set(err, ENOMEM, "out of memory") : words_split(text, ret, err);
	return r < 0 ? error_prefix(err, r, "model %s: additional_docker_run_options",
				    model_name(model))
		     : 0;
}

/* The source in the words of --mount; NULL: none, or no path. */
static char *bind_of_mount(const char *text)
{
	AUTO_FREE char *copy = strdup(text);
	char *rest = copy, *part;
	const char *source = NULL;
	bool bind = false;

	while ((part = strsep(&rest, ",")) != NULL) {
		if (strcmp(part, "type=bind") == 0)
			bind = true;
		else if (strncmp(part, "source=", 7) == 0)
			source = part + 7;
		else if (strncmp(part, "src=", 4) == 0)
			source = part + 4;
	}
	return bind && source != NULL ? strdup(source) : NULL;
}

/* @value: of the option in @word, if that is @name: behind its "=", or the next word, or NULL. */
static bool is_option(const char *word, const char *next, const char *name, const char **value)
{
	size_t n = strlen(name);

	if (strncmp(word, name, n) != 0 || (word[n] != '\0' && word[n] != '='))
		return false;
	*value = word[n] == '=' ? word + n + 1 : next;
	return *value != NULL;
}

void docker_args_binds(const struct strv *options, struct strv *ret)
{
	for (size_t i = 0; i < options->n; i++) {
		const char *next = i + 1 < options->n ? options->v[i + 1] : NULL;
		AUTO_FREE char *path = NULL;
		const char *value;

		if (is_option(options->v[i], next, "-v", &value) ||
		    is_option(options->v[i], next, "--volume", &value))
			path = strndup(value, strcspn(value, ":"));
		else if (is_option(options->v[i], next, "--mount", &value))
			path = bind_of_mount(value);
		if (path != NULL && path[0] == '/')
			strv_add(ret, path);
	}
}

static int check_run(const struct docker_run *d, struct error *err)
{
	int r = names_check_image(d->image, err);

	if (r == 0)
		r = check_variables(d->run_env, err);
	if (r == 0)
		r = check_variables(d->context_env, err);
	if (r < 0)
		return r;
	if (d->folder[0] != '/' || strchr(d->folder, ':') != NULL)
		return error_set(err, EINVAL, "folder %s: must be absolute and have no \":\"",
				 d->folder);
	return 0;
}

int docker_args_run(const struct docker_run *d, struct strv *ret, struct error *err)
{
	const char *csv = model_multiple_results(d->model);
	const char *number = d->build_number;
	int r = check_run(d, err);

	if (r < 0)
		return r;
	strv_add(ret, "docker");
	strv_add(ret, "run");
	strv_add(ret, "-t");
	strv_add(ret, "-d");
	add_vendor_options(d, ret);
	add_env(ret, "MAD_MODEL_NAME", model_name(d->model));
	if (csv != NULL)
		add_env(ret, "MAD_OUTPUT_CSV", csv);
	add_env(ret, "JENKINS_BUILD_NUMBER", number == NULL || *number == '\0' ? "0" : number);
	gpu_selection_options(d->gpus, d->chosen, ret);
	r = add_cpus(d->cpus, ret, err);
	if (r < 0)
		return r;
	add_variables(ret, "--env", d->run_env, d->masked);
	add_variables(ret, "--env", d->context_env, d->masked);
	for (size_t i = 0; d->mounts != NULL && i < d->mounts->n; i++) {
		strv_add(ret, "-v");
		strv_add(ret, d->mounts->v[i]);
	}
	r = docker_args_options(d->model, d->environ_v, d->masked, NULL, ret, err);
	if (r < 0)
		return r;
	strv_add(ret, "-v");
	strv_addf(ret, "%s:" DOCKER_PACKAGE "/", d->folder);
	strv_add(ret, "--workdir");
	strv_add(ret, DOCKER_PACKAGE "/");
	strv_add(ret, "--name");
	strv_add(ret, d->container);
	strv_add(ret, d->image);
	strv_add(ret, "cat");
	return finish(ret, err);
}

/* --- mounts ----------------------------------------------------------------------------------- */

static bool is_clean(const char *path)
{
	if (path[0] == '\0')
		return false;
	for (; *path != '\0'; path++) {
		if (iscntrl((unsigned char)*path))
			return false;
	}
	return true;
}

int docker_args_mount(struct strv *mounts, const char *host, const char *container, bool readonly,
		      struct error *err)
{
	if (!is_clean(host) || strchr(host, ':') != NULL || host[0] == '-')
		return error_set(err, EINVAL,
				 "mount at %.200s: \"%.200s\" cannot be mounted: no \":\", no "
				 "control character and no \"-\" first",
				 container, host);
	if (!is_clean(container) || container[0] != '/')
		return error_set(err, EINVAL, "mount of %.200s: \"%.200s\" must be absolute", host,
				 container);
	strv_addf(mounts, "%s:%s%s", host, container, readonly ? ":ro" : "");
	return finish(mounts, err);
}

int docker_args_mounts(struct strv *mounts, struct json_object *docker_mounts, struct error *err)
{
	if (docker_mounts == NULL)
		return 0;
	if (!json_object_is_type(docker_mounts, json_type_object))
		return error_set(err, EINVAL, "docker_mounts: must be an object");
	json_object_object_foreach(docker_mounts, container, host)
	{
		int r;

		if (!json_object_is_type(host, json_type_string))
			return error_set(err, EINVAL, "docker_mounts.%.200s: must be a string",
					 container);
		r = docker_args_mount(mounts, json_object_get_string(host), container, false, err);
		if (r < 0)
			return error_prefix(err, r, "docker_mounts");
	}
	return 0;
}

/* --- the life of a container ------------------------------------------------------------------ */

static void add_all(struct strv *ret, const char *const *words)
{
	for (; *words != NULL; words++)
		strv_add(ret, *words);
}

void docker_args_exec(const char *container, const char *command, struct strv *ret)
{
	const char *const words[] = { "docker", "exec", container, "bash", "-c", command, NULL };

	add_all(ret, words);
}

/* The filter is a regular expression of Go's; of what a name may have, only "." means something. */
static char *name_filter(const char *container)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return NULL;
	(void)fputs("name=^/", out);
	for (const char *c = container; *c != '\0'; c++)
		(void)fprintf(out, "%s%c", *c == '.' ? "\\" : "", *c);
	(void)fputc('$', out);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

void docker_args_find(const char *container, struct strv *ret)
{
	static const char *const words[] = { "docker", "container", "ps", "-aq", "--filter", NULL };

	add_all(ret, words);
	strv_take(ret, name_filter(container));
}

void docker_args_stop(const char *container, struct strv *ret)
{
	const char *const words[] = { "docker", "stop", "-t", "1", container, NULL };

	add_all(ret, words);
}

void docker_args_remove(const char *container, struct strv *ret)
{
	const char *const words[] = { "docker", "rm", "-f", container, NULL };

	add_all(ret, words);
}
