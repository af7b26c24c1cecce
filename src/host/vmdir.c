/* SPDX-License-Identifier: MIT */
#include "host/vmdir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

int host_lock(const struct host *host, struct error *err)
{
	AUTO_CLOSE int fd =
		openat(host->run_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r;

	if (fd < 0)
		return error_errno(err, "open %s/lock", host->run_dir);
	r = file_lock(fd, true, deadline_in_s(30));
	if (r < 0)
		return error_set(err, -r, "%s/lock is held by another bmvm: %s", host->run_dir,
				 strerror(-r));
	return TAKE_FD(fd);
}

static void entry_path(char *buf, size_t size, const char *name)
{
	(void)snprintf(buf, size, "vms/%s", name);
}

static int fill(const struct host *host, const char *name, struct vmdir *vd, struct error *err)
{
	char path[VM_NAME_MAX + 8];

	entry_path(path, sizeof(path), name);
	vd->name = strdup(name);
	vd->data_path = path_join(host->data_dir, path);
	if (vd->name == NULL || vd->data_path == NULL)
		return error_set(err, ENOMEM, "out of memory");
	vd->run_fd = openat(host->run_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (vd->run_fd < 0 && errno != ENOENT)
		return error_errno(err, "open %s/%s", host->run_dir, path);
	return 0;
}

/* Under the host lock. */
static int take_lock(struct vmdir *vd, struct error *err)
{
	AUTO_CLOSE int fd =
		openat(vd->run_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r;

	if (fd < 0)
		return error_errno(err, "open the lock of VM %s", vd->name);
	/* vmdir_is_alive() of somebody who only asks holds a shared lock for a moment */
	r = file_lock(fd, true, deadline_in_ms(300));
	if (r < 0)
		return error_set(err, -r, "VM %s is in use", vd->name);
	vd->lock_fd = TAKE_FD(fd);
	return 0;
}

static int make_run_folder(const struct host *host, struct vmdir *vd, struct error *err)
{
	char path[VM_NAME_MAX + 8];

	entry_path(path, sizeof(path), vd->name);
	if (mkdirat(host->run_fd, path, 0700) < 0 && errno != EEXIST)
		return error_errno(err, "make %s/%s", host->run_dir, path);
	vd->run_fd = openat(host->run_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return vd->run_fd < 0 ? error_errno(err, "open %s/%s", host->run_dir, path) : 0;
}

static bool name_taken(const struct host *host, const char *name)
{
	char path[VM_NAME_MAX + 8];

	entry_path(path, sizeof(path), name);
	return faccessat(host->run_fd, path, F_OK, 0) == 0 ||
	       faccessat(host->data_fd, path, F_OK, 0) == 0;
}

int vmdir_check_free(const struct host *host, const char *name, struct error *err)
{
	int r;

	if (!name_taken(host, name))
		return 0;
	r = error_set(err, EEXIST, "a VM named %s exists already", name);
	return error_hint(err, r, "choose another --name, or end it: bmvm destroy %s", name);
}

static int make_up_name(const struct host *host, char *buf, size_t size, struct error *err)
{
	static const char alphabet[] = "abcdefghijkmnpqrstuvwxyz23456789";
	unsigned char random[6];

	for (int tries = 0; tries < 100; tries++) {
		size_t n;

		if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
			return error_errno(err, "getrandom");
		n = (size_t)snprintf(buf, size, "vm-");
		for (size_t i = 0; i < sizeof(random) && n + 1 < size; i++)
			buf[n++] = alphabet[random[i] % (sizeof(alphabet) - 1)];
		buf[n] = '\0';
		if (!name_taken(host, buf))
			return 0;
	}
	return error_set(err, EEXIST, "no free VM name found");
}

static int create_locked(const struct host *host, const char *name, struct vmdir *vd,
			 struct error *err)
{
	char made_up[16];
	int r;

	if (name == NULL) {
		r = make_up_name(host, made_up, sizeof(made_up), err);
		if (r < 0)
			return r;
		name = made_up;
	}
	r = vmdir_check_free(host, name, err);
	if (r == 0)
		r = fill(host, name, vd, err);
	if (r == 0)
		r = make_run_folder(host, vd, err);
	if (r == 0)
		r = take_lock(vd, err);
	return r;
}

int vmdir_create(const struct host *host, const char *name, struct vmdir *ret, struct error *err)
{
	AUTO_CLOSE int lock = host_lock(host, err);
	struct vmdir vd = VMDIR_INIT;
	int r;

	if (lock < 0)
		return lock;
	r = create_locked(host, name, &vd, err);
	if (r < 0) {
		vmdir_done(&vd);
		return r;
	}
	*ret = vd;
	return 0;
}

/* The one name that is @name or begins with it. */
static int match_name(const struct host *host, const char *name, const char **ret,
		      struct strv *names, struct error *err)
{
	const char *found = NULL;
	int r = vmdir_list(host, names, err);

	for (size_t i = 0; r == 0 && i < names->n; i++) {
		if (strcmp(names->v[i], name) == 0) {
			*ret = names->v[i];
			return 0;
		}
		if (strncmp(names->v[i], name, strlen(name)) != 0)
			continue;
		if (found != NULL)
			return error_set(err, EEXIST, "%s could be %s or %s", name, found,
					 names->v[i]);
		found = names->v[i];
	}
	if (r < 0)
		return r;
	if (found == NULL || name[0] == '\0') {
		r = error_set(err, ENOENT, "there is no VM named \"%s\"", name);
		return error_hint(err, r, "bmvm ps shows the VMs that are there");
	}
	*ret = found;
	return 0;
}

int vmdir_open(const struct host *host, const char *name, struct vmdir *ret, struct error *err)
{
	AUTO_STRV struct strv names = STRV_INIT;
	struct vmdir vd = VMDIR_INIT;
	const char *full = NULL;
	int r = match_name(host, name, &full, &names, err);

	if (r == 0 && full != NULL)
		r = fill(host, full, &vd, err);
	if (r < 0) {
		vmdir_done(&vd);
		return r;
	}
	*ret = vd;
	return 0;
}

/* Making and judging data folders, also for those who have another run folder. */
static int lock_data_dir(const struct host *host, struct error *err)
{
	AUTO_CLOSE int fd = openat(host->data_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 ? -errno : file_lock(fd, true, deadline_in_s(30));

	return r < 0 ? error_set(err, -r, "lock %s: %s", host->data_dir, strerror(-r))
		     : TAKE_FD(fd);
}

/* Return: 0; -ENOENT no data folder; -EWOULDBLOCK somebody holds it. */
static int take_data_lock(const struct host *host, struct vmdir *vd, struct error *err)
{
	AUTO_CLOSE int dir_fd = vmdir_open_data(host, vd, err);
	AUTO_CLOSE int fd = -1;
	int r;

	if (dir_fd < 0)
		return dir_fd;
	fd = openat(dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return error_errno(err, "open %s/lock", vd->data_path);
	r = file_lock(fd, true, deadline_in_ms(300));
	if (r < 0)
		return error_set(err, -r, "VM %s is in use by a session with another run folder",
				 vd->name);
	vd->data_lock_fd = TAKE_FD(fd);
	return 0;
}

int vmdir_make_data(const struct host *host, struct vmdir *vd, struct error *err)
{
	AUTO_CLOSE int lock = lock_data_dir(host, err);
	int r = lock < 0 ? lock : file_mkdirs(vd->data_path, 0700, err);

	return r < 0 ? r : take_data_lock(host, vd, err);
}

static int claim_data(const struct host *host, struct vmdir *vd, struct error *err)
{
	struct error unread = ERROR_INIT;
	AUTO_CLOSE int lock = lock_data_dir(host, err);
	int r = lock < 0 ? lock : take_data_lock(host, vd, &unread);

	if (r == -ENOENT)
		return 0;
	if (r < 0 && lock >= 0 && err != NULL)
		*err = unread;
	return r;
}

int vmdir_claim(const struct host *host, struct vmdir *vd, struct error *err)
{
	AUTO_CLOSE int lock = host_lock(host, err);
	bool had_run_folder = vd->run_fd >= 0;
	char path[VM_NAME_MAX + 8];
	int r = 0;

	if (lock < 0)
		return lock;
	/* look again: it may have been removed or made anew since it was opened */
	close_fd(&vd->run_fd);
	if (!name_taken(host, vd->name))
		return error_set(err, ENOENT, "VM %s is gone", vd->name);
	r = make_run_folder(host, vd, err);
	if (r == 0)
		r = take_lock(vd, err);
	if (r < 0)
		return r;
	r = claim_data(host, vd, err);
	if (r < 0 && !had_run_folder) {
		entry_path(path, sizeof(path), vd->name);
		(void)file_remove_tree_at(host->run_fd, path, NULL);
	}
	return r;
}

bool vmdir_was_removed(const struct vmdir *vd)
{
	struct stat st;

	return vd->run_fd >= 0 && fstat(vd->run_fd, &st) == 0 && st.st_nlink == 0;
}

/* A shared try: two who ask at once do not take each other for the VM. */
static bool is_locked(int dir_fd)
{
	AUTO_CLOSE int fd = openat(dir_fd, "lock", O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	return fd >= 0 && file_lock(fd, false, 0) == -EWOULDBLOCK;
}

bool vmdir_is_alive(const struct vmdir *vd)
{
	AUTO_CLOSE int data_fd =
		open(vd->data_path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return (vd->run_fd >= 0 && is_locked(vd->run_fd)) || (data_fd >= 0 && is_locked(data_fd));
}

static int add_names(int dir_fd, struct strv *ret)
{
	AUTO_CLOSEDIR DIR *dir = file_opendir_at(dir_fd, "vms", 0);
	const struct dirent *entry;

	if (dir == NULL)
		return -errno;
	while ((entry = readdir(dir)) != NULL) {
		if (syntax_is_vm_name(entry->d_name) && !strv_contains(ret, entry->d_name))
			strv_add(ret, entry->d_name);
	}
	return strv_error(ret);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int vmdir_list(const struct host *host, struct strv *ret, struct error *err)
{
	int r = add_names(host->run_fd, ret);

	if (r == 0)
		r = add_names(host->data_fd, ret);
	if (r < 0)
		return error_set(err, -r, "list VMs: %s", strerror(-r));
	if (ret->n > 1)
		qsort(ret->v, ret->n, sizeof(*ret->v), compare_names);
	return 0;
}

int vmdir_remove(const struct host *host, struct vmdir *vd, struct error *err)
{
	char path[VM_NAME_MAX + 8];
	AUTO_CLOSE int lock = host_lock(host, err);

	if (lock < 0)
		return lock;
	entry_path(path, sizeof(path), vd->name);
	return file_remove_tree_at(host->run_fd, path, err);
}

int vmdir_open_data(const struct host *host, const struct vmdir *vd, struct error *err)
{
	char path[VM_NAME_MAX + 8];
	int fd;

	entry_path(path, sizeof(path), vd->name);
	fd = openat(host->data_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? error_errno(err, "open %s", vd->data_path) : fd;
}

int vmdir_load_info(const struct host *host, const struct vmdir *vd, struct json_object **ret,
		    struct error *err)
{
	AUTO_CLOSE int fd = vmdir_open_data(host, vd, err);

	return fd < 0 ? fd : json_load_at(fd, "vm.json", ret, err);
}

int vmdir_save_info(const struct host *host, const struct vmdir *vd, struct json_object *info,
		    struct error *err)
{
	AUTO_CLOSE int fd = vmdir_open_data(host, vd, err);

	return fd < 0 ? fd : json_save_at(fd, "vm.json", info, 0600, err);
}

void vmdir_done(struct vmdir *vd)
{
	close_fd(&vd->run_fd);
	close_fd(&vd->lock_fd);
	close_fd(&vd->data_lock_fd);
	free(vd->name);
	free(vd->data_path);
	*vd = (struct vmdir)VMDIR_INIT;
}
