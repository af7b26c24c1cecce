/* SPDX-License-Identifier: MIT */
#include "host/host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "base/error.h"
#include "base/file.h"

static int open_root(const char *prefix, const char *path, int *ret, struct error *err)
{
	AUTO_FREE char *full = NULL;

	if (asprintf(&full, "%s%s", prefix, path) < 0) {
		full = NULL;
		return error_set(err, ENOMEM, "out of memory");
	}
	*ret = open(full, O_DIRECTORY | O_PATH | O_CLOEXEC);
	return *ret < 0 ? error_errno(err, "open %s", full) : 0;
}

/* A folder of ours must be ours alone: others could plant names or read keys. */
static int open_private(const char *path, mode_t mode, int *ret, struct error *err)
{
	struct stat st;
	int r = file_mkdirs(path, mode, err);

	if (r < 0)
		return r;
	*ret = open(path, O_DIRECTORY | O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (*ret < 0)
		return error_errno(err, "open %s", path);
	if (fstat(*ret, &st) < 0)
		return error_errno(err, "stat %s", path);
	if (st.st_uid != geteuid() || (st.st_mode & 0022) != 0)
		return error_set(err, EPERM, "%s belongs to somebody else or is writable by others",
				 path);
	return 0;
}

static bool is_ours(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
	       (st.st_mode & 0022) == 0;
}

static int user_run_dir(const char *prefix, uid_t uid, char **ret)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR");
	AUTO_FREE char *user = NULL;

	if (xdg != NULL && xdg[0] == '/' && is_ours(xdg))
		return asprintf(ret, "%s/bmvm", xdg);
	if (asprintf(&user, "%s/run/user/%u", prefix, (unsigned int)uid) < 0)
		return -1;
	if (is_ours(user))
		return asprintf(ret, "%s/bmvm", user);
	return asprintf(ret, "%s/tmp/bmvm-%u", prefix, (unsigned int)uid);
}

static int user_data_dir(const char *prefix, uid_t uid, char **ret)
{
	const char *xdg = getenv("XDG_STATE_HOME");
	const char *home = getenv("HOME");

	if (xdg != NULL && xdg[0] == '/')
		return asprintf(ret, "%s/bmvm", xdg);
	if (home != NULL && home[0] == '/')
		return asprintf(ret, "%s/.local/state/bmvm", home);
	/* directly in /tmp: only the last folder's owner is looked at */
	return asprintf(ret, "%s/tmp/bmvm-%u-state", prefix, (unsigned int)uid);
}

static int choose_folders(struct host *h, const char *prefix, struct error *err)
{
	int r;

	if (h->is_root) {
		r = asprintf(&h->run_dir, "%s/run/bmvm", prefix);
		if (r >= 0)
			r = asprintf(&h->data_dir, "%s/var/lib/bmvm", prefix);
	} else {
		r = user_run_dir(prefix, h->uid, &h->run_dir);
		if (r >= 0)
			r = user_data_dir(prefix, h->uid, &h->data_dir);
	}
	if (r >= 0)
		r = asprintf(&h->images_dir, "%s/images", h->data_dir);
	return r < 0 ? error_set(err, ENOMEM, "out of memory") : 0;
}

static int open_folders(struct host *h, struct error *err)
{
	/* other users look up images through root's data folder: x but not r for them */
	int r = open_private(h->data_dir, h->is_root ? 0711 : 0700, &h->data_fd, err);

	if (r == 0)
		r = open_private(h->run_dir, 0700, &h->run_fd, err);
	if (r == 0)
		r = file_mkdirs(h->images_dir, h->is_root ? 0755 : 0700, err);
	if (r == 0 && ((mkdirat(h->run_fd, "vms", 0700) < 0 && errno != EEXIST) ||
		       (mkdirat(h->data_fd, "vms", 0700) < 0 && errno != EEXIST) ||
		       (mkdirat(h->data_fd, "receipts", 0700) < 0 && errno != EEXIST)))
		r = error_errno(err, "make folders in %s and %s", h->run_dir, h->data_dir);
	return r;
}

static int read_boot_id(struct host *h, struct error *err)
{
	AUTO_FREE char *text = NULL;
	int r = file_read_at(h->proc_fd, "sys/kernel/random/boot_id", 64, &text, NULL, err);

	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	(void)snprintf(h->boot_id, sizeof(h->boot_id), "%s", text);
	return 0;
}

static void open_modules(struct host *h, const char *prefix)
{
	struct utsname name;
	char path[sizeof(name.release) + 16];

	if (uname(&name) < 0)
		return;
	(void)snprintf(path, sizeof(path), "/lib/modules/%s", name.release);
	(void)open_root(prefix, path, &h->modules_fd, NULL);
}

int host_open(struct host *host, const char *prefix, struct error *err)
{
	struct host h = HOST_INIT;
	int r;

	h.uid = geteuid();
	h.is_root = h.uid == 0;
	r = open_root(prefix, "/proc", &h.proc_fd, err);
	if (r == 0)
		r = open_root(prefix, "/sys", &h.sys_fd, err);
	if (r == 0)
		r = open_root(prefix, "/dev", &h.dev_fd, err);
	/* other programs' folders: only looked into, so it is no matter if there are none */
	(void)open_root(prefix, "/run", &h.system_run_fd, NULL);
	(void)open_root(prefix, "/etc", &h.etc_fd, NULL);
	open_modules(&h, prefix);
	if (r == 0)
		r = read_boot_id(&h, err);
	if (r == 0)
		r = choose_folders(&h, prefix, err);
	if (r == 0)
		r = open_folders(&h, err);
	if (r < 0) {
		host_done(&h);
		return r;
	}
	*host = h;
	return 0;
}

bool host_sees_vms(const struct host *host)
{
	return host->is_root || host->system_run_fd < 0 ||
	       faccessat(host->system_run_fd, "bmvm", F_OK, 0) < 0;
}

void host_done(struct host *host)
{
	close_fd(&host->proc_fd);
	close_fd(&host->sys_fd);
	close_fd(&host->dev_fd);
	close_fd(&host->run_fd);
	close_fd(&host->data_fd);
	close_fd(&host->system_run_fd);
	close_fd(&host->etc_fd);
	close_fd(&host->modules_fd);
	free(host->run_dir);
	free(host->data_dir);
	free(host->images_dir);
	*host = (struct host)HOST_INIT;
}
