/* SPDX-License-Identifier: MIT */
#include "run/device_writing.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "host/device.h"

#define PATH_SIZE 160

static void path_of(const char *vm, char path[PATH_SIZE])
{
	(void)snprintf(path, PATH_SIZE, "vms/%.100s/writing", vm);
}

/* Without it more is quarantined than need be; it keeps nobody from giving a device back. */
static int note(void *data, const struct sysfs_intent *intent)
{
	const struct device_writer *w = data;
	int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW;
	AUTO_CLOSE int fd = -1;
	char path[PATH_SIZE];

	path_of(w->vm, path);
	fd = openat(w->host->run_fd, path, flags, 0600);
	if (fd >= 0 && fd_write_all(fd, intent->object, strlen(intent->object)) < 0)
		(void)unlinkat(w->host->run_fd, path, 0);
	return 0;
}

struct sysfs device_writer_sysfs(struct device_writer *w)
{
	struct sysfs sys = device_sysfs(w->host);

	sys.lock_fd = w->journal_fd;
	sys.intend = note;
	sys.intend_data = w;
	return sys;
}

bool device_writing_read(const struct host *host, const char *vm, char ret[SYSFS_NAME_SIZE])
{
	char path[PATH_SIZE];

	path_of(vm, path);
	return sysfs_read_string(host->run_fd, path, ret, SYSFS_NAME_SIZE) == 0 && ret[0] != '\0';
}
