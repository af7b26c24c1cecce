/* SPDX-License-Identifier: MIT */
/* Results from a guest, honest and hostile, over a real sshd. */
#include <criterion/criterion.h>
#include <dirent.h>
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
#include "guest/beneath.h"
#include "guest/collect.h"
#include "guest/exec.h"
#include "helper_sshd.h"

static struct sshd server;
static struct guest *guest;
static struct collect_report report;
static struct error err;

static void setup(void)
{
	sshd_start(&server);
	guest = sshd_login(&server);
	cr_assert(mkdir(sshd_path(&server, "work"), 0755) == 0);
	cr_assert(mkdir(sshd_path(&server, "dest"), 0755) == 0);
	cr_assert(mkdir(sshd_path(&server, "bin"), 0755) == 0);
}

static void teardown(void)
{
	collect_report_done(&report);
	guest_close(guest);
	sshd_stop(&server);
}

TestSuite(collect, .init = setup, .fini = teardown, .timeout = 120);

#define GLOBS(...) ((char *const[]){ __VA_ARGS__, NULL })

static void put(const char *name, const char *text, mode_t mode)
{
	cr_assert(file_write_atomic_at(AT_FDCWD, sshd_path(&server, name), text, strlen(text), mode,
				       &err) == 0,
		  "%s", err.msg);
}

/* Runs a script in the folder of the server. */
static void sh(const char *script)
{
	char *argv[] = { server.dir, NULL };
	char text[4096];

	(void)snprintf(text, sizeof(text), "set -e; cd \"$1\"\n%s", script);
	cr_assert(guest_capture(guest, text, argv, deadline_in_s(60), NULL, NULL, &err) == 0, "%s",
		  err.msg);
}

static struct guest_collect request(char *const *globs)
{
	return (struct guest_collect){
		.globs = globs,
		.workdir = sshd_path(&server, "work"),
		.dest = sshd_path(&server, "dest"),
		.max_size = 1000000,
		.deadline_ns = deadline_in_s(60),
	};
}

static int collect(char *const *globs)
{
	struct guest_collect what = request(globs);

	return guest_collect(guest, &what, &report, NULL, &err);
}

static void collect_ok(char *const *globs)
{
	cr_assert(collect(globs) == 0, "%s", err.msg);
}

static mode_t mode_of(const char *name)
{
	struct stat st;

	return lstat(sshd_path(&server, name), &st) == 0 ? st.st_mode : 0;
}

static bool has_text(const char *name, const char *text)
{
	char *have = NULL;
	bool same;

	if (!S_ISREG(mode_of(name)) ||
	    file_read_at(AT_FDCWD, sshd_path(&server, name), 1000000, &have, NULL, NULL) < 0)
		return false;
	same = strcmp(have, text) == 0;
	free(have);
	return same;
}

static bool was_skipped(const char *text)
{
	for (size_t i = 0; i < report.skipped.n; i++) {
		if (strstr(report.skipped.v[i], text) != NULL)
			return true;
	}
	return false;
}

/* Nothing but what is expected lies in a folder, no temporary file either. */
static size_t count(const char *name)
{
	DIR *dir = opendir(sshd_path(&server, name));
	size_t n = 0;

	cr_assert(dir != NULL);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n - 2;
}

Test(collect, patterns_and_folders_arrive)
{
	sh("cd work; mkdir -p out/deep; echo 1 > a.csv; echo 2 > b.csv; echo 3 > c.txt\n"
	   "echo 4 > out/x; echo 5 > 'out/deep/it'\\''s $y'; chmod 6777 out/x; chmod 500 out/deep");
	collect_ok(GLOBS((char *)"*.csv", (char *)"./out/", (char *)"none*"));
	cr_assert(has_text("dest/a.csv", "1\n"));
	cr_assert(has_text("dest/b.csv", "2\n"));
	cr_assert(has_text("dest/out/x", "4\n"));
	cr_assert(has_text("dest/out/deep/it's $y", "5\n"));
	cr_assert_eq(mode_of("dest/c.txt"), 0);
	cr_assert_eq(mode_of("dest/out/x") & 07777, 0755, "%o", mode_of("dest/out/x"));
	cr_assert_eq(mode_of("dest/out/deep") & 07777, 0700);
	cr_assert_eq(report.files, 4);
	cr_assert_eq(report.folders, 2);
	cr_assert_eq(report.bytes, 8);
	cr_assert_eq(report.n_skipped, 0);
	cr_assert_eq(report.unmatched.n, 1);
	cr_assert_str_eq(report.unmatched.v[0], "none*");
}

Test(collect, patterns_are_never_run)
{
	sh("cd work; echo 1 > a; echo 2 > 'b c'");
	collect_ok(GLOBS((char *)"$(touch pwned)", (char *)"`touch pwned`", (char *)"; touch pwned",
			 (char *)"b c", (char *)"'", (char *)"-x"));
	cr_assert_eq(mode_of("work/pwned"), 0);
	cr_assert(has_text("dest/b c", "2\n"));
	cr_assert_eq(report.files, 1);
	cr_assert_eq(report.unmatched.n, 5);
}

Test(collect, nothing_matches)
{
	collect_ok(GLOBS((char *)"*.csv"));
	cr_assert_eq(report.files, 0);
	cr_assert_eq(report.unmatched.n, 1);
	cr_assert_eq(count("dest"), 0);
}

Test(collect, the_whole_folder)
{
	sh("cd work; echo 1 > .hidden; mkdir d; echo 2 > d/e");
	collect_ok(GLOBS((char *)"."));
	cr_assert(has_text("dest/.hidden", "1\n"));
	cr_assert(has_text("dest/d/e", "2\n"));
}

Test(collect, guests_without_gnu_tar)
{
	sh("printf '#!/bin/sh\\ncase $1 in --version) echo other; exit;; esac\\n"
	   "exec /usr/bin/env PATH=/usr/bin:/bin tar \"$@\"\\n' > bin/tar; chmod 755 bin/tar\n"
	   "cd work; mkdir d; echo 1 > 'd/a b'; echo 2 > c");
	collect_ok(GLOBS((char *)"d", (char *)"?", (char *)"none"));
	cr_assert(has_text("dest/d/a b", "1\n"));
	cr_assert(has_text("dest/c", "2\n"));
	cr_assert_eq(report.unmatched.n, 1);
}

Test(collect, missing_folder_and_bad_patterns_are_errors)
{
	struct guest_collect what = request(GLOBS((char *)"x"));

	what.workdir = "/no/such";
	cr_assert_eq(guest_collect(guest, &what, &report, NULL, &err), -ENOENT);
	cr_assert_eq(collect(GLOBS((char *)"/etc/passwd")), -EINVAL);
	cr_assert_eq(collect(GLOBS((char *)"a/../../b")), -EINVAL);
	cr_assert_eq(collect(GLOBS((char *)"**/x")), -EINVAL);
	cr_assert_eq(collect(GLOBS((char *)"")), -EINVAL);
	what = request(GLOBS((char *)"x"));
	what.dest = sshd_path(&server, "no-dest");
	cr_assert_eq(guest_collect(guest, &what, &report, NULL, &err), -ENOENT);
}

Test(collect, only_files_and_folders_are_taken)
{
	sh("cd work; mkdir r; cd r; ln -s /etc/passwd link; ln -s / root; mkfifo pipe\n"
	   "echo x > real; ln real again; printf x > \"$(printf 'esc\\033[2Jape')\"\n"
	   "printf x > \"$(printf 'new\\nline')\"; printf x > \"$(printf 'latin\\351')\"\n"
	   "printf x > \"$(printf 'c1\\302\\233')\"; printf x > \"$(printf 'gr\\303\\274n')\"\n"
	   "[ \"$(id -u)\" != 0 ] || mknod disk b 7 0");
	collect_ok(GLOBS((char *)"r"));
	cr_assert(has_text("dest/r/real", "x\n"));
	cr_assert(has_text("dest/r/again", "x\n"));
	cr_assert(has_text("dest/r/gr\xc3\xbcn", "x"));
	cr_assert_eq(count("dest/r"), 3);
	cr_assert(was_skipped("r/link: symbolic link"));
	cr_assert(was_skipped("r/root: symbolic link"));
	cr_assert(was_skipped("r/pipe: named pipe"));
	cr_assert(was_skipped("r/esc\\x1b[2Jape: control character"));
	cr_assert(was_skipped("r/new\\x0aline: control character"));
	cr_assert(was_skipped("r/latin\\xe9: its name is not UTF-8"));
	cr_assert(was_skipped("r/c1\\xc2\\x9b: control character"));
	cr_assert(geteuid() != 0 || was_skipped("r/disk: device"));
}

Test(collect, a_huge_sparse_file_ends_at_the_cap_and_keeps_the_rest)
{
	sh("cd work; echo 1 > a; truncate -s 1T huge || truncate -s 15T huge; echo 2 > z");
	cr_assert_eq(collect(GLOBS((char *)"a", (char *)"huge", (char *)"z")), -EFBIG);
	cr_assert(strstr(err.msg, "huge has 1099511627776 bytes") != NULL, "%s", err.msg);
	cr_assert(has_text("dest/a", "1\n"));
	cr_assert_eq(count("dest"), 1);
	cr_assert_eq(report.files, 1);
}

Test(collect, the_cap_counts_all_files_together)
{
	sh("cd work; head -c 600000 /dev/zero > a; head -c 600000 /dev/zero > b");
	cr_assert_eq(collect(GLOBS((char *)"a", (char *)"b")), -EFBIG);
	cr_assert_eq(report.files, 1);
	cr_assert_eq(report.bytes, 600000);
}

Test(collect, existing_files_are_replaced_and_links_left_alone)
{
	put("dest/a", "old", 0600);
	put("outside", "precious", 0600);
	cr_assert(symlink("../outside", sshd_path(&server, "dest/b")) == 0);
	cr_assert(symlink("..", sshd_path(&server, "dest/d")) == 0);
	cr_assert(mkdir(sshd_path(&server, "dest/e"), 0755) == 0);
	put("dest/f", "file", 0600);
	sh("cd work; echo new > a; echo evil > b; mkdir d f; echo evil > d/outside; echo evil > "
	   "d/x\n"
	   "echo evil > e; echo evil > f/g");
	collect_ok(GLOBS((char *)"*"));
	cr_assert(has_text("dest/a", "new\n"));
	cr_assert(has_text("outside", "precious"));
	cr_assert(S_ISLNK(mode_of("dest/b")));
	cr_assert(S_ISLNK(mode_of("dest/d")));
	cr_assert_eq(mode_of("x"), 0);
	cr_assert(has_text("dest/f", "file"));
	cr_assert(was_skipped("b: a symbolic link is in the way"));
	cr_assert(was_skipped("d/outside: "));
	cr_assert(was_skipped("e: a folder is in the way"));
	cr_assert(was_skipped("f/g: "));
}

/* Of the folder with the inode number @data: the name "ours", be it taken already or not. */
static bool is_ours(const void *data, int folder_fd, const char *name)
{
	const ino_t *folder = data;
	struct stat st;

	return fstat(folder_fd, &st) == 0 && st.st_ino == *folder && strcmp(name, "ours") == 0;
}

static void collect_but_ours(const char *folder, const char *dest)
{
	struct guest_collect what = request(GLOBS((char *)"*"));
	struct stat st;
	const struct beneath_keep keep = { .has = is_ours, .data = &st.st_ino };

	cr_assert(stat(sshd_path(&server, folder), &st) == 0);
	what.dest = sshd_path(&server, dest);
	what.keep = &keep;
	cr_assert(guest_collect(guest, &what, &report, NULL, &err) == 0, "%s", err.msg);
}

Test(collect, nothing_takes_a_name_that_is_kept)
{
	put("dest/ours", "precious", 0600);
	sh("cd work; mkdir sub; echo evil > ours; echo fine > sub/ours; echo fine > other");
	collect_but_ours("dest", "dest");
	cr_assert(has_text("dest/ours", "precious"));
	cr_assert(has_text("dest/sub/ours", "fine\n"));
	cr_assert(has_text("dest/other", "fine\n"));
	cr_assert(was_skipped("ours: a file of this run has that name"));
	cr_assert_eq(report.n_skipped, 1);
	cr_assert_eq(count("dest"), 3);
}

/* Nor makes it a folder, which a file that comes later could not replace. */
Test(collect, no_folder_takes_a_name_that_is_kept)
{
	sh("cd work; mkdir -p ours/deep; echo evil > ours/deep/x; echo fine > other");
	collect_but_ours("dest", "dest");
	cr_assert_eq(mode_of("dest/ours"), 0);
	cr_assert(has_text("dest/other", "fine\n"));
	cr_assert(was_skipped("ours: a file of this run has that name"));
	cr_assert(was_skipped("ours/deep/x: a file of this run has that name"));
}

/* From whatever folder the way leads there. */
Test(collect, a_kept_name_in_a_folder_that_comes_whole)
{
	sh("mkdir dest/package; cd work; mkdir package; echo evil > package/ours; echo fine > "
	   "ours\n"
	   "echo fine > package/other");
	collect_but_ours("dest/package", "dest");
	cr_assert_eq(mode_of("dest/package/ours"), 0);
	cr_assert(has_text("dest/package/other", "fine\n"));
	cr_assert(has_text("dest/ours", "fine\n"));
	cr_assert(was_skipped("package/ours: a file of this run has that name"));
	cr_assert_eq(count("dest/package"), 1);
}

/* A tar that sends what an attacker wrote: "@NAME" makes a header with that name. */
static void hostile_tar(const char *body)
{
	static const char head[] =
		"#!/usr/bin/perl\n"
		"if (($ARGV[0] // '') eq '--version') { print \"GNU\\n\"; exit; }\n"
		"binmode STDOUT;\n"
		"sub h { my ($name, $type, $size, $link, $mode) = @_;\n"
		"my $b = pack('a100 a8 a8 a8 a12 a12 A8 a1 a100 a6 a2 a32 a32 a8 a8 a155 x12', "
		"$name,\n"
		"sprintf('%07o', $mode // 0644), '0000000', '0000000', sprintf('%011o', $size // "
		"0),\n"
		"'00000000000', ' ' x 8, $type // '0', $link // '', 'ustar', '00', '', '', '', '', "
		"'');\n"
		"substr($b, 148, 8) = sprintf(\"%06o\\0 \", unpack('%32C*', $b)); print $b; }\n"
		"sub f { my ($name, $text, $mode) = @_; h($name, '0', length $text, '', $mode);\n"
		"print $text, \"\\0\" x (-length($text) % 512); }\n";
	char *text = NULL;

	cr_assert(asprintf(&text, "%s%s", head, body) > 0);
	put("bin/tar", text, 0755);
	free(text);
}

Test(collect, names_that_leave_the_folder_are_refused)
{
	hostile_tar(
		"f('../up', 'evil'); f('/tmp/bmvm-evil', 'evil'); f('r/../../up', 'evil');\n"
		"f('r/./x', 'evil'); f('r//x', 'evil'); f('..', 'evil'); f('r/..', 'evil');\n"
		"f('./../up', 'evil'); h('r/l', '2', 0, '..'); f('r/l/up', 'evil');\n"
		"h('r/l2', '1', 0, '../outside'); f('r/good', 'fine', 07777);\n"
		"f(('d/' x 40), 'x'); print \"\\0\" x 1024;\n");
	collect_ok(GLOBS((char *)"r"));
	cr_assert(has_text("dest/r/good", "fine"));
	cr_assert_eq(mode_of("dest/r/good") & 07777, 0755);
	cr_assert(has_text("dest/r/l/up", "evil"), "an own folder l is fine");
	cr_assert(S_ISDIR(mode_of("dest/r/l")));
	cr_assert_eq(mode_of("up"), 0);
	cr_assert_eq(access("/tmp/bmvm-evil", F_OK), -1);
	cr_assert_eq(count("dest"), 1);
	cr_assert_eq(count("dest/r"), 2);
}

Test(collect, names_nobody_asked_for_are_refused)
{
	hostile_tar(
		"f('.bashrc', 'evil'); f('r.csv', 'fine'); f('Makefile', 'evil');\n"
		"f('.r.csv', 'evil'); f('r/x.csv', 'evil'); print \"\\0\" x 1024;\n");
	collect_ok(GLOBS((char *)"*.csv"));
	cr_assert(has_text("dest/r.csv", "fine"));
	cr_assert_eq(count("dest"), 1);
	cr_assert(was_skipped("Makefile: not asked for"));
}

Test(collect, more_data_than_announced_is_an_error)
{
	hostile_tar("h('r', '0', 100); print 'x' x 5000; print \"\\0\" x 1024;\n");
	cr_assert_eq(collect(GLOBS((char *)"r")), -EPROTO, "%s", err.msg);
}

Test(collect, a_stream_cut_short_leaves_no_half_file)
{
	hostile_tar("f('r1', 'whole'); h('r2', '0', 5000); print 'x' x 1000;\n");
	cr_assert_eq(collect(GLOBS((char *)"r*")), -EPROTO, "%s", err.msg);
	cr_assert(has_text("dest/r1", "whole"));
	cr_assert_eq(count("dest"), 1);
}

Test(collect, garbage_is_an_error)
{
	hostile_tar("print 'garbage' x 1000;\n");
	cr_assert_eq(collect(GLOBS((char *)"r")), -EPROTO);
	cr_assert_eq(count("dest"), 0);
}

Test(collect, endless_entries_end)
{
	hostile_tar("for (my $i = 0; ; $i++) { h(\"r/$i\", '2', 0, 'x'); }\n");
	cr_assert_eq(collect(GLOBS((char *)"r")), -EFBIG);
	cr_assert(strstr(err.msg, "100000 entries") != NULL, "%s", err.msg);
	cr_assert_leq(report.skipped.n, 100);
}

Test(collect, endless_silence_ends_at_the_deadline)
{
	struct guest_collect what = request(GLOBS((char *)"r"));

	hostile_tar("$| = 1; h('r', '0', 100); print 'x'; sleep 1000;\n");
	what.deadline_ns = deadline_in_s(2);
	cr_assert_eq(guest_collect(guest, &what, &report, NULL, &err), -ETIMEDOUT);
	cr_assert_eq(count("dest"), 0);
}

Test(collect, root_gives_files_to_the_folders_owner)
{
	struct stat st;

	if (geteuid() != 0)
		cr_skip_test("needs root");
	cr_assert(chown(sshd_path(&server, "dest"), 12345, 23456) == 0);
	sh("cd work; mkdir d; echo 1 > d/a");
	collect_ok(GLOBS((char *)"d/*"));
	cr_assert(stat(sshd_path(&server, "dest/d"), &st) == 0);
	cr_assert_eq(st.st_uid, 12345);
	cr_assert(stat(sshd_path(&server, "dest/d/a"), &st) == 0);
	cr_assert_eq(st.st_uid, 12345);
	cr_assert_eq(st.st_gid, 23456);
}

Test(collect, long_names_and_many_files_arrive)
{
	sh("cd work; n=$(printf '%0200d' 7); mkdir -p \"$n/$n\"; echo deep > \"$n/$n/$n\"\n"
	   "mkdir many; cd many; i=0; while [ $i -lt 500 ]; do : > f$i; i=$((i + 1)); done");
	collect_ok(GLOBS((char *)"0*", (char *)"many"));
	cr_assert_eq(report.files, 501);
	cr_assert_eq(count("dest/many"), 500);
}
