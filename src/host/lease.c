/* SPDX-License-Identifier: MIT */
#include "host/lease.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/watch.h"
#include "host/host.h"

#define FOLDER     "devices"
#define RECORD_CAP ((size_t)4096)
#define POLL_NS    (20 * NS_PER_MS) /* a lock of the kernel has no descriptor to wait for */

static int open_lease(const struct host *host, const char *name, int flags, struct error *err)
{
	char path[160];
	int fd;

	if (name[0] == '.' || strchr(name, '/') != NULL || strlen(name) > 128)
		return error_set(err, EINVAL, "\"%s\" cannot name a lease", name);
	if (mkdirat(host->run_fd, FOLDER, 0700) < 0 && errno != EEXIST)
		return error_errno(err, "make the folder " FOLDER);
	(void)snprintf(path, sizeof(path), FOLDER "/%s", name);
	fd = openat(host->run_fd, path, flags | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd < 0 ? error_errno(err, "open %s/%s", host->run_dir, path) : fd;
}

/* What tells the run of a VM from a later one of the same name; 0: it has no run folder. */
static uint64_t run_of(const struct host *host, const char *vm)
{
	char path[80];
	struct stat st;

	(void)snprintf(path, sizeof(path), "vms/%.64s", vm);
	if (vm[0] == '\0' || vm[0] == '.' || strchr(vm, '/') != NULL ||
	    fstatat(host->run_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	return st.st_ino;
}

static void read_holder(const struct host *host, int fd, struct lease_holder *ret)
{
	char text[RECORD_CAP];
	AUTO_JSON struct json_object *o = NULL;
	ssize_t n = pread(fd, text, sizeof(text), 0);
	uint64_t run;

	*ret = (struct lease_holder){ .pid = 0 };
	if (n <= 0 || json_parse(text, (size_t)n, &o, NULL) < 0)
		return;
	run = json_u64_or(o, "run", 0);
	(void)snprintf(ret->vm, sizeof(ret->vm), "%s", json_str_or(o, "vm", ""));
	ret->pid = (int)json_u64_or(o, "pid", 0);
	ret->since = json_u64_or(o, "since", 0);
	/* if nobody holds the lock */
	ret->is_dead = run != 0 && strcmp(json_str_or(o, "boot", ""), host->boot_id) == 0 &&
		       run == run_of(host, ret->vm);
}

static int write_holder(int fd, const struct host *host, const char *vm, struct error *err)
{
	AUTO_JSON struct json_object *o = json_new_object();
	const char *text;
	size_t len;

	json_add_str(o, "vm", vm);
	json_add_u64(o, "pid", (uint64_t)getpid());
	json_add_u64(o, "since", (uint64_t)time(NULL));
	json_add_u64(o, "run", run_of(host, vm));
	json_add_str(o, "boot", host->boot_id);
	text = json_compact(o);
	len = strlen(text);
	if (ftruncate(fd, 0) < 0 || pwrite(fd, text, len, 0) != (ssize_t)len)
		return error_errno(err, "write a lease");
	return 0;
}

static int take_one(const struct host *host, const char *name, const char *vm, struct error *err)
{
	AUTO_CLOSE int fd = open_lease(host, name, O_RDWR | O_CREAT, err);
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct lease_holder holder;
	int r;

	if (fd < 0)
		return fd;
	if (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
		if (errno != EAGAIN && errno != EACCES)
			return error_errno(err, "lock the lease of %s", name);
		read_holder(host, fd, &holder);
		return error_set(err, EBUSY, "%s is in use by VM %s%s", name,
				 holder.vm[0] != '\0' ? holder.vm : "(starting)",
				 strcmp(holder.vm, vm) == 0 ? " already" : "");
	}
	read_holder(host, fd, &holder);
	if (holder.is_dead && strcmp(holder.vm, vm) != 0)
		return error_hint(err,
				  error_set(err, EBUSY,
					    "%s has not been given back yet by VM %s, whose run "
					    "died",
					    name, holder.vm),
				  "bmvm recover");
	r = write_holder(fd, host, vm, err);
	return r < 0 ? r : TAKE_FD(fd);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int take_sorted(const struct host *host, const struct strv *names, const char *vm,
		       struct leases *ret, struct error *err)
{
	for (size_t i = 0; i < names->n; i++) {
		int fd;

		if (i > 0 && strcmp(names->v[i], names->v[i - 1]) == 0)
			continue;
		fd = take_one(host, names->v[i], vm, err);
		if (fd < 0)
			return fd;
		ret->fds[ret->n++] = fd;
		strv_add(&ret->names, names->v[i]);
	}
	return strv_error(&ret->names) < 0 ? error_set(err, ENOMEM, "out of memory") : 0;
}

int leases_take(const struct host *host, const struct strv *names, const char *vm,
		struct leases *ret, struct error *err)
{
	AUTO_STRV struct strv sorted = STRV_INIT;
	int r;

	strv_add_all(&sorted, names->v);
	ret->fds = calloc(names->n + 1, sizeof(*ret->fds));
	if (strv_error(&sorted) < 0 || ret->fds == NULL)
		return error_set(err, ENOMEM, "out of memory");
	if (sorted.n > 0)
		qsort(sorted.v, sorted.n, sizeof(*sorted.v), by_name);
	r = take_sorted(host, &sorted, vm, ret, err);
	if (r < 0) {
		leases_clear(ret);
		leases_done(ret);
	}
	return r;
}

bool leases_contain(const struct leases *leases, const char *name)
{
	return strv_contains(&leases->names, name);
}

/* Return: descriptor that holds it; -ENOENT it is not that VM's; -errno. */
static int inherit_one(const struct host *host, const char *name, const char *vm, struct error *err)
{
	AUTO_CLOSE int fd = open_lease(host, name, O_RDWR, err);
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct lease_holder holder;

	if (fd < 0)
		return fd;
	if (fcntl(fd, F_OFD_SETLK, &lock) < 0)
		return errno == EAGAIN || errno == EACCES ? -ENOENT
							  : error_errno(err, "lock %s", name);
	read_holder(host, fd, &holder);
	return holder.is_dead && strcmp(holder.vm, vm) == 0 ? TAKE_FD(fd) : -ENOENT;
}

static int inherit_all(const struct host *host, DIR *dir, const char *vm, struct leases *ret,
		       struct error *err)
{
	const struct dirent *e;

	while ((e = readdir(dir)) != NULL) {
		int fd = e->d_name[0] == '.' ? -ENOENT : inherit_one(host, e->d_name, vm, err);
		int *fds;

		if (fd == -ENOENT)
			continue;
		if (fd < 0)
			return fd;
		fds = reallocarray(ret->fds, ret->n + 1, sizeof(*fds));
		if (fds == NULL) {
			close_fd(&fd);
			return error_set(err, ENOMEM, "out of memory");
		}
		ret->fds = fds;
		fds[ret->n++] = fd;
		strv_add(&ret->names, e->d_name);
	}
	return strv_error(&ret->names) < 0 ? error_set(err, ENOMEM, "out of memory") : 0;
}

int leases_inherit(const struct host *host, const char *vm, struct leases *ret, struct error *err)
{
	AUTO_CLOSEDIR DIR *dir = file_opendir_at(host->run_fd, FOLDER, O_NOFOLLOW);
	int r;

	if (dir == NULL)
		return errno == ENOENT ? 0 : error_errno(err, "read the folder " FOLDER);
	r = inherit_all(host, dir, vm, ret, err);
	if (r < 0)
		leases_done(ret);
	return r;
}

void leases_clear(struct leases *leases)
{
	for (size_t i = 0; i < leases->n; i++) {
		if (ftruncate(leases->fds[i], 0) < 0)
			continue; /* then it is the end of the run folder that tells */
	}
}

int lease_lock(const struct host *host, const char *name, uint64_t deadline_ns,
	       const struct watchset *ws, struct error *err)
{
	AUTO_CLOSE int fd = open_lease(host, name, O_RDWR | O_CREAT, err);
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int r;

	if (fd < 0)
		return fd;
	while (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
		if (errno != EAGAIN && errno != EACCES && errno != EINTR)
			return error_errno(err, "lock %s", name);
		if (deadline_poll_ms(deadline_ns) == 0)
			return error_set(err, ETIMEDOUT, "another run is changing %s for too long",
					 name);
		r = watch_serve(ws, clock_now_ns() + POLL_NS, err);
		if (r < 0)
			return r;
	}
	return TAKE_FD(fd);
}

int leases_add(struct leases *leases, struct leases *more, struct error *err)
{
	int *fds = reallocarray(leases->fds, leases->n + more->n + 1, sizeof(*fds));

	if (fds == NULL) {
		leases_done(more);
		return error_set(err, ENOMEM, "out of memory");
	}
	leases->fds = fds;
	for (size_t i = 0; i < more->n; i++)
		leases->fds[leases->n++] = TAKE_FD(more->fds[i]);
	strv_add_all(&leases->names, more->names.v);
	more->n = 0;
	leases_done(more);
	return strv_error(&leases->names) < 0 ? error_set(err, ENOMEM, "out of memory") : 0;
}

void leases_done(struct leases *leases)
{
	for (size_t i = 0; i < leases->n; i++)
		close_fd(&leases->fds[i]);
	free(leases->fds);
	strv_done(&leases->names);
	*leases = (struct leases)LEASES_INIT;
}

int lease_holder(const struct host *host, const char *name, struct lease_holder *ret,
		 struct error *err)
{
	struct error unread = ERROR_INIT;
	AUTO_CLOSE int fd = open_lease(host, name, O_RDONLY, &unread);
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	*ret = (struct lease_holder){ .pid = 0 };
	if (fd == -ENOENT)
		return 0;
	if (fd < 0) {
		if (err != NULL)
			*err = unread;
		return fd;
	}
	if (fcntl(fd, F_OFD_GETLK, &lock) < 0)
		return error_errno(err, "ask for the lease of %s", name);
	read_holder(host, fd, ret);
	if (lock.l_type == F_UNLCK)
		return ret->is_dead ? 1 : 0;
	ret->is_dead = false;
	return 1;
}
