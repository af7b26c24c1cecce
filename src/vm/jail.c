/* SPDX-License-Identifier: MIT */
#include "vm/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"

#define JAIL_DIR   "/dev/bmvm"
#define VFIO_DIR   "/dev/vfio"
#define IOMMU_NODE "/dev/iommu"
#define COPY_CHUNK ((size_t)1 << 16)

/* ---- limits and privileges ---- */

static int limit(int resource, rlim_t value, const char *name, struct error *err)
{
	struct rlimit l = { .rlim_cur = value, .rlim_max = value };

	return setrlimit((__rlimit_resource_t)resource, &l) < 0 ? error_errno(err, "set %s", name)
								: 0;
}

static int set_limits(const struct jail *j, struct error *err)
{
	int r = limit(RLIMIT_CORE, 0, "RLIMIT_CORE", err);

	if (r < 0 || j->memlock == 0)
		return r;
	r = limit(RLIMIT_MEMLOCK, (rlim_t)j->memlock, "RLIMIT_MEMLOCK", err);
	if (r == -EPERM)
		return error_hint(err, r,
				  "it is too low and may not be raised here: in a container, "
				  "start that without a limit (--ulimit memlock=-1)");
	return r;
}

/* gid first: without root it could not be changed any more. */
static int drop_to(uid_t uid, struct error *err)
{
	gid_t gid = (gid_t)uid;

	if (setgroups(0, NULL) < 0)
		return error_errno(err, "setgroups");
	if (setresgid(gid, gid, gid) < 0)
		return error_errno(err, "setresgid %u", gid);
	if (setresuid(uid, uid, uid) < 0)
		return error_errno(err, "setresuid %u", uid);
	if (setuid(0) == 0 || geteuid() != uid)
		return error_set(err, EPERM, "uid 0 could not be given up");
	return 0;
}

/* ---- the mount namespace ---- */

static int make_dir(const char *path, struct error *err)
{
	if (mkdir(path, 0755) < 0 || chmod(path, 0755) < 0)
		return error_errno(err, "jail: make %s", path);
	return 0;
}

/*
 * Everything that is mounted now becomes read-only, without setuid and device nodes, for this
 * namespace alone. Descriptors opened before keep their rights.
 */
static int private_mounts(struct error *err)
{
	struct mount_attr strict = {
		.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
	};
	int r;

	if (unshare(CLONE_NEWNS) < 0) {
		r = error_errno(err, "jail: make a mount namespace");
		return error_hint(err, r,
				  "in a container without CAP_SYS_ADMIN, run it as an "
				  "ordinary user");
	}
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		r = error_errno(err, "jail: make mounts private");
		return error_hint(err, r,
				  "the root of a chroot must be a mount point: mount "
				  "--bind DIR DIR before chroot DIR");
	}
	if (mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &strict, sizeof(strict)) < 0)
		return error_errno(err, "jail: make mounts read-only (Linux 5.12 or newer)");
	return 0;
}

struct node {
	const char *path;
	unsigned int major, minor;
};

static const struct node nodes[] = {
	{ "/dev/null", 1, 3 },
	{ "/dev/zero", 1, 5 },
	{ "/dev/random", 1, 8 },
	{ "/dev/urandom", 1, 9 },
};

static const struct node kvm_node = { "/dev/kvm", 10, 232 };
static const struct node vfio_node = { VFIO_DIR "/vfio", 10, 196 };

static int make_node_at(const char *path, dev_t rdev, uid_t uid, struct error *err)
{
	if (mknod(path, S_IFCHR | 0600, rdev) < 0 || chown(path, uid, (gid_t)uid) < 0)
		return error_errno(err, "jail: make node %s", path);
	return 0;
}

static int make_node(const struct node *n, uid_t uid, struct error *err)
{
	return make_node_at(n->path, makedev(n->major, n->minor), uid, err);
}

/* The way to all devices: VFIO's container, or /dev/iommu. */
static int make_container(const struct jail *j, struct error *err)
{
	int r;

	if (j->iommu_rdev == 0)
		return make_node(&vfio_node, j->uid, err);
	r = make_node_at(IOMMU_NODE, j->iommu_rdev, j->uid, err);
	return r < 0 ? r : make_dir(VFIO_DIR "/devices", err);
}

/* And of the groups, or devices, those of this VM alone. */
static int make_vfio(const struct jail *j, struct error *err)
{
	char path[48];
	int r;

	if (j->n_groups == 0)
		return 0;
	r = make_dir(VFIO_DIR, err);
	if (r == 0)
		r = make_container(j, err);
	for (size_t i = 0; r == 0 && i < j->n_groups; i++) {
		(void)snprintf(path, sizeof(path), VFIO_DIR "%s%d",
			       j->iommu_rdev != 0 ? "/devices/vfio" : "/", j->groups[i].number);
		r = make_node_at(path, j->groups[i].rdev, j->uid, err);
	}
	return r;
}

static int make_dev(const struct jail *j, struct error *err)
{
	int r = 0;

	if (mount("tmpfs", "/dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755,size=1m") < 0)
		return error_errno(err, "jail: mount /dev");
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(nodes); i++)
		r = make_node(&nodes[i], j->uid, err);
	if (r == 0 && j->kvm)
		r = make_node(&kvm_node, j->uid, err);
	if (r == 0)
		r = make_vfio(j, err);
	if (r == 0 && symlink("/proc/self/fd", "/dev/fd") < 0)
		r = error_errno(err, "jail: make /dev/fd");
	return r < 0 ? r : make_dir(JAIL_DIR, err);
}

/** struct tree - A folder on its way into the jail: a mount of its own, attached nowhere yet */
struct tree {
	int fd;
	char target[40];
};

/*
 * Take one folder, without what is mounted below it. Its flags are set before it is visible
 * anywhere. Must be done in the old namespace, to which the descriptor belongs.
 */
static int take_tree(struct tree *t, int folder_fd, bool readonly, struct error *err)
{
	struct mount_attr flags = { .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV };

	if (readonly)
		flags.attr_set |= MOUNT_ATTR_RDONLY;
	t->fd = open_tree(folder_fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (t->fd < 0)
		return error_errno(err, "jail: take the folder for %s", t->target);
	if (mount_setattr(t->fd, "", AT_EMPTY_PATH, &flags, sizeof(flags)) < 0)
		return error_errno(err, "jail: set the mount flags of %s", t->target);
	return 0;
}

static int attach_tree(const struct tree *t, struct error *err)
{
	int r = make_dir(t->target, err);

	if (r < 0)
		return r;
	if (move_mount(t->fd, "", AT_FDCWD, t->target, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return error_errno(err, "jail: mount %s", t->target);
	return 0;
}

/* The seed first, then the shares. Return: how many, or a failure. */
static int take_trees(const struct jail *j, struct tree *trees, struct error *err)
{
	int n = 0, r = 0;

	if (j->seed_fd >= 0) {
		(void)snprintf(trees[n].target, sizeof(trees[n].target), JAIL_SEED);
		r = take_tree(&trees[n++], j->seed_fd, true, err);
	}
	for (size_t i = 0; r == 0 && i < j->n_shares; i++) {
		(void)snprintf(trees[n].target, sizeof(trees[n].target), JAIL_SHARE, i);
		r = take_tree(&trees[n++], j->shares[i].fd, j->shares[i].readonly, err);
	}
	return r < 0 ? r : n;
}

static int isolate(const struct jail *j, struct error *err)
{
	struct tree trees[1 + VM_MOUNTS_MAX];
	int n = take_trees(j, trees, err);
	int r;

	if (n < 0)
		return n;
	r = private_mounts(err);
	if (r == 0)
		r = make_dev(j, err);
	for (int i = 0; r == 0 && i < n; i++)
		r = attach_tree(&trees[i], err);
	return r;
}

int jail_enter(void *jail, struct error *err)
{
	const struct jail *j = jail;
	int r;

	(void)umask(0077);
	r = set_limits(j, err);
	if (r == 0 && j->isolate)
		r = isolate(j, err);
	if (r == 0 && chdir("/") < 0) /* the old working folder is outside the namespace */
		r = error_errno(err, "jail: chdir");
	if (r == 0 && j->uid != 0)
		r = drop_to(j->uid, err);
	if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = error_errno(err, "PR_SET_NO_NEW_PRIVS");
	return r;
}

/* ---- devices ---- */

/* Functions of one group share its node. */
static int add_group(struct jail *j, const struct jail_group *group, struct error *err)
{
	for (size_t i = 0; i < j->n_groups; i++) {
		if (j->groups[i].number != group->number)
			continue;
		if (j->groups[i].rdev != group->rdev)
			return error_set(err, EINVAL, "jail: two nodes for IOMMU group %d",
					 group->number);
		return 0;
	}
	if (j->n_groups == VM_DEVICES_MAX)
		return error_set(err, EINVAL, "jail: more than %d IOMMU groups", VM_DEVICES_MAX);
	j->groups[j->n_groups++] = *group;
	return 0;
}

int jail_add_devices(struct jail *jail, const struct vm_plan *plan, struct error *err)
{
	int r = 0;

	if (plan->n_devices > VM_DEVICES_MAX)
		return error_set(err, EINVAL, "jail: more than %d devices", VM_DEVICES_MAX);
	if (plan->iommufd && plan->iommu_rdev == 0)
		return error_set(err, EINVAL, "jail: there is no /dev/iommu");
	for (size_t i = 0; r == 0 && i < plan->n_devices; i++) {
		const struct vm_device *d = &plan->devices[i];
		struct jail_group group = { .number = d->group, .rdev = d->group_rdev };

		if (plan->iommufd)
			group = (struct jail_group){ .number = d->cdev, .rdev = d->cdev_rdev };
		if (group.number < 0 || group.rdev == 0)
			return error_set(err, EINVAL, "jail: device %zu has no %s", i,
					 plan->iommufd ? "node of its own" : "IOMMU group");
		r = add_group(jail, &group, err);
	}
	jail->iommu_rdev = plan->iommufd && plan->n_devices > 0 ? plan->iommu_rdev : 0;
	if (r == 0 && plan->n_devices > 0)
		jail->memlock = vm_memlock(plan);
	return r;
}

/* ---- uids ---- */

pid_t jail_uid_user(int proc_fd, uid_t uid, struct error *err)
{
	AUTO_CLOSEDIR DIR *dir = file_opendir_at(proc_fd, ".", 0);
	const struct dirent *entry;
	struct stat st;

	if (dir == NULL)
		return error_errno(err, "read /proc");
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
		    fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 && st.st_uid == uid)
			return (pid_t)strtol(entry->d_name, NULL, 10);
	}
	return 0;
}

/*
 * One byte of the file for each uid, so that random ones leave no files behind. 1: ours now; 0:
 * somebody else's.
 */
static int try_uid(int proc_fd, int lock_fd, unsigned int slot, struct error *err)
{
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = slot, .l_len = 1
	};
	pid_t user;

	if (fcntl(lock_fd, F_OFD_SETLK, &lock) < 0)
		return errno == EAGAIN || errno == EACCES ? 0 : error_errno(err, "lock a uid");
	user = jail_uid_user(proc_fd, JAIL_UID_BASE + slot, err);
	if (user == 0)
		return 1;
	lock.l_type = F_UNLCK;
	if (fcntl(lock_fd, F_OFD_SETLK, &lock) < 0)
		return error_errno(err, "unlock a uid");
	return user < 0 ? user : 0;
}

static int open_uid_locks(int run_fd, struct error *err)
{
	AUTO_CLOSE int dir_fd = -1;
	int fd;

	if (mkdirat(run_fd, "uids", 0700) < 0 && errno != EEXIST)
		return error_errno(err, "make the folder uids");
	dir_fd = openat(run_fd, "uids", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir_fd < 0)
		return error_errno(err, "open the folder uids");
	fd = openat(dir_fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd < 0 ? error_errno(err, "open uids/lock") : fd;
}

int jail_uid_lease_from(int proc_fd, int run_fd, unsigned int first, uid_t *ret_uid, int *ret_lock,
			struct error *err)
{
	AUTO_CLOSE int fd = open_uid_locks(run_fd, err);

	if (fd < 0)
		return fd;
	for (unsigned int i = 0; i < JAIL_UID_COUNT; i++) {
		unsigned int slot = (first % JAIL_UID_COUNT + i) % JAIL_UID_COUNT;
		int r = try_uid(proc_fd, fd, slot, err);

		if (r < 0)
			return r;
		if (r == 0)
			continue;
		*ret_uid = JAIL_UID_BASE + slot;
		*ret_lock = TAKE_FD(fd);
		return 0;
	}
	return error_set(err, EUSERS, "all %u uids for VMs are taken", JAIL_UID_COUNT);
}

int jail_uid_lease(int proc_fd, int run_fd, uid_t *ret_uid, int *ret_lock, struct error *err)
{
	unsigned int first;

	if (getrandom(&first, sizeof(first), 0) != (ssize_t)sizeof(first))
		return error_errno(err, "getrandom");
	return jail_uid_lease_from(proc_fd, run_fd, first, ret_uid, ret_lock, err);
}

/* ---- files for that uid ---- */

static int copy_content(int from, int to, struct error *err)
{
	AUTO_FREE char *buf = malloc(COPY_CHUNK);
	off_t at = 0;

	if (buf == NULL)
		return error_set(err, ENOMEM, "out of memory");
	for (;;) {
		ssize_t n = pread(from, buf, COPY_CHUNK, at);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, "read a file to be copied");
		if (n == 0)
			return 0;
		r = fd_write_all(to, buf, (size_t)n);
		if (r < 0)
			return error_set(err, -r, "copy a file: %s", strerror(-r));
		at += n;
	}
}

int jail_readable_copy(int fd, uid_t uid, int *ret, struct error *err)
{
	AUTO_CLOSE int copy = -1;
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return error_errno(err, "stat a file for QEMU");
	if (!S_ISREG(st.st_mode))
		return error_set(err, EINVAL, "not a regular file");
	if (uid == geteuid() || (st.st_mode & S_IROTH) != 0) {
		*ret = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		return *ret < 0 ? error_errno(err, "duplicate a descriptor") : 0;
	}
	copy = memfd_create("bmvm-copy", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (copy < 0)
		return error_errno(err, "memfd_create");
	r = copy_content(fd, copy, err);
	if (r < 0)
		return r;
	if (fchmod(copy, 0444) < 0 ||
	    fcntl(copy, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
		return error_errno(err, "seal a memfd");
	*ret = TAKE_FD(copy);
	return 0;
}
