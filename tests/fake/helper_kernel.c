/* SPDX-License-Identifier: MIT */
/* A fake kernel, its faults and its reactions to writes: see helper_kernel.h. */
#include "helper_kernel.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/vfio.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "helper_kernel_react.h"

static void pause_ms(unsigned int ms)
{
	struct timespec t = { .tv_nsec = (long)ms * 1000000 };

	nanosleep(&t, NULL);
}

/* At most half a minute, so that a failed test leaves nothing behind. */
static void hang(struct fake_state *state)
{
	state->hangs = true;
	for (int i = 0; i < 30000 && !state->released; i++)
		pause_ms(1);
}

static int open_below(const struct fake_kernel *k, const char *name)
{
	char path[PATH_MAX + 16];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", k->root, name);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(fd, 0);
	return fd;
}

/* In the helper only @dir_fd is open, the root of what is written; @k is its own copy. */
static void open_roots_anew(struct fake_kernel *k, const char *path, int dir_fd)
{
	bool in_proc = strncmp(path, "driver/", strlen("driver/")) == 0;

	k->sys.sys_fd = in_proc ? open_below(k, "sys") : dir_fd;
	k->sys.proc_fd = in_proc ? dir_fd : open_below(k, "proc");
	k->sys.dev_fd = open_below(k, "dev");
}

static int fake_write(void *data, int dir_fd, const char *path, const char *value, size_t len)
{
	struct fake_kernel *k = data;
	struct fake_state *state = k->state;
	unsigned int n = __atomic_add_fetch(&state->n_writes, 1, __ATOMIC_SEQ_CST);

	open_roots_anew(k, path, dir_fd);
	if (n == state->fail_at)
		return -state->fail_errno;
	if (n == state->die_at)
		raise(SIGKILL);
	if (n == state->kill_at)
		kill(getppid(), SIGKILL);
	if (n == state->hang_at)
		hang(state);

	int r = fake_react(k, path, value, len);

	if (n == state->kill_after_at)
		kill(getppid(), SIGKILL);
	if (n == state->hang_after_at)
		hang(state);
	return r;
}

static int fake_open_group(void *data, int dir_fd, const char *path)
{
	struct fake_kernel *k = data;
	char open_path[64];

	snprintf(open_path, sizeof(open_path), "vfio/%d", k->state->open_group);
	if (strcmp(path, open_path) == 0) {
		if (k->state->busy_opens > 0 && --k->state->busy_opens == 0)
			k->state->open_group = -1;
		return -EBUSY;
	}

	int fd = openat(dir_fd, path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

static int fake_group_status(void *data, int group_fd, uint32_t *ret_flags)
{
	struct fake_kernel *k = data;
	char proc[64], target[PATH_MAX], node[64];
	ssize_t n;

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", group_fd);
	n = readlink(proc, target, sizeof(target) - 1);
	cr_assert_gt(n, 0);
	target[n] = '\0';
	snprintf(node, sizeof(node), "/vfio/%d", k->state->not_viable_group);
	*ret_flags = strstr(target, node) != NULL ? 0 : VFIO_GROUP_FLAGS_VIABLE;
	return 0;
}

static int record_intent(void *data, const struct sysfs_intent *intent)
{
	struct fake_kernel *k = data;

	cr_assert_lt(k->n_intents, FAKE_INTENTS);
	if (k->intents_before_write != 0 && k->n_intents + 1 >= k->intents_before_write)
		return -EROFS;

	struct fake_intent *i = &k->intents[k->n_intents++];

	snprintf(i->op, sizeof(i->op), "%s", intent->op);
	snprintf(i->object, sizeof(i->object), "%s", intent->object);
	snprintf(i->path, sizeof(i->path), "%s", intent->path);
	i->has_old = intent->old_value != NULL;
	snprintf(i->old_value, sizeof(i->old_value), "%s", i->has_old ? intent->old_value : "");
	snprintf(i->new_value, sizeof(i->new_value), "%s", intent->new_value);
	return 0;
}

static int open_root(const struct fake_kernel *k, const char *name)
{
	char path[PATH_MAX + 16];

	snprintf(path, sizeof(path), "%s/%s", k->root, name);
	cr_assert_eq(mkdir(path, 0755), 0);

	return open_below(k, name);
}

void fake_start(struct fake_kernel *k)
{
	const char *tmp = getenv("TMPDIR");

	memset(k, 0, sizeof(*k));
	snprintf(k->root, sizeof(k->root), "%s/bmvm-kernel.XXXXXX", tmp != NULL ? tmp : "/tmp");
	cr_assert_neq(mkdtemp(k->root), NULL);
	k->state = mmap(NULL, sizeof(*k->state), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	cr_assert_neq(k->state, MAP_FAILED);
	k->state->next_group = 20;
	k->state->open_group = -1;
	k->state->not_viable_group = -1;
	sysfs_init(&k->sys, open_root(k, "sys"), open_root(k, "dev"), open_root(k, "proc"));
	k->sys.poll_ms = 1;
	k->sys.kernel = (struct sysfs_kernel){ .write = fake_write,
					       .open_group = fake_open_group,
					       .group_status = fake_group_status,
					       .data = k };
	k->sys.intend = record_intent;
	k->sys.intend_data = k;
	cr_assert_eq(mkdirat(k->sys.dev_fd, "vfio", 0755), 0);
	fake_text(k, "bus/pci/drivers_probe", "%s", "");
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void fake_stop(struct fake_kernel *k)
{
	k->state->released = true;
	while (waitpid(-1, NULL, 0) > 0)
		;
	close(k->sys.sys_fd);
	close(k->sys.dev_fd);
	close(k->sys.proc_fd);
	cr_assert_eq(nftw(k->root, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	munmap(k->state, sizeof(*k->state));
}

void fake_reset(struct fake_kernel *k)
{
	struct fake_state *state = k->state;

	state->n_writes = state->fail_at = state->hang_at = state->hang_after_at = 0;
	state->die_at = state->eperm_left = state->kill_at = state->kill_after_at = 0;
	state->n_bound = 0;
	state->hangs = state->released = false;
	k->n_intents = k->intents_before_write = 0;
}

bool fake_wait_hang(const struct fake_kernel *k, int pid)
{
	for (int i = 0; i < 10000 && !k->state->hangs; i++) {
		if (waitpid(pid, NULL, WNOHANG) == pid)
			return false;
		pause_ms(1);
	}
	cr_assert(k->state->hangs);
	return true;
}

void fake_release(struct fake_kernel *k, int pid)
{
	k->state->released = true;
	cr_assert_eq(waitpid(pid, NULL, 0), pid);
}

int fake_write_now(struct fake_kernel *k, const char *path, const char *value)
{
	return fake_react(k, path, value, strlen(value));
}

static void make_folders(char *path)
{
	for (char *p = strchr(path + 1, '/'); p != NULL; p = strchr(p + 1, '/')) {
		*p = '\0';
		cr_assert(mkdir(path, 0755) == 0 || errno == EEXIST, "%s", path);
		*p = '/';
	}
}

static void absolute(const struct fake_kernel *k, const char *path, char *ret)
{
	cr_assert_lt(snprintf(ret, PATH_MAX, "%s/sys/%s", k->root, path), PATH_MAX);
}

void fake_text(const struct fake_kernel *k, const char *path, const char *fmt, ...)
{
	char full[PATH_MAX];
	va_list ap;

	absolute(k, path, full);
	make_folders(full);

	FILE *f = fopen(full, "we");

	cr_assert_neq(f, NULL, "%s", full);
	va_start(ap, fmt);
	vfprintf(f, fmt, ap);
	va_end(ap);
	cr_assert_eq(fclose(f), 0);
}

void fake_proc_text(const struct fake_kernel *k, const char *path, const char *text)
{
	char below[PATH_MAX];

	snprintf(below, sizeof(below), "../proc/%s", path);
	fake_text(k, below, "%s", text);
}

void fake_link(const struct fake_kernel *k, const char *path, const char *target)
{
	char full[PATH_MAX], relative[PATH_MAX];
	size_t len = 0;

	absolute(k, path, full);
	make_folders(full);
	for (const char *p = strchr(path, '/'); p != NULL; p = strchr(p + 1, '/'))
		len += (size_t)snprintf(relative + len, sizeof(relative) - len, "../");
	snprintf(relative + len, sizeof(relative) - len, "%s", target);
	cr_assert_eq(symlink(relative, full), 0, "%s", full);
}

void fake_remove(const struct fake_kernel *k, const char *path)
{
	char full[PATH_MAX];

	absolute(k, path, full);
	cr_assert_eq(nftw(full, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0, "%s", full);
}

const char *fake_get(const struct fake_kernel *k, const char *path)
{
	static struct sysfs_text text;

	return sysfs_read(k->sys.sys_fd, path, &text) < 0 ? "(absent)" : text.text;
}

const char *fake_driver_of(const struct fake_kernel *k, const char *address)
{
	static char driver[SYSFS_NAME_SIZE];
	char path[SYSFS_PATH_SIZE];

	snprintf(path, sizeof(path), "bus/pci/devices/%s/driver", address);
	return sysfs_read_link(k->sys.sys_fd, path, driver, sizeof(driver)) < 0 ? "" : driver;
}

bool fake_node(const struct fake_kernel *k, int group)
{
	char path[32];

	snprintf(path, sizeof(path), "vfio/%d", group);
	return sysfs_exists(k->sys.dev_fd, path);
}
