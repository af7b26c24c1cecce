/* SPDX-License-Identifier: MIT */
#include "run/image_run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "guest/copy.h"
#include "image/import.h"
#include "run/devices.h"
#include "run/pipeline.h"
#include "run/task.h"
#include "vm/tail.h"

#define SCRIPT_CAP    ((size_t)16 << 20)
#define SCRIPT_PATH   "/tmp/bmvm-build-script"
#define FETCH_SECONDS 600
#define LOG_LINES     25
#define PATH_SIZE     4096

/**
 * struct image_job - What is added to a run (run.extra)
 * @shell:    a person works in the guest, instead of packages and script
 * @accepted: packages, script or shell succeeded: the disk becomes an image
 * @kernel, @initrd: fetched from the guest, in the VM's data folder; empty: none
 */
struct image_job {
	const struct image_run *what;
	bool shell;
	bool accepted;
	char kernel[PATH_SIZE];
	char initrd[PATH_SIZE];
};

/* Runs its arguments as root, whoever logs in. */
static const char as_root[] =
	"sudo=; [ \"$(id -u)\" = 0 ] || sudo='sudo -n'\n"
	"export DEBIAN_FRONTEND=noninteractive\n"
	"exec $sudo env DEBIAN_FRONTEND=noninteractive \"$@\"\n";

static const char install_packages[] =
	"set -e\n"
	"if command -v apt-get >/dev/null; then\n"
	"  apt-get -q update\n"
	"  exec apt-get -q -y install --no-install-recommends -- \"$@\"\n"
	"elif command -v dnf >/dev/null; then exec dnf -y install -- \"$@\"\n"
	"elif command -v zypper >/dev/null; then exec zypper -n install -- \"$@\"\n"
	"elif command -v apk >/dev/null; then exec apk add -- \"$@\"\n"
	"fi\n"
	"echo 'no package manager known here' >&2; exit 1\n";

/*
 * What a direct boot of the present system needs: $1 is "kernel" or "initrd". Images built here
 * know it themselves; elsewhere it is the newest kernel that has an initrd beside it.
 */
static const char boot_file[] =
	"own=/usr/local/lib/bmvm/boot-file\n"
	"if [ -x \"$own\" ]; then exec \"$own\" \"$1\"; fi\n"
	"for k in $(ls -1v /boot/vmlinuz-* 2>/dev/null | tail -n 1); do\n"
	"  v=${k#/boot/vmlinuz-}\n"
	"  for i in /boot/initrd.img-$v /boot/initramfs-$v.img; do\n"
	"    [ -e \"$i\" ] || continue\n"
	"    if [ \"$1\" = kernel ]; then exec cat \"$k\"; else exec cat \"$i\"; fi\n"
	"  done\n"
	"done\n"
	"echo 'no kernel with an initrd in /boot' >&2; exit 1\n";

static struct image_job *job_of(const struct run *r)
{
	return r->extra;
}

/* ---- running things in the guest ---- */

static int run_logged(struct run *r, char *const *argv, const char *what, struct error *err)
{
	const struct image_job *job = job_of(r);
	AUTO_FREE char *path = path_join(r->vd.data_path, "build.log");
	AUTO_CLOSE int log =
		path == NULL ? -1 : open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct watchset ws = front_watchset(&r->front);
	struct guest_command cmd = GUEST_COMMAND_INIT;
	AUTO_TAIL struct tail tail = { .data = NULL };
	AUTO_FREE char *text = NULL;
	int ret;

	if (log < 0)
		return error_errno(err, "open the build's log");
	cmd.argv = argv;
	cmd.stdout_fd = job->what->verbose ? STDERR_FILENO : log;
	cmd.stderr_fd = cmd.stdout_fd;
	ret = guest_run(r->guest, &cmd, &r->result, &ws, err);
	if (ret < 0 || r->result.exit_code == 0)
		return ret;
	if (!job->what->verbose && lseek(log, 0, SEEK_SET) == 0) {
		while (tail_read(&tail, log) == 1)
			;
		text = tail_text(&tail, LOG_LINES);
		log_error("the last lines of %s:\n%s", what, text != NULL ? text : "");
	}
	return error_set(err, EIO, "%s failed in the guest: exit code %d", what,
			 r->result.exit_code);
}

/* What follows in @argv is run as root. */
static void begin_as_root(struct strv *argv)
{
	strv_add(argv, "sh");
	strv_add(argv, "-c");
	strv_add(argv, as_root);
	strv_add(argv, "bmvm");
}

static int install(struct run *r, struct error *err)
{
	const struct strv *packages = job_of(r)->what->packages;
	AUTO_STRV struct strv argv = STRV_INIT;

	if (packages == NULL || packages->n == 0)
		return 0;
	begin_as_root(&argv);
	strv_add(&argv, "sh");
	strv_add(&argv, "-c");
	strv_add(&argv, install_packages);
	strv_add(&argv, "bmvm");
	strv_add_all(&argv, packages->v);
	if (strv_error(&argv) < 0)
		return error_set(err, ENOMEM, "out of memory");
	return run_logged(r, argv.v, "the installation of packages", err);
}

static int run_script(struct run *r, struct error *err)
{
	const char *script = job_of(r)->what->script;
	struct watchset ws = front_watchset(&r->front);
	AUTO_FREE char *text = NULL;
	AUTO_STRV struct strv argv = STRV_INIT;
	struct guest_file file = { .path = SCRIPT_PATH, .mode = 0700 };
	int ret;

	if (script == NULL)
		return 0;
	ret = file_read_input(script, SCRIPT_CAP, &text, &file.len, err);
	if (ret < 0)
		return ret;
	file.data = text;
	ret = guest_write_file(r->guest, &file, deadline_in_s(FETCH_SECONDS), &ws, err);
	if (ret < 0)
		return ret;
	begin_as_root(&argv);
	/* a script without #! is one for sh, as a shell would have it */
	if (strncmp(text, "#!", 2) != 0)
		strv_add(&argv, "sh");
	strv_add(&argv, SCRIPT_PATH);
	if (strv_error(&argv) < 0)
		return error_set(err, ENOMEM, "out of memory");
	ret = run_logged(r, argv.v, script, err);
	if (ret == 0)
		ret = guest_capture(r->guest, "rm -f " SCRIPT_PATH, NULL, deadline_in_s(60), NULL,
				    &ws, err);
	return ret;
}

static int run_shell(struct run *r, struct error *err)
{
	struct watchset ws = front_watchset(&r->front);
	struct guest_command cmd = GUEST_COMMAND_INIT;
	int ret;

	cmd.stdin_fd = STDIN_FILENO;
	cmd.stdout_fd = STDOUT_FILENO;
	cmd.stderr_fd = STDERR_FILENO;
	cmd.tty = isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0;
	cmd.term = getenv("TERM");
	progress_yield(&r->progress);
	log_info(
		"end the shell with exit 0 to keep the changes as image %s, with another code to "
		"throw them away",
		job_of(r)->what->name);
	r->front.phase = FRONT_WORKLOAD;
	ret = guest_run(r->guest, &cmd, &r->result, &ws, err);
	guest_run_restore_terminal(r->guest);
	r->front.phase = FRONT_PREPARE;
	if (ret == 0 && r->result.exit_code != 0)
		ret = error_set(err, ECANCELED, "the shell ended with code %d: nothing is kept",
				r->result.exit_code);
	return ret;
}

/* ---- the kernel that the new image will boot ---- */

static int fetch(struct run *r, const char *what, char *ret_path, struct error *err)
{
	struct watchset ws = front_watchset(&r->front);
	struct guest_command cmd = GUEST_COMMAND_INIT;
	struct guest_result result = { .started = false };
	AUTO_STRV struct strv argv = STRV_INIT;
	AUTO_CLOSE int fd = -1;
	int ret;

	begin_as_root(&argv);
	strv_add(&argv, "sh");
	strv_add(&argv, "-c");
	strv_add(&argv, boot_file);
	strv_add(&argv, "bmvm");
	strv_add(&argv, what);
	if (strv_error(&argv) < 0)
		return error_set(err, ENOMEM, "out of memory");
	(void)snprintf(ret_path, PATH_SIZE, "%.3900s/%s", r->vd.data_path, what);
	fd = open(ret_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return error_errno(err, "create %s", ret_path);
	cmd.argv = argv.v;
	cmd.stdout_fd = fd;
	cmd.stderr_fd = STDERR_FILENO;
	cmd.deadline_ns = deadline_in_s(FETCH_SECONDS);
	ret = guest_run(r->guest, &cmd, &result, &ws, err);
	if (ret == 0 && result.exit_code != 0)
		ret = error_set(err, EIO, "fetch the guest's %s: exit code %d", what,
				result.exit_code);
	return ret;
}

static int fetch_kernel(struct run *r, struct error *err)
{
	struct image_job *job = job_of(r);
	int ret;

	if (r->image.kernel.path == NULL)
		return 0;
	ret = fetch(r, "kernel", job->kernel, err);
	return ret < 0 ? ret : fetch(r, "initrd", job->initrd, err);
}

/* ---- the stages ---- */

static int stage_change(struct run *r, struct error *err)
{
	struct image_job *job = job_of(r);
	struct watchset ws = front_watchset(&r->front);
	int ret = job->shell ? run_shell(r, err) : install(r, err);

	if (ret == 0 && !job->shell)
		ret = run_script(r, err);
	if (ret == 0)
		ret = fetch_kernel(r, err);
	if (ret == 0)
		ret = guest_capture(r->guest, "sync", NULL, deadline_in_s(FETCH_SECONDS), NULL, &ws,
				    err);
	job->accepted = ret == 0;
	return ret;
}

/* Between the guest's shutdown and the removal of its disk. */
static int stage_commit(struct run *r, struct error *err)
{
	const struct image_job *job = job_of(r);
	AUTO_FREE char *overlay = path_join(r->vd.data_path, MACHINE_OVERLAY);
	struct watchset ws = front_watchset(&r->front);
	struct image_commit commit = {
		.overlay = overlay,
		.from = &r->image,
		.name = job->what->name,
		.kernel = job->kernel[0] != '\0' ? job->kernel : NULL,
		.initrd = job->initrd[0] != '\0' ? job->initrd : NULL,
		.packages = job->what->packages,
		.replace = job->what->replace,
		.watch = &ws,
	};

	if (!job->accepted)
		return 0;
	if (overlay == NULL)
		return error_set(err, ENOMEM, "out of memory");
	return image_commit(&r->host, &commit, err);
}

static const struct stage stages[] = {
	{ "validate", "Validate", NULL, stage_validate, NULL, false },
	{ "create", "Create the VM", NULL, stage_create, stage_create_undo, false },
	{ "commit", "Make the image", NULL, NULL, stage_commit, false },
	{ "devices", "Take the devices", stage_devices_wanted, stage_devices, NULL, false },
	{ "start", "Start the VM", NULL, stage_start, stage_start_undo, false },
	{ "change", "Change the image", NULL, stage_change, NULL, false },
};

/* The disk is what the run is for. */
static void prepare(struct run *r)
{
	r->keep_disk = true;
	r->replaces_image = job_of(r)->what->replace;
}

static int run_job(const struct image_run *what, bool shell)
{
	struct image_job job = { .what = what, .shell = shell };
	struct run_options o = { .cfg = *what->cfg, .verbose = what->verbose };
	struct task task = {
		.stages = stages, .n_stages = ARRAY_SIZE(stages), .extra = &job, .prepare = prepare
	};
	int code = task_run(&o, &task);

	*what->cfg = o.cfg; /* the caller frees what was fitted to the host */
	if (code == 0)
		log_info("image %s is ready", what->name);
	return code >= 128 ? code : code == 0 ? 0 : 1;
}

int run_image_build_from(const struct image_run *what)
{
	return run_job(what, false);
}

int run_image_shell(const struct image_run *what)
{
	return run_job(what, true);
}
