/* SPDX-License-Identifier: MIT */
#include "host/device_users.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/error.h"
#include "base/file.h"
#include "host/device_users_private.h"
#include "host/host.h"
#include "host/owners.h"

/* Of nvidia-nvswitchctl, which stands for no switch. */
#define CONTROL_MINOR 255

int device_users_add(struct device_search *s, const char *fmt, ...)
{
	struct device_users *u = s->found;
	struct device_user *v = reallocarray(u->v, u->n + 1, sizeof(*v));
	struct device_user one = { .pid = s->pid };
	AUTO_FREE char *comm = NULL;
	va_list args;
	int n;

	if (v == NULL)
		return -ENOMEM;
	u->v = v;
	va_start(args, fmt);
	n = vasprintf(&one.what, fmt, args);
	va_end(args);
	if (n < 0)
		return -ENOMEM;
	for (size_t i = 0; i < u->n; i++) {
		if (v[i].pid == one.pid && strcmp(v[i].what, one.what) == 0) {
			free(one.what);
			return 0;
		}
	}
	if (s->pid != 0 && file_read_at(s->proc_fd, "comm", 256, &comm, NULL, NULL) == 0) {
		comm[strcspn(comm, "\n")] = '\0';
		(void)snprintf(one.name, sizeof(one.name), "%s", comm);
		for (char *c = one.name; *c != '\0'; c++) {
			if ((unsigned char)*c < ' ' || (unsigned char)*c >= 0x7f)
				*c = '?';
		}
	}
	v[u->n++] = one;
	return 0;
}

/* ---- processes ---- */

static bool is_named(const struct device_node *node, const char *name)
{
	size_t len = strlen(node->name);

	if (!node->any)
		return strcmp(node->name, name) == 0;
	return strncmp(node->name, name, len) == 0 && name[len] >= '0' && name[len] <= '9';
}

const struct device_node *device_node_by_path(const struct device_search *s, const char *path)
{
	if (strncmp(path, "/dev/", 5) != 0)
		return NULL;
	for (size_t i = 0; i < s->nodes->n; i++) {
		if (is_named(&s->nodes->v[i], path + 5))
			return &s->nodes->v[i];
	}
	return NULL;
}

const struct device_node *device_node_by_rdev(const struct device_search *s, dev_t rdev, bool block)
{
	for (size_t i = 0; i < s->nodes->n; i++) {
		const struct device_node *node = &s->nodes->v[i];
		bool same = node->any
				    ? major(node->rdev) != 0 && major(node->rdev) == major(rdev) &&
					      minor(rdev) < CONTROL_MINOR
				    : node->rdev == rdev;

		if (same && node->block == block)
			return node;
	}
	return NULL;
}

/* Registers and configuration, opened through /sys. */
static bool is_register(const struct device_search *s, const char *path)
{
	const char *at = strncmp(path, "/sys/", 5) == 0 ? strstr(path, s->registers) : NULL;
	const char *file = at == NULL ? "" : at + strlen(s->registers);

	return strncmp(file, "resource", 8) == 0 || strncmp(file, "rom", 3) == 0 ||
	       strcmp(file, "config") == 0;
}

/* Of several that would do the one that is meant stands in @path, if it is a name in /dev. */
static int add_node(struct device_search *s, const struct device_node *node, const char *path)
{
	if (node->any && strncmp(path, "/dev/", 5) == 0)
		return device_users_add(s, "%s", path);
	return device_users_add(s, "/dev/%s", node->name);
}

/* A node may be open under any name, in any mount namespace: its number tells. */
static int check_descriptor(struct device_search *s, int fds, const char *name)
{
	const struct device_node *node = NULL;
	char path[PATH_MAX];
	struct statx st;
	ssize_t n = readlinkat(fds, name, path, sizeof(path) - 1);

	if (n <= 0)
		return 0;
	path[n] = '\0';
	if (is_register(s, path))
		return device_users_add(s, "%s", path);
	if (path[0] == '/' && statx(fds, name, AT_STATX_DONT_SYNC, STATX_TYPE, &st) == 0 &&
	    (S_ISCHR(st.stx_mode) || S_ISBLK(st.stx_mode)))
		node = device_node_by_rdev(s, makedev(st.stx_rdev_major, st.stx_rdev_minor),
					   S_ISBLK(st.stx_mode));
	if (node == NULL)
		node = device_node_by_path(s, path);
	return node == NULL ? 0 : add_node(s, node, path);
}

static int check_descriptors(struct device_search *s)
{
	AUTO_CLOSEDIR DIR *dir = file_opendir_at(s->proc_fd, "fd", 0);
	const struct dirent *e;
	int r = 0;

	if (dir == NULL)
		return 0; /* ended, or not ours to see */
	while (r == 0 && (e = readdir(dir)) != NULL) {
		if (e->d_name[0] != '.')
			r = check_descriptor(s, dirfd(dir), e->d_name);
	}
	return r;
}

/* Mapped, though perhaps closed: "7f..-7f.. rw-s 000 00:05 123   /dev/dri/renderD128". */
static int check_maps(struct device_search *s)
{
	AUTO_FREE char *text = NULL;
	char *save = NULL;
	int r = 0;

	if (file_read_at(s->proc_fd, "maps", DEVICE_USERS_TEXT_CAP, &text, NULL, NULL) < 0)
		return 0;
	for (char *line = strtok_r(text, "\n", &save); line != NULL && r == 0;
	     line = strtok_r(NULL, "\n", &save)) {
		char *path = strchr(line, '/');
		const struct device_node *node = path == NULL ? NULL : device_node_by_path(s, path);

		if (node != NULL)
			r = add_node(s, node, path);
		else if (path != NULL && is_register(s, path))
			r = device_users_add(s, "%s", path);
	}
	return r;
}

static unsigned long read_number(const struct device_search *s, const char *path)
{
	AUTO_FREE char *text = NULL;

	return file_read_at(s->host->sys_fd, path, 64, &text, NULL, NULL) < 0
		       ? 0
		       : strtoul(text, NULL, 10);
}

static bool is_kfd_id(const struct device_search *s, unsigned long id)
{
	for (size_t i = 0; i < s->nodes->n_kfd; i++) {
		if (s->nodes->kfd[i] == id)
			return true;
	}
	return false;
}

/* Whether one of the process's queues is the GPU's. */
static bool has_queue(const struct device_search *s)
{
	char path[400];
	AUTO_CLOSEDIR DIR *dir = NULL;
	const struct dirent *e;

	(void)snprintf(path, sizeof(path), "class/kfd/kfd/proc/%d/queues", (int)s->pid);
	dir = file_opendir_at(s->host->sys_fd, path, 0);
	if (dir == NULL)
		return false;
	while ((e = readdir(dir)) != NULL) {
		(void)snprintf(path, sizeof(path), "class/kfd/kfd/proc/%d/queues/%.255s/gpuid",
			       (int)s->pid, e->d_name);
		if (e->d_name[0] != '.' && is_kfd_id(s, read_number(s, path)))
			return true;
	}
	return false;
}

/*
 * All AMD GPUs share /dev/kfd, and the driver has a file vram_ID for each of them and each process
 * that opened it. A GPU's memory or a queue of it makes a user; who has its render node is seen as
 * any other that has a node.
 */
static int check_kfd(struct device_search *s)
{
	char path[96];

	for (size_t i = 0; i < s->nodes->n_kfd; i++) {
		(void)snprintf(path, sizeof(path), "class/kfd/kfd/proc/%d/vram_%lu", (int)s->pid,
			       s->nodes->kfd[i]);
		if (read_number(s, path) > 0)
			return device_users_add(s, "/dev/kfd");
	}
	return s->nodes->n_kfd > 0 && has_queue(s) ? device_users_add(s, "/dev/kfd") : 0;
}

static int check_process(struct device_search *s, int proc_dir, const char *name)
{
	AUTO_CLOSE int fd = openat(proc_dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return 0;
	s->proc_fd = fd;
	s->pid = (pid_t)strtol(name, NULL, 10);
	r = check_descriptors(s);
	if (r == 0)
		r = check_maps(s);
	if (r == 0)
		r = check_kfd(s);
	s->pid = 0;
	s->proc_fd = -1;
	return r;
}

static int check_processes(struct device_search *s, struct error *err)
{
	AUTO_CLOSEDIR DIR *dir = file_opendir_at(s->host->proc_fd, ".", 0);
	const struct dirent *e;
	int r = 0;

	if (dir == NULL)
		return error_errno(err, "read /proc");
	while (r == 0 && (e = readdir(dir)) != NULL) {
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9')
			r = check_process(s, dirfd(dir), e->d_name);
	}
	return r < 0 ? error_set(err, ENOMEM, "out of memory") : 0;
}

/* ---- uses without a process ---- */

static int check_interfaces(struct device_search *s)
{
	const struct strv *names = &s->nodes->interfaces;
	int r = 0;

	for (size_t i = 0; i < names->n && r == 0; i++) {
		AUTO_FREE char *text = NULL;
		char path[128];

		(void)snprintf(path, sizeof(path), "class/net/%.64s/flags", names->v[i]);
		if (file_read_at(s->host->sys_fd, path, 64, &text, NULL, NULL) == 0 &&
		    (strtoul(text, NULL, 16) & IFF_UP) != 0)
			r = device_users_add(s, "interface %s is up", names->v[i]);
	}
	return r;
}

/* VMs of other programs: they may have reserved it, and not started yet. */
static int check_owners(struct device_search *s, const char *address)
{
	AUTO_OWNERS struct owners owners = OWNERS_INIT;
	int r = owners_find(s->host, address, &owners, NULL);

	for (size_t i = 0; i < owners.live.n && r == 0; i++)
		r = device_users_add(s, "%s", owners.live.v[i]);
	return r;
}

int device_users_find(const struct host *host, const char *address, struct device_users *ret,
		      struct error *err)
{
	AUTO_DEVICE_NODES struct device_nodes nodes = DEVICE_NODES_INIT;
	struct device_search s = { .host = host, .nodes = &nodes, .found = ret, .proc_fd = -1 };
	int r = device_nodes_find(host, address, &nodes, err);

	if (r < 0)
		return r;
	(void)snprintf(s.registers, sizeof(s.registers), "%.32s/", address);
	r = check_processes(&s, err);
	if (r == 0)
		r = device_users_find_disks(&s, err);
	if (r == 0 && (check_interfaces(&s) < 0 || check_owners(&s, address) < 0))
		r = error_set(err, ENOMEM, "out of memory");
	return r;
}

void device_users_done(struct device_users *users)
{
	for (size_t i = 0; i < users->n; i++)
		free(users->v[i].what);
	free(users->v);
	*users = (struct device_users)DEVICE_USERS_INIT;
}
