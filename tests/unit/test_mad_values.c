/* SPDX-License-Identifier: MIT */
/* Values of context, models and manifest that would fail only after minutes in the guest. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "config/config.h"
#include "run/mad.h"
#include "tests/unit/helper_tree.h"

static char *root;
static struct mad_options options;
static struct config cfg;

/* The model "m" with more members. */
static void write_models(const char *members)
{
	tree_file(root, "models.json",
		  "[{\"name\": \"m\", \"dockerfile\": \"docker/m\", \"scripts\": \"scripts/m\", "
		  "\"args\": \"\", \"tags\": []%s}]",
		  members);
}

static void setup(void)
{
	root = tree_new();
	cr_assert_eq(chdir(root), 0);
	tree_file(root, "docker/m.Dockerfile", "# CONTEXT {}\nFROM scratch\n");
	tree_file(root, "scripts/m/run.sh", "true\n");
	write_models("");
	options = (struct mad_options)MAD_OPTIONS_INIT;
	strv_add(&options.tags, "all");
	config_init(&cfg);
}

static void teardown(void)
{
	strv_done(&options.tags);
	config_done(&cfg);
	tree_remove(root);
}

TestSuite(mad_values, .init = setup, .fini = teardown);

static int plan(struct mad *m, struct error *err)
{
	*m = (struct mad){ .o = &options,
			   .cfg = &cfg,
			   .dry_run = true,
			   .manifest = BUILD_MANIFEST_INIT,
			   .package_fd = -1 };
	return mad_plan(m, err);
}

#define AUTO_RUN CLEANUP(mad_done)

static void set_context(const char *text)
{
	(void)json_object_put(cfg.context);
	cfg.context = NULL;
	cr_assert_eq(json_parse(text, strlen(text), &cfg.context, NULL), 0, "%s", text);
}

/* Plan, and what was said meanwhile: owned. */
static char *plan_and_listen(struct mad *m)
{
	AUTO_CLOSE int fd = open("told", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	AUTO_CLOSE int before = dup(STDERR_FILENO);
	struct error err = ERROR_INIT;
	char *told = NULL;
	int r;

	cr_assert_geq(dup2(fd, STDERR_FILENO), 0);
	r = plan(m, &err);
	cr_assert_geq(dup2(before, STDERR_FILENO), 0);
	cr_assert_eq(r, 0, "%s", err.msg);
	cr_assert_eq(lseek(fd, 0, SEEK_SET), 0);
	cr_assert_eq(fd_read_all(fd, 65536, &told, NULL), 0);
	return told;
}

static void set_mount(const char *path)
{
	AUTO_FREE char *text = NULL;

	cr_assert(asprintf(&text, "{\"docker_mounts\": {\"/in\": \"%s\"}}", path) > 0);
	set_context(text);
}

/* What is the guest's would be an empty folder there, and the model measure the wrong thing. */
Test(mad_values, a_full_folder_of_this_host_that_is_the_guests_is_told)
{
	static const struct {
		const char *path;
		bool told;
	} table[] = { { "/usr/bin", true },  { "/etc", true },   { "/", true },
		      { "/dev/shm", false }, { "/proc", false }, { "/opt/rocm-0.0.0", false } };

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		AUTO_RUN struct mad m = { .package_fd = -1 };
		AUTO_FREE char *told = NULL, *want = NULL;

		set_mount(table[i].path);
		told = plan_and_listen(&m);
		cr_assert(asprintf(&want, "docker_mounts: %s is the guest's own folder",
				   table[i].path) > 0);
		cr_expect_eq(strstr(told, want) != NULL, table[i].told, "%s: %s", table[i].path,
			     told);
		cr_expect_eq(cfg.n_mounts, 0);
	}
}

Test(mad_values, an_empty_folder_that_is_the_guests_is_not_told)
{
	char folder[] = "/tmp/bmvm-values-XXXXXX";
	AUTO_FREE char *told = NULL;
	AUTO_RUN struct mad m = { .package_fd = -1 };

	cr_assert_not_null(mkdtemp(folder));
	set_mount(folder);
	told = plan_and_listen(&m);
	cr_expect_eq(rmdir(folder), 0);
	cr_expect_null(strstr(told, "docker_mounts"), "%s", told);
}

/* Only drivers have theirs in the guest's /opt. */
Test(mad_values, a_folder_of_data_in_opt_is_this_hosts)
{
	static const struct {
		const char *path;
		bool of_host;
	} table[] = { { "/opt/bmvm-no-such-data", true },
		      { "/opt", false },
		      { "/opt/rocm", false },
		      { "/opt/rocm-0.0.0/lib", false },
		      { "//opt//amdgpu-pro-none", false } };

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		AUTO_RUN struct mad m = { .package_fd = -1 };
		AUTO_FREE char *told = NULL;

		set_mount(table[i].path);
		told = plan_and_listen(&m);
		cr_expect_eq(strstr(told, "docker_mounts: this host has no ") != NULL,
			     table[i].of_host, "%s: %s", table[i].path, told);
	}
}

#define MODEL(args, dockerfile)                                                                    \
	"{\"name\": \"m\", \"dockerfile\": \"" dockerfile                                          \
	"\", \"scripts\": \"scripts/m\", "                                                         \
	"\"args\": \"" args "\", \"tags\": [\"x\"]}"

/* As with madengine the last one is run, which nobody would see. */
Test(mad_values, a_model_that_another_replaces_is_told)
{
	AUTO_RUN struct mad m = { .package_fd = -1 };
	AUTO_FREE char *told = NULL;
	const char *at;

	strv_add(&options.tags, "m"); /* selects both once more */
	tree_file(root, "docker/m.b.Dockerfile", "# CONTEXT {}\nFROM scratch\n");
	tree_file(root, "models.json", "[" MODEL("1", "docker/m") ", " MODEL("2", "docker/m") "]");
	told = plan_and_listen(&m);
	cr_assert_eq(m.n_items, 2);
	cr_expect_str_eq(model_args(&m.items[0].model), "2");
	at = strstr(told,
		    "warning: model \"m\" is there more than once: models.json: model \"m\" "
		    "(number 2 of that name) is run, models.json: model \"m\" is not\n");
	cr_assert_not_null(at, "%s", told);
	cr_expect_null(strstr(strstr(at, " is not\n"), "more than once"), "%s", told);
}

Test(mad_values, a_model_in_another_file_is_told_by_that)
{
	AUTO_RUN struct mad m = { .package_fd = -1 };
	AUTO_FREE char *told = NULL;

	tree_file(root, "models.json",
		  "[{\"name\": \"m/m\", \"dockerfile\": \"docker/m\", \"scripts\": \"scripts/m\", "
		  "\"args\": \"\"}]");
	tree_file(root, "scripts/m/models.json",
		  "[{\"name\": \"m\", \"dockerfile\": \"../../docker/m\", \"scripts\": \".\", "
		  "\"args\": \"\"}]");
	told = plan_and_listen(&m);
	cr_assert_eq(m.n_items, 1);
	cr_expect_not_null(strstr(told,
				  ": scripts/m/models.json: model \"m/m\" (number 2 of that "
				  "name) is run, models.json: model \"m/m\" is not\n"),
			   "%s", told);
}

Test(mad_values, models_of_one_name_that_both_run_are_not_told)
{
	AUTO_RUN struct mad m = { .package_fd = -1 };
	AUTO_FREE char *told = NULL;

	tree_file(root, "docker/n.Dockerfile", "# CONTEXT {}\nFROM scratch\n");
	tree_file(root, "models.json", "[" MODEL("1", "docker/m") ", " MODEL("2", "docker/n") "]");
	strv_add(&options.tags, "m");
	told = plan_and_listen(&m);
	cr_expect_eq(m.n_items, 2);
	cr_expect_null(strstr(told, "more than once"), "%s", told);
}

/* They would fail when the VM is up and the images are built. */
Test(mad_values, of_the_context_that_cannot_be_are_wrong_arguments)
{
	static const struct {
		const char *context;
		const char *why;
	} table[] = {
		{ "{'docker_gpus': 'x'}", "docker_gpus: x: must be \"all\", or numbers" },
		{ "{'docker_gpus': '9-1'}", "docker_gpus: 9-1: must be" },
		{ "{'docker_gpus': '0-99999999999'}", "docker_gpus: 0-99999999999: must be" },
		{ "{'docker_cpus': []}", "docker_cpus: must be a text" },
		{ "{'docker_cpus': -5}", "docker_cpus: -5: must be numbers" },
		{ "{'docker_cpus': '3-1'}", "docker_cpus: 3-1: must be numbers" },
		{ "{'docker_cpus': '0-'}", "docker_cpus: 0-: must be numbers" },
		{ "{'docker_cpus': '0,,1'}", "docker_cpus: 0,,1: must be numbers" },
		{ "{'docker_cpus': '0 1'}", "docker_cpus: 0 1: must be numbers" },
		{ "{'docker_cpus': '99999999999'}", "docker_cpus: 99999999999: must be numbers" },
		{ "{'n_gpus': -5}", "n_gpus: must be a number of GPUs, or \"-1\" for all" },
		{ "{'n_gpus': []}", "n_gpus: must be a number of GPUs" },
		{ "{'gpu_count': 1.5}", "gpu_count: must be a number of GPUs" },
		{ "{'MAD_CONTAINER_IMAGE': 'My'}", "MAD_CONTAINER_IMAGE: image My: is no name" },
		{ "{'distributed': {'launcher': 5}}", "distributed.launcher: must be a string" },
		{ "{'data': {'x': 5}}", "data.x: must be an object: {\"PROVIDER\": {...}}" },
		{ "{'docker_mounts': {'': '/usr'}}", "must be absolute" },
		{ "{'docker_mounts': {'rel': '/usr'}}", "\"rel\" must be absolute" },
		{ "{'docker_mounts': {'/': '/usr'}}", "nothing can be mounted at / of a" },
		{ "{'docker_mounts': {'//': '/usr'}}", "nothing can be mounted at //" },
		{ "{'docker_mounts': {'/myworkspace/': '/usr'}}", "mounted at /myworkspace/ of" },
		{ "{'docker_mounts': {'/in': ''}}", "mount at /in: \"\" cannot be mounted" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		AUTO_RUN struct mad m = { .package_fd = -1 };
		AUTO_FREE char *text = strdup(table[i].context);
		struct error err = ERROR_INIT;

		for (char *c = text; *c != '\0'; c++)
			*c = *c == '\'' ? '"' : *c;
		set_context(text);
		cr_expect_eq(plan(&m, &err), -EINVAL, "%s", text);
		cr_expect_eq(m.code, 4, "%s: %d", text, m.code);
		cr_expect_not_null(strstr(err.msg, table[i].why), "%s: %s", text, err.msg);
	}
}

Test(mad_values, of_the_context_that_can_be)
{
	static const char *const table[] = {
		"{\"docker_gpus\": \"all\", \"docker_cpus\": \"\", \"n_gpus\": \"-1\"}",
		"{\"docker_gpus\": \" 0 , 2-4,5-5\", \"docker_cpus\": \"14-18, 32,44-44\"}",
		"{\"docker_gpus\": \"\", \"docker_cpus\": 5, \"n_gpus\": null}",
		"{\"distributed\": {\"launcher\": \"torchrun\"}, \"data\": {\"x\": {}}}",
		"{\"docker_mounts\": {\"/myworkspace/data\": \"/usr\", \"/v\": \"volume\"}}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		AUTO_RUN struct mad m = { .package_fd = -1 };
		struct error err = ERROR_INIT;

		set_context(table[i]);
		cr_expect_eq(plan(&m, &err), 0, "%s: %s", table[i], err.msg);
	}
}

/* As madengine does, but not silently. */
Test(mad_values, a_count_that_is_no_number_is_ignored)
{
	AUTO_RUN struct mad m = { .package_fd = -1 };
	AUTO_FREE char *told = NULL;

	set_context("{\"n_gpus\": \"abc\"}");
	told = plan_and_listen(&m);
	cr_expect_not_null(strstr(told, "n_gpus: \"abc\" is no number of GPUs"), "%s", told);
}

/* The model "m" and one that is right, each with its own Dockerfile. */
static void write_two(const char *members)
{
	tree_file(root, "docker/good.Dockerfile", "# CONTEXT {}\nFROM scratch\n");
	tree_file(root, "models.json",
		  "[{\"name\": \"m\", \"dockerfile\": \"docker/m\", \"args\": \"\"%s}, "
		  "{\"name\": \"good\", \"dockerfile\": \"docker/good\", \"args\": \"\", "
		  "\"scripts\": \"scripts/m/run.sh\", \"tags\": [\"x\"]}]",
		  members);
}

/* Its setup fails, and the others run; alone it is refused before the VM is made. */
Test(mad_values, a_model_without_its_scripts_stops_no_other)
{
	static const struct {
		const char *members;
		const char *why;
	} table[] = {
		{ "", "scripts: is missing" },
		{ ", \"scripts\": \"\"", "scripts: is missing" },
		{ ", \"scripts\": \"scripts/none\"", "the package has no folder scripts/none" },
		{ ", \"scripts\": \"scripts\"", "the package has no scripts/run.sh" },
		{ ", \"scripts\": \"scripts/m/no.py\"", "the package has no scripts/m/no.py" },
		{ ", \"scripts\": \"run.sh\"", "must be in a folder of its own" },
		{ ", \"scripts\": \"scripts/none/a.sh\", \"url\": \"https://x.org/a\"",
		  "the package has no folder scripts/none" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		AUTO_RUN struct mad m = { .package_fd = -1 }, alone = { .package_fd = -1 };
		AUTO_FREE char *told = NULL;
		struct error err = ERROR_INIT;

		write_two(table[i].members);
		strv_done(&options.tags);
		strv_add(&options.tags, "m,x");
		told = plan_and_listen(&m);
		cr_expect_not_null(strstr(told, table[i].why), "%s", told);
		cr_expect_not_null(strstr(m.items[0].failed.msg, table[i].why));
		cr_expect_not(m.items[0].unbuildable);
		cr_expect_str_eq(m.items[1].failed.msg, "");
		strv_done(&options.tags);
		strv_add(&options.tags, "m");
		cr_expect_lt(plan(&alone, &err), 0);
		cr_expect_eq(alone.code, 3);
		cr_expect_not_null(strstr(err.msg, table[i].why), "%s", err.msg);
	}
}

Test(mad_values, a_script_that_comes_later_is_not_missed)
{
	AUTO_RUN struct mad m = { .package_fd = -1 };
	struct error err = ERROR_INIT;

	write_models(", \"url\": \"https://x.org/a\"");
	cr_assert_eq(unlink("scripts/m/run.sh"), 0);
	cr_expect_eq(plan(&m, &err), 0, "%s", err.msg);
}

Test(mad_values, scripts_around_the_model_that_are_not_there)
{
	AUTO_RUN struct mad m = { .package_fd = -1 }, later = { .package_fd = -1 };
	AUTO_FREE char *told = NULL;
	struct error err = ERROR_INIT;

	set_context("{\"pre_scripts\": [{\"path\": \"scripts/none.sh\"}]}");
	cr_expect_eq(plan(&m, &err), -ENOENT);
	cr_expect_eq(m.code, 4);
	cr_expect_not_null(strstr(err.msg, "pre-script scripts/none.sh: "), "%s", err.msg);
	set_context(
		"{\"pre_scripts\": [{\"path\": \"scripts/m/run.sh\"}], "
		"\"post_scripts\": [{\"path\": \"run_directory/made.sh\"}]}");
	told = plan_and_listen(&later);
	cr_expect_not_null(strstr(told, "post-script run_directory/made.sh: the package has no"),
			   "%s", told);
}

Test(mad_values, a_docker_context_that_is_not_there_is_a_failed_build)
{
	static const char *const table[] = { "none", "docker/m.Dockerfile" };

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		AUTO_RUN struct mad m = { .package_fd = -1 };
		AUTO_FREE char *members = NULL, *want = NULL;
		struct error err = ERROR_INIT;

		cr_assert(asprintf(&members, ", \"dockercontext\": \"%s\"", table[i]) > 0);
		cr_assert(asprintf(&want, "dockercontext %s: ", table[i]) > 0);
		write_models(members);
		cr_expect_lt(plan(&m, &err), 0);
		cr_expect_eq(m.code, 2);
		cr_expect_not_null(strstr(err.msg, want), "%s", err.msg);
		cr_expect(m.items[0].unbuildable);
		cr_expect_null(m.items[0].container);
	}
}

static void write_manifest(const char *image, const char *scripts)
{
	tree_file(root, "f.json",
		  "{\"built_images\": {\"%s\": {}}, \"built_models\": {\"%s\": {\"name\": "
		  "\"m\", \"args\": \"\", \"scripts\": \"%s\"}}}",
		  image, image, scripts);
	options.manifest = "f.json";
}

Test(mad_values, of_a_manifest_that_cannot_be)
{
	static const struct {
		const char *image, *scripts, *why;
	} table[] = {
		{ "i", "../../x", "model \"m\": scripts: path: ../../x leads out of the package" },
		{ "i", "scripts/none", "model \"m\": scripts: the package has no folder" },
		{ "My", "scripts/m", "f.json: built_images.My: image My: is no name to Docker" },
		{ "a:b:c", "scripts/m", "built_images.a:b:c: image a:b:c: is no name" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		AUTO_RUN struct mad m = { .package_fd = -1 };
		struct error err = ERROR_INIT;

		write_manifest(table[i].image, table[i].scripts);
		cr_expect_lt(plan(&m, &err), 0);
		cr_expect_eq(m.code, 3);
		cr_expect_not_null(strstr(err.msg, table[i].why), "%s", err.msg);
	}
}
