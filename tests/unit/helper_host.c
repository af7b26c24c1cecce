/* SPDX-License-Identifier: MIT */
#include "helper_host.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

static void put(const char *prefix, const char *path, const char *text)
{
	char full[256], *slash;

	(void)snprintf(full, sizeof(full), "%s/%s", prefix, path);
	slash = strrchr(full, '/');
	*slash = '\0';
	cr_assert(file_mkdirs(full, 0755, NULL) == 0);
	*slash = '/';
	cr_assert(file_write_atomic_at(AT_FDCWD, full, text, strlen(text), 0644, NULL) == 0);
}

static void open_it(struct test_host *t)
{
	struct error err = ERROR_INIT;

	cr_assert(host_open(&t->host, t->prefix, &err) == 0, "%s", err.msg);
	/* processes are those of the real host */
	close_fd(&t->host.proc_fd);
	t->host.proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

void test_host_init(struct test_host *t)
{
	char path[128];

	(void)snprintf(t->prefix, sizeof(t->prefix), "/tmp/bmvm-test-XXXXXX");
	cr_assert(mkdtemp(t->prefix) != NULL);
	put(t->prefix, "proc/sys/kernel/random/boot_id", "11111111-2222-3333-4444-555555555555\n");
	put(t->prefix, "sys/empty", "");
	put(t->prefix, "dev/empty", "");
	(void)snprintf(path, sizeof(path), "%s/state", t->prefix);
	(void)setenv("XDG_STATE_HOME", path, 1);
	(void)setenv("XDG_RUNTIME_DIR", t->prefix, 1);
	open_it(t);
}

void test_host_reboot(struct test_host *t)
{
	cr_assert(file_remove_tree_at(AT_FDCWD, t->host.run_dir, NULL) == 0);
	host_done(&t->host);
	put(t->prefix, "proc/sys/kernel/random/boot_id", "99999999-2222-3333-4444-555555555555\n");
	open_it(t);
}

void test_host_done(struct test_host *t)
{
	host_done(&t->host);
	cr_expect(file_remove_tree_at(AT_FDCWD, t->prefix, NULL) == 0);
}
