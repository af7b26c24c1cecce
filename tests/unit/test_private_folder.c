/* SPDX-License-Identifier: MIT */
/* The folder in which a guest's files arrive: in use, and left behind by who was killed. */
#include "run/private_folder.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "tests/unit/helper_tree.h"

#define BOOT   "89abcdef-1111-2222-3333-444444444444"
#define OTHERS "00000000-1111-2222-3333-444444444444"
#define LEFT   ".bmvm-89abcdef01234567"
#define ROUNDS 300

static char *root;
static struct beneath user = BENEATH_INIT;

static void setup(void)
{
	root = tree_new();
	cr_assert_eq(chdir(root), 0);
	tree_dir(root, "user");
	cr_assert_eq(beneath_open(&user, "user", NULL), 0);
}

static void teardown(void)
{
	beneath_close(&user);
	tree_remove(root);
}

TestSuite(private_folder, .init = setup, .fini = teardown, .timeout = 120);

static bool is_there(const char *name)
{
	struct stat st;

	return fstatat(user.fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static size_t sweep(void)
{
	return private_folder_sweep(&user, BOOT);
}

Test(private_folder, is_there_until_it_is_done)
{
	AUTO_PRIVATE_FOLDER struct private_folder p = PRIVATE_FOLDER_INIT;
	struct error err = ERROR_INIT;
	struct stat st;

	cr_assert_eq(private_folder_make(&user, BOOT, &p, &err), 0, "%s", err.msg);
	cr_expect(private_folder_is_name(p.name), "%s", p.name);
	cr_expect_eq(strncmp(p.name, LEFT, 14), 0, "%s", p.name);
	cr_assert_eq(fstatat(user.fd, p.name, &st, AT_SYMLINK_NOFOLLOW), 0);
	cr_expect_eq(st.st_mode, S_IFDIR | 0700);
	cr_expect_eq(beneath_folder(&p.dir, "files", 0700), 1);
	cr_expect_eq(sweep(), 0);
	cr_expect(is_there(p.name));
	private_folder_done(&p);
	cr_expect(!is_there(p.name));
	private_folder_done(&p);
}

/* The one who is told which names are kept does not keep himself from working. */
static bool all(const void *data, int folder_fd, const char *name)
{
	(void)data;
	(void)folder_fd;
	(void)name;
	return true;
}

Test(private_folder, is_made_whatever_is_kept)
{
	const struct beneath_keep keep = { .has = all };
	AUTO_PRIVATE_FOLDER struct private_folder p = PRIVATE_FOLDER_INIT;

	user.keep = &keep;
	cr_assert_eq(private_folder_make(&user, BOOT, &p, NULL), 0);
	cr_expect_eq(beneath_folder(&p.dir, "files", 0700), 1);
}

Test(private_folder, cannot_be_made_where_there_is_no_folder)
{
	AUTO_PRIVATE_FOLDER struct private_folder p = PRIVATE_FOLDER_INIT;
	struct error err = ERROR_INIT;

	cr_assert_eq(rmdir("user"), 0);
	cr_expect_eq(private_folder_make(&user, BOOT, &p, &err), -ENOENT);
	cr_expect_str_eq(err.msg, "make a folder for results: No such file or directory");
	cr_expect_eq(sweep(), 0);
}

/* A process that makes one, says so, and waits for its end. */
static pid_t start_user(void)
{
	int ends[2];
	pid_t pid;
	char c;

	cr_assert_eq(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		struct private_folder p = PRIVATE_FOLDER_INIT;

		if (private_folder_make(&user, BOOT, &p, NULL) < 0 ||
		    beneath_folder(&p.dir, "files/deep", 0700) != 1)
			_exit(1);
		(void)!write(ends[1], "", 1);
		for (;;)
			(void)pause();
	}
	(void)close(ends[1]);
	cr_assert_eq(read(ends[0], &c, 1), 1);
	(void)close(ends[0]);
	return pid;
}

static void end(pid_t pid)
{
	int status;

	cr_assert_eq(kill(pid, SIGKILL), 0);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFSIGNALED(status));
}

Test(private_folder, is_removed_after_its_user_was_killed)
{
	pid_t killed = start_user(), alive = start_user();

	cr_expect_eq(sweep(), 0);
	end(killed);
	cr_expect_eq(sweep(), 1);
	cr_expect_eq(sweep(), 0);
	end(alive);
	cr_expect_eq(sweep(), 1);
	cr_assert_eq(unlinkat(AT_FDCWD, "user", AT_REMOVEDIR), 0, "something is left");
}

Test(private_folder, is_nothing_else)
{
	static const char *const others[] = {
		".bmvm-89abcdef0123456",
		".bmvm-89abcdef012345678",
		".bmvm-89abcdef0123456x",
		".bmvm-89ABCDEF01234567",
		".bmvm-merge.1234",
		"bmvm-89abcdef01234567",
		".bmvm-",
		".bmvm-89abcdef01234567.part",
	};

	cr_expect(private_folder_is_name(LEFT));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		cr_expect(!private_folder_is_name(others[i]), "%s", others[i]);
		cr_assert_eq(mkdirat(user.fd, others[i], 0700), 0);
	}
	cr_expect_eq(sweep(), 0);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		cr_expect(is_there(others[i]), "%s", others[i]);
}

/* Nor a file or a link of such a name; and a link in one is removed, not what it leads to. */
Test(private_folder, leads_nowhere_else)
{
	AUTO_FREE char *victim = path_join(root, "victim");

	tree_file(root, "victim/precious", "x\n");
	tree_file(root, "user/.bmvm-89abcdef00000001", "a file\n");
	cr_assert_eq(symlinkat(victim, user.fd, ".bmvm-89abcdef00000002"), 0);
	tree_dir(root, "user/" LEFT "/files");
	cr_assert_eq(symlinkat(victim, user.fd, LEFT "/files/link"), 0);
	cr_assert_eq(symlinkat("../../../victim/precious", user.fd, LEFT "/files/link2"), 0);
	cr_expect_eq(sweep(), 1);
	cr_expect(!is_there(LEFT));
	cr_expect(is_there(".bmvm-89abcdef00000001"));
	cr_expect(is_there(".bmvm-89abcdef00000002"));
	cr_expect_eq(access("victim/precious", F_OK), 0);
}

Test(private_folder, of_somebody_else_stays)
{
	if (geteuid() != 0)
		return; /* another user is needed */
	cr_assert_eq(mkdirat(user.fd, LEFT, 0700), 0);
	cr_assert_eq(fchownat(user.fd, LEFT, 12345, 12345, 0), 0);
	cr_expect_eq(sweep(), 0);
	cr_expect(is_there(LEFT));
	/* root in a user's folder: what it makes there is theirs */
	cr_assert_eq(fchown(user.fd, 12345, 12345), 0);
	beneath_close(&user);
	cr_assert_eq(beneath_open(&user, "user", NULL), 0);
	cr_expect_eq(sweep(), 1);
	cr_expect(!is_there(LEFT));
}

/* Another host may have it in use, and its lock is not seen here. */
Test(private_folder, of_another_boot_stays_for_a_day)
{
	AUTO_PRIVATE_FOLDER struct private_folder p = PRIVATE_FOLDER_INIT;
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
				     { .tv_sec = time(NULL) - PRIVATE_FOLDER_MAX_S + 600 } };

	cr_assert_eq(private_folder_make(&user, OTHERS, &p, NULL), 0);
	close_fd(&p.dir.fd);
	cr_expect_eq(sweep(), 0);
	cr_assert_eq(utimensat(user.fd, p.name, times, 0), 0);
	cr_expect_eq(sweep(), 0);
	times[1].tv_sec -= 1200;
	cr_assert_eq(utimensat(user.fd, p.name, times, 0), 0);
	cr_expect_eq(sweep(), 1);
	cr_expect(!is_there(p.name));
}

/* Old or not, what is in use stays. */
Test(private_folder, in_use_for_long_stays)
{
	AUTO_PRIVATE_FOLDER struct private_folder p = PRIVATE_FOLDER_INIT;
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = 1 } };

	cr_assert_eq(private_folder_make(&user, OTHERS, &p, NULL), 0);
	cr_assert_eq(utimensat(user.fd, p.name, times, 0), 0);
	cr_expect_eq(sweep(), 0);
}

/* Others sweep all the time: what was made is there until it is done. */
Test(private_folder, is_its_users_from_the_start)
{
	size_t made = 0;
	pid_t pid = fork();

	if (pid == 0) {
		for (;;)
			(void)sweep();
	}
	for (int i = 0; i < ROUNDS; i++) {
		AUTO_PRIVATE_FOLDER struct private_folder p = PRIVATE_FOLDER_INIT;
		struct error err = ERROR_INIT;

		if (private_folder_make(&user, BOOT, &p, &err) < 0) {
			cr_expect(err.code == ESTALE || err.code == ENOENT, "%s", err.msg);
			continue;
		}
		made++;
		cr_expect_eq(beneath_folder(&p.dir, "files", 0700), 1);
		(void)usleep(200);
		cr_expect(is_there(p.name));
	}
	end(pid);
	cr_expect_gt(made, ROUNDS / 2);
	(void)sweep();
	cr_expect_eq(rmdir("user"), 0, "something is left");
}
