/* SPDX-License-Identifier: MIT */
#include "image/build.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "host/host.h"
#include "image/draft.h"
#include "image/manifest.h"
#include "image/probe.h"
#include "image/recipe.h"
#include "image/userns.h"

#define LOWER      "abcdefghijklmnopqrstuvwxyz"
#define UPPER      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS     "0123456789"
#define WORD_MAX   128
#define OS_RELEASE "/etc/os-release"
#define NEED_BYTES (UINT64_C(4) << 30)
#define SBIN       "/usr/local/sbin:/usr/sbin:/sbin"

/* ---- what is needed ---- */

static bool is_package(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && n <= WORD_MAX && strspn(s, LOWER UPPER DIGITS "+.:~=/-") == n &&
	       strspn(s, LOWER UPPER DIGITS) > 0;
}

static bool is_suite(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && n <= WORD_MAX && strspn(s, LOWER DIGITS "-") == n && strspn(s, LOWER) > 0;
}

static int check_words(const struct image_build *what, struct error *err)
{
	if (what->suite != NULL && !is_suite(what->suite))
		return error_set(err, EINVAL, "\"%s\" is no name of a Debian release", what->suite);
	for (size_t i = 0; what->packages != NULL && i < what->packages->n; i++) {
		if (!is_package(what->packages->v[i]))
			return error_set(err, EINVAL, "\"%s\" is no name of a package",
					 what->packages->v[i]);
	}
	return 0;
}

/* All that is missing at once, so that one command mends it. */
static int check_programs(bool is_root, struct error *err)
{
	static const struct recipe_program mapping = { "newuidmap", "uidmap" };
	AUTO_STRV struct strv programs = STRV_INIT, packages = STRV_INIT;
	AUTO_FREE char *names = NULL, *install = NULL;
	int r;

	for (size_t i = 0; i < n_recipe_programs + (is_root ? 0 : 1); i++) {
		const struct recipe_program *p =
			i < n_recipe_programs ? &recipe_programs[i] : &mapping;
		AUTO_FREE char *path = process_find_program(p->name, NULL);

		if (path != NULL)
			continue;
		strv_add(&programs, p->name);
		strv_add(&packages, p->package);
	}
	if (programs.n == 0)
		return 0;
	names = strv_join(&programs, ", ");
	install = strv_join(&packages, " ");
	if (names == NULL || install == NULL)
		return error_set(err, ENOMEM, "out of memory");
	r = error_set(err, ENOENT, "building an image needs %s, not found here", names);
	return error_hint(err, r, "apt-get install %s", install);
}

int image_build_check(const struct host *host, const struct image_build *what, struct error *err)
{
	int r = check_words(what, err);

	if (r == 0)
		r = check_programs(host->is_root, err);
	if (r == 0 && !host->is_root)
		r = userns_check(host, err);
	return r;
}

static int check_space(const char *scratch, struct error *err)
{
	uint64_t bytes = 0;
	int r = file_free_bytes(scratch, &bytes, err);

	if (r < 0 || bytes >= NEED_BYTES)
		return r;
	r = error_set(err, ENOSPC,
		      "building an image needs %" PRIu64 " MiB in %s, %" PRIu64 " are free",
		      NEED_BYTES >> 20, scratch, bytes >> 20);
	return error_hint(err, r, "TMPDIR=/some/larger/folder bmvm image build");
}

/* ---- which release ---- */

/* Value of KEY=VALUE in os-release, without its quotes; owned. */
static char *os_release_value(const char *text, const char *key)
{
	size_t n = strlen(key);

	for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n' ? 1 : 0;
		if (strncmp(line, key, n) == 0 && line[n] == '=') {
			const char *value = line + n + 1 + (line[n + 1] == '"' ? 1 : 0);

			return strndup(value, strcspn(value, "\"\n"));
		}
	}
	return NULL;
}

static char *host_suite(void)
{
	AUTO_FREE char *text = NULL, *id = NULL, *suite = NULL;

	if (file_read_at(AT_FDCWD, OS_RELEASE, 65536, &text, NULL, NULL) < 0)
		return NULL;
	id = os_release_value(text, "ID");
	suite = os_release_value(text, "VERSION_CODENAME");
	if (id == NULL || strcmp(id, "debian") != 0 || suite == NULL || !is_suite(suite))
		return NULL;
	return TAKE_PTR(suite);
}

static char *choose_suite(const struct image_build *what)
{
	char *suite = what->suite != NULL ? strdup(what->suite) : host_suite();

	return suite != NULL ? suite : strdup(RECIPE_SUITE);
}

/* ---- mmdebstrap ---- */

static void add_words(struct strv *sv, const char *const *words)
{
	for (size_t i = 0; words[i] != NULL; i++)
		strv_add(sv, words[i]);
}

static char *include_list(const struct image_build *what)
{
	AUTO_STRV struct strv names = STRV_INIT;

	add_words(&names, recipe_packages);
	if (what->docker)
		add_words(&names, recipe_docker_packages);
	if (what->packages != NULL)
		strv_add_all(&names, what->packages->v);
	return strv_error(&names) < 0 ? NULL : strv_join(&names, ",");
}

/*
 * Root's mmdebstrap mounts and chroots: in namespaces of its own, nothing of that is left when the
 * processes are gone, however they went.
 */
static void add_program(struct strv *argv, bool is_root)
{
	if (is_root)
		tool_args(argv, "unshare", "--mount", "--pid", "--fork", "--kill-child",
			  "--mount-proc", NULL);
	strv_add(argv, "mmdebstrap");
	strv_add(argv, is_root ? "--mode=root" : "--mode=unshare");
}

/* In double quotes, as perl's shellwords reads them back. */
static char *quote(const char *s)
{
	char *quoted = malloc(2 * strlen(s) + 3);
	size_t n = 0;

	if (quoted == NULL)
		return NULL;
	quoted[n++] = '"';
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			quoted[n++] = '\\';
		quoted[n++] = *s;
	}
	quoted[n++] = '"';
	quoted[n] = '\0';
	return quoted;
}

/* mmdebstrap itself, outside of any namespace, writes what the hook left into the draft. */
static int add_downloads(struct strv *argv, const struct draft *draft)
{
	for (size_t i = 0; recipe_outputs[i] != NULL; i++) {
		AUTO_FREE char *path = path_join(draft->path, recipe_outputs[i]);
		AUTO_FREE char *quoted = path == NULL ? NULL : quote(path);

		if (quoted == NULL)
			return -ENOMEM;
		strv_addf(argv, "--customize-hook=download " RECIPE_OUT "/%s %s", recipe_outputs[i],
			  quoted);
	}
	return 0;
}

static int make_argv(struct strv *argv, const struct host *host, const struct image_build *what,
		     const struct draft *draft, const char *suite)
{
	AUTO_FREE char *include = include_list(what);

	if (include == NULL)
		return -ENOMEM;
	add_program(argv, host->is_root);
	add_words(argv, recipe_options);
	strv_addf(argv, "--include=%s", include);
	if (what->docker) {
		strv_add(argv, "--include=" RECIPE_DOCKER_CLIENT);
		strv_add(argv, "--include=" RECIPE_DOCKER_BUILDX);
	}
	add_words(argv, recipe_hooks);
	if (add_downloads(argv, draft) < 0)
		return -ENOMEM;
	tool_args(argv, suite, "/dev/null", "-", NULL);
	return strv_error(argv);
}

static bool is_ours(const char *variable)
{
	return strncmp(variable, "BMVM_", 5) == 0 || strncmp(variable, "TMPDIR=", 7) == 0 ||
	       strncmp(variable, "PATH=", 5) == 0 || strncmp(variable, "INITRD=", 7) == 0;
}

static int make_environment(struct strv *envp, const char *scratch, const char *suite)
{
	const char *path = getenv("PATH");

	for (char **v = environ; *v != NULL; v++) {
		if (!is_ours(*v))
			strv_add(envp, *v);
	}
	strv_addf(envp, "PATH=%s:" SBIN, path != NULL ? path : "/usr/local/bin:/usr/bin:/bin");
	strv_addf(envp, "TMPDIR=%s", scratch);
	/* the hook makes the initramfs, once; each package's own script would, too */
	strv_add(envp, "INITRD=No");
	strv_addf(envp, "BMVM_SUITE=%s", suite);
	strv_addf(envp, "BMVM_SETUP_HOOK=%s", recipe_setup_hook);
	strv_addf(envp, "BMVM_CUSTOMIZE_HOOK=%s", recipe_customize_hook);
	if (getenv("SOURCE_DATE_EPOCH") == NULL)
		strv_addf(envp, "SOURCE_DATE_EPOCH=%lld", (long long)time(NULL));
	return strv_error(envp);
}

/* ---- its output becomes progress ---- */

struct phase {
	const char *line; /* how the line begins that announces it */
	const char *title;
};

static const struct phase phases[] = {
	{ "I: running apt-get update", "reading the package lists" },
	{ "I: downloading packages", "downloading packages" },
	{ "I: extracting archives", "unpacking" },
	{ "I: installing essential", "installing the base system" },
	{ "I: installing remaining", "installing packages" },
	{ "I: running --customize-hook", "setting up the guest and making its disk" },
};

struct follower {
	struct image_progress *progress;
	size_t next; /* phase */
};

static void follow_line(void *data, const char *line)
{
	struct follower *f = data;

	for (size_t i = f->next; i < ARRAY_SIZE(phases); i++) {
		if (strncmp(line, phases[i].line, strlen(phases[i].line)) == 0) {
			image_step(f->progress, phases[i].title);
			f->next = i + 1;
			break;
		}
	}
	if (f->progress != NULL && f->progress->line != NULL)
		f->progress->line(f->progress->data, line);
}

static int run_mmdebstrap(const struct host *host, const struct image_build *what,
			  const struct draft *draft, const char *suite, struct error *err)
{
	AUTO_STRV struct strv argv = STRV_INIT, envp = STRV_INIT;
	AUTO_FREE char *scratch = NULL;
	struct follower follower = { .progress = what->progress };
	struct tool tool = {
		.line = follow_line,
		.data = &follower,
		.watch = what->watch,
		.lock_fd = draft->fd,
	};
	int r = draft_add_scratch(draft, &scratch, err);

	if (r == 0)
		r = check_space(scratch, err);
	if (r < 0)
		return r;
	if (make_argv(&argv, host, what, draft, suite) < 0 ||
	    make_environment(&envp, scratch, suite) < 0)
		return error_set(err, ENOMEM, "build: out of memory");
	tool.dir = scratch; /* the ids of a user namespace cannot enter the draft */
	tool.argv = argv.v;
	tool.envp = envp.v;
	return tool_run(&tool, err);
}

/* ---- the image ---- */

/* The kernel line comes out of the build as a file, and goes into the manifest. */
static int take_cmdline(struct manifest *m, const struct draft *draft, struct error *err)
{
	int r = file_read_at(draft->fd, RECIPE_CMDLINE, 4096, &m->append, NULL, err);

	if (r < 0)
		return r;
	m->append[strcspn(m->append, "\n")] = '\0';
	(void)unlinkat(draft->fd, RECIPE_CMDLINE, 0);
	return 0;
}

static int describe(struct manifest *m, const struct image_build *what, const struct draft *draft,
		    const char *suite, struct error *err)
{
	AUTO_PROBE struct probe probe = { .chain = NULL };
	AUTO_FREE char *disk = path_join(draft->path, RECIPE_DISK);
	char now[CLOCK_ISO_SIZE];
	int r;

	if (disk == NULL)
		return error_set(err, ENOMEM, "build: out of memory");
	r = probe_disk(disk, &probe, err);
	if (r == 0)
		r = take_cmdline(m, draft, err);
	if (r < 0)
		return r;
	clock_iso(now);
	m->virtual_size = probe.virtual_size;
	m->docker = what->docker;
	m->seed = IMAGE_SEED_BMVM;
	m->uefi = true;
	m->created = strdup(now);
	m->origin = strdup("build");
	m->suite = strdup(suite);
	m->format = strdup(probe.chain[0].format);
	m->disk.file = strdup(RECIPE_DISK);
	m->kernel.file = strdup(RECIPE_KERNEL);
	m->initrd.file = strdup(RECIPE_INITRD);
	if (what->packages != NULL)
		strv_add_all(&m->packages, what->packages->v);
	if (m->created == NULL || m->origin == NULL || m->suite == NULL || m->format == NULL ||
	    m->disk.file == NULL || m->kernel.file == NULL || m->initrd.file == NULL ||
	    strv_error(&m->packages) < 0)
		return error_set(err, ENOMEM, "build: out of memory");
	return 0;
}

static int build_as(const struct host *host, const struct image_build *what, const char *suite,
		    struct error *err)
{
	AUTO_DRAFT struct draft draft = DRAFT_INIT;
	AUTO_MANIFEST struct manifest m = { .created = NULL };
	struct draft_publish how = {
		.name = what->name,
		.replace = what->replace,
		.manifest = &m,
		.watch = what->watch,
	};
	int r = draft_begin(host, &draft, err);

	image_steps(what->progress, ARRAY_SIZE(phases) + 1);
	if (r == 0)
		r = run_mmdebstrap(host, what, &draft, suite, err);
	if (r == 0)
		r = describe(&m, what, &draft, suite, err);
	if (r < 0)
		return r;
	image_step(what->progress, "computing digests");
	return draft_publish(host, &draft, &how, err);
}

int image_build(const struct host *host, const struct image_build *what, struct error *err)
{
	AUTO_FREE char *suite = choose_suite(what);
	int r = image_build_check(host, what, err);

	if (suite == NULL)
		return error_set(err, ENOMEM, "build: out of memory");
	if (r == 0)
		r = draft_name_free(host, what->name, what->replace, err);
	return r == 0 ? build_as(host, what, suite, err) : r;
}
