/* SPDX-License-Identifier: MIT */
/* The logs of an item in the current folder: see mad.h. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "run/mad.h"

#define NUMBER_MAX 100

/* @number: what the name had to get, 1: none. */
static int open_log(struct mad *m, char **name, const char *end, struct live_log *log,
		    unsigned int *number, struct error *err)
{
	int screen_fd = m->o->live_output ? STDOUT_FILENO : -1;
	int r = live_log_open(log, m->package_fd, *name, screen_fd, err);

	*number = 1;
	while (r == -EBUSY && *number < NUMBER_MAX) {
		AUTO_FREE char *other = live_log_numbered(*name, end, ++*number);

		if (other == NULL)
			return error_set(err, ENOMEM, "out of memory");
		r = live_log_open(log, m->package_fd, other, screen_fd, err);
		if (r < 0)
			continue;
		log_warning("another run writes %s now: the log of this one is %s", *name, other);
		free(*name);
		*name = TAKE_PTR(other);
	}
	return r;
}

/* The build log stays open, and so locked, until it is joined: its name may be wanted before. */
int mad_logs_build(struct mad *m, struct mad_item *item, struct live_log *log, struct error *err)
{
	unsigned int number;
	int r = open_log(m, &item->build_log, ".build.live.log", log, &number, err);

	if (r == 0)
		item->build_fd = fcntl(log->fd, F_DUPFD_CLOEXEC, 3);
	return r;
}

/* Of the runs that are under way at one time only one has a number, so its joined log has it too.
 */
int mad_logs_run(struct mad *m, struct mad_item *item, struct live_log *log, struct error *err)
{
	unsigned int number;
	int r = open_log(m, &item->run_log, ".run.live.log", log, &number, err);
	char *full;

	if (r < 0 || number == 1 || item->full_log == NULL)
		return r;
	full = live_log_numbered(item->full_log, ".live.log", number);
	if (full == NULL)
		return error_set(err, ENOMEM, "out of memory");
	free(item->full_log);
	item->full_log = full;
	return 0;
}

static int append(int out, int in)
{
	char buf[65536];
	off_t at = 0;
	ssize_t n = 1;
	int r = 0;

	while (r == 0 && n != 0) {
		n = pread(in, buf, sizeof(buf), at);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			r = fd_write_all(out, buf, (size_t)n);
		at += n > 0 ? n : 0;
	}
	return r;
}

static int join(int dir_fd, const char *name, int build_fd, int run_fd)
{
	static const char bar[] =
		"\n================================================================================"
		"\nRUN PHASE LOG\n"
		"================================================================================"
		"\n\n";
	AUTO_CLOSE int out = -1;
	int r;

	(void)unlinkat(dir_fd, name, 0);
	out = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (out < 0)
		return -errno;
	(void)file_own_as_folder(dir_fd, name, out);
	r = append(out, build_fd);
	if (r == 0)
		r = fd_write_all(out, bar, strlen(bar));
	return r < 0 ? r : append(out, run_fd);
}

void mad_logs_join(struct mad *m, struct mad_item *item, int run_fd)
{
	struct error why = ERROR_INIT;
	int r;

	if (item->full_log == NULL || item->build_fd < 0)
		return;
	r = join(m->package_fd, item->full_log, item->build_fd, run_fd);
	close_fd(&item->build_fd);
	if (r == 0)
		return;
	(void)error_set(&why, -r, "write %s: %s", item->full_log, strerror(-r));
	mad_books_fault(m, &why);
}
