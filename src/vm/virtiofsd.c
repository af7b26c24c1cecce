/* SPDX-License-Identifier: MIT */
#include "vm/virtiofsd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/strv.h"
#include "vm/jail.h"

#define PLACES           "/usr/libexec:/usr/lib/qemu:/usr/lib" /* of the program, outside PATH */
#define SOCKET_FD        3
#define GRACE_MS         2000
#define OUTPUT_PIPE_SIZE (1 << 20)
#define HELP_CAP         ((size_t)1 << 20)

int virtiofsd_find(struct virtiofsd_program *ret, struct error *err)
{
	struct virtiofsd_program p = { .path = process_find_program("virtiofsd", PLACES) };
	char help[] = "--help";
	char *argv[] = { p.path, help, NULL };
	struct process_output out = { 0 };
	int r;

	if (p.path == NULL) {
		r = error_set(err, ENOENT, "virtiofsd is not installed");
		return error_hint(err, r, "apt install virtiofsd");
	}
	r = process_run(argv, deadline_in_s(10), HELP_CAP, &out, err);
	if (r == 0) {
		p.legacy = strstr(out.out, "source=PATH") != NULL;
		if (!p.legacy && strstr(out.out, "--shared-dir") == NULL)
			r = error_set(err, EIO, "%s --help: not understood", p.path);
		p.readonly = strstr(out.out, "--readonly") != NULL;
		process_output_done(&out);
	}
	if (r < 0) {
		virtiofsd_program_done(&p);
		return r;
	}
	*ret = p;
	return 0;
}

void virtiofsd_program_done(struct virtiofsd_program *p)
{
	free(p->path);
	p->path = NULL;
}

/*
 * The server wants a listening socket. It gets one that has no name any more, with the only client,
 * QEMU's end, already in its queue.
 */
static int make_socket(int dir_fd, int *ret_listen, int *ret_client, struct error *err)
{
	AUTO_CLOSE int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	AUTO_CLOSE int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	const struct sockaddr *address = (const struct sockaddr *)&a;
	char name[32];
	int r = 0;

	if (server < 0 || client < 0)
		return error_errno(err, "virtiofsd: socket");
	(void)snprintf(name, sizeof(name), "virtiofsd.%d", (int)getpid());
	(void)snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/%s", dir_fd, name);
	(void)unlinkat(dir_fd, name, 0);
	if (bind(server, address, sizeof(a)) < 0)
		return error_errno(err, "virtiofsd: bind");
	if (listen(server, 1) < 0 || connect(client, address, sizeof(a)) < 0)
		r = error_errno(err, "virtiofsd: connect");
	if (unlinkat(dir_fd, name, 0) < 0 && r == 0)
		r = error_errno(err, "virtiofsd: remove the socket's name");
	if (r < 0)
		return r;
	*ret_listen = TAKE_FD(server);
	*ret_client = TAKE_FD(client);
	return 0;
}

static void make_argv(const struct virtiofsd_program *p, const char *folder, bool readonly,
		      struct strv *argv)
{
	strv_add(argv, p->path);
	strv_addf(argv, "--fd=%d", SOCKET_FD);
	if (p->legacy) {
		strv_add(argv, "-f");
		strv_add(argv, "-o");
		strv_addf(argv, "source=%s,sandbox=chroot,cache=auto,log_level=err", folder);
		return;
	}
	strv_addf(argv, "--shared-dir=%s", folder);
	strv_add(argv, "--sandbox=chroot");
	strv_add(argv, "--cache=auto");
	strv_add(argv, "--log-level=error");
	if (readonly && p->readonly)
		strv_add(argv, "--readonly");
}

static int spawn(struct virtiofsd *v, const struct strv *argv, int listen_fd, struct jail *jail,
		 struct error *err)
{
	AUTO_CLOSE int write_fd = -1;
	char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", locale[] = "LC_ALL=C";
	char *envp[] = { path, locale, NULL };
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_errno(err, "pipe");
	v->stderr_fd = fds[0];
	write_fd = fds[1];
	(void)fcntl(v->stderr_fd, F_SETPIPE_SZ, OUTPUT_PIPE_SIZE);
	(void)fd_set_nonblock(v->stderr_fd);

	struct spawn_fd given[] = { { write_fd, 1 }, { write_fd, 2 }, { listen_fd, SOCKET_FD } };
	struct spawn s = {
		.path = argv->v[0],
		.argv = argv->v,
		.envp = envp,
		.fds = given,
		.n_fds = ARRAY_SIZE(given),
		.hold = true,
		.new_session = true,
		.die_with_us = true,
		.prepare = jail_enter,
		.prepare_data = jail,
	};

	return process_spawn(&s, &v->process, err);
}

int virtiofsd_spawn(struct virtiofsd *v, const struct virtiofsd_program *program, int folder_fd,
		    bool readonly, int sock_dir_fd, struct error *err)
{
	struct jail jail = JAIL_INIT;
	AUTO_STRV struct strv argv = STRV_INIT;
	AUTO_CLOSE int listen_fd = -1;
	char folder[40];
	int r;

	*v = (struct virtiofsd)VIRTIOFSD_INIT;
	if (geteuid() != 0)
		return error_set(err, EPERM, "virtiofsd needs root");
	jail.isolate = true;
	jail.shares[0] = (struct jail_share){ .fd = folder_fd, .readonly = readonly };
	jail.n_shares = 1;
	(void)snprintf(folder, sizeof(folder), JAIL_SHARE, (size_t)0);
	make_argv(program, folder, readonly, &argv);
	if (strv_error(&argv) < 0)
		return error_set(err, ENOMEM, "out of memory");
	r = make_socket(sock_dir_fd, &listen_fd, &v->client_fd, err);
	if (r == 0)
		r = spawn(v, &argv, listen_fd, &jail, err);
	if (r < 0) {
		virtiofsd_done(v);
		return error_prefix(err, r, "start virtiofsd");
	}
	return 0;
}

int virtiofsd_release(struct virtiofsd *v, struct error *err)
{
	int r = process_release(&v->process, err);

	return r < 0 ? error_prefix(err, r, "start virtiofsd") : 0;
}

void virtiofsd_read_output(struct virtiofsd *v)
{
	if (v->stderr_fd >= 0 && tail_read(&v->output, v->stderr_fd) <= 0)
		close_fd(&v->stderr_fd);
}

int virtiofsd_stop(struct virtiofsd *v, uint64_t deadline_ns)
{
	bool held = v->process.gate_fd >= 0;

	return process_stop(&v->process, held ? 0 : GRACE_MS, deadline_ns);
}

void virtiofsd_done(struct virtiofsd *v)
{
	if (v->process.pid > 0)
		(void)process_stop(&v->process, 0, deadline_in_s(10));
	process_done(&v->process);
	close_fd(&v->client_fd);
	close_fd(&v->stderr_fd);
	tail_done(&v->output);
	*v = (struct virtiofsd)VIRTIOFSD_INIT;
}
