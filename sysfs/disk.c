/* SPDX-License-Identifier: MIT */
/* Block devices: see disk.h. */
#include "sysfs/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sysfs/clock.h"
#include "sysfs/helper.h"

#define TRIES    3
#define PAUSE_NS 25000000

struct asked {
	const struct sysfs_kernel *kernel;
	const char *name;
	dev_t rdev;
};

/* Without O_NONBLOCK a drive would close its tray, and an empty one refuse. */
static int open_exclusively(const struct asked *a, int dev_fd)
{
	struct stat st;
	int fd;

	if (a->kernel->claim_disk != NULL)
		return a->kernel->claim_disk(a->kernel->data, dev_fd, a->name, a->rdev);
	if (fstatat(dev_fd, a->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISBLK(st.st_mode) || st.st_rdev != a->rdev)
		return -ENODEV;
	fd = openat(dev_fd, a->name, O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	(void)close(fd);
	return 0;
}

/*
 * Somebody who asks at the same time has it for a moment, too. What the open itself failed with
 * must not be taken for a failure of the helper.
 */
static ssize_t ask(void *data, int dev_fd, char *reply, size_t size)
{
	int r = open_exclusively(data, dev_fd);

	if (size == 0)
		return -EINVAL;
	for (int i = 1; i < TRIES && r == -EBUSY; i++) {
		const struct timespec pause = { .tv_nsec = PAUSE_NS };

		(void)nanosleep(&pause, NULL);
		r = open_exclusively(data, dev_fd);
	}
	reply[0] = r == -EBUSY ? 1 : 0;
	return 1;
}

int disk_probe(const struct sysfs *sys, const char *name, dev_t rdev, struct sysfs_error *err)
{
	struct asked asked = { .kernel = &sys->kernel, .name = name, .rdev = rdev };
	const struct helper helper = {
		.run = ask, .data = &asked, .dir_fd = sys->dev_fd, .lock_fd = -1, .what = name
	};
	char busy = 0;
	ssize_t n;

	if (sys->dev_fd < 0)
		return 0;
	n = helper_run(&helper, sysfs_deadline_ms(sys->read_limit_ms), &busy, sizeof(busy), err);
	if (n < 0)
		return (int)n;
	return busy != 0 ? sysfs_error_set(err, EBUSY, "%s is claimed", name) : 0;
}
