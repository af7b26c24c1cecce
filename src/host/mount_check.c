/* SPDX-License-Identifier: MIT */
#include "host/mount_check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "config/config.h"
#include "host/host.h"

static bool is_within(const char *path, const char *top)
{
	size_t n = strlen(top);

	return strcmp(top, "/") == 0 ||
	       (strncmp(path, top, n) == 0 && (path[n] == '\0' || path[n] == '/'));
}

/* Whether one of the two holds the other, whatever links lead there. */
static bool overlap(const char *a, const char *b)
{
	AUTO_FREE char *real_a = realpath(a, NULL);
	AUTO_FREE char *real_b = realpath(b, NULL);

	if (real_a == NULL || real_b == NULL)
		return is_within(a, b) || is_within(b, a);
	return is_within(real_a, real_b) || is_within(real_b, real_a);
}

int host_mount_check_writable(const struct host *host, const char *path, struct error *err)
{
	const char *const own[] = { host->run_dir, host->data_dir };

	for (size_t k = 0; k < ARRAY_SIZE(own); k++) {
		if (overlap(path, own[k]))
			return error_set(err, EPERM, "%s would let the guest write to %s", path,
					 own[k]);
	}
	return 0;
}

static int check_own_folders(const struct host *host, const char *path, size_t i, struct error *err)
{
	int r = host_mount_check_writable(host, path, err);

	if (r == 0)
		return 0;
	error_prefix(err, r, "mounts[%zu]", i);
	return error_hint(err, r, "share another folder, or leave out mounts[%zu].readonly", i);
}

int host_mount_check(const struct host *host, const struct config *cfg, size_t i, struct error *err)
{
	const struct config_mount *m = &cfg->mounts[i];
	struct stat st;
	int r;

	if (stat(m->host, &st) < 0) {
		if (errno == ENOENT && m->unmade)
			return m->readonly ? 0 : check_own_folders(host, m->host, i, err);
		r = error_errno(err, "mounts[%zu]: %s", i, m->host);
		if (r == -ENOENT)
			return error_hint(err, r, "mkdir -p '%s'   # or correct mounts[%zu].host",
					  m->host, i);
		return error_hint(err, r, "correct mounts[%zu].host", i);
	}
	if (!S_ISDIR(st.st_mode)) {
		r = error_set(err, ENOTDIR, "mounts[%zu]: %s is no folder", i, m->host);
		return error_hint(err, r, "correct mounts[%zu].host", i);
	}
	return m->readonly ? 0 : check_own_folders(host, m->host, i, err);
}
