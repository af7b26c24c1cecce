/* SPDX-License-Identifier: MIT */
/* Reading the kernel's files: bytes as they are, numbers, links, lists, and what may be stuck. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "helper_tree.h"
#include "sysfs/tree.h"

static char *root;
static struct sysfs sys;

static void setup(void)
{
	root = tree_new();
	sysfs_init(&sys, open(root, O_PATH | O_DIRECTORY | O_CLOEXEC), -1, -1);
}

static void teardown(void)
{
	close(sys.sys_fd);
	tree_remove(root);
}

TestSuite(sysfs_tree, .init = setup, .fini = teardown);

static const char *read_of(const char *text)
{
	static struct sysfs_text ret;

	tree_file(root, "a", "%s", text);
	cr_assert_eq(sysfs_read(sys.sys_fd, "a", &ret), 0);
	return ret.text;
}

Test(sysfs_tree, exactly_one_newline_is_stripped)
{
	cr_assert_str_eq(read_of("vfio-pci\n"), "vfio-pci");
	cr_assert_str_eq(read_of("vfio-pci"), "vfio-pci");
	cr_assert_str_eq(read_of("x\n\n"), "x\n");
	cr_assert_str_eq(read_of(" x \t\r\n"), " x \t\r");
	cr_assert_str_eq(read_of("\n"), "");
	cr_assert_str_eq(read_of(""), "");
}

Test(sysfs_tree, one_read_gives_4096_bytes_at_most)
{
	struct sysfs_text text;
	char *big = malloc(6000);

	memset(big, 'x', 5999);
	big[5999] = '\0';
	tree_file(root, "a", "%s", big);
	cr_assert_eq(sysfs_read(sys.sys_fd, "a", &text), 0);
	cr_assert_eq(text.len, 4096);
	cr_assert_eq(strlen(text.text), 4096);
	free(big);
}

Test(sysfs_tree, an_attribute_is_never_a_link)
{
	struct sysfs_text text;
	char path[4200];

	tree_file(root, "a", "secret\n");
	snprintf(path, sizeof(path), "%s/b", root);
	cr_assert_eq(symlink("a", path), 0);
	cr_assert_eq(sysfs_read(sys.sys_fd, "b", &text), -ELOOP);
	cr_assert_eq(sysfs_read(sys.sys_fd, "c", &text), -ENOENT);
	cr_assert_eq(sysfs_read(sys.sys_fd, ".", &text), -EISDIR);
}

Test(sysfs_tree, numbers_are_decimal_or_hexadecimal_and_nothing_else)
{
	static const struct {
		const char *text;
		int r;
		int64_t value;
	} cases[] = {
		{ "0\n", 0, 0 },
		{ "-1\n", 0, -1 },
		{ "0x10de\n", 0, 0x10de },
		{ "0X1F", 0, 0x1f },
		{ "010\n", 0, 10 },
		{ "9223372036854775807", 0, INT64_MAX },
		{ "9223372036854775808", -EBADMSG, 0 },
		{ "0xffffffffffffffffff", -EBADMSG, 0 },
		{ "", -EBADMSG, 0 },
		{ "-", -EBADMSG, 0 },
		{ "0x", -EBADMSG, 0 },
		{ "--1", -EBADMSG, 0 },
		{ "+1", -EBADMSG, 0 },
		{ " 1", -EBADMSG, 0 },
		{ "1 ", -EBADMSG, 0 },
		{ "1\n\n", -EBADMSG, 0 },
		{ "ff", -EBADMSG, 0 },
		{ "0x0x1", -EBADMSG, 0 },
		{ "0x-1", -EBADMSG, 0 },
		{ "1111111111111111111111111111111111111111111111111111111111111111111111",
		  -EBADMSG, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int64_t value = 0;

		tree_file(root, "a", "%s", cases[i].text);
		cr_assert_eq(sysfs_read_number(sys.sys_fd, "a", &value), cases[i].r, "\"%s\"",
			     cases[i].text);
		cr_assert_eq(value, cases[i].value, "\"%s\"", cases[i].text);
	}
}

static void make_link(const char *name, const char *target)
{
	char path[4200];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	cr_assert_eq(symlink(target, path), 0);
}

Test(sysfs_tree, of_a_link_the_last_component_counts)
{
	char name[16];

	make_link("driver", "../../bus/pci/drivers/nvme");
	make_link("plain", "nvme");
	make_link("up", "../..");
	make_link("slash", "a/");
	make_link("long", "a/aaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	tree_file(root, "file", "x");
	cr_assert_eq(sysfs_read_link(sys.sys_fd, "driver", name, sizeof(name)), 0);
	cr_assert_str_eq(name, "nvme");
	cr_assert_eq(sysfs_read_link(sys.sys_fd, "plain", name, sizeof(name)), 0);
	cr_assert_eq(sysfs_read_link(sys.sys_fd, "up", name, sizeof(name)), -EBADMSG);
	cr_assert_eq(sysfs_read_link(sys.sys_fd, "slash", name, sizeof(name)), -EBADMSG);
	cr_assert_eq(sysfs_read_link(sys.sys_fd, "file", name, sizeof(name)), -EBADMSG);
	cr_assert_eq(sysfs_read_link(sys.sys_fd, "long", name, sizeof(name)), -EMSGSIZE);
	cr_assert_eq(sysfs_read_link(sys.sys_fd, "none", name, sizeof(name)), -ENOENT);
}

Test(sysfs_tree, a_folder_is_listed_in_order)
{
	AUTO_SYSFS_NAMES struct sysfs_names names = { 0 };

	tree_file(root, "d/b", "x");
	tree_file(root, "d/a", "x");
	tree_dir(root, "d/.hidden");
	cr_assert_eq(sysfs_list(sys.sys_fd, "d", &names), 0);
	cr_assert_eq(names.n, 3);
	cr_assert_str_eq(names.v[0], ".hidden");
	cr_assert_str_eq(names.v[1], "a");
	cr_assert_str_eq(names.v[2], "b");
	cr_assert_eq(sysfs_list(sys.sys_fd, "none", &names), -ENOENT);
	cr_assert_eq(sysfs_list(sys.sys_fd, "d/a", &names), -ENOTDIR);
}

Test(sysfs_tree, a_stuck_attribute_costs_the_limit_and_leaves_a_helper)
{
	struct sysfs_text text;
	struct sysfs_error err = { 0 };
	char path[4200];

	snprintf(path, sizeof(path), "%s/stuck", root);
	cr_assert_eq(mkfifo(path, 0600), 0);
	sys.read_limit_ms = 50;
	cr_assert_eq(sysfs_read_guarded(&sys, sys.sys_fd, "stuck", &text, &err), -ETIMEDOUT);
	cr_assert_gt(err.wedged, 0);
	cr_assert_eq(waitpid(err.wedged, NULL, WNOHANG), 0, "it is left alone");
	cr_assert_eq(kill(err.wedged, SIGKILL), 0);
	cr_assert_eq(waitpid(err.wedged, NULL, 0), err.wedged);
}

Test(sysfs_tree, a_guarded_read_says_what_a_plain_one_says)
{
	struct sysfs_text text = { 0 };
	struct sysfs_error err = { 0 };

	for (unsigned int limit = 0; limit <= 5000; limit += 5000) {
		sys.read_limit_ms = limit;
		tree_file(root, "a", "x\n\n");
		cr_assert_eq(sysfs_read_guarded(&sys, sys.sys_fd, "a", &text, &err), 0);
		cr_assert_str_eq(text.text, "x\n");
		cr_assert_eq(sysfs_read_guarded(&sys, sys.sys_fd, "b", &text, &err), -ENOENT);
		cr_assert_eq(err.code, ENOENT);
		tree_dir(root, "d");
		cr_assert_eq(sysfs_read_guarded(&sys, sys.sys_fd, "d", &text, &err), -EISDIR);
		cr_assert_eq(err.wedged, 0);
	}
	cr_assert_eq(waitpid(-1, NULL, WNOHANG), -1, "no helper is left over");
	cr_assert_eq(errno, ECHILD);
}
