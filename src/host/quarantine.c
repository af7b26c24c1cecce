/* SPDX-License-Identifier: MIT */
#include "host/quarantine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "host/host.h"

#define FOLDER         "quarantine"
#define RETEST_SECONDS 5
#define PATH_SIZE      192

static int path_of(const char *address, char *ret, struct error *err)
{
	if (address[0] == '.' || strchr(address, '/') != NULL || strlen(address) > 128)
		return error_set(err, EINVAL, "\"%s\" is no address", address);
	(void)snprintf(ret, PATH_SIZE, FOLDER "/%s", address);
	return 0;
}

int quarantine_put(const struct host *host, const char *address, const char *vm, const char *why,
		   struct error *err)
{
	AUTO_JSON struct json_object *o = json_new_object();
	char path[PATH_SIZE];
	int r = path_of(address, path, err);

	if (r < 0)
		return r;
	if (mkdirat(host->run_fd, FOLDER, 0700) < 0 && errno != EEXIST)
		return error_errno(err, "make the folder " FOLDER);
	json_add_str(o, "boot", host->boot_id);
	json_add_str(o, "vm", vm);
	json_add_str(o, "why", why);
	json_add_u64(o, "since", (uint64_t)time(NULL));
	return json_save_at(host->run_fd, path, o, 0600, err);
}

/* A file that cannot be read still means that somebody put the device there. */
int quarantine_get(const struct host *host, const char *address, struct quarantine *ret)
{
	AUTO_JSON struct json_object *o = NULL;
	char path[PATH_SIZE];
	int r;

	*ret = (struct quarantine){ .this_boot = true };
	if (path_of(address, path, NULL) < 0)
		return 0;
	r = json_load_at(host->run_fd, path, &o, NULL);
	if (r == -ENOENT)
		return 0;
	(void)snprintf(ret->vm, sizeof(ret->vm), "%s", json_str_or(o, "vm", "?"));
	(void)snprintf(ret->why, sizeof(ret->why), "%s",
		       json_str_or(o, "why", "its entry cannot be read"));
	ret->since = json_u64_or(o, "since", 0);
	ret->this_boot = strcmp(json_str_or(o, "boot", host->boot_id), host->boot_id) == 0;
	return 1;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int quarantine_list(const struct host *host, struct strv *ret, struct error *err)
{
	AUTO_CLOSEDIR DIR *dir = file_opendir_at(host->run_fd, FOLDER, O_NOFOLLOW);
	const struct dirent *e;

	if (dir == NULL)
		return 0;
	while ((e = readdir(dir)) != NULL) {
		if (e->d_name[0] != '.')
			strv_add(ret, e->d_name);
	}
	if (strv_error(ret) < 0)
		return error_set(err, ENOMEM, "out of memory");
	if (ret->n > 0)
		qsort(ret->v, ret->n, sizeof(*ret->v), by_name);
	return 0;
}

/* A parent of mediated devices that is no PCI function: what it offers can be read. */
static _Noreturn void answer_parent(const struct host *host, const char *name)
{
	char path[PATH_SIZE];
	AUTO_CLOSEDIR DIR *dir = NULL;
	const struct dirent *e;

	(void)snprintf(path, sizeof(path), "class/mdev_bus/%.64s/mdev_supported_types", name);
	dir = file_opendir_at(host->sys_fd, path, 0);
	if (dir == NULL)
		_exit(1);
	while ((e = readdir(dir)) != NULL) {
		AUTO_FREE char *text = NULL;
		char file[300];

		if (e->d_name[0] == '.')
			continue;
		(void)snprintf(file, sizeof(file), "%.255s/available_instances", e->d_name);
		if (file_read_at(dirfd(dir), file, 64, &text, NULL, NULL) < 0)
			_exit(1);
	}
	_exit(0);
}

/* Runs in a child: a read of a device that hangs may never come back. */
static _Noreturn void answer(const struct host *host, const char *address)
{
	unsigned char head[64] = { 0 };
	bool answers = false;
	char path[PATH_SIZE], link[256];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "bus/pci/devices/%.64s/config", address);
	fd = openat(host->sys_fd, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : pread(fd, head, sizeof(head), 0);
	if (n < 4)
		_exit(1);
	/* the ids alone read so on every VF */
	for (ssize_t i = 0; i < n; i++)
		answers = answers || head[i] != 0xff;
	if (!answers)
		_exit(2);
	(void)snprintf(path, sizeof(path), "bus/pci/devices/%.64s/driver", address);
	if (readlinkat(host->sys_fd, path, link, sizeof(link)) < 0 && errno != ENOENT)
		_exit(1);
	_exit(0);
}

static int child_answers(const struct host *host, const char *address, struct error *err)
{
	static const char *const why[] = { NULL, "it cannot be read",
					   "its configuration space reads all ones" };
	uint64_t end_ns = deadline_in_s(RETEST_SECONDS);
	pid_t pid = fork();
	int status = 0;
	pid_t got;

	if (pid < 0)
		return error_errno(err, "fork");
	if (pid == 0 && strchr(address, ':') == NULL)
		answer_parent(host, address);
	if (pid == 0)
		answer(host, address);
	while ((got = waitpid(pid, &status, WNOHANG)) == 0 && deadline_poll_ms(end_ns) != 0)
		clock_sleep_ms(10);
	if (got == 0) {
		(void)kill(pid, SIGKILL); /* and if it stays, the device hangs in the kernel */
		return error_set(err, EBUSY, "%s: reading it hangs", address);
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return error_set(err, EBUSY, "%s: %s", address,
			 WIFEXITED(status) && WEXITSTATUS(status) == 2 ? why[2] : why[1]);
}

int quarantine_drop(const struct host *host, const char *address, struct error *err)
{
	char path[PATH_SIZE];
	int r = path_of(address, path, err);

	if (r < 0)
		return r;
	return unlinkat(host->run_fd, path, 0) < 0 && errno != ENOENT
		       ? error_errno(err, "lift the quarantine of %s", address)
		       : 0;
}

static bool is_absent(const struct host *host, const char *address)
{
	char path[PATH_SIZE];

	(void)snprintf(path, sizeof(path), "%s/%.128s",
		       strchr(address, ':') == NULL ? "class/mdev_bus" : "bus/pci/devices",
		       address);
	return faccessat(host->sys_fd, path, F_OK, 0) < 0 && errno == ENOENT;
}

int quarantine_retest(const struct host *host, const char *address, struct error *err)
{
	struct quarantine entry;
	char path[PATH_SIZE];
	int r = path_of(address, path, err);

	if (r < 0 || quarantine_get(host, address, &entry) == 0)
		return r;
	if (is_absent(host, address)) {
		r = quarantine_drop(host, address, err);
		return r < 0 ? r : 1;
	}
	r = child_answers(host, address, err);
	return r < 0 ? r : quarantine_drop(host, address, err);
}
