/* SPDX-License-Identifier: MIT */
/* Who has a function's block devices: see device_users_private.h. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "host/device.h"
#include "host/device_users_private.h"
#include "host/host.h"
#include "sysfs/disk.h"

/**
 * struct disk_search - One look
 * @told:  of each node: why it is in use has been noted
 * @spaces: mount namespaces that have been looked at
 */
struct disk_search {
	struct device_search *s;
	bool *told;
	struct strv spaces;
};

static size_t index_of(const struct disk_search *d, const struct device_node *node)
{
	return (size_t)(node - d->s->nodes->v);
}

/* ---- why ---- */

/* Move behind @n fields and the space after each. NULL when there are fewer. */
static const char *behind(const char *line, unsigned int n)
{
	while (n-- > 0 && line != NULL) {
		line = strchr(line, ' ');
		line = line == NULL ? NULL : line + 1;
	}
	return line;
}

/* Its number is that of the device with most file systems; btrfs has one of its own there. */
static const struct device_node *node_of_mount(const struct disk_search *d, const char *line)
{
	const char *number = behind(line, 2), *rest = strstr(line, " - ");
	const struct device_node *node = NULL;
	char source[256];
	dev_t rdev;

	if (number != NULL && device_rdev_parse(number, &rdev))
		node = device_node_by_rdev(d->s, rdev, true);
	rest = node != NULL || rest == NULL ? NULL : behind(rest + 3, 1);
	if (rest == NULL)
		return node;
	(void)snprintf(source, sizeof(source), "%.*s", (int)strcspn(rest, " "), rest);
	node = device_node_by_path(d->s, source);
	return node != NULL && node->block ? node : NULL;
}

/*
 * "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext4 /dev/sda1 rw". What is mounted in our
 * namespace mostly is in others as well.
 */
static int tell_mounts(struct disk_search *d, const char *path)
{
	AUTO_FREE char *text = NULL;
	char *save = NULL;
	int r = 0;

	if (file_read_at(d->s->host->proc_fd, path, DEVICE_USERS_TEXT_CAP, &text, NULL, NULL) < 0)
		return 0;
	for (char *line = strtok_r(text, "\n", &save); line != NULL && r == 0;
	     line = strtok_r(NULL, "\n", &save)) {
		const struct device_node *node = node_of_mount(d, line);
		const char *where = behind(line, 4);

		if (node == NULL || where == NULL || (d->s->pid != 0 && d->told[index_of(d, node)]))
			continue;
		d->told[index_of(d, node)] = true;
		r = device_users_add(d->s, "mounted on %.*s", (int)strcspn(where, " "), where);
	}
	return r;
}

static int tell_swap(struct disk_search *d)
{
	AUTO_FREE char *text = NULL;
	char *save = NULL;
	int r = 0;

	if (file_read_at(d->s->host->proc_fd, "swaps", DEVICE_USERS_TEXT_CAP, &text, NULL, NULL) <
	    0)
		return 0;
	for (char *line = strtok_r(text, "\n", &save); line != NULL && r == 0;
	     line = strtok_r(NULL, "\n", &save)) {
		const struct device_node *node;

		line[strcspn(line, " \t")] = '\0';
		node = device_node_by_path(d->s, line);
		if (node == NULL)
			continue;
		d->told[index_of(d, node)] = true;
		r = device_users_add(d->s, "swap on %s", line);
	}
	return r;
}

static int tell_held(struct disk_search *d)
{
	const struct device_nodes *nodes = d->s->nodes;
	int r = 0;

	for (size_t i = 0; i < nodes->n && r == 0; i++) {
		if (!nodes->v[i].held)
			continue;
		d->told[i] = true;
		r = device_users_add(d->s, "/dev/%s is part of another block device",
				     nodes->v[i].name);
	}
	return r;
}

/* ---- in other mount namespaces ---- */

/* Whether nobody of the namespace of the process @pid has been looked at yet. */
static bool is_new_space(struct disk_search *d, const char *pid)
{
	char path[64], space[64];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%.32s/ns/mnt", pid);
	n = readlinkat(d->s->host->proc_fd, path, space, sizeof(space) - 1);
	if (n <= 0)
		return false;
	space[n] = '\0';
	for (size_t i = 0; i < d->spaces.n; i++) {
		if (strcmp(d->spaces.v[i], space) == 0)
			return false;
	}
	strv_add(&d->spaces, space);
	return true;
}

static int tell_mounts_of(struct disk_search *d, const char *pid)
{
	char path[64];
	int r;

	d->s->proc_fd = openat(d->s->host->proc_fd, pid, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->s->proc_fd < 0)
		return 0;
	d->s->pid = (pid_t)strtol(pid, NULL, 10);
	(void)snprintf(path, sizeof(path), "%.32s/mountinfo", pid);
	r = tell_mounts(d, path);
	close_fd(&d->s->proc_fd);
	d->s->pid = 0;
	return r;
}

static int tell_mounts_elsewhere(struct disk_search *d)
{
	AUTO_CLOSEDIR DIR *dir = file_opendir_at(d->s->host->proc_fd, ".", 0);
	const struct dirent *e;
	int r = 0;

	(void)is_new_space(d, "self");
	while (dir != NULL && r == 0 && (e = readdir(dir)) != NULL) {
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9' && is_new_space(d, e->d_name))
			r = tell_mounts_of(d, e->d_name);
	}
	return r < 0 ? r : strv_error(&d->spaces);
}

/* ---- whether ---- */

/* "sda1" of "sda", "nvme0n1p1" of "nvme0n1"; not "sdaa", not "nvme0n10". */
static bool is_partition_of(const char *name, const char *disk)
{
	size_t len = strlen(disk);

	if (len == 0 || strncmp(name, disk, len) != 0)
		return false;
	name += len;
	if (isdigit((unsigned char)disk[len - 1]) != 0 && *name++ != 'p')
		return false;
	return isdigit((unsigned char)*name) != 0;
}

/* One that does not answer is in use by something; the next may not answer either. */
static int tell_silent(const struct disk_search *d, size_t i, struct error *err)
{
	d->told[i] = true;
	return device_users_add(d->s, "/dev/%s does not answer", d->s->nodes->v[i].name) < 0
		       ? error_set(err, ENOMEM, "out of memory")
		       : 0;
}

/* Ask the kernel of those of whom nobody knows why yet. */
static int probe(const struct disk_search *d, bool *busy, struct error *err)
{
	const struct device_nodes *nodes = d->s->nodes;
	const struct sysfs sys = device_sysfs(d->s->host);

	for (size_t i = 0; i < nodes->n; i++) {
		const struct device_node *node = &nodes->v[i];
		struct sysfs_error why = { 0 };
		int r = 0;

		if (node->block && !d->told[i])
			r = disk_probe(&sys, node->name, node->rdev, &why);
		if (r == -ETIMEDOUT)
			return tell_silent(d, i, err);
		if (r < 0 && r != -EBUSY)
			return device_error(err, r, &why);
		busy[i] = r < 0;
	}
	return 0;
}

/* A disk is claimed with its partitions. */
static bool has_user_on_partition(const struct disk_search *d, const bool *busy, size_t disk)
{
	const struct device_nodes *nodes = d->s->nodes;

	for (size_t i = 0; i < nodes->n; i++) {
		if ((busy[i] || d->told[i]) &&
		    is_partition_of(nodes->v[i].name, nodes->v[disk].name))
			return true;
	}
	return false;
}

/* Somebody has it, and nothing said so far tells who. */
static bool is_unexplained(const struct disk_search *d, const bool *busy, size_t i)
{
	return busy[i] && !d->told[i] && !has_user_on_partition(d, busy, i);
}

static bool is_any_unexplained(const struct disk_search *d, const bool *busy)
{
	for (size_t i = 0; i < d->s->nodes->n; i++) {
		if (is_unexplained(d, busy, i))
			return true;
	}
	return false;
}

static int tell_rest(struct disk_search *d, const bool *busy)
{
	const struct device_nodes *nodes = d->s->nodes;
	int r = 0;

	for (size_t i = 0; i < nodes->n && r == 0; i++) {
		if (is_unexplained(d, busy, i))
			r = device_users_add(d->s,
					     "/dev/%s is claimed: by a file system, a pool, RAID "
					     "or a program",
					     nodes->v[i].name);
	}
	return r;
}

static int find_disks(struct disk_search *d, bool *busy, struct error *err)
{
	int r = tell_mounts(d, "self/mountinfo");

	if (r == 0)
		r = tell_swap(d);
	if (r == 0)
		r = tell_held(d);
	if (r < 0)
		return error_set(err, ENOMEM, "out of memory");
	r = probe(d, busy, err);
	if (r < 0)
		return r;
	if (is_any_unexplained(d, busy))
		r = tell_mounts_elsewhere(d);
	if (r == 0)
		r = tell_rest(d, busy);
	return r < 0 ? error_set(err, ENOMEM, "out of memory") : 0;
}

int device_users_find_disks(struct device_search *s, struct error *err)
{
	AUTO_FREE bool *flags = calloc(2 * s->nodes->n + 1, sizeof(*flags));
	struct disk_search d = { .s = s, .told = flags, .spaces = STRV_INIT };
	int r = flags == NULL ? error_set(err, ENOMEM, "out of memory")
			      : find_disks(&d, flags + s->nodes->n, err);

	strv_done(&d.spaces);
	return r;
}
