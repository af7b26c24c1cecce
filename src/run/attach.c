/* SPDX-License-Identifier: MIT */
#include "run/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/process.h"
#include "base/strv.h"
#include "guest/exec.h"
#include "guest/keys.h"
#include "guest/session.h"
#include "run/console.h"
#include "run/control.h"
#include "run/front.h"
#include "run/recover.h"

#define KEY_CAP ((size_t)65536)
/* An emulated guest on a busy host is slow; Ctrl-C ends the wait sooner. */
#define LOGIN_SECONDS        300
#define UNRESPONSIVE_SECONDS 120
#define END_SECONDS          3600

static int not_there(const struct vmdir *vd, const char *how, struct error *err)
{
	int r = error_set(err, ENOTCONN, "VM %s %s", vd->name, how);

	return error_hint(err, r, "bmvm logs %s shows what it wrote, bmvm destroy %s removes it",
			  vd->name, vd->name);
}

/* A preserved VM whose guest was shut down: the guardian still keeps it, QEMU is gone. */
static bool is_off(const struct host *host, struct json_object *info)
{
	uint64_t pid = json_u64_or(info, "qemu_pid", 0);
	uint64_t start = 0;
	int r;

	if (pid == 0 || pid > INT_MAX)
		return false;
	r = process_start_time(host->proc_fd, (pid_t)pid, &start);
	return r == -ESRCH || (r == 0 && start != json_u64_or(info, "qemu_start", 0));
}

/* ---- ssh ---- */

struct login_files {
	struct keypair key;
	char *host_key;
};

static int read_login(const struct host *host, const struct vmdir *vd, struct json_object *info,
		      struct login_files *ret, struct error *err)
{
	const char *user_key = json_str_or(info, "ssh_key", NULL);
	AUTO_CLOSE int fd = vmdir_open_data(host, vd, err);
	int r;

	if (fd < 0)
		return fd;
	if (user_key != NULL)
		r = keys_load_file(user_key, &ret->key, err);
	else
		r = file_read_at(fd, MACHINE_KEY, KEY_CAP, &ret->key.private_pem, NULL, err);
	if (r == 0 && faccessat(fd, MACHINE_HOST_KEY, R_OK, 0) == 0)
		r = file_read_at(fd, MACHINE_HOST_KEY, KEY_CAP, &ret->host_key, NULL, err);
	return r;
}

static int login(const struct login_files *files, struct json_object *info, struct front *f,
		 struct guest **ret, struct error *err)
{
	struct watchset ws = front_watchset(f);
	struct guest_login l = {
		.port = (unsigned short)json_u64_or(info, "ssh_port", 0),
		.user = json_str_or(info, "ssh_user", "root"),
		.private_pem = files->key.private_pem,
		.host_key = files->host_key,
		.boot_deadline_ns = deadline_in_s(LOGIN_SECONDS),
		.ssh_s = LOGIN_SECONDS,
		.unresponsive_s = UNRESPONSIVE_SECONDS,
	};

	return guest_connect(&l, &ws, NULL, ret, err);
}

static void forward_signal(void *data, int sig)
{
	struct guest *g = data;

	if (sig == SIGWINCH)
		guest_run_resize(g);
	else
		guest_run_signal(g, sig);
}

static bool on_terminal(void)
{
	return isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0 &&
	       isatty(STDERR_FILENO) != 0;
}

static int run_in(struct guest *g, struct front *f, char *const *argv, struct error *err)
{
	struct guest_command cmd = GUEST_COMMAND_INIT;
	struct guest_result result = { .started = false };
	struct watchset ws = front_watchset(f);
	int r;

	cmd.argv = argv;
	cmd.stdin_fd = STDIN_FILENO;
	cmd.stdout_fd = STDOUT_FILENO;
	cmd.stderr_fd = STDERR_FILENO;
	cmd.tty = on_terminal();
	cmd.term = getenv("TERM");
	f->phase = FRONT_WORKLOAD;
	f->on_signal = forward_signal;
	f->on_signal_data = g;
	r = guest_run(g, &cmd, &result, &ws, err);
	return r < 0 ? r : result.exit_code;
}

int attach_ssh(const struct host *host, const struct vmdir *vd, char *const *argv,
	       struct error *err)
{
	AUTO_JSON struct json_object *info = NULL;
	struct login_files files = { .key = KEYPAIR_INIT };
	AUTO_GUEST struct guest *g = NULL;
	struct progress quiet;
	struct front f;
	int r = vmdir_load_info(host, vd, &info, err);

	if (r < 0)
		return r;
	if (!vmdir_is_alive(vd) || json_u64_or(info, "ssh_port", 0) == 0)
		return not_there(vd, "does not run", err);
	if (is_off(host, info))
		return not_there(vd, "is off", err);
	progress_init(&quiet, 0, true);
	r = front_init(&f, &quiet, err);
	if (r == 0)
		r = read_login(host, vd, info, &files, err);
	if (r == 0)
		r = login(&files, info, &f, &g, err);
	if (r == 0)
		r = run_in(g, &f, argv, err);
	if (r < 0 && f.caught != 0)
		r = 128 + f.caught;
	front_done(&f);
	keypair_done(&files.key);
	free(files.host_key);
	return r;
}

/* ---- console ---- */

int attach_console(const struct host *host, const struct vmdir *vd, struct error *err)
{
	AUTO_JSON struct json_object *answer = NULL;
	AUTO_CLOSE int fd = -1;
	struct json_object *request;
	int r;

	(void)host;
	if (!vmdir_is_alive(vd))
		return not_there(vd, "does not run", err);
	request = json_new_object();
	json_add_str(request, "do", "console");
	json_add_u64(request, "backlog", 8192);
	r = control_request(vd, request, deadline_in_s(10), &answer, &fd, err);
	return r < 0 ? r : console_relay(fd, err);
}

/* ---- destroy ---- */

static int destroy_live(const struct vmdir *vd, struct json_object **ret, struct error *err)
{
	AUTO_JSON struct json_object *answer = NULL;
	struct json_object *request = json_new_object();
	struct json_object *result = NULL;
	int r;

	json_add_str(request, "do", "destroy");
	r = control_request(vd, request, deadline_in_s(END_SECONDS), &answer, NULL, err);
	if (r < 0)
		return r;
	if (json_get_object(answer, "result", &result, NULL) == 0) {
		*ret = json_object_get(result);
		if (!json_bool_or(result, "clean", false))
			return error_set(err, EBUSY,
					 "VM %s is gone, but the host is not as it was before",
					 vd->name);
		return 0;
	}
	return error_set(err, EPROTO, "VM %s is gone, and its guardian does not say how it went",
			 vd->name);
}

/* What a dead one has left; a report is told as a live one's guardian tells it. */
static int destroy_dead(const struct host *host, struct vmdir *vd, struct json_object **ret,
			struct error *err)
{
	AUTO_STRV struct strv reports = STRV_INIT;
	const struct recover_how how = { .drop = true, .reports = &reports };
	int r = recover_vm(host, vd, &how, err);
	struct json_object *list;

	if (reports.n == 0)
		return r;
	list = json_new_array();
	for (size_t i = 0; i < reports.n; i++) {
		struct json_object *o = json_new_object();

		json_add_str(o, "what", "device");
		json_add_str(o, "expected", "given back");
		json_add_str(o, "found", reports.v[i]);
		(void)json_object_array_add(list, o);
	}
	*ret = json_new_object();
	json_add_bool(*ret, "clean", false);
	json_add(*ret, "differences", list);
	return r < 0 ? r
		     : error_set(err, EBUSY, "VM %s is gone, but the host is not as it was before",
				 vd->name);
}

int attach_destroy(const struct host *host, struct vmdir *vd, struct json_object **ret,
		   struct error *err)
{
	int r;

	*ret = NULL;
	if (vmdir_is_alive(vd)) {
		struct error live = ERROR_INIT;

		r = destroy_live(vd, ret, &live);
		/* it may have died while we asked: then the lock is free */
		if (r == 0 || r == -EBUSY || vmdir_is_alive(vd)) {
			*err = live;
			return r;
		}
	}
	r = vmdir_claim(host, vd, err);
	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : destroy_dead(host, vd, ret, err);
}
