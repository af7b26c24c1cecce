/* SPDX-License-Identifier: MIT */
#include "guest/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/process.h"
#include "base/strv.h"
#include "base/watch.h"
#include "guest/blob.h"
#include "guest/copy_tree.h"
#include "guest/exec.h"
#include "guest/pipe.h"
#include "guest/upload.h"

#define TAR_END_S 10
#define NO_FILE   3
#define NO_TAR    67

static const char folder_script[] = UPLOAD_SET_TARGET
	"command -v tar > /dev/null || exit 67\n"
	"mkdir -p \"$d\" || exit\n"
	"exec tar -x -p -o -f - -C \"$d\"\n";

static const char where_script[] = UPLOAD_SET_TARGET "printf '%s' \"$d\"\n";

static const char read_script[] = "[ -e \"$1\" ] || exit 3\nexec cat < \"$1\"\n";

int guest_write_file(struct guest *g, const struct guest_file *file, uint64_t deadline_ns,
		     const struct watchset *ws, struct error *err)
{
	struct upload u = { .path = file->path, .name = "file", .fd = -1, .mode = file->mode };
	int r;

	u.data = file->data;
	u.len = file->len;
	r = upload_file(g, &u, deadline_ns, ws, err);
	return r < 0 ? error_prefix(err, r, "write %s in the guest", file->path) : 0;
}

/* ---- folders ---- */

/* The host's tar, writing the folder into a pipe, and what it complained about. */
struct packer {
	struct process process;
	int out_fd;
	int words_fd;
};

static void add_excludes(struct strv *argv, char *const *excludes)
{
	for (; excludes != NULL && *excludes != NULL; excludes++) {
		bool anchored = **excludes == '/';

		strv_add(argv, anchored ? "--anchored" : "--no-anchored");
		strv_addf(argv, "--exclude=%s%s", anchored ? "." : "", *excludes);
	}
}

static int packer_start(struct packer *p, const char *folder, char *const *excludes,
			struct error *err)
{
	AUTO_FREE char *tar = process_find_program("tar", "/usr/bin:/bin");
	AUTO_STRV struct strv argv = STRV_INIT;
	AUTO_CLOSE int write_fd = -1;
	struct spawn spawn = { .path = tar, .die_with_us = true };
	struct spawn_fd fds[2];
	int pipe_fds[2];

	if (tar == NULL)
		return error_set(err, ENOENT, "no tar on this host (package tar)");
	strv_add(&argv, tar);
	strv_add(&argv, "--create");
	strv_add(&argv, "--format=gnu");
	strv_addf(&argv, "--directory=%s", folder);
	strv_add(&argv, "--wildcards");
	strv_add(&argv, "--no-wildcards-match-slash");
	add_excludes(&argv, excludes);
	strv_add(&argv, ".");
	if (strv_error(&argv) < 0)
		return error_set(err, ENOMEM, "out of memory");
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return error_errno(err, "pipe");
	p->out_fd = pipe_fds[0];
	write_fd = pipe_fds[1];
	p->words_fd = memfd_create("tar-stderr", MFD_CLOEXEC);
	if (p->words_fd < 0)
		return error_errno(err, "memfd_create");
	fds[0] = (struct spawn_fd){ .parent = write_fd, .child = 1 };
	fds[1] = (struct spawn_fd){ .parent = p->words_fd, .child = 2 };
	spawn.argv = argv.v;
	spawn.fds = fds;
	spawn.n_fds = ARRAY_SIZE(fds);
	return process_spawn(&spawn, &p->process, err);
}

/* What tar said, in one line. */
static void packer_words(const struct packer *p, char *buf, size_t size)
{
	ssize_t n = pread(p->words_fd, buf, size - 1, 0);

	buf[n > 0 ? n : 0] = '\0';
	for (char *c = buf; *c != '\0'; c++) {
		if ((unsigned char)*c < ' ')
			*c = c[1] == '\0' ? '\0' : ' ';
	}
}

static int packer_check(struct packer *p, const char *folder, struct error *err)
{
	char words[512];
	int status = 0;
	int r = process_wait(&p->process, deadline_in_s(TAR_END_S), &status);

	if (r < 0)
		return error_set(err, -r, "tar of %s: %s", folder, strerror(-r));
	packer_words(p, words, sizeof(words));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 1) {
		log_warning("copy of %s: %s", folder, words);
		return 0;
	}
	return status == 0 ? 0 : error_set(err, EIO, "tar of %s: %s", folder, words);
}

static int unpack(struct guest *g, struct packer *p, char *const *argv, uint64_t deadline_ns,
		  const struct watchset *ws, struct error *err)
{
	struct guest_pipe pipe = GUEST_PIPE_INIT;
	struct pipe_result result = { .exit_code = 0 };
	int r;

	pipe.script = folder_script;
	pipe.argv = argv;
	pipe.input_fd = p->out_fd;
	pipe.deadline_ns = deadline_ns;
	r = guest_pipe_run(g, &pipe, &result, ws, err);
	if (r < 0 || result.exit_code == 0)
		return r;
	if (result.exit_code == NO_TAR)
		return NO_TAR;
	return error_set(err, EIO, "exit code %d in the guest: %s", result.exit_code, result.words);
}

/* A folder of the host, and what of it is left out. */
struct folder {
	const char *path;
	char *const *excludes;
};

/* Return: 0; NO_TAR when the guest has none; -errno. */
static int send_folder(struct guest *g, const struct folder *what, char *const *argv,
		       uint64_t deadline_ns, const struct watchset *ws, struct error *err)
{
	struct packer p = { .process = PROCESS_INIT, .out_fd = -1, .words_fd = -1 };
	int r = packer_start(&p, what->path, what->excludes, err);

	if (r == 0)
		r = unpack(g, &p, argv, deadline_ns, ws, err);
	close_fd(&p.out_fd);
	if (r == 0)
		r = packer_check(&p, what->path, err);
	(void)process_stop(&p.process, 0, deadline_in_s(TAR_END_S));
	process_done(&p.process);
	close_fd(&p.words_fd);
	return r;
}

/* As above, into "$1" or below it, but file by file. */
static int send_tree(struct guest *g, int fd, char *const *argv, uint64_t deadline_ns,
		     const struct watchset *ws, struct error *err)
{
	struct copy_tree tree = { .g = g, .ws = ws, .deadline_ns = deadline_ns };
	AUTO_FREE char *where = NULL;
	int r = guest_capture(g, where_script, argv, deadline_ns, &where, ws, err);

	return r < 0 ? r : copy_tree_send(&tree, fd, where, err);
}

static int send_any(struct guest *g, const char *host, char *const *argv, uint64_t deadline_ns,
		    const struct watchset *ws, struct error *err)
{
	AUTO_CLOSE int fd = open(host, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct upload u = { .fd = fd, .path = argv[0], .name = argv[1] };
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, "open");
	u.mode = st.st_mode;
	if (S_ISREG(st.st_mode))
		return upload_file(g, &u, deadline_ns, ws, err);
	if (!S_ISDIR(st.st_mode))
		return error_set(err, EINVAL, "neither file nor folder");
	r = send_folder(g, &(struct folder){ .path = host }, argv, deadline_ns, ws, err);
	return r == NO_TAR ? send_tree(g, fd, argv, deadline_ns, ws, err) : r;
}

int guest_copy_in(struct guest *g, const char *host, const char *dst, uint64_t deadline_ns,
		  const struct watchset *ws, struct error *err)
{
	AUTO_FREE char *real = realpath(host, NULL);
	AUTO_FREE char *target = strdup(dst);
	char *argv[] = { target, NULL, NULL };
	int r;

	if (real == NULL)
		return error_errno(err, "copy %s", host);
	if (target == NULL)
		return error_set(err, ENOMEM, "out of memory");
	argv[1] = strrchr(real, '/') + 1;
	r = send_any(g, real, argv, deadline_ns, ws, err);
	return r < 0 ? error_prefix(err, r, "copy %s to %s in the guest", host, dst) : 0;
}

int guest_copy_content(struct guest *g, const struct guest_content *content, uint64_t deadline_ns,
		       const struct watchset *ws, struct error *err)
{
	AUTO_FREE char *target = strdup(content->dst);
	AUTO_FREE char *dot = strdup(".");
	char *argv[] = { target, dot, NULL };
	const struct folder what = { .path = content->host, .excludes = content->excludes };
	int r;

	if (target == NULL || dot == NULL)
		return error_set(err, ENOMEM, "out of memory");
	r = send_folder(g, &what, argv, deadline_ns, ws, err);
	if (r == NO_TAR)
		r = error_set(err, ENOTSUP, "the guest has no tar");
	return r < 0 ? error_prefix(err, r, "copy %s to %s in the guest", content->host,
				    content->dst)
		     : 0;
}

/* ---- reading ---- */

static int read_all(struct guest *g, const char *path, uint64_t deadline_ns, struct blob *in,
		    const struct watchset *ws, struct error *err)
{
	struct guest_pipe pipe = GUEST_PIPE_INIT;
	struct pipe_result result = { .exit_code = 0 };
	AUTO_FREE char *copy = strdup(path);
	char *argv[] = { copy, NULL };
	int r = copy == NULL ? error_set(err, ENOMEM, "out of memory") : blob_init(in, err);

	pipe.script = read_script;
	pipe.argv = argv;
	pipe.on_output = blob_take;
	pipe.data = in;
	pipe.deadline_ns = deadline_ns;
	if (r == 0)
		r = guest_pipe_run(g, &pipe, &result, ws, err);
	if (r < 0 || result.exit_code == 0)
		return r;
	if (result.exit_code == NO_FILE)
		return error_set(err, ENOENT, "no such file");
	return error_set(err, EIO, "exit code %d: %s", result.exit_code, result.words);
}

ssize_t guest_read_file(struct guest *g, const char *path, uint64_t deadline_ns, char **ret,
			const struct watchset *ws, struct error *err)
{
	struct blob in = BLOB_INIT;
	int r = read_all(g, path, deadline_ns, &in, ws, err);

	if (r < 0) {
		blob_done(&in);
		return error_prefix(err, r, "read %s in the guest", path);
	}
	*ret = in.text;
	return (ssize_t)in.len;
}
