/* SPDX-License-Identifier: MIT */
#include "run/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "run/options.h"

static int check_source(const struct copy_in *c, struct error *err)
{
	struct stat st;
	int mode;

	if (stat(c->host, &st) < 0)
		return error_errno(err, "--copy-in %s:%s: %s", c->host, c->guest, c->host);
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return error_set(err, EINVAL, "--copy-in %s:%s: %s is neither file nor folder",
				 c->host, c->guest, c->host);
	mode = S_ISDIR(st.st_mode) ? R_OK | X_OK : R_OK;
	if (faccessat(AT_FDCWD, c->host, mode, AT_EACCESS) < 0)
		return error_errno(err, "--copy-in %s:%s: %s", c->host, c->guest, c->host);
	return 0;
}

static int check_destination(const char *to, struct error *err)
{
	const char *path = to != NULL ? to : ".";
	const char *what = to != NULL ? "results.to" : "results.collect: current folder";
	struct stat st;

	if (stat(path, &st) < 0)
		return error_errno(err, "%s: %s", what, path);
	if (!S_ISDIR(st.st_mode))
		return error_set(err, ENOTDIR, "%s: %s is no folder", what, path);
	if (faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS) < 0)
		return error_errno(err, "%s: %s", what, path);
	return 0;
}

static int check_file(const char *key, const char *path, struct error *err)
{
	struct stat st;

	if (stat(path, &st) < 0 || faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) < 0)
		return error_errno(err, "baremetal_vm.%s: %s", key, path);
	return S_ISREG(st.st_mode)
		       ? 0
		       : error_set(err, EINVAL, "baremetal_vm.%s: %s is no file", key, path);
}

static int check_docker(const struct config *cfg, struct error *err)
{
	int r = cfg->docker.script != NULL ? check_file("docker.script", cfg->docker.script, err)
					   : 0;

	for (size_t i = 0; i < cfg->docker.load.n && r == 0; i++)
		r = check_file("docker.load", cfg->docker.load.v[i], err);
	return r;
}

int paths_check(const struct run_options *o, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < o->n_copy_in && r == 0; i++)
		r = check_source(&o->copy_in[i], err);
	if (r == 0 && o->cfg.results.collect.n > 0)
		r = check_destination(o->cfg.results.to, err);
	return r < 0 ? r : check_docker(&o->cfg, err);
}
