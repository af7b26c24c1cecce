/* SPDX-License-Identifier: MIT */
/* bmvm image build, import, shell: what makes new images. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/cmd_image.h"
#include "cli/config_options.h"
#include "cli/image_making.h"
#include "cli/options.h"
#include "host/host.h"
#include "image/build.h"
#include "image/draft.h"
#include "image/import.h"
#include "image/store.h"
#include "run/image_run.h"

/* Options of a VM that an image is changed in. */
#define VM_ROWS(at)                                                                                \
	{ .kind = OPTION_TITLE, .help = "The VM that the image is changed in" },                   \
		{ .name = "additional-context-file",                                               \
		  .letter = 'f',                                                                   \
		  .kind = OPTION_TEXT,                                                             \
		  .offset = (at) + offsetof(struct config_options, file),                          \
		  .value = "FILE",                                                                 \
		  .help = "configuration, JSON" },                                                 \
		{ .name = "additional-context",                                                    \
		  .letter = 'c',                                                                   \
		  .kind = OPTION_TEXT,                                                             \
		  .offset = (at) + offsetof(struct config_options, text),                          \
		  .value = "TEXT",                                                                 \
		  .help = "configuration, JSON or a Python literal" },                             \
		{ .name = "hypervisor",                                                            \
		  .kind = OPTION_CALL,                                                             \
		  .offset = (at),                                                                  \
		  .apply = config_option_set,                                                      \
		  .value = "NAME",                                                                 \
		  .key = "hypervisor",                                                             \
		  .help = "kvm, tcg or auto" },                                                    \
		{ .name = "vcpus",                                                                 \
		  .kind = OPTION_CALL,                                                             \
		  .offset = (at),                                                                  \
		  .apply = config_option_set,                                                      \
		  .value = "N",                                                                    \
		  .key = "vcpus",                                                                  \
		  .help = "virtual CPUs" },                                                        \
	{                                                                                          \
		.name = "memory", .kind = OPTION_CALL, .offset = (at), .apply = config_option_set, \
		.value = "SIZE", .key = "memory", .help = "guest memory"                           \
	}

static int out_of_memory(struct error *err)
{
	return error_set(err, ENOMEM, "out of memory");
}

/* The configuration of the VM, standing on @image whatever its base_image says. */
static int load_config(const struct config_options *options, const char *image, struct config *cfg,
		       struct error *err)
{
	int r;

	config_init(cfg);
	r = config_options_load(options, cfg, err);
	if (r < 0)
		return r;
	free(cfg->base_image);
	cfg->base_image = strdup(image);
	return cfg->base_image == NULL ? out_of_memory(err) : 0;
}

/* ---- build ---- */

/**
 * struct build_args - What was typed
 * @name, @suite, @docker, @packages, @replace: of both kinds of build
 * @from, @script, @config: of a build in a VM
 */
struct build_args {
	const char *name;
	const char *suite;
	bool docker;
	struct strv packages;
	bool replace;
	bool verbose;
	const char *from;
	const char *script;
	struct config_options config;
};

static void build_args_done(struct build_args *a)
{
	strv_done(&a->packages);
}

#define AT(member) offsetof(struct build_args, member)

static const struct cli_option build_options[] = {
	{ .name = "name",
	  .kind = OPTION_TEXT,
	  .offset = AT(name),
	  .value = "N",
	  .help = "of the new image (default " IMAGE_BUILD_NAME ")" },
	{ .name = "replace",
	  .kind = OPTION_FLAG,
	  .offset = AT(replace),
	  .help = "an image of that name gives way" },
	{ .name = "package",
	  .letter = 'p',
	  .kind = OPTION_LIST,
	  .offset = AT(packages),
	  .value = "P",
	  .help = "install this package, too; may be repeated" },
	{ .name = "verbose",
	  .letter = 'v',
	  .kind = OPTION_FLAG,
	  .offset = AT(verbose),
	  .help = "show all output" },
	{ .kind = OPTION_TITLE, .help = "A new Debian" },
	{ .name = "suite",
	  .kind = OPTION_TEXT,
	  .offset = AT(suite),
	  .value = "S",
	  .help = "release (default: the host's, on Debian)" },
	{ .name = "docker", .kind = OPTION_FLAG, .offset = AT(docker), .help = "with Docker" },
	{ .kind = OPTION_TITLE, .help = "A changed copy of an image" },
	{ .name = "from",
	  .kind = OPTION_TEXT,
	  .offset = AT(from),
	  .value = "IMAGE",
	  .help = "start a VM on this image, change it, keep the result" },
	{ .name = "script",
	  .kind = OPTION_TEXT,
	  .offset = AT(script),
	  .value = "FILE",
	  .help = "run this file in the VM as root, after the packages" },
	VM_ROWS(AT(config)),
};

#undef AT

static const struct cli_usage build_usage = {
	.command = "image build",
	.synopsis =
		"[--name N] [--suite S] [--docker] [--package P]...\n"
		"       bmvm image build --from IMAGE --name N [--script FILE] [--package P]...",
	.about = "Makes a base image: a Debian from packages, or a changed copy of an image.",
	.options = build_options,
	.n_options = ARRAY_SIZE(build_options),
};

static int check_build(struct build_args *a, struct error *err)
{
	bool vm_options =
		a->config.file != NULL || a->config.text != NULL || a->config.n_overrides > 0;

	if (a->from == NULL && (a->script != NULL || vm_options))
		return error_set(err, EINVAL, "image build: %s needs --from IMAGE",
				 a->script != NULL ? "--script" : "an option of the VM");
	if (a->from != NULL && (a->suite != NULL || a->docker))
		return error_set(err, EINVAL, "image build: --%s does not go with --from",
				 a->suite != NULL ? "suite" : "docker");
	if (a->from != NULL && a->script == NULL && a->packages.n == 0)
		return error_set(err, EINVAL,
				 "image build: --from needs a --script or a --package");
	if (a->script != NULL && access(a->script, R_OK) < 0)
		return error_set(err, EINVAL, "image build: --script %s: %s", a->script,
				 strerror(errno));
	if (a->name == NULL && a->from != NULL && !a->replace)
		return error_set(err, EINVAL,
				 "image build: --from needs the --name of the new image, or "
				 "--replace");
	if (a->name == NULL)
		a->name = a->from != NULL ? a->from : IMAGE_BUILD_NAME;
	return store_name_check(a->name, err);
}

static int build_new(const struct host *host, const struct build_args *a)
{
	AUTO_IMAGE_MAKING struct image_making making = { .signal_fd = -1, .timer_fd = -1 };
	struct image_build what = {
		.name = a->name,
		.suite = a->suite,
		.docker = a->docker,
		.packages = &a->packages,
		.replace = a->replace,
		.progress = &making.progress,
	};
	struct error err = ERROR_INIT;
	int r = image_making_begin(&making, a->verbose, &err);

	what.watch = &making.watch;
	if (r == 0)
		r = image_build(host, &what, &err);
	image_making_end(&making, r);
	if (r == -EINVAL)
		return cli_fail(&err, EXIT_CODE_USAGE);
	return r < 0 ? cli_fail(&err, EXIT_CODE_FAILED) : EXIT_CODE_OK;
}

static int build_from(const struct host *host, const struct build_args *a)
{
	AUTO_CONFIG struct config cfg = { 0 };
	struct image_run what = {
		.cfg = &cfg,
		.name = a->name,
		.script = a->script,
		.packages = &a->packages,
		.replace = a->replace,
		.verbose = a->verbose,
	};
	struct error err = ERROR_INIT;

	if (load_config(&a->config, a->from, &cfg, &err) < 0)
		return cli_fail(&err, EXIT_CODE_USAGE);
	if (draft_name_free(host, a->name, a->replace, &err) < 0)
		return cli_fail(&err, EXIT_CODE_FAILED);
	return run_image_build_from(&what);
}

int image_cmd_build(const struct host *host, int argc, char **argv)
{
	CLEANUP(build_args_done) struct build_args a = { .name = NULL };
	struct error err = ERROR_INIT;
	struct cli_rest rest;
	int r = options_parse(&build_usage, argc, argv, &a, &rest, &err);

	if (r == 0)
		r = options_no_operands(&build_usage, &rest, &err);
	if (r == 0)
		r = check_build(&a, &err);
	if (r != 0)
		return r > 0 ? EXIT_CODE_OK : cli_fail(&err, EXIT_CODE_USAGE);
	return a.from != NULL ? build_from(host, &a) : build_new(host, &a);
}

/* ---- import ---- */

/** struct import_args - What was typed; @what is filled from it */
struct import_args {
	struct image_import what;
	bool cloud_init;
	bool no_cloud_init;
};

#define AT(member) offsetof(struct import_args, member)

static const struct cli_option import_options[] = {
	{ .name = "name",
	  .kind = OPTION_TEXT,
	  .offset = AT(what.name),
	  .value = "N",
	  .help = "of the image (default: the file's name without its ending)" },
	{ .name = "replace",
	  .kind = OPTION_FLAG,
	  .offset = AT(what.replace),
	  .help = "an image of that name gives way" },
	{ .name = "kernel",
	  .kind = OPTION_TEXT,
	  .offset = AT(what.kernel),
	  .value = "FILE",
	  .help = "boot this kernel (default: the disk boots by itself)" },
	{ .name = "initrd",
	  .kind = OPTION_TEXT,
	  .offset = AT(what.initrd),
	  .value = "FILE",
	  .help = "the kernel's initrd" },
	{ .name = "append",
	  .kind = OPTION_TEXT,
	  .offset = AT(what.append),
	  .value = "TEXT",
	  .help = "the kernel's command line" },
	{ .name = "uefi",
	  .kind = OPTION_FLAG,
	  .offset = AT(what.uefi),
	  .help = "the disk boots by UEFI firmware" },
	{ .name = "cloud-init",
	  .kind = OPTION_FLAG,
	  .offset = AT(cloud_init),
	  .help = "the guest has cloud-init (default: not known)" },
	{ .name = "no-cloud-init",
	  .kind = OPTION_FLAG,
	  .offset = AT(no_cloud_init),
	  .help = "the guest has none: runs need ssh_user and ssh_key" },
};

#undef AT

static const struct cli_usage import_usage = {
	.command = "image import",
	.synopsis = "[options] FILE",
	.about = "Copies a qcow2 or raw disk into the store. Backing files are copied with it.",
	.options = import_options,
	.n_options = ARRAY_SIZE(import_options),
};

static int check_import(struct import_args *a, const struct cli_rest *rest, struct error *err)
{
	if (rest->n != 1)
		return error_set(err, EINVAL, "image import: %s",
				 rest->n == 0 ? "which FILE?" : "one FILE at a time");
	if (a->cloud_init && a->no_cloud_init)
		return error_set(
			err, EINVAL,
			"image import: --cloud-init and --no-cloud-init exclude each other");
	if (a->what.kernel == NULL && (a->what.initrd != NULL || a->what.append != NULL))
		return error_set(err, EINVAL, "image import: --%s needs --kernel",
				 a->what.initrd != NULL ? "initrd" : "append");
	a->what.file = rest->v[0];
	if (a->cloud_init)
		a->what.seed = IMAGE_SEED_NOCLOUD;
	if (a->no_cloud_init)
		a->what.seed = IMAGE_SEED_NONE;
	return a->what.name == NULL ? 0 : store_name_check(a->what.name, err);
}

int image_cmd_import(const struct host *host, int argc, char **argv)
{
	AUTO_IMAGE_MAKING struct image_making making = { .signal_fd = -1, .timer_fd = -1 };
	struct import_args a = { .what = { .seed = IMAGE_SEED_UNKNOWN } };
	struct error err = ERROR_INIT;
	struct cli_rest rest;
	int r = options_parse(&import_usage, argc, argv, &a, &rest, &err);

	if (r == 0)
		r = check_import(&a, &rest, &err);
	if (r != 0)
		return r > 0 ? EXIT_CODE_OK : cli_fail(&err, EXIT_CODE_USAGE);
	r = image_making_begin(&making, false, &err);
	a.what.progress = &making.progress;
	a.what.watch = &making.watch;
	if (r == 0)
		r = image_import(host, &a.what, &err);
	image_making_end(&making, r);
	return r < 0 ? cli_fail(&err, EXIT_CODE_FAILED) : EXIT_CODE_OK;
}

/* ---- shell ---- */

struct shell_args {
	const char *name;
	struct config_options config;
};

static const struct cli_option shell_options[] = {
	{ .name = "name",
	  .kind = OPTION_TEXT,
	  .offset = offsetof(struct shell_args, name),
	  .value = "N",
	  .help = "keep the result under this name (default: IMAGE gives way)" },
	VM_ROWS(offsetof(struct shell_args, config)),
};

static const struct cli_usage shell_usage = {
	.command = "image shell",
	.synopsis = "[options] IMAGE",
	.about =
		"A shell of root in a VM that stands on IMAGE. Leave it with `exit 0` to keep what "
		"you did,\nwith `exit 1` to throw it away.",
	.options = shell_options,
	.n_options = ARRAY_SIZE(shell_options),
};

static int check_shell(struct shell_args *a, const struct cli_rest *rest, struct error *err)
{
	if (rest->n != 1)
		return error_set(err, EINVAL, "image shell: %s",
				 rest->n == 0 ? "which IMAGE?" : "one IMAGE at a time");
	if (strchr(rest->v[0], '/') != NULL && a->name == NULL)
		return error_set(err, EINVAL, "image shell: a disk given by path needs --name");
	return a->name == NULL ? 0 : store_name_check(a->name, err);
}

int image_cmd_shell(const struct host *host, int argc, char **argv)
{
	AUTO_CONFIG struct config cfg = { 0 };
	struct shell_args a = { .name = NULL };
	struct image_run what = { .cfg = &cfg, .verbose = true };
	struct error err = ERROR_INIT;
	struct cli_rest rest;
	int r = options_parse(&shell_usage, argc, argv, &a, &rest, &err);

	if (r == 0)
		r = check_shell(&a, &rest, &err);
	if (r == 0)
		r = load_config(&a.config, rest.v[0], &cfg, &err);
	if (r != 0)
		return r > 0 ? EXIT_CODE_OK : cli_fail(&err, EXIT_CODE_USAGE);
	what.name = a.name != NULL ? a.name : rest.v[0];
	what.replace = a.name == NULL;
	if (draft_name_free(host, what.name, what.replace, &err) < 0)
		return cli_fail(&err, EXIT_CODE_FAILED);
	return run_image_shell(&what);
}
