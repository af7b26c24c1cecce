/* SPDX-License-Identifier: MIT */
/* The one function through which every change goes: see write.h. */
#include "sysfs/write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "sysfs/cleanup.h"
#include "sysfs/clock.h"
#include "sysfs/helper.h"

/* The real kernel: sysfs acts per write(2), so there is just one. */
static int write_attribute(void *data, int dir_fd, const char *path, const char *value, size_t len)
{
	SYSFS_AUTO_CLOSE int fd = openat(dir_fd, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

	(void)data;
	if (fd < 0)
		return -errno;

	ssize_t n = write(fd, value, len);

	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

typedef int call_fn(void *data, int dir_fd, const char *path, const char *value, size_t len);

struct job {
	call_fn *write;
	void *data;
	const struct sysfs_change *change;
	size_t len;
};

static ssize_t run_write(void *data, int dir_fd, char *reply, size_t size)
{
	const struct job *job = data;
	const struct sysfs_change *change = job->change;

	(void)size;
	reply[0] = '\0';
	return job->write(job->data, dir_fd, change->path, change->value, job->len);
}

/*
 * A lock belongs to the open file description, so the helper needs one of its own: it would share
 * the caller's otherwise, and an exclusive lock of the caller would turn into a shared one. It is
 * opened before the fork, as a helper that had yet to take the lock could be late, after the undo.
 */
static int take_lock(const struct sysfs *sys, struct sysfs_error *err)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", sys->lock_fd);

	SYSFS_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return sysfs_error_os(err, errno, "open the lock file anew");
	if (flock(fd, LOCK_SH | LOCK_NB) < 0)
		return errno == EWOULDBLOCK
			       ? sysfs_error_set(err, ENOLCK, "somebody holds the lock exclusively")
			       : sysfs_error_os(err, errno, "lock");

	return sysfs_take_fd(&fd);
}

static bool leads_out(const char *path)
{
	const char *p = path;

	if (*p == '/' || *p == '\0')
		return true;
	while (p != NULL) {
		if (strncmp(p, "..", 2) == 0 && (p[2] == '/' || p[2] == '\0'))
			return true;
		p = strchr(p, '/');
		if (p != NULL)
			p++;
	}
	return false;
}

static int check_change(const struct sysfs_change *change, uint64_t deadline_ns,
			struct sysfs_error *err)
{
	if (leads_out(change->path))
		return sysfs_error_set(err, EINVAL, "%s: no path below the root", change->path);
	if (change->value[0] == '\0')
		return sysfs_error_set(err, EINVAL, "%s: writing nothing does nothing",
				       change->path);
	if (sysfs_now_ns() >= deadline_ns)
		return sysfs_error_set(err, ETIMEDOUT, "%s: no time is left to write it",
				       change->path);
	return 0;
}

static int tell_intent(const struct sysfs *sys, const struct sysfs_change *change,
		       struct sysfs_error *err)
{
	struct sysfs_intent intent = { .op = change->op,
				       .object = change->object,
				       .in_proc = change->in_proc,
				       .path = change->path,
				       .old_value = change->old,
				       .new_value = change->value };
	int r = sys->intend == NULL ? 0 : sys->intend(sys->intend_data, &intent);

	if (r < 0)
		return sysfs_error_os(err, -r, "%s: not written, as its intent was not",
				      change->path);
	return 0;
}

static call_fn *call_for(const struct sysfs *sys, const struct sysfs_change *change)
{
	if (sys->kernel.write != NULL)
		return sys->kernel.write;
	return change->call != NULL ? change->call : write_attribute;
}

static int root_of(const struct sysfs *sys, const struct sysfs_change *change)
{
	return change->in_proc ? sys->proc_fd : sys->sys_fd;
}

static int read_back(const struct sysfs *sys, const struct sysfs_change *change,
		     struct sysfs_error *err)
{
	struct sysfs_text text;

	if (change->expect == NULL && change->accept == NULL)
		return 0;

	int r = sysfs_read_guarded(sys, root_of(sys, change), change->path, &text, err);

	if (r < 0)
		return sysfs_error_prefix(err, r, "read back");
	if (change->accept != NULL ? change->accept(text.text, change->expect)
				   : strcmp(text.text, change->expect) == 0)
		return 0;
	return sysfs_error_set(err, EREMOTEIO, "%s reads \"%.64s\" after \"%.*s\" was written",
			       change->path, text.text, (int)strcspn(change->value, "\n"),
			       change->value);
}

int sysfs_change(const struct sysfs *sys, const struct sysfs_change *change, uint64_t deadline_ns,
		 struct sysfs_error *err)
{
	int r = check_change(change, deadline_ns, err);

	if (r < 0)
		return r;

	SYSFS_AUTO_CLOSE int lock_fd = sys->lock_fd < 0 ? -1 : take_lock(sys, err);

	if (sys->lock_fd >= 0 && lock_fd < 0)
		return sysfs_error_prefix(err, lock_fd, change->path);
	r = tell_intent(sys, change, err);
	if (r < 0)
		return r;

	struct job job = { .write = call_for(sys, change),
			   .data = sys->kernel.data,
			   .change = change,
			   .len = strlen(change->value) };
	struct helper helper = { .run = run_write,
				 .data = &job,
				 .dir_fd = root_of(sys, change),
				 .lock_fd = lock_fd,
				 .what = change->path };
	struct sysfs_error told = { 0 };
	ssize_t n = helper_run(&helper, deadline_ns, NULL, 0, &told);

	if (n < 0 && told.code == 0)
		return sysfs_error_os(err, (int)-n, "write %.64s", change->path);
	if (n < 0) {
		if (err != NULL)
			*err = told;
		return (int)n;
	}
	return read_back(sys, change, err);
}
