/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "tests/unit/helper_tree.h"

static int folder_of(const char *root)
{
	int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	cr_assert_geq(fd, 0);
	return fd;
}

static mode_t mode_of(const char *root, const char *name)
{
	AUTO_FREE char *path = path_join(root, name);
	struct stat st = { 0 };

	cr_assert_eq(lstat(path, &st), 0, "%s", path);
	return st.st_mode & 07777;
}

static bool is_there(const char *root, const char *name)
{
	AUTO_FREE char *path = path_join(root, name);
	struct stat st;

	return lstat(path, &st) == 0;
}

/* ---- reading ---- */

Test(file, is_read_whole_up_to_the_cap)
{
	char *root = tree_new();
	AUTO_CLOSE int fd = folder_of(root);
	AUTO_FREE char *big = calloc(1, 100001), *text = NULL;
	size_t len = 0;

	memset(big, 'x', 100000);
	tree_file(root, "big", "%s", big);
	tree_file(root, "empty", "%s", "");
	cr_expect_eq(file_read_at(fd, "big", 100000, &text, &len, NULL), 0);
	cr_expect_eq(len, 100000);
	cr_expect_str_eq(text, big);
	free(TAKE_PTR(text));
	cr_expect_eq(file_read_at(fd, "big", 99999, &text, &len, NULL), -EFBIG);
	cr_expect_null(text, "nothing is given out on failure");
	cr_expect_eq(file_read_at(fd, "empty", 0, &text, &len, NULL), 0);
	cr_expect_eq(len, 0);
	cr_expect_str_eq(text, "");
	free(TAKE_PTR(text));
	cr_expect_eq(file_read_at(fd, "none", 10, &text, NULL, NULL), -ENOENT);
	cr_expect_eq(file_read_at(fd, ".", 10, &text, NULL, NULL), -EINVAL);
	tree_remove(root);
}

/* A planted FIFO has no writer: who waited for one would wait for ever. */
Test(file, no_fifo_and_no_device_is_waited_for, .timeout = 30)
{
	char *root = tree_new();
	AUTO_CLOSE int fd = folder_of(root);
	AUTO_FREE char *text = NULL;
	struct error err = ERROR_INIT;

	cr_assert_eq(mkfifoat(fd, "fifo", 0600), 0);
	cr_expect_eq(file_read_at(fd, "fifo", 10, &text, NULL, &err), -EINVAL);
	cr_expect_str_eq(err.msg, "read fifo: not a regular file");
	cr_expect_eq(file_read_at(AT_FDCWD, "/dev/zero", 10, &text, NULL, &err), -EINVAL);
	tree_remove(root);
}

Test(file, an_input_may_be_a_pipe, .timeout = 30)
{
	AUTO_FREE char *text = NULL;
	char path[32];
	int fds[2];

	cr_assert_eq(pipe(fds), 0);
	cr_assert_eq(write(fds[1], "words", 5), 5);
	close_fd(&fds[1]);
	(void)snprintf(path, sizeof(path), "/dev/fd/%d", fds[0]);
	cr_expect_eq(file_read_input(path, 10, &text, NULL, NULL), 0);
	cr_expect_str_eq(text, "words");
	close_fd(&fds[0]);
}

Test(file, of_proc_is_read_although_its_size_is_zero)
{
	AUTO_FREE char *text = NULL;
	size_t len = 0;

	cr_expect_eq(file_read_at(AT_FDCWD, "/proc/self/status", 1 << 20, &text, &len, NULL), 0);
	cr_expect_gt(len, 100);
}

/* ---- writing ---- */

Test(file, is_replaced_at_once_with_exactly_that_mode)
{
	char *root = tree_new();
	AUTO_CLOSE int fd = folder_of(root);
	AUTO_FREE char *text = NULL;
	AUTO_CLOSE int reader = -1;
	char old[8] = "";

	(void)umask(0077);
	cr_expect_eq(file_write_atomic_at(fd, "f", "old", 3, 0644, NULL), 0);
	cr_expect_eq(mode_of(root, "f"), 0644);
	reader = openat(fd, "f", O_RDONLY);
	cr_expect_eq(file_write_atomic_at(fd, "f", "newer", 5, 0600, NULL), 0);
	cr_expect_eq(mode_of(root, "f"), 0600);
	cr_expect_eq(read(reader, old, sizeof(old)), 3, "an open reader keeps the old content");
	cr_expect_eq(file_read_at(fd, "f", 10, &text, NULL, NULL), 0);
	cr_expect_str_eq(text, "newer");
	tree_remove(root);
}

/* Root's program leaves files of the folder's owner, whatever is in the way there. */
Test(file, for_a_user_is_the_users)
{
	char *root = tree_new();
	AUTO_CLOSE int fd = folder_of(root);
	AUTO_FREE char *tmp = NULL;
	struct stat st;

	cr_assert(asprintf(&tmp, "sub/f.tmp.%d", (int)getpid()) > 0);
	tree_file(root, "victim", "kept");
	tree_dir(root, "sub");
	cr_assert_eq(linkat(fd, "victim", fd, tmp, 0), 0);
	if (geteuid() == 0)
		cr_assert_eq(fchownat(fd, "sub", 4711, 4712, 0), 0);
	cr_expect_eq(file_write_for_user_at(fd, "sub/f", "new", 3, 0640, NULL), 0);
	cr_expect_eq(mode_of(root, "sub/f"), 0640);
	cr_assert_eq(fstatat(fd, "sub/f", &st, 0), 0);
	cr_expect(geteuid() != 0 || (st.st_uid == 4711 && st.st_gid == 4712));
	cr_assert_eq(fstatat(fd, "victim", &st, 0), 0);
	cr_expect_eq(st.st_uid, geteuid());
	cr_expect_eq(st.st_size, 4);
	tree_remove(root);
}

Test(file, failed_write_leaves_no_temporary_file)
{
	char *root = tree_new();
	AUTO_CLOSE int fd = folder_of(root);
	struct error err = ERROR_INIT;
	struct stat st;

	tree_file(root, "folder/in it", "x");
	cr_expect_lt(file_write_atomic_at(fd, "folder", "x", 1, 0644, &err), 0);
	cr_expect_gt(strlen(err.msg), 0);
	cr_assert_eq(fstat(fd, &st), 0);
	cr_expect_eq(st.st_nlink, 3, "only the folder");
	cr_expect_eq(file_write_atomic_at(fd, "none/f", "x", 1, 0644, NULL), -ENOENT);
	tree_remove(root);
}

Test(file, write_does_not_follow_a_link_in_the_way)
{
	char *root = tree_new();
	AUTO_CLOSE int fd = folder_of(root);
	char tmp[64];

	tree_file(root, "victim", "precious");
	(void)snprintf(tmp, sizeof(tmp), "f.tmp.%d", (int)getpid());
	cr_assert_eq(symlinkat("victim", fd, tmp), 0);
	cr_expect_eq(file_write_atomic_at(fd, "f", "x", 1, 0644, NULL), -ELOOP);
	cr_assert_eq(unlinkat(fd, tmp, 0), 0);
	cr_assert_eq(symlinkat("victim", fd, "f"), 0);
	cr_expect_eq(file_write_atomic_at(fd, "f", "x", 1, 0644, NULL), 0);
	AUTO_FREE char *text = NULL;

	cr_expect_eq(file_read_at(fd, "victim", 100, &text, NULL, NULL), 0);
	cr_expect_str_eq(text, "precious", "the link is replaced, not followed");
	tree_remove(root);
}

/* Root's program would take /dev/null away from the whole host. */
Test(file, only_a_file_is_replaced_by_a_file)
{
	static const char *const others[] = { "fifo", "link", "far", "folder", "through", "null" };
	char *root = tree_new();
	AUTO_CLOSE int fd = folder_of(root);
	AUTO_CLOSE int open_fd = -1;
	char name[64];

	tree_dir(root, "folder");
	tree_file(root, "file", "precious");
	open_fd = openat(fd, "file", O_RDONLY | O_CLOEXEC);
	(void)snprintf(name, sizeof(name), "/proc/self/fd/%d", open_fd);
	cr_assert_eq(symlinkat(name, fd, "through"), 0);
	cr_assert_eq(mkfifoat(fd, "fifo", 0600), 0);
	cr_assert_eq(symlinkat("fifo", fd, "link"), 0);
	cr_assert_eq(symlinkat("link", fd, "far"), 0);
	if (mknodat(fd, "null", S_IFCHR | 0600, makedev(1, 3)) < 0)
		cr_assert_eq(mkfifoat(fd, "null", 0600), 0);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		struct error err = ERROR_INIT;
		struct stat before, after;

		cr_assert_eq(fstatat(fd, others[i], &before, AT_SYMLINK_NOFOLLOW), 0);
		cr_expect_eq(file_check_target_at(fd, others[i], NULL), -EINVAL, "%s", others[i]);
		cr_expect_eq(file_write_atomic_at(fd, others[i], "x", 1, 0644, &err), -EINVAL);
		cr_expect_not_null(strstr(err.msg, "is not a regular file"), "%s", err.msg);
		cr_expect_eq(file_write_for_user_at(fd, others[i], "x", 1, 0644, NULL), -EINVAL);
		cr_assert_eq(fstatat(fd, others[i], &after, AT_SYMLINK_NOFOLLOW), 0);
		cr_expect_eq(before.st_ino, after.st_ino, "%s", others[i]);
	}
	cr_expect_eq(file_check_target_at(fd, "", NULL), -EINVAL);
	cr_expect_eq(file_check_target_at(fd, "new/", NULL), -EINVAL);
	cr_expect_eq(file_check_target_at(fd, ".", NULL), -EINVAL);
	cr_expect_eq(file_check_target_at(fd, "new", NULL), 0);
	cr_expect_eq(file_check_target_at(fd, "file", NULL), 0);
	tree_remove(root);
}

Test(file, folders_are_made_with_exactly_that_mode)
{
	char *root = tree_new();
	AUTO_FREE char *deep = path_join(root, "a/b//c/");
	AUTO_FREE char *below_file = path_join(root, "file/x");
	AUTO_FREE char *file = path_join(root, "file");
	struct error err = ERROR_INIT;

	(void)umask(0077);
	cr_expect_eq(file_mkdirs(deep, 0755, NULL), 0);
	cr_expect_eq(mode_of(root, "a"), 0755);
	cr_expect_eq(mode_of(root, "a/b/c"), 0755);
	cr_expect_eq(file_mkdirs(deep, 0700, NULL), 0);
	cr_expect_eq(mode_of(root, "a"), 0755, "what is there is left as it is");
	tree_file(root, "file", "x");
	cr_expect_eq(file_mkdirs(file, 0700, &err), -ENOTDIR);
	cr_expect_eq(file_mkdirs(below_file, 0700, &err), -ENOTDIR);
	cr_expect_eq(file_mkdirs("", 0700, &err), -ENOENT);
	cr_expect_eq(file_mkdirs("/", 0700, &err), 0);
	tree_remove(root);
}

/* ---- removing ---- */

Test(file, tree_is_removed_without_following_links)
{
	char *root = tree_new();
	AUTO_CLOSE int fd = folder_of(root);

	tree_file(root, "outside/precious", "x");
	tree_file(root, "t/a/b/c/file", "x");
	tree_dir(root, "t/empty");
	cr_assert_eq(symlinkat("../outside", fd, "t/link-to-folder"), 0);
	cr_assert_eq(symlinkat("../../outside/precious", fd, "t/a/link-to-file"), 0);
	cr_assert_eq(symlinkat("nowhere", fd, "t/dangling"), 0);
	cr_assert_eq(mkfifoat(fd, "t/fifo", 0600), 0);
	cr_expect_eq(file_remove_tree_at(fd, "t", NULL), 0);
	cr_expect_not(is_there(root, "t"));
	cr_expect(is_there(root, "outside/precious"));
	cr_assert_eq(symlinkat("outside", fd, "top-link"), 0);
	cr_expect_eq(file_remove_tree_at(fd, "top-link", NULL), 0);
	cr_expect_not(is_there(root, "top-link"));
	cr_expect(is_there(root, "outside/precious"));
	cr_expect_eq(file_remove_tree_at(fd, "t", NULL), 0, "nothing there is fine");
	tree_remove(root);
}

Test(file, tree_may_be_named_by_a_path)
{
	char *root = tree_new();
	AUTO_CLOSE int fd = folder_of(root);
	AUTO_FREE char *absolute = path_join(root, "x/");

	tree_file(root, "t/sub/file", "x");
	tree_file(root, "x/y", "x");
	cr_expect_eq(file_remove_tree_at(fd, "t/sub", NULL), 0);
	cr_expect(is_there(root, "t"));
	cr_expect_not(is_there(root, "t/sub"));
	cr_expect_eq(file_remove_tree_at(AT_FDCWD, absolute, NULL), 0);
	cr_expect_not(is_there(root, "x"));
	cr_expect_eq(file_remove_tree_at(fd, "none/sub", NULL), 0);
	tree_remove(root);
}

Test(file, tree_too_deep_is_refused_but_nothing_breaks)
{
	char *root = tree_new();
	AUTO_CLOSE int fd = folder_of(root);
	char path[256] = "t";

	tree_dir(root, "t");
	for (int i = 0; i < 70; i++) {
		(void)strcat(path, "/d");
		tree_dir(root, path);
	}
	cr_expect_eq(file_remove_tree_at(fd, "t", NULL), -ELOOP);
	cr_expect(is_there(root, path));
	tree_remove(root);
}

/* In a mount namespace of its own. Returns what the child said, 77 when it could not mount. */
static int in_namespace(int (*f)(const char *root), const char *root)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		if (unshare(CLONE_NEWNS) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
			_exit(77);
		if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
			_exit(77);
		_exit(f(root));
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int remove_over_mount(const char *root)
{
	AUTO_FREE char *from = path_join(root, "outside");
	AUTO_FREE char *to = path_join(root, "t/mnt");
	AUTO_CLOSE int fd = folder_of(root);

	if (mount(from, to, NULL, MS_BIND, NULL) < 0)
		return 77;
	if (file_remove_tree_at(fd, "t", NULL) != -EXDEV)
		return 1;
	if (!is_there(root, "outside/precious"))
		return 2;
	if (is_there(root, "t/file"))
		return 3; /* the rest goes */
	if (file_remove_tree_at(fd, "t/mnt", NULL) != -EXDEV || !is_there(root, "outside/precious"))
		return 4;
	return 0;
}

Test(file, what_is_mounted_in_a_tree_survives)
{
	char *root = tree_new();
	int r;

	tree_file(root, "outside/precious", "x");
	tree_file(root, "t/file", "x");
	tree_dir(root, "t/mnt");
	r = in_namespace(remove_over_mount, root);
	if (r == 77)
		cr_skip("no mounting here");
	cr_expect_eq(r, 0, "step %d", r);
	tree_remove(root);
}

/* ---- locks ---- */

Test(file, lock_is_shared_or_exclusive_and_waits_until_the_deadline)
{
	char *root = tree_new();
	AUTO_FREE char *path = path_join(root, "lock");
	AUTO_CLOSE int a = -1, b = -1;
	uint64_t start = clock_now_ns();

	tree_file(root, "lock", "%s", "");
	a = open(path, O_RDONLY | O_CLOEXEC);
	b = open(path, O_RDONLY | O_CLOEXEC);
	cr_expect_eq(file_lock(a, false, 0), 0);
	cr_expect_eq(file_lock(b, false, 0), 0);
	cr_expect_eq(file_lock(b, true, 0), -EWOULDBLOCK);
	cr_expect_eq(file_lock(b, true, deadline_in_ms(60)), -EWOULDBLOCK);
	cr_expect_geq(clock_now_ns() - start, 60 * NS_PER_MS);
	close_fd(&a);
	cr_expect_eq(file_lock(b, true, 0), 0);
	tree_remove(root);
}

Test(file, lock_lives_as_long_as_one_copy_of_its_descriptor)
{
	char *root = tree_new();
	AUTO_FREE char *path = path_join(root, "lock");
	AUTO_CLOSE int mine = -1, other = -1;
	int go[2], status;
	pid_t pid;

	tree_file(root, "lock", "%s", "");
	mine = open(path, O_RDONLY | O_CLOEXEC);
	other = open(path, O_RDONLY | O_CLOEXEC);
	cr_assert_eq(file_lock(mine, true, 0), 0);
	cr_assert_eq(pipe2(go, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		char c;

		(void)close(go[1]);
		_exit(read(go[0], &c, 1) == 0 ? 0 : 1);
	}
	close_fd(&mine);
	cr_expect_eq(file_lock(other, true, 0), -EWOULDBLOCK, "the child has a copy");
	(void)close(go[1]);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect_eq(file_lock(other, true, deadline_in_s(5)), 0);
	tree_remove(root);
}

Test(file, paths_and_space)
{
	AUTO_FREE char *joined = path_join("a", "b");
	uint64_t avail = 0;

	cr_expect_str_eq(joined, "a/b");
	cr_expect_eq(file_free_bytes("/tmp", &avail, NULL), 0);
	cr_expect_gt(avail, 0);
	cr_expect_eq(file_free_bytes("/proc/none", &avail, NULL), -ENOENT);
}

Test(file, descriptor_flags)
{
	int v[2];
	char buf[4];

	cr_assert_eq(pipe2(v, O_CLOEXEC), 0);
	cr_expect_eq(fd_set_nonblock(v[0]), 0);
	cr_expect_eq(read(v[0], buf, 1), -1);
	cr_expect_eq(errno, EAGAIN);
	cr_expect_eq(fd_set_cloexec(v[0], false), 0);
	cr_expect_eq(fcntl(v[0], F_GETFD), 0);
	cr_expect_eq(fd_set_cloexec(v[0], true), 0);
	cr_expect_eq(fcntl(v[0], F_GETFD), FD_CLOEXEC);
	cr_expect_eq(fd_write_all(v[1], "abcd", 4), 0);
	cr_expect_eq(read(v[0], buf, 4), 4);
	(void)close(v[0]);
	(void)signal(SIGPIPE, SIG_IGN);
	cr_expect_eq(fd_write_all(v[1], "x", 1), -EPIPE);
	cr_expect_eq(fd_set_nonblock(-1), -EBADF);
}
