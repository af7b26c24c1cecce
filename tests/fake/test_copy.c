/* SPDX-License-Identifier: MIT */
/* Files into the guest, over a real sshd. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "guest/copy.h"
#include "guest/exec.h"
#include "helper_sshd.h"

static struct sshd server;
static struct guest *guest;

static void setup(void)
{
	sshd_start(&server);
	guest = sshd_login(&server);
}

static void teardown(void)
{
	guest_close(guest);
	sshd_stop(&server);
}

TestSuite(copy, .init = setup, .fini = teardown, .timeout = 120);

static void put(const char *name, const char *text, mode_t mode)
{
	struct error err = ERROR_INIT;

	cr_assert(file_write_atomic_at(AT_FDCWD, sshd_path(&server, name), text, strlen(text), mode,
				       &err) == 0,
		  "%s", err.msg);
}

static void folder(const char *name, mode_t mode)
{
	cr_assert(mkdir(sshd_path(&server, name), 0700) == 0);
	cr_assert(chmod(sshd_path(&server, name), mode) == 0);
}

static void expect(const char *name, const char *text, mode_t mode)
{
	struct error err = ERROR_INIT;
	char *have = NULL;
	struct stat st;

	cr_assert(file_read_at(AT_FDCWD, sshd_path(&server, name), 65536, &have, NULL, &err) == 0,
		  "%s", err.msg);
	cr_assert_str_eq(have, text);
	free(have);
	cr_assert(stat(sshd_path(&server, name), &st) == 0);
	cr_assert_eq(st.st_mode & 07777, mode, "%s: mode %o", name, st.st_mode & 07777);
}

static int copy(const char *from, const char *to, struct error *err)
{
	return guest_copy_in(guest, sshd_path(&server, from), sshd_path(&server, to),
			     deadline_in_s(60), NULL, err);
}

static void copy_ok(const char *from, const char *to)
{
	struct error err = ERROR_INIT;

	cr_assert(copy(from, to, &err) == 0, "%s", err.msg);
}

Test(copy, file_keeps_its_mode_and_makes_folders)
{
	put("a file's $name", "hello\n", 0750);
	copy_ok("a file's $name", "new/deep/copy");
	expect("new/deep/copy", "hello\n", 0750);
}

Test(copy, file_goes_into_an_existing_folder)
{
	put("f", "x", 0644);
	folder("there", 0755);
	copy_ok("f", "there");
	expect("there/f", "x", 0644);
	copy_ok("f", "slash/");
	expect("slash/f", "x", 0644);
}

Test(copy, file_replaces_a_file)
{
	put("f", "new", 0600);
	put("g", "old and longer", 0644);
	copy_ok("f", "g");
	expect("g", "new", 0600);
}

static void make_tree(void)
{
	folder("src", 0755);
	folder("src/sub", 0711);
	put("src/run.sh", "#!/bin/sh\n", 0755);
	put("src/sub/-data", "1\n2", 0640);
	put("src/.hidden", "", 0600);
	cr_assert(symlink("sub/-data", sshd_path(&server, "src/link")) == 0);
}

static void expect_tree(const char *at)
{
	char name[64], target[64] = "";
	struct stat st;

	(void)snprintf(name, sizeof(name), "%s/run.sh", at);
	expect(name, "#!/bin/sh\n", 0755);
	(void)snprintf(name, sizeof(name), "%s/sub/-data", at);
	expect(name, "1\n2", 0640);
	(void)snprintf(name, sizeof(name), "%s/.hidden", at);
	expect(name, "", 0600);
	(void)snprintf(name, sizeof(name), "%s/sub", at);
	cr_assert(stat(sshd_path(&server, name), &st) == 0);
	cr_assert_eq(st.st_mode & 07777, 0711);
	(void)snprintf(name, sizeof(name), "%s/link", at);
	cr_assert(readlink(sshd_path(&server, name), target, sizeof(target) - 1) > 0);
	cr_assert_str_eq(target, "sub/-data");
}

/* "/NAME" is of the top folder alone, "NAME" of all; neither "*" nor "?" is a slash. */
Test(copy, content_without_what_is_left_out)
{
	static const char *const folders[] = {
		"p", "p/.git", "p/a", "p/a/b", "p/a/b/.git", "p/a/run_directory", "p/run_directory"
	};
	static const char *const gone[] = { "x.live.log",  ".git",  "a/b/.git",     "perf.csv",
					    "a/b/core.12", "a/y.o", "run_directory" };
	static const char *const kept[] = { "a/keep.live.log", "a/perf.csv", "a/b/perf.csv",
					    "a/run_directory/f", ".gitignore" };
	char *const excludes[] = { (char *)".git",
				   (char *)"/*.live.log",
				   (char *)"/perf?csv",
				   (char *)"/run_directory",
				   (char *)"core.*",
				   (char *)"*.o",
				   (char *)"a?run_directory",
				   NULL };
	AUTO_FREE char *host = strdup(sshd_path(&server, "p"));
	AUTO_FREE char *dst = strdup(sshd_path(&server, "q"));
	const struct guest_content content = { host, dst, excludes };
	struct error err = ERROR_INIT;
	char name[64];

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		folder(folders[i], 0755);
	put("p/.git/f", "x", 0644);
	put("p/a/b/.git/f", "x", 0644);
	put("p/run_directory/f", "x", 0644);
	for (size_t i = 0; i < ARRAY_SIZE(gone); i++) {
		(void)snprintf(name, sizeof(name), "p/%s", gone[i]);
		if (access(sshd_path(&server, name), F_OK) < 0)
			put(name, "x", 0644);
	}
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		(void)snprintf(name, sizeof(name), "p/%s", kept[i]);
		put(name, kept[i], 0644);
	}
	cr_assert_eq(guest_copy_content(guest, &content, deadline_in_s(60), NULL, &err), 0, "%s",
		     err.msg);
	for (size_t i = 0; i < ARRAY_SIZE(gone); i++) {
		(void)snprintf(name, sizeof(name), "q/%s", gone[i]);
		cr_expect_lt(access(sshd_path(&server, name), F_OK), 0, "%s", name);
	}
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		(void)snprintf(name, sizeof(name), "q/%s", kept[i]);
		expect(name, kept[i], 0644);
	}
}

Test(copy, folder_comes_whole)
{
	make_tree();
	copy_ok("src", "dst/new");
	expect_tree("dst/new");
	copy_ok("src", "dst");
	expect_tree("dst/src");
}

/* The guest's PATH without tar: a folder with just the programs that are needed. */
static void hide_tar(void)
{
	static const char *const programs[] = { "sh",  "mkdir", "chmod", "rm",
						"cat", "mv",    "ln",    "env" };
	char config[1024];

	folder("few", 0755);
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		char from[64], to[64];

		(void)snprintf(from, sizeof(from), "/bin/%s", programs[i]);
		if (access(from, X_OK) != 0)
			(void)snprintf(from, sizeof(from), "/usr/bin/%s", programs[i]);
		(void)snprintf(to, sizeof(to), "few/%s", programs[i]);
		cr_assert(symlink(from, sshd_path(&server, to)) == 0);
	}
	/* What a copy runs on the other side is sh: one that narrows PATH first. */
	folder("bin", 0755);
	(void)snprintf(config, sizeof(config), "#!/bin/sh\nPATH=%s\nexport PATH\nexec %s \"$@\"\n",
		       sshd_path(&server, "few"), sshd_path(&server, "few/sh"));
	put("bin/sh", config, 0755);
}

Test(copy, folder_comes_whole_without_tar_in_the_guest)
{
	struct error err = ERROR_INIT;

	make_tree();
	hide_tar();
	cr_assert(guest_capture(guest, "command -v tar", NULL, deadline_in_s(20), NULL, NULL,
				&err) == -EIO,
		  "tar is still there");
	copy_ok("src", "dst");
	expect_tree("dst");
}

Test(copy, missing_source_is_named)
{
	struct error err = ERROR_INIT;

	cr_assert_eq(copy("nothing", "x", &err), -ENOENT);
	cr_assert(strstr(err.msg, "nothing") != NULL, "%s", err.msg);
}

Test(copy, destination_that_cannot_be_made_has_the_guests_words)
{
	struct error err = ERROR_INIT;

	put("f", "x", 0644);
	cr_assert_eq(copy("f", "f/below", &err), -EIO);
	cr_assert(strstr(err.msg, "f") != NULL);
	make_tree();
	cr_assert_eq(copy("src", "f/below", &err), -EIO);
}

Test(copy, small_files_both_ways)
{
	const char bytes[] = "a\0b\xff\n'\"$`\\";
	struct guest_file file = { .data = bytes, .len = sizeof(bytes), .mode = 0600 };
	struct error err = ERROR_INIT;
	char *back = NULL;
	ssize_t len;

	file.path = sshd_path(&server, "some/where/it's");
	cr_assert(guest_write_file(guest, &file, deadline_in_s(20), NULL, &err) == 0, "%s",
		  err.msg);
	len = guest_read_file(guest, file.path, deadline_in_s(20), &back, NULL, &err);
	cr_assert_eq(len, (ssize_t)sizeof(bytes), "%s", err.msg);
	cr_assert(memcmp(back, bytes, sizeof(bytes)) == 0);
	free(back);
	cr_assert_eq(guest_read_file(guest, "/no/such", deadline_in_s(20), &back, NULL, &err),
		     -ENOENT);
}

Test(copy, reading_is_capped)
{
	struct error err = ERROR_INIT;
	char *back = NULL;

	cr_assert_eq(guest_read_file(guest, "/dev/zero", deadline_in_s(20), &back, NULL, &err),
		     -EFBIG);
}

Test(copy, a_big_file_arrives_whole)
{
	struct error err = ERROR_INIT;
	int fd = open(sshd_path(&server, "big"), O_WRONLY | O_CREAT, 0600);
	struct stat st;

	cr_assert(fd >= 0 && ftruncate(fd, 20 * 1024 * 1024 + 1) == 0);
	cr_assert(pwrite(fd, "end", 3, 20 * 1024 * 1024 - 2) == 3);
	close(fd);
	cr_assert(copy("big", "copy", &err) == 0, "%s", err.msg);
	cr_assert(stat(sshd_path(&server, "copy"), &st) == 0);
	cr_assert_eq(st.st_size, 20 * 1024 * 1024 + 1);
}
